"""Faults around the workers: a broker that dies, poison events, wrong surroundings. Nothing is lost by any of them."""

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from services import topics as declared
from services import wire
from services.broker import Cluster
from streams import topics
from tests.kafka.counting import Hit
from tests.kafka.crew import Crew
from tests.kafka.rig import KEYS, PARTITIONS, Rig, Worker, Zygote, committed, make_topics, read, run, wait_for
from tests.kafka.system import System

pytestmark = pytest.mark.kafka

_STUCK: Final = 8.0
"""Seconds of the watchdog in its test: more than a slow machine takes to start a worker."""


@pytest.fixture
def alone(kafka_cluster: Callable[[int], Cluster], zygote: Zygote, tmp_path: Path) -> tuple[Cluster, Rig]:
    """A test stage on a broker of its own, which may be killed."""
    cluster = kafka_cluster(1)
    run(make_topics(cluster.bootstrap, [topics.DEAD_LETTER]))
    rig = Rig(cluster.bootstrap, zygote, tmp_path / "rig", "alone")
    rig.make_topics()
    return cluster, rig


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(alone: tuple[Cluster, Rig]) -> None:
    cluster, rig = alone
    crew = Crew(rig)
    worker = crew.join(1)
    rig.feed(rig.hits(3000))
    wait_for(lambda: worker.health().get("state") == "running", "the worker runs")
    for _ in range(2):
        rig.feed(rig.hits(3000, hold=0.5))
        cluster.brokers[0].kill()
        crew.rest(2)
        cluster.restart(cluster.brokers[0])
        rig.feed(rig.hits(2000))
        crew.tend()
    verdict = rig.judge(crew.finish())
    assert verdict, verdict.faults[:20]
    assert verdict.events == 13_000


def test_poison_events_become_dead_letters_with_their_bytes(rig: Rig) -> None:
    hits = rig.hits(3000)
    hits[::100] = rig.hits(30, poison=True)
    worker = rig.worker()
    rig.feed(hits)
    rig.feed(rig.hits(10))
    rig.settle(worker)
    assert 'ttn_dead_letters_total{reason="handler-bug"' in worker.metrics()
    assert worker.stop() == 0
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.letters == 30
    letters = [dict(row[3]) for rows in run(read(rig.kafka, topics.DEAD_LETTER)).values() for row in rows]
    said = next(letter for letter in letters if letter["dlq.topic"] == topics.inbox(rig.name).encode())
    assert said["dlq.reason"] == b"handler-bug"
    assert said["dlq.error"].startswith(b"ValueError at kafka/counting.py")
    assert b"poison e" not in said["dlq.error"]


def test_a_burst_of_poison_stops_the_worker_instead_of_draining_the_stream(rig: Rig) -> None:
    rig.feed(rig.hits(200))
    rig.feed(rig.hits(200, keys=1, poison=True))
    rig.feed(rig.hits(200))
    worker = rig.worker()
    assert worker.wait() == 78
    assert "fails on too many events" in worker.said()
    letters = [row for rows in run(read(rig.kafka, topics.DEAD_LETTER)).values() for row in rows]
    assert sum(dict(row[3])["dlq.stage"] == rig.name.encode() for row in letters) <= 20


def test_junk_in_an_inbox_is_a_dead_letter_too(rig: Rig) -> None:
    async def junk() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.kafka)
        await producer.start()
        inbox = topics.inbox(rig.name)
        now = [(wire.NOW, b"2026-11-25T00:00:00Z")]
        good = wire.to_stage(KEYS, PARTITIONS, rig.name, "k1", Hit("e"), wire.moment(b"2026-11-25T00:00:00Z"))  # type: ignore[arg-type]
        await producer.send(inbox, good.value, b"k1", partition=0)  # no time
        await producer.send(inbox, good.value, None, partition=0, headers=now)  # no key
        await producer.send(inbox, KEYS.seal(b"\xc1"), b"k1", partition=0, headers=now)  # no msgpack
        await producer.stop()

    worker = rig.worker()
    asyncio.run(junk())
    rig.feed(rig.hits(10))
    rig.settle(worker)
    assert 'ttn_dead_letters_total{reason="handler-bug",stage="' + rig.name + '"} 3.0' in worker.metrics()
    assert worker.stop() == 0


