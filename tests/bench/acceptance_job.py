"""The job `event-to-acceptance`: a source event on Kafka until the provider has accepted the text that it causes.

Nothing is held back (TTN_HOLDS=off). The end is the entry in the sandbox's ledger, which is on its disk before it
answers; the beginning is the moment at which the event was handed to the Kafka client. The first part of the stream is
not counted: a broker that has just started spends a whole core on compiling its code, for 70 s and more on two cores
(measured: 115 % of a core at first, 55 % later), and one that serves an agency was not started a minute ago. What
travelers meet meanwhile is told beside it, as `cold`.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from schemas.cloudevents import STRUCTURED, parse_time
from services.sandbox import ledger
from services.wire import partition_of
from streams import topics
from tests.bench.deployment import Deployment, until
from tests.bench.inbox import event, phone
from tests.bench.load import PARTITIONS
from tests.bench.rows import Row, machine_load

_HEADERS: Final = [("content-type", STRUCTURED.encode())]
_PATIENCE: Final = 120.0


def measure(kafka: str, folder: Path, seconds: int, warm: int, rate: int, say: Callable[[str], None]) -> Row:
    """One text for each of `rate` travelers a second, after `warm` seconds of the same."""
    deployment = Deployment(kafka, folder, TTN_HOLDS="off")
    sandbox = deployment.sandbox()
    worker = deployment.worker()
    try:
        first, count = warm * rate, (warm + seconds) * rate
        say(f"event-to-acceptance: profiles of {count:,} travelers")
        asyncio.run(_profiles(kafka, count))
        worker.settle(300, say)
        say(f"event-to-acceptance: {rate} events/s for {warm} + {seconds} s")
        sent = asyncio.run(_events(kafka, count, rate))
        load = machine_load()
        book = folder / ledger.LEDGER_FILE
        wanted = {phone(number) for number in range(count)}
        until(lambda: wanted <= {entry.to for entry in ledger.read(book)}, "all texts are accepted", _PATIENCE)
        taken = [entry for entry in ledger.read(book) if entry.to in wanted]
        accepted = {entry.to: parse_time(entry.at).timestamp() for entry in taken}
        delays = [(accepted[phone(number)] - sent[number]) * 1000 for number in range(count)]
        row = Row(peak_mb=round(sum(process.peak() for process in worker.processes().values()))).timed(delays[first:])
        row.more = {"at, 1/s": rate, "texts": count - first, "doubled": len(taken) - len(accepted), "load": load}
        if first:
            cold = Row().timed(delays[: min(first, seconds * rate)])
            row.more |= {"cold p95_ms": cold.p95_ms or 0.0, "cold p99_ms": cold.p99_ms or 0.0}
        return row
    finally:
        worker.stop()
        sandbox.stop()


async def _profiles(kafka: str, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5) as producer:
        for number in range(count):
            data = {
                "portalSubject": f"p{number}",
                "language": "en",
                "timeZone": "America/Chicago",
                "consent": {"sms": True, "email": False},
                "phone": {"address": phone(number), "verified": True},
            }
            made = event("dhs/portal", "gov.dhs.ttp.profile.updated", f"p{number}", data)
            await producer.send(topics.PROFILE, made, f"p{number}".encode(), headers=_HEADERS)


async def _events(kafka: str, count: int, rate: int) -> list[float]:
    """Send an application for each traveler, and return when each left."""
    sent = []
    async with AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=0) as producer:
        started = time.time()
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - time.time()))
            record = f"GE-{number}"
            data = {"recordId": record, "portalSubject": f"p{number}"}
            made = event("cbp/ttp", "gov.dhs.cbp.ttp.application.submitted", record, data)
            key = record.encode()
            sent.append(time.time())
            await producer.send(topics.GLOBAL_ENTRY, made, key, partition_of(key, PARTITIONS), headers=_HEADERS)
    return sent
