"""The keys of messages between stages: each process makes its own, for an hour; when all is read, they are deleted.

A message is sealed with the present key of the process that sends it. It, sealed by a key of the deployment, is on the
compacted topic `ttp.internal.transit-keys.v1` before anything is sealed with it; every process follows that topic,
which holds few keys at any time. When a key's hour is over and nothing sealed with it is left to read, its record is
deleted (services.disposal). From then on nobody can read those messages, whoever they were about: to forget a person,
nobody has to know in which messages of which stages the person once was.

Why not a key for each receiver, as states have (services.keyring): a sender would need the keys of everybody, ask for
them before it can send, and agree with others on who makes them; one that missed a deletion would seal with a key that
is gone, and lose a message to somebody else who shares the address. Here nothing is sent that its reader cannot open.

What is read again although its key is gone (offsets were lost, a topic was copied back) was read before. It is passed
over and counted: neither a dead letter nor an error.

The topic is followed, and written, by a thread with a loop of its own. `seal` and `open` are called inside a batch, and
wait for the thread only where they must: after an hour's suspension, or when the first message of a new process comes
before its key was read.
"""

import asyncio
import os
import threading
import time
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services import disposal, logs
from services.sealing import DataKey, ForgottenError, Keys, SealError
from streams import topics

PLACE: Final = TopicPartition(topics.TRANSIT_KEYS, 0)
"""All keys are in one partition: it is read whole, and must be written often enough to be compacted."""

MARK: Final = b"\x03"
"""First byte of a sealed message; the key's id follows."""

_ID: Final = 8
_START: Final = 60.0
_WITHIN: Final = 20.0
_AGAIN: Final = 1.0

_log = logs.get(__name__)
_T = TypeVar("_T")


class Times(msgspec.Struct, frozen=True):
    """In seconds. A key seals for `life`, and is replaced `ahead` of its end.

    It may go `margin` after its end: clocks differ, and a transaction may be open for a minute. Every `sweep` somebody
    looks. Every `roll` an empty record is written on topics of keys: Kafka compacts only what a later record follows.
    """

    life: float = 3600.0
    ahead: float = 300.0
    margin: float = 300.0
    sweep: float = 60.0
    roll: float = 600.0


class _Held(msgspec.Struct, frozen=True):
    key: DataKey
    until: float


