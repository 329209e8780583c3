"""What the tests of the runtime share: topics, a feeder, real worker processes, and the oracle that judges them."""

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from services import wire
from services.runtime.requests import StableOffsets
from services.sealing import ForgottenError, Keys, SealError
from services.store import Memory, Shared, Store
from streams import topics
from streams.grammar import Emission, Publish, ToStage, advance, step
from tests.kafka.counting import Chain, Counting, Hit
from tests.kafka.opened import Opened

PARTITIONS: Final = 4
KEYS: Final = Keys.built_in()
T = TypeVar("T")

Row = tuple[int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Offset, key, value and headers of a record."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it in a loop of its own."""
    return asyncio.run(work)


def wait_for(true: Callable[[], bool], what: str, seconds: float = 150.0) -> None:
    """Return once `true()`; fail after a while."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.02)


class Zygote:
    """The process that forks workers (stage_process.py)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.stage_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=Path(__file__).parents[2],
        )
        self._exits: dict[int, int] = {}
        assert self._line() == "READY"

    def start(self, asked: dict[str, Any]) -> int:
        """Fork a worker; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        while not (line := self._line()).startswith("PID"):
            self._note(line)
        pid = int(line.split()[1])
        self._exits.pop(pid, None)  # of an earlier process, whose number the system gave out again
        return pid

    def poll(self, pid: int) -> int | None:
        """The exit status of a worker; None while it runs."""
        while select.select([self._process.stdout], [], [], 0)[0]:
            self._note(self._line())
        return self._exits.get(pid)

    def wait(self, pid: int) -> int:
        """The exit status of a worker, negative for a signal."""
        while pid not in self._exits:
            self._note(self._line())
        return self._exits[pid]

    def close(self) -> None:
        """End all workers."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _note(self, line: str) -> None:
        _, pid, status = line.split()
        self._exits[int(pid)] = int(status)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()


class Worker:
    """One worker process, by its number in the test."""

    def __init__(self, zygote: Zygote, number: int, asked: dict[str, Any]) -> None:
        self.number = number
        self._zygote = zygote
        self._port = Path(asked["port"])
        self._port.unlink(missing_ok=True)
        self.log = Path(asked["log"])
        self.pid = zygote.start(asked)

    def health(self) -> dict[str, Any]:
        """What `/healthz` says, also of a worker that still recovers; empty while nobody answers."""
        try:
            return health(f"127.0.0.1:{self._port.read_text()}")
        except OSError:
            return {}

    def metrics(self) -> str:
        """What `/metrics` says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port.read_text()}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    def caught_up(self) -> bool:
        """Whether it runs and knows of nothing to do; of what was fed just now it may not know yet."""
        said = self.health()
        return said.get("state") == "running" and bool(said["assignment"]) and said["lag"] == 0 and said["busy"] == 0

    def idle(self) -> bool:
        """Whether it has caught up and nothing is due soon, as far as it knows."""
        due = self.health().get("nextDue")
        soon = due is not None and datetime.fromisoformat(due) < datetime.now(UTC) + timedelta(minutes=1)
        return not soon and self.caught_up()

    def partitions(self) -> set[int]:
        """What it owns, once it runs."""
        said = self.health()
        return {each["partition"] for each in said["assignment"]} if said.get("state") == "running" else set()

    def running(self) -> bool:
        """Whether the process is there."""
        return self._zygote.poll(self.pid) is None

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def stopped(self) -> bool:
        """Whether it is suspended."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def gone_on(self) -> bool:
        """Whether one that was suspended is through with what it was at, or has ended by it."""
        return not self.running() or self.caught_up()

    def wait(self) -> int:
        """Its exit status."""
        return self._zygote.wait(self.pid)

    def end(self) -> int:
        """End it as a crash would, unless it has ended by itself; its exit status."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self) -> int:
        """Ask it to end in order; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text() if self.log.exists() else ""