def test_a_record_sealed_with_an_unknown_key_stops_the_worker_with_one_sentence(rig: Rig) -> None:
    async def foreign() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.kafka)
        await producer.start()
        now = [(wire.NOW, b"2026-11-25T00:00:00Z")]
        await producer.send(topics.inbox(rig.name), b"\x01\x03old" + bytes(40), b"k1", partition=0, headers=now)
        await producer.stop()

    asyncio.run(foreign())
    worker = rig.worker()
    assert worker.wait() == 78
    assert "TTN_SECRET_FILE must hold the key" in worker.said()


def test_a_changelog_of_another_format_stops_the_worker_with_one_sentence(rig: Rig) -> None:
    async def write() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=rig.kafka)
        await producer.start()
        await producer.send(topics.changelog(rig.name), b"\x09" + bytes(40), b"k1", partition=0)
        await producer.stop()

    asyncio.run(write())
    worker = rig.worker()
    assert worker.wait() == 78
    assert "of format 9, and this version reads 1" in worker.said()


def test_a_store_ahead_of_its_changelog_is_refused(rig: Rig, new_rig: Callable[..., Rig]) -> None:
    worker = rig.worker()
    rig.feed(rig.hits(500))
    rig.settle(worker)
    assert worker.stop() == 0
    other = new_rig()
    (rig.folder / "stores-1").rename(other.folder / "stores-1")
    stranger = other.worker()
    assert stranger.wait() == 78
    assert "do not belong together" in stranger.said()


def test_a_store_folder_that_cannot_be_opened_stops_the_worker_with_one_sentence(rig: Rig) -> None:
    broken = rig.folder / "stores-1" / "0"
    broken.mkdir(parents=True)
    (broken / "CURRENT").write_text("not a store\n")
    worker = rig.worker()
    assert worker.wait() == 78
    assert "cannot be opened" in worker.said()


def test_a_tick_with_more_due_keys_than_a_transaction_takes_is_done_in_parts(rig: Rig) -> None:
    rig.feed(rig.hits(1000, keys=1000, hold=1.0))
    worker = rig.worker(limits={"wakes": 37}, failpoint="after-store:kill:9")
    assert worker.wait() == -9
    worker = rig.worker(limits={"wakes": 37})
    rig.settle(worker)
    assert worker.stop() == 0
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.wakes == 1000


def test_a_full_disk_ends_the_worker_with_one_sentence_and_loses_nothing(rig: Rig) -> None:
    rig.feed(rig.hits(3000, keys=3000, size=500))
    worker = rig.worker(largest_file=200_000)
    assert worker.wait() == 70
    assert "cannot be written" in worker.said()
    worker = rig.worker()
    rig.settle(worker)
    assert worker.stop() == 0
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == 3000


class Later(msgspec.Struct, frozen=True, tag="later"):
    """A message that only a newer version of the test stage knows."""

    event: str


def test_a_message_of_a_newer_version_stops_the_worker_and_waits(rig: Rig) -> None:
    worker = rig.worker()
    rig.feed(rig.hits(100))
    rig.settle(worker)
    rig.feed([("k1", Later("e"))])  # type: ignore[list-item]
    assert worker.wait() == 78
    assert "received a message of a newer version (an unknown 'later')" in worker.said()
    letters = [row for rows in run(read(rig.kafka, topics.DEAD_LETTER)).values() for row in rows]
    assert not [row for row in letters if dict(row[3])["dlq.stage"] == rig.name.encode()]
    ends = {n: rows[-1][0] + 1 for n, rows in run(read(rig.kafka, topics.inbox(rig.name))).items() if rows}
    offsets = run(committed(rig.kafka, f"ttn-{rig.name}", topics.inbox(rig.name)))
    assert sum((offsets[n] or 0) < end for n, end in ends.items()) == 1, "the message was passed over"


