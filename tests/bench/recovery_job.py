"""The jobs `restore` and `kill`: how fast a store is restored, and how long after a kill output flows again."""

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.runtime.restore import restore
from services.store import Memory, Shared, Store, pack
from tests.bench.deployment import Answering, until
from tests.bench.load import PARTITIONS, Ends, Process, event, events, fill, make_topics, throughput
from tests.bench.rows import Row, machine_load
from tests.bench.systems import SESSION, System

_UNDER_WAY: Final = 100
"""Events that may be under way at any moment while load goes on."""


async def restore_rate(kafka: str, records: int, folder: Path) -> Row:
    """Records per second of a restore of values of about 1 KB, all partitions in one process, and its CPU."""
    topic = f"restore-{int(time.time())}"
    await make_topics(kafka, topic, compact=True)
    blob = os.urandom(1000)
    await fill(kafka, topic, ((b"key-%012d" % number, pack(None, blob)) for number in range(records)))
    shared = Shared(Memory())
    stores = {TopicPartition(topic, n): Store(folder / topic / str(n), shared) for n in range(PARTITIONS)}
    began, cpu = time.perf_counter(), time.process_time()
    count = await restore(stores, {"bootstrap_servers": kafka}, lambda *_: None)
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    for store in stores.values():
        store.close()
    shutil.rmtree(folder / topic, ignore_errors=True)
    return Row(
        events_per_s=round(count / wall),
        cpu_us_per_event=round(spent / count * 1e6, 1),
        more={"records": count, "load": machine_load()},
    )


async def kill_to_flow(system: System, kafka: str, folder: Path, keys: int) -> Row:
    """Seconds from kill -9 to the first new output that a read_committed reader sees: disk kept, then wiped.

    Then of one of two that is killed for good, until every one of its partitions flows again at the other one, which
    has nothing of them, or stood by.
    """
    tag = f"kill-{system.name.replace(' ', '-')}-{int(time.time())}"
    names = {"source": f"source-{tag}", "out": f"out-{tag}", "group": f"group-{tag}"}
    await make_topics(kafka, names["source"], names["out"])
    await make_topics(kafka, f"{names['group']}-changelog", compact=True)
    await fill(kafka, names["source"], events(2 * keys, keys=keys))
    process = system.start(folder / tag, kafka, names)
    row = Row(more={"keys": keys, "session timeout, s": SESSION})
    feeding: asyncio.Task[None] | None = None
    try:
        async with Ends(kafka) as ends:
            await throughput(ends, names["out"], 2 * keys, Process(process.pid))
        feeding = asyncio.create_task(_feed(kafka, names["source"], keys))
        for disk in ("kept", "wiped"):
            await asyncio.sleep(5)
            began = time.time()
            process.kill()
            if disk == "wiped":
                shutil.rmtree(folder / tag)
            process = system.start(folder / tag, kafka, names)
            row.more[f"disk {disk}, s"] = round(await _first_output(kafka, names["out"], began), 2)
        process.stop()
        if system.pair:
            pair = msgspec.structs.replace(system, command=system.pair)
            for kept in ("nothing", "standby"):
                seconds = await _taken_over(pair, kafka, folder / f"{tag}-{kept}", names | {"kept": kept})
                row.more[f"taken over with {kept}, s"] = round(seconds, 2)
    finally:
        if feeding is not None:
            feeding.cancel()
        process.stop()
    row.more["load"] = machine_load()
    return row


async def _taken_over(system: System, kafka: str, folder: Path, names: dict[str, str]) -> float:
    """Start two that share the partitions and kill one; seconds until all of its partitions flow again."""
    processes, health = [], []
    try:
        for number in ("1", "2"):
            processes.append(system.start(folder / number, kafka, names | {"number": number}))
            health.append(Answering(folder / number / "address").health)

        def ready() -> bool:
            said = [ask() for ask in health]
            if any(len(each.get("assignment", ())) != PARTITIONS // 2 for each in said):
                return False
            left = [each["lag"] for each in said] + [each["standby"]["left"] for each in said if each["standby"]]
            return all(count is not None and count < _UNDER_WAY for count in left)

        await asyncio.to_thread(until, ready, "two share the partitions and stand by", 600)
        await asyncio.sleep(5)
        taken = [each["partition"] for each in health[0]()["assignment"]]
        began = time.time()
        processes[0].kill()
        return await _first_output(kafka, names["out"], began, taken)
    finally:
        for process in processes:
            process.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _feed(kafka: str, topic: str, keys: int) -> None:
    chance = random.Random(3)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(10_000_000):
            made = event(number, chance, keys)
            await producer.send(topic, msgspec.json.encode(made), made["traveler_id"].encode())
            await asyncio.sleep(0.005)


async def _first_output(kafka: str, topic: str, began: float, of: Sequence[int] = ()) -> float:
    """Seconds from `began` to an output of an event that was made after it; to one in each partition of `of`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", enable_auto_commit=False)
    async with consumer:
        places = [TopicPartition(topic, number) for number in of or range(PARTITIONS)]
        consumer.assign(places)
        for place, end in (await consumer.end_offsets(places)).items():
            consumer.seek(place, end)
        left = set(of)
        while True:
            for place, records in (await consumer.getmany(timeout_ms=100)).items():
                if any(msgspec.json.decode(record.value)["ts"] > began for record in records):
                    left.discard(place.partition)
                    if not left:
                        return time.time() - began


def scratch() -> Path:
    """A folder of this run."""
    return Path(tempfile.mkdtemp(prefix="ttn-bench-"))