class Rig:
    """One test stage with its topics, folders and feeder."""

    def __init__(self, kafka: str, zygote: Zygote, folder: Path, name: str, onward: str | None = None) -> None:
        self.kafka = kafka
        self.name = name
        self.out = f"test.{name}.out.v1"
        self.folder = folder
        self.stage = Counting(name, self.out, onward)
        self._zygote = zygote
        self._onward = onward
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)

    def worker(self, number: int = 1, **asked: Any) -> Worker:
        """Start worker `number`, with folders of its own."""
        base = {
            "stage": self.name,
            "topic": self.out,
            "onward": self._onward,
            "partitions": PARTITIONS,
            "bootstrap": self.kafka,
            "folder": str(self.folder / f"stores-{number}"),
            "log": str(self.folder / f"log-{number}"),
            "commands": str(self.folder / f"commands-{number}"),
            "port": str(self.folder / f"port-{number}"),
            "instance": f"{self.name}-{number}",
        }
        return Worker(self._zygote, number, {**base, **asked})

    def settle(self, *workers: Worker) -> dict[int, int]:
        """Wait until these workers own all partitions and have done all; which of them owns which."""
        wait_for(lambda: self.done(workers), "all is done")
        return self.owners(workers)

    def done(self, workers: Sequence[Worker]) -> bool:
        """Whether nothing is left: by the word of the workers, and by what their group has committed."""
        return self._at_rest(workers) and not self.unread() and self._at_rest(workers)

    def unread(self) -> int:
        """Records of the inbox that the group has not committed, whether or not a worker knows of them."""
        return run(unread(self.kafka, f"ttn-{self.name}", topics.inbox(self.name)))

    def owners(self, workers: Iterable[Worker]) -> dict[int, int]:
        """Which of these workers owns which partition, by its own word."""
        return {partition: worker.number for worker in workers for partition in worker.partitions()}

    def _at_rest(self, workers: Sequence[Worker]) -> bool:
        numbers = set((owners := self.owners(workers)).values())
        return len(owners) == PARTITIONS and all(worker.idle() for worker in workers if worker.number in numbers)

    def commands(self, number: int) -> list[tuple[str, bool]]:
        """The commands that a worker was given to act on, and whether it held its partition then."""
        file = self.folder / f"commands-{number}"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(name, held == "1") for name, held in (line.split() for line in lines)]

    def wipe(self, number: int = 1) -> None:
        """Take a worker's disk away."""
        shutil.rmtree(self.folder / f"stores-{number}", ignore_errors=True)
        shutil.rmtree(self.folder / f"keys-stores-{number}", ignore_errors=True)

    def make_topics(self) -> None:
        """Create the stage's topics."""
        made = [topics.inbox(self.name), topics.changelog(self.name), topics.data_keys(self.name), self.out]
        run(make_topics(self.kafka, made))

    def hits(self, count: int, keys: int = 50, **more: Any) -> list[tuple[str, Hit]]:
        """New events over some keys, each with a name of its own."""
        first = self._count
        self._count += count
        return [(f"k{i % keys}", Hit(f"e{i}", **more)) for i in range(first, first + count)]

    def feed(self, hits: Iterable[tuple[str, Hit]]) -> None:
        """Put events into the inbox."""
        run(self._feed(list(hits)))

    async def _feed(self, hits: Sequence[tuple[str, Hit]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, enable_idempotence=True)
        await producer.start()
        try:
            for key, hit in hits:
                record = wire.to_stage(KEYS, PARTITIONS, self.name, key, hit, datetime.now(UTC))  # type: ignore[arg-type]
                await send(producer, record)
        finally:
            await producer.stop()

    def judge(self, owners: Mapping[int, int] | None = None) -> "Verdict":
        """Compare everything that the workers left behind with the fold of the inbox.

        `owners` says which worker had which partition last; by default the first had all.
        """
        return Oracle(self).judge(dict.fromkeys(range(PARTITIONS), 1) if owners is None else owners)


async def send(producer: AIOKafkaProducer, record: wire.Outgoing) -> None:
    """Hand one record to a producer."""
    await producer.send(
        record.topic, record.value, record.key, record.partition, headers=[(n, v) for n, v in record.headers]
    )


async def make_topics(kafka: str, names: Sequence[str], partitions: int = PARTITIONS) -> None:
    """Create topics, with as many copies as `kafka` names brokers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, kafka.count(",") + 1) for name in names])
    finally:
        await admin.close()


async def read(
    kafka: str, topic: str, partitions: int = PARTITIONS, start: Mapping[int, int | None] | None = None
) -> dict[int, list[Row]]:
    """All committed records of a topic, by partition; from these offsets on, where some are given.

    As far as the log reaches now, and not only what is stable: the markers of a transaction are written after its end.
    """
    places = [TopicPartition(topic, n) for n in range(partitions)]
    async with AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_uncommitted") as consumer:
        ends = await consumer.end_offsets(places)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        for place, first in (await consumer.beginning_offsets(places)).items():
            consumer.seek(place, max(first, (start or {}).get(place.partition) or 0))
        rows: dict[int, list[Row]] = {n: [] for n in range(partitions)}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                rows[place.partition] += [(r.offset, r.key, r.value, tuple(r.headers)) for r in records]
        return rows
    finally:
        await consumer.stop()


async def committed(kafka: str, group: str, topic: str, partitions: int = PARTITIONS) -> dict[int, int | None]:
    """The committed offsets of a group, once no transaction is about to change one of them."""
    asked = StableOffsets(group, [TopicPartition(topic, n) for n in range(partitions)])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(90):
            while True:
                with suppress(KafkaError):
                    answer = await admin._send_request(asked, await admin.find_coordinator(group))
                    rows = [row for _, each, _ in answer.topics for row in each]
                    if not any((answer.error_code, *(row[4] for row in rows))):
                        return {row[0]: row[1] if row[1] >= 0 else None for row in rows}
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def unread(kafka: str, group: str, topic: str, partitions: int = PARTITIONS) -> int:
    """Records of a topic that a group has not committed."""
    start = await committed(kafka, group, topic, partitions)
    return sum(map(len, (await read(kafka, topic, partitions, start)).values()))


def health(address: str) -> dict[str, Any]:
    """What `/healthz` says at an address; empty where nobody answers."""
    answer: Any
    try:
        try:
            answer = urllib.request.urlopen(f"http://{address}/healthz", timeout=5)
        except urllib.error.HTTPError as recovering:
            answer = recovering
        with answer:
            said: dict[str, Any] = json.load(answer)
            return said
    except (OSError, ValueError, HTTPException):
        return {}


class Verdict(msgspec.Struct):
    """What is wrong; nothing, if all is well. `events` and `wakes` say how much was judged."""

    faults: list[str] = []
    events: int = 0
    wakes: int = 0
    letters: int = 0

    def __bool__(self) -> bool:
        return not self.faults


class Oracle:
    """Folds the inbox in offset order with the pure functions, and knows nothing of the runtime."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stage = rig.stage
        self._states: dict[bytes, Chain] = {}
        self._home: dict[bytes, int] = {}
        self._published: dict[bytes, list[bytes]] = defaultdict(list)
        self._passed: dict[bytes, list[bytes]] = defaultdict(list)
        self._letters: list[bytes] = []
        self.verdict = Verdict()

    def judge(self, owners: Mapping[int, int]) -> Verdict:
        rig = self._rig
        inbox = run(read(rig.kafka, topics.inbox(rig.name)))
        keys = run(read(rig.kafka, topics.data_keys(rig.name)))
        rows = [(key, value) for each in keys.values() for _, key, value, _ in each]
        self._opened = Opened(KEYS, {topics.data_keys(rig.name): rows}, Path(tempfile.mkdtemp(dir=rig.folder)))
        for partition, rows in inbox.items():
            self._fold(partition, rows)
        self._judge_outputs()
        self._judge_changelog()
        self._judge_stores(owners)
        self._judge_offsets(inbox)
        return self.verdict

    def _fold(self, partition: int, rows: Sequence[Row]) -> None:
        for _, key, value, headers in rows:
            named = dict(headers)
            if wire.TICK in named:
                self._tick(partition, wire.moment(named[wire.TICK]))
                continue
            assert key is not None
            assert value is not None
            self._home[key] = partition
            hit = msgspec.msgpack.decode(KEYS.open(value), type=Hit)
            state = self._states.get(key) or self._stage.empty(key.decode())
            try:
                state, emissions = step(self._stage, state, hit, wire.moment(named[wire.NOW]))  # type: ignore[arg-type]
            except ValueError:
                self._letters.append(value)
                self.verdict.letters += 1
                continue
            self._states[key] = state
            self._emit(emissions)
            self.verdict.events += 1

    def _tick(self, partition: int, until: datetime) -> None:
        due = [(s.due, k) for k, s in self._states.items() if self._home[k] == partition and s.due and s.due <= until]
        for _, key in sorted(due):
            self._states[key], emissions = advance(self._stage, self._states[key], until)
            self._emit(emissions)
            self.verdict.wakes += 1

    def _emit(self, emissions: Iterable[Emission]) -> None:
        for emission in emissions:
            match emission.output:
                case Publish(key=key, event=event):
                    assert event is not None
                    self._published[key.encode()].append(event.id.encode() + b" " + bytes(event.data))
                case ToStage(key=key, message=message):
                    self._passed[key.encode()].append(msgspec.msgpack.encode(message))

    def _judge_outputs(self) -> None:
        written: dict[bytes, list[bytes]] = defaultdict(list)
        for rows in run(read(self._rig.kafka, self._rig.out)).values():
            for _, key, value, headers in rows:
                written[key or b""].append(dict(headers)["ce_id"] + b" " + (value or b""))
        self._compare("outputs", self._published, written)
        onward = self._rig._onward
        if onward is not None:
            sent: dict[bytes, list[bytes]] = defaultdict(list)
            for rows in run(read(self._rig.kafka, topics.inbox(onward))).values():
                for _, key, value, headers in rows:
                    if wire.TICK not in dict(headers):
                        sent[key or b""].append(KEYS.open(value or b""))
            self._compare(
                "messages to the next stage",
                {key: sorted(values) for key, values in self._passed.items()},
                {key: sorted(values) for key, values in sent.items()},
            )
        if self._letters:
            found = [
                value
                for rows in run(read(self._rig.kafka, topics.DEAD_LETTER)).values()
                for _, _, value, headers in rows
                if dict(headers)["dlq.stage"] == self._rig.name.encode()
            ]
            self._compare("dead letters", {b"": sorted(self._letters)}, {b"": sorted(v or b"" for v in found)})

    def _judge_changelog(self) -> None:
        held: dict[bytes, bytes] = {}
        for rows in run(read(self._rig.kafka, topics.changelog(self._rig.name))).values():
            held.update({key: value for _, key, value, _ in rows if key is not None and value is not None})
        self._compare("changelog", self._states, {key: self._state(key, value) for key, value in held.items()})

    def _judge_stores(self, owners: Mapping[int, int]) -> None:
        held: dict[bytes, Chain | None] = {}
        for partition, number in owners.items():
            store = Store(self._rig.folder / f"stores-{number}" / str(partition), Shared(Memory()))
            held.update({key: self._state(key, value) for key, value in store.items()})
            dues = {key for _, key in store.due((1 << 63) - 1, 1 << 30)}
            wanted = {key for key, state in self._states.items() if state.due and self._home[key] == partition}
            if dues != wanted:
                self._fault(f"due index of partition {partition}: {len(dues)} keys, not {len(wanted)}")
            store.close()
        self._compare("stores", self._states, held)

    def _judge_offsets(self, inbox: dict[int, list[Row]]) -> None:
        group = f"ttn-{self._rig.name}"
        offsets = run(committed(self._rig.kafka, group, topics.inbox(self._rig.name)))
        for partition, rows in inbox.items():
            if rows and offsets[partition] != rows[-1][0] + 1:
                self._fault(f"committed offset of partition {partition}: {offsets[partition]}, not {rows[-1][0] + 1}")

    def _state(self, key: bytes, value: bytes) -> Chain | None:
        """None, which is never right, where its data key is not there."""
        try:
            opened = self._opened.state(self._rig.name, key, value)
        except (ForgottenError, SealError):
            return None
        return msgspec.msgpack.decode(opened, type=Chain)

    def _compare(self, what: str, wanted: dict[bytes, Any], found: dict[bytes, Any]) -> None:
        for key in sorted(wanted.keys() | found.keys()):
            if wanted.get(key) != found.get(key):
                count = [len(v) if isinstance(v, list) else v for v in (wanted.get(key), found.get(key))]
                self._fault(f"{what} of {key!r}: {count[1]}, not {count[0]}")

    def _fault(self, text: str) -> None:
        if len(self.verdict.faults) < 20:
            self.verdict.faults.append(text)