def test_a_worker_with_work_and_without_progress_is_ended_and_one_that_only_waits_is_not(
    alone: tuple[Cluster, Rig],
) -> None:
    cluster, rig = alone
    worker = rig.worker(stuck=_STUCK, limits={"records": 5})
    wait_for(worker.caught_up, "the worker runs")
    time.sleep(_STUCK + 2)
    assert worker.running(), worker.said()[-2000:]
    rig.feed(rig.hits(8000, hold=0.5))
    wait_for(lambda: (worker.health().get("lag") or 0) > 100, "it has work to do")
    cluster.brokers[0].signal(signal.SIGSTOP)
    try:
        assert worker.wait() == 70
    finally:
        cluster.brokers[0].signal(signal.SIGCONT)
    assert f"there was work to do, and nothing got on for {_STUCK:.0f} s" in worker.said()
    worker = rig.worker()
    rig.settle(worker)
    assert worker.stop() == 0
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == 8000


def _set(clock: Path, seconds: int) -> None:
    beside = clock.with_suffix(".next")
    beside.write_text(str(seconds))
    beside.replace(clock)


def test_a_worker_that_hears_of_no_broker_does_not_say_that_nothing_is_left(alone: tuple[Cluster, Rig]) -> None:
    cluster, rig = alone
    worker = rig.worker(session=30.0)
    rig.feed(rig.hits(100))
    rig.settle(worker)
    cluster.brokers[0].signal(signal.SIGSTOP)
    try:
        wait_for(lambda: worker.health().get("lag", 0) is None, "it knows nothing of what is left")
        assert worker.health()["state"] == "running"
    finally:
        cluster.brokers[0].signal(signal.SIGCONT)
    rig.settle(worker)
    assert worker.stop() == 0, worker.said()[-2000:]


def _jumps(worker: Worker) -> list[float]:
    """The seconds of the jumps that a worker has said."""
    said = (json.loads(line) for line in worker.said().splitlines(keepends=True) if line.endswith("}\n"))
    return [line["seconds"] for line in said if line["event"] == "the clock of this machine jumped"]


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_clock_that_jumps_is_said_and_loses_nothing(rig: Rig, seconds: int) -> None:
    clock = rig.folder / "clock"
    _set(clock, 0)
    worker = rig.worker(clock=str(clock))
    rig.feed(rig.hits(1000, hold=0.5))
    rig.feed(rig.hits(200, keys=20, hold=3600.0))
    wait_for(worker.caught_up, "the events are done")
    _set(clock, seconds)
    rig.feed(rig.hits(1000, hold=0.5))
    wait_for(lambda: len(_jumps(worker)) > 0, "the jump is said")
    assert _jumps(worker) == [pytest.approx(seconds, abs=2)]
    assert "ttn_clock_jumps_total{" in worker.metrics()
    _set(clock, 0)
    wait_for(lambda: len(_jumps(worker)) == 2, "the jump back is said")
    rig.settle(worker)
    assert worker.stop() == 0, worker.said()[-2000:]
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == 2200
    assert verdict.wakes >= 50


def test_a_worker_that_finds_no_broker_ends_with_one_sentence(rig: Rig) -> None:
    worker = rig.worker(bootstrap="127.0.0.1:1")
    assert worker.wait() == 70
    assert "127.0.0.1:1" in worker.said()


def test_the_command_refuses_wrong_surroundings_in_one_sentence(
    kafka_cluster: Callable[[int], Cluster], tmp_path: Path
) -> None:
    system = System(kafka_cluster(1).bootstrap, tmp_path)
    assert system.refused("worker").endswith("is missing; `ttn topics apply` creates it.")
    run(declared.apply(system.settings))
    system.environ["TTN_PARTITIONS"] = "7"
    assert "TTN_PARTITIONS: expected the number with which the topics were made" in system.refused("worker")
    system.environ |= {"TTN_PARTITIONS": "4", "TTN_KAFKA": "127.0.0.1:1"}
    assert "TTN_KAFKA: expected brokers that can be reached, and 127.0.0.1:1 cannot." in system.refused("worker")
