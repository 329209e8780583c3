"""The jobs `pipeline` and `replay`: all stages at work together, as `ttn worker` runs them, with nothing sent.

Rate and CPU: a generated population is loaded as history. CPU is that of all stages for one source event; the broker's
stands beside it. Latency: a new enrollment on Kafka until the traveler's view shows it, which takes six transactions,
one after the other.
"""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.cloudevents import STRUCTURED
from services.broker import Broker
from services.wire import BACKFILL, partition_of
from streams import topics
from tests.bench.deployment import Deployment, Worker
from tests.bench.inbox import event
from tests.bench.load import PARTITIONS, Process
from tests.bench.rows import Row, machine_load
from tests.bench.stages_job import history
from tests.bench.steady import SETTLING, Sending, delays

EVENTS: Final = 300_000_000
CORES: Final = 8
"""Design 6: so many events on so many cores in under six hours."""

PATIENCE: Final = 3600.0
_WARM: Final = 10
_HEADERS: Final = (("content-type", STRUCTURED.encode()), (BACKFILL, b"1"))


class _Card(msgspec.Struct):
    recordId: str


class _View(msgspec.Struct):
    cards: list[_Card]


_view = msgspec.json.Decoder(_View)


def measure(
    kafka: str, broker: Broker, folder: Path, travelers: int, seconds: int, rate: int, say: Callable[[str], None]
) -> dict[str, Row]:
    """The row of the pipeline, and what it means for the replay of design 6."""
    deployment = Deployment(kafka, folder, TTN_HOLDS="off")
    file, count = history(deployment, travelers)
    sandbox = deployment.sandbox()
    worker = deployment.worker()
    try:
        say(f"pipeline: {count:,} events of {travelers:,} travelers")
        loaded = _Loaded(worker, Process(broker.pid))
        deployment.run("send", "--backfill", str(file))
        worker.settle(PATIENCE, say)
        pipeline, replay = loaded.rows(count)
        say(f"pipeline: {pipeline.plain()}")
        # What the broker's compiler has to learn of small transactions is not counted.
        asyncio.run(delays(kafka, enrollments("warm", _WARM, rate), (topics.STATUS,), rate, enrolled))
        found = asyncio.run(delays(kafka, enrollments("timed", seconds, rate), (topics.STATUS,), rate, enrolled))
        worker.settle(60)
    finally:
        worker.stop()
        sandbox.stop()
    pipeline.more |= {"latency at, 1/s": rate, "outputs": len(found)}
    return {"pipeline": pipeline.timed(found), "replay": replay}


class _Loaded:
    """What the stages and the broker have spent since this was made."""

    def __init__(self, worker: Worker, broker: Process) -> None:
        self._processes = worker.processes()
        self._broker = broker
        self._before = {name: process.cpu() for name, process in self._processes.items()}
        self._served = broker.cpu()
        self._began = time.monotonic()

    def rows(self, count: int) -> tuple[Row, Row]:
        """The rows `pipeline` and `replay` for so many source events."""
        wall, served = time.monotonic() - self._began, self._broker.cpu() - self._served
        cpu = {name: process.cpu() - self._before[name] for name, process in self._processes.items()}
        spent, cores = sum(cpu.values()), len(os.sched_getaffinity(0))
        hours = EVENTS / count / CORES / 3600
        pipeline = Row(
            events_per_s=round(count / wall),
            cpu_us_per_event=round(spent / count * 1e6, 1),
            peak_mb=round(sum(process.peak() for process in self._processes.values())),
            more={
                "events": count,
                **{f"{name} cpu us": round(seconds / count * 1e6, 1) for name, seconds in cpu.items()},
                "broker cpu us": round(served / count * 1e6, 1),
                "load": machine_load(),
            },
        )
        replay = Row(
            events_per_s=round(count / wall / cores * CORES),
            cpu_us_per_event=pipeline.cpu_us_per_event,
            more={
                "hours by cpu of the stages": round(spent * hours, 2),
                "hours with the broker's": round((spent + served) * hours, 2),
                f"hours by the rate of {cores} cores": round(wall * cores * hours, 2),
            },
        )
        return pipeline, replay


def enrollments(run: str, seconds: int, rate: int) -> Sequence[Sending]:
    """New enrollments, each of a person of their own, known by their record."""
    return [_enrollment(f"GE-{run}-{number}") for number in range(int((seconds + SETTLING) * rate))]


def _enrollment(record: str) -> Sending:
    data = {"recordId": record, "applicationId": "A-1", "applicationType": "NEW", "sequence": 1}
    value = event("cbp/ttp", "gov.dhs.cbp.ttp.application.submitted", record, data)
    key = record.encode()
    place = partition_of(key, PARTITIONS)
    return Sending(topics.GLOBAL_ENTRY, place, key, value, _HEADERS, name=record)


def enrolled(record: Any) -> Sequence[str]:
    """The records that a traveler's view shows."""
    return [] if record.value is None else [card.recordId for card in _view.decode(record.value).cards]