class Transit:
    """Seals messages with this process's key and opens those of all processes. `start` before, `stop` after.

    A process that `disposes` deletes keys that are of no use any more, and writes the empty records of PLACE and of
    `rolls`: topic and partition.
    """

    def __init__(
        self,
        keys: Keys,
        client: Mapping[str, Any],
        *,
        disposes: bool = False,
        rolls: Collection[tuple[str, int]] = (),
        times: Times | None = None,
    ) -> None:
        self._keys = keys
        self._client = client
        self._disposes = disposes
        self._rolls = [(PLACE.topic, PLACE.partition), *rolls]
        self._times = times or Times()
        self._held: dict[bytes, _Held] = {}
        self._locked: dict[bytes, str] = {}
        self._own: tuple[bytes, _Held] | None = None
        self._position = 0
        self._stopping = False
        self._loop = asyncio.new_event_loop()
        self._moved = asyncio.Condition()
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="transit-keys", daemon=True)

    def start(self) -> None:
        """Read all keys and make one. Raises KafkaError or TimeoutError where Kafka does not answer."""
        self._thread.start()
        if not self._ready.wait(_START):
            raise TimeoutError(f"{PLACE.topic} was not read within {_START:.0f} s")
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Follow no longer."""
        self._stopping = True
        self._thread.join(_WITHIN)

    def seal(self, clear: bytes) -> bytes:
        """A message sealed: mark, key id, nonce, ciphertext. Raises TimeoutError where a new key cannot be written."""
        own = self._own
        if own is None or time.time() >= own[1].until:
            own = self._ask(self._renew())
        return own[1].key.seal(clear, b"")

    def open(self, sealed: bytes) -> bytes:
        """A message opened. Raises ForgottenError where its key was deleted, SealError where it is none of ours."""
        name = key_of(sealed)
        if name is None:
            return self._keys.open(sealed)
        held = self._held.get(name)
        if held is None:
            held = self._ask(self._look(name))
        return held.key.open(sealed, b"")

    def _ask(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WITHIN)

    # ---- in the thread

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._stopping:
                try:
                    runner.run(self._follow())
                except (KafkaError, OSError) as error:
                    if not self._ready.is_set():
                        self._failure = error
                        self._ready.set()
                        return
                    _log.warning("keys cannot be followed, trying again", reason=type(error).__name__)
                    time.sleep(_AGAIN)

    async def _follow(self) -> None:
        options: dict[str, Any] = {**self._client, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(**options) as consumer, AIOKafkaConsumer(**options) as self._asker:
            consumer.assign([PLACE])
            await consumer.seek_to_beginning(PLACE)
            due = asyncio.create_task(self._tend())
            try:
                while not self._stopping:
                    records = (await consumer.getmany(timeout_ms=200)).get(PLACE, ())
                    for record in records:
                        self._learn(record.key or b"", record.value)
                    async with self._moved:
                        self._position = await consumer.position(PLACE)
                        self._moved.notify_all()
                    if due.done():
                        due.result()
            finally:
                due.cancel()
                await asyncio.wait((due,))

    async def _tend(self) -> None:
        """A key for this process, now and before each runs out; and what is to be done for all of them."""
        times = self._times
        await self._up_to_date()
        await self._renew()
        self._ready.set()
        swept = rolled = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, times.sweep, times.ahead))
            if self._own is not None and time.time() >= self._own[1].until - times.ahead:
                await self._renew()
            if self._disposes and time.monotonic() - swept >= times.sweep:
                swept = time.monotonic()
                await self._dispose()
            if self._disposes and time.monotonic() - rolled >= times.roll:
                rolled = time.monotonic()
                await self._write([(topic, number, b"", None) for topic, number in self._rolls])

    async def _renew(self) -> tuple[bytes, _Held]:
        name, until = os.urandom(_ID), int(time.time() + self._times.life)
        end = until.to_bytes(8, "big")
        key, sealed = DataKey.new(self._keys, name + end, MARK + name)
        await self._write([(*PLACE, name, end + sealed)])
        self._own = name, _Held(key, float(until))
        self._held[name] = self._own[1]
        return self._own

    async def _look(self, name: bytes) -> _Held:
        """A key that this process has not read yet."""
        if name not in self._held:
            await self._up_to_date()
        if name in self._locked:
            raise SealError(self._locked[name])
        if name not in self._held:
            raise ForgottenError("the key of a message is gone")
        return self._held[name]

    async def _up_to_date(self) -> None:
        end = (await self._asker.end_offsets([PLACE]))[PLACE]
        async with self._moved:
            await self._moved.wait_for(lambda: self._position >= end)

    def _learn(self, name: bytes, value: bytes | None) -> None:
        if value is None:
            self._held.pop(name, None)
        elif name not in self._held:
            end, sealed = value[:8], value[8:]
            try:
                key = self._keys.open(sealed, name + end)
            except SealError as error:
                self._locked[name] = str(error)
            else:
                self._held[name] = _Held(DataKey(key, MARK + name), float(int.from_bytes(end, "big")))

    async def _dispose(self) -> None:
        """Delete the keys whose time is over and that nobody needs any more."""
        over = {name for name, held in self._held.items() if time.time() >= held.until + self._times.margin}
        if over:
            over -= await disposal.unread(self._client, over, key_of)
            await self._write([(*PLACE, name, None) for name in sorted(over)])

    async def _write(self, records: list[tuple[str, int, bytes, bytes | None]]) -> None:
        producer = AIOKafkaProducer(**self._client, acks="all", enable_idempotence=True)
        try:
            await producer.start()
            for topic, partition, key, value in records:
                await producer.send_and_wait(topic, value, key, partition)
        finally:
            await producer.stop()


def key_of(sealed: bytes) -> bytes | None:
    """The id of the key that sealed a message; None where it is none of these keys."""
    return sealed[1 : 1 + _ID] if sealed[:1] == MARK else None
