"""The job `memory`: what the stages' processes hold while they learn of a population, and with it behind them.

Each traveler has a profile with a phone and one enrollment, so records, travelers and addresses have a key each. All of
it goes through the real pipeline as history. Then the worker starts anew on its stores, and a steady stream touches
keys of everywhere.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from schemas.cloudevents import STRUCTURED
from services.runtime.process import STAGES
from services.wire import BACKFILL, partition_of
from streams import topics
from tests.bench.deployment import Deployment, Worker
from tests.bench.inbox import event, many_phones
from tests.bench.load import PARTITIONS
from tests.bench.pipeline_job import PATIENCE
from tests.bench.rows import Row, machine_load

_HEADERS: Final = [("content-type", STRUCTURED.encode()), (BACKFILL, b"1")]
_TOUCHES: Final = 500
_SECONDS: Final = 20
_STRIDE: Final = 7919

Say = Callable[[str], None]
Held = dict[str, tuple[float, float]]
ALL: Final = "all stages"


def measure(kafka: str, folder: Path, travelers: int, say: Callable[[str], None]) -> dict[str, Row]:
    """Peaks by stage while so many travelers are loaded, and what the stages hold afterwards."""
    deployment = Deployment(kafka, folder, TTN_HOLDS="off")
    sandbox = deployment.sandbox()
    try:
        say(f"memory: {travelers:,} travelers are loaded")
        loading = _phase(deployment, lambda: asyncio.run(_load(kafka, travelers)), say)
        say("memory: the worker starts anew and is touched everywhere")
        later = _phase(deployment, lambda: asyncio.run(_touch(kafka, travelers)), say)
        say("memory: the stores are restored from their changelogs")
        deployment.wipe()
        restored = _phase(deployment, lambda: time.sleep(2), say)
    finally:
        sandbox.stop()
    rows = {}
    for stage in (*STAGES, ALL):
        peak = max(loading[stage][0], later[stage][0], restored[stage][0])
        rows[stage] = Row(
            peak_mb=round(peak),
            more={
                "travelers": travelers,
                "peak while loading": round(loading[stage][0]),
                "after loading": round(loading[stage][1]),
                "restarted, peak": round(later[stage][0]),
                "restored, peak": round(restored[stage][0]),
                "load": machine_load(),
            },
        )
    return rows


def _phase(
    deployment: Deployment, work: Callable[[], None], say: Callable[[str], None]
) -> dict[str, tuple[float, float]]:
    """Run the worker through some work: peak and present memory in MB, by stage and of all together."""
    worker = deployment.worker()
    try:
        together = _Together(worker)
        work()
        worker.settle(2 * PATIENCE, say)
        processes = worker.processes()
        found = {name: (process.peak(), process.resident()) for name, process in processes.items()}
        found[ALL] = (together.stop(), sum(now for _, now in found.values()))
        say(f"memory: {found}")
        return found
    finally:
        worker.stop()


class _Together:
    """Looks four times a second at what all stages hold at the same moment."""

    def __init__(self, worker: Worker) -> None:
        self._processes = list(worker.processes().values())
        self._most = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The most of it, in MB."""
        self._stopped.set()
        self._thread.join()
        return self._most

    def _run(self) -> None:
        while not self._stopped.wait(0.25):
            self._most = max(self._most, sum(process.resident() for process in self._processes))


async def _load(kafka: str, travelers: int) -> None:
    """A profile and an approved application of each traveler."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, max_batch_size=256 << 10) as producer:
        for number in range(travelers):
            subject, record = f"p{number}", f"GE-{number}"
            profile: dict[str, object] = {
                "portalSubject": subject,
                "language": "en",
                "timeZone": "America/Chicago",
                "consent": {"sms": True, "email": True},
                "phone": {"address": many_phones(number), "verified": True},
                "email": {"address": f"traveler{number}@example.com", "verified": True},
            }
            made = event("dhs/portal", "gov.dhs.ttp.profile.updated", subject, profile)
            await _send(producer, topics.PROFILE, subject, made)
            await _send(producer, topics.GLOBAL_ENTRY, record, _approved(record, {"portalSubject": subject}))


async def _touch(kafka: str, travelers: int) -> None:
    """A steady stream of second events, of travelers far apart."""
    started = time.time()
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=0) as producer:
        for number in range(_TOUCHES * _SECONDS):
            await asyncio.sleep(max(0.0, started + number / _TOUCHES - time.time()))
            record = f"GE-{number * _STRIDE % travelers}"
            mailed = event(
                "cbp/ttp", "gov.dhs.cbp.ttp.card.mailed", record, {"recordId": record, "applicationId": "A-1"}
            )
            await _send(producer, topics.GLOBAL_ENTRY, record, mailed)


def _approved(record: str, more: dict[str, object]) -> bytes:
    begins = datetime.now(UTC).date()
    data = more | {
        "recordId": record,
        "applicationId": "A-1",
        "validFrom": begins.isoformat(),
        "validTo": (begins + timedelta(days=5 * 365)).isoformat(),
    }
    return event("cbp/ttp", "gov.dhs.cbp.ttp.application.approved", record, data)


async def _send(producer: AIOKafkaProducer, topic: str, key: str, value: bytes) -> None:
    name = key.encode()
    await producer.send(topic, value, name, partition_of(name, PARTITIONS), headers=_HEADERS)
