"""The jobs `intake`, `records`, `travelers` and `addresses`: the real stages, each alone.

Rate and CPU: the stage finds its whole inbox, history of a generated population as in a replay, which tells nobody;
addresses finds texts that may leave, and its dialer dials a sandbox. Latency: a steady stream of messages about
travelers whom nobody knows yet.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import rfc3339
from schemas.internal import Arrived
from services import wire
from services.runtime.process import STAGES
from services.sealing import Keys
from services.send import partition
from services.transit import Transit
from services.wire import BACKFILL
from streams import topics
from tests.bench import inbox
from tests.bench.deployment import Deployment, Stage, until
from tests.bench.load import PARTITIONS
from tests.bench.rows import Row, machine_load
from tests.bench.steady import SETTLING, Known, Sending, by_moment, delays

_ROUNDS: Final = 4
_PATIENCE: Final = 600.0
_OUTPUTS: Final = {
    "intake": (topics.inbox("records"), topics.inbox("travelers")),
    "records": (topics.inbox("travelers"),),
    "travelers": (topics.inbox("records"), topics.inbox("addresses"), topics.STATUS),
    "addresses": (topics.inbox("travelers"), topics.NOTIFICATIONS),
}
_MOST_TEXTS: Final = 40_000


class Work(msgspec.Struct):
    """What a stage did: records, seconds, seconds of CPU, the most memory in MB."""

    count: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0

    def add(self, stage: Stage) -> None:
        """Let it do all that waits, and count."""
        began, cpu, first = time.monotonic(), stage.seen.cpu(), stage.events()
        while not stage.idle():
            stage.must_run()
            time.sleep(0.05)
        self.count += stage.events() - first
        self.wall += time.monotonic() - began
        self.cpu += stage.seen.cpu() - cpu
        self.peak = max(self.peak, stage.seen.peak())


def measure(
    kafka: str, folder: Path, travelers: int, seconds: int, rate: int, say: Callable[[str], None]
) -> dict[str, Row]:
    """The figures of each stage."""
    deployment = Deployment(kafka, folder, TTN_HOLDS="off")
    file, count = history(deployment, travelers)
    deployment.run("send", "--backfill", str(file))
    say(f"stages: {count:,} events of {travelers:,} travelers, as history")
    sandbox = deployment.sandbox()
    try:
        works = _replay(deployment, say)
        say("addresses: texts to a sandbox")
        works["addresses"] = _dial(deployment, min(travelers, _MOST_TEXTS // 2))
        rows = {}
        # Against the stream, so that no stage finds what another was given before.
        for stage in reversed(STAGES):
            say(f"{stage}: latency")
            rows[stage] = _row(works[stage], _Steady(deployment, stage, seconds, rate))
            say(f"{stage}: {rows[stage].plain()}")
        return {stage: rows[stage] for stage in STAGES}
    finally:
        sandbox.stop()


def history(deployment: Deployment, travelers: int) -> tuple[Path, int]:
    """The events of a generated population in a file that can be sent, and their number."""
    file = deployment.folder / "population.jsonl"
    made = deployment.output("generate", "--travelers", str(travelers), "--seed", "7", "--start", "2023-01-01")
    # Inbound texts and provider outcomes are lines of a simulation; only events can be sent.
    events = [line for line in made.splitlines(keepends=True) if b'"event":' in line or b'"raw' in line]
    file.write_bytes(b"".join(events))
    return file, len(events)


def _replay(deployment: Deployment, say: Callable[[str], None]) -> dict[str, Work]:
    """Each stage alone through all that waits, round after round: what one answers, another finds in the next."""
    works = {stage: Work() for stage in STAGES}
    for number in range(_ROUNDS):
        before = sum(work.count for work in works.values())
        for name in STAGES[bool(number) :]:
            say(f"{name}: round {number + 1} of a replay")
            _alone(deployment, name, works[name])
        if sum(work.count for work in works.values()) == before:
            break
    return works


def _alone(deployment: Deployment, name: str, work: Work) -> None:
    stage = deployment.stage(name)
    try:
        stage.start()
        work.add(stage)
    finally:
        stage.stop()


def _dial(deployment: Deployment, count: int) -> Work:
    """The addresses stage and its dialer with so many texts that may leave at once."""
    keys = Keys.load(deployment.settings)
    asyncio.run(_fill(deployment, [_sending(record) for record in inbox.texts(keys, 0, count)]))
    work = Work()
    _alone(deployment, "addresses", work)
    return work


async def _fill(deployment: Deployment, sendings: Sequence[Sending]) -> None:
    now = (wire.NOW, rfc3339(datetime.now(UTC)).encode())
    async with AIOKafkaProducer(bootstrap_servers=deployment.settings.kafka, linger_ms=5) as producer:
        for each in sendings:
            await producer.send(each.topic, each.value, each.key, each.partition, headers=[now])


class _Steady:
    """One stage under a steady stream: its delays, its CPU and the memory that it took."""

    def __init__(self, deployment: Deployment, name: str, seconds: int, rate: int) -> None:
        self._keys = Keys.load(deployment.settings)
        # Each text comes back as a result, which is a record of the same inbox.
        self.rate = rate // 2 if name == "addresses" else rate
        sendings = self._sendings(deployment, name, int((seconds + SETTLING) * self.rate))
        # Intake stamps its own moment; the sender's is in the source record that it passes on, sealed.
        transit = Transit(self._keys, {"bootstrap_servers": deployment.settings.kafka})
        transit.start()
        known: Known = _Opened(transit) if name == "intake" else by_moment
        stage = deployment.stage(name)
        try:
            stage.start()
            until(stage.idle, "the stage is idle", _PATIENCE, stage.must_run)
            cpu = stage.seen.cpu()
            kafka = str(deployment.settings.kafka)
            self.delays = asyncio.run(delays(kafka, sendings, _OUTPUTS[name], self.rate, known))
            self.cpu = (stage.seen.cpu() - cpu) / len(sendings) * 1e6
            self.peak = stage.seen.peak()
            self.load = machine_load()
        finally:
            stage.stop()
            transit.stop()

    def _sendings(self, deployment: Deployment, name: str, count: int) -> list[Sending]:
        if name == "intake":
            history = (BACKFILL, b"1")
            return [
                Sending(
                    record.topic, partition(record, PARTITIONS), record.key, record.value, (*record.headers, history)
                )
                for record in inbox.events(count)
            ]
        if name == "addresses":
            return [_sending(record) for record in inbox.texts(self._keys, _MOST_TEXTS, count)]
        now = datetime.now(UTC)
        rows = inbox.given(deployment.settings, count)[name]
        return [_sending(wire.to_stage(self._keys, PARTITIONS, name, row.key, row.message, now)) for row in rows]


class _Opened:
    """The moments at which the senders sent what intake passed on."""

    def __init__(self, transit: Transit) -> None:
        self._transit = transit

    def __call__(self, record: Any) -> Sequence[str]:
        message = msgspec.msgpack.decode(self._transit.open(record.value), type=Arrived)
        return [raw.decode() for name, raw in message.origin.headers if name == wire.NOW]


def _sending(record: wire.Outgoing) -> Sending:
    return Sending(record.topic, record.partition, record.key, record.value)


def _row(work: Work, steady: _Steady) -> Row:
    row = Row(
        events_per_s=round(work.count / work.wall),
        cpu_us_per_event=round(work.cpu / work.count * 1e6, 1),
        peak_mb=round(max(work.peak, steady.peak)),
        more={
            "events": work.count,
            "latency at, 1/s": steady.rate,
            "outputs": len(steady.delays),
            "cpu us at that rate": round(steady.cpu, 1),
            "load": steady.load,
        },
    )
    return row.timed(steady.delays)
