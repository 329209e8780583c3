"""Events to measure with, and what is read of a process while it works."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

PARTITIONS: Final = 4
KEYS: Final = 20_000
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_encode = msgspec.json.Encoder().encode


def event(number: int, chance: random.Random, keys: int = KEYS) -> dict[str, Any]:
    """One event of about 470 bytes."""
    return {
        "event_id": f"{number:032d}",
        "traveler_id": f"traveler-{chance.randrange(keys):09d}",
        "event_type": "gov.dhs.tsa.precheck.enrollment.completed",
        "ts": time.time(),
        "airport": chance.choice(("ORD", "JFK", "SEA", "MIA")),
        "status": chance.choice(("SUBMITTED", "IN_REVIEW", "APPROVED", "DENIED")),
        "seq": number,
        "payload": {"note": "x" * 200, "part": "TSA PreCheck", "n": number},
    }


async def make_topics(bootstrap: str, *names: str, compact: bool = False) -> None:
    """Create topics, and wait until they are known."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    options = {"cleanup.policy": "compact"} if compact else {}
    await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=options) for name in names])
    await admin.close()
    await asyncio.sleep(1)


async def fill(bootstrap: str, topic: str, rows: Iterator[tuple[bytes, bytes]]) -> int:
    """Write rows fast, in whole batches, partition by partition in turn; how many."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=512 << 10, acks=1)
    await producer.start()
    await producer.partitions_for(topic)
    count, turn = 0, 0
    batch = producer.create_batch()
    waiting = []
    for key, value in rows:
        if batch.append(timestamp=None, key=key, value=value) is None:
            waiting.append(await producer.send_batch(batch, topic, partition=turn % PARTITIONS))
            turn += 1
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value)
        count += 1
    waiting.append(await producer.send_batch(batch, topic, partition=turn % PARTITIONS))
    for future in waiting:
        await future
    await producer.stop()
    return count


def events(count: int, keys: int = KEYS, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Rows of events, with the traveler as key."""
    chance = random.Random(seed)
    for number in range(count):
        made = event(number, chance, keys)
        yield made["traveler_id"].encode(), _encode(made)


class Process:
    """What `/proc` says of one process, all its threads included."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._folder = Path(f"/proc/{pid}")

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = _fields(self._folder)
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def peak(self) -> float:
        """The most memory that it had, in MB."""
        return self._memory("VmHWM:")

    def resident(self) -> float:
        """The memory that it has, in MB."""
        return self._memory("VmRSS:")

    def children(self) -> "list[Process]":
        """The processes that it started and that still run."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and _fields(folder)[1] == str(self._pid):
                    found.append(Process(int(folder.name)))
        return found

    def argument(self, name: str) -> str:
        """What follows this name on its command line; empty where it is not there."""
        words = (self._folder / "cmdline").read_bytes().decode().split("\0")
        return words[words.index(name) + 1] if name in words else ""

    def _memory(self, name: str) -> float:
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        return 0.0


def _fields(folder: Path) -> list[str]:
    """The fields of `stat` behind the name: the state, the parent and so on."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


class Ends:
    """How far topics reach."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def __aenter__(self) -> "Ends":
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def of(self, topic: str) -> int:
        """The offsets at the ends of all partitions, added up."""
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum((await self._consumer.end_offsets(places)).values())


class Rate(msgspec.Struct, frozen=True):
    """Throughput of a run: from the first output to the last with all CPU of the process, and warm, from a tenth on.

    CPU in microseconds per event.
    """

    events_per_s: float
    cpu_us_per_event: float
    warm_events_per_s: float
    warm_cpu_us_per_event: float


async def throughput(ends: Ends, out: str, total: int, process: Process, within: float = 900.0) -> Rate:
    """Watch a process fill its output topic."""
    until = time.monotonic() + within
    first: float | None = None
    warm: tuple[float, float, int] | None = None
    while time.monotonic() < until:
        reached = await ends.of(out)
        now, cpu = time.monotonic(), process.cpu()
        if first is None and reached:
            first = now
        if warm is None and reached >= total / 10:
            warm = (now, cpu, reached)
        if first is not None and warm is not None and reached >= total:
            count = max(1, total - warm[2])
            return Rate(
                total / (now - first), cpu / total * 1e6, count / (now - warm[0]), (cpu - warm[1]) / count * 1e6
            )
        await asyncio.sleep(0.02)
    raise TimeoutError(f"{out} holds {await ends.of(out)} of {total} records after {within:.0f} s")


async def latency(bootstrap: str, source: str, out: str, rate: int = 500, seconds: int = 20) -> list[float]:
    """Milliseconds from produce to read_committed output, at `rate` events per second; the first 3 s not counted."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    places = [TopicPartition(out, number) for number in range(PARTITIONS)]
    consumer.assign(places)
    for place, end in (await consumer.end_offsets(places)).items():
        consumer.seek(place, end)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0)
    await producer.start()
    chance = random.Random(7)
    found: list[float] = []
    started = time.time()

    async def read() -> None:
        while time.time() < started + seconds + 3:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                now = time.time()
                found.extend(
                    (now - sent) * 1000
                    for record in records
                    if (sent := msgspec.json.decode(record.value)["ts"]) > started + 3
                )

    reading = asyncio.create_task(read())
    for number in range(rate * seconds):
        await asyncio.sleep(max(0.0, started + number / rate - time.time()))
        made = event(number, chance)
        await producer.send(source, _encode(made), made["traveler_id"].encode())
    await reading
    await producer.stop()
    await consumer.stop()
    return sorted(found)
