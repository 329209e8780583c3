"""The job `fold`: throughput, CPU, latency and memory of every system, one after the other on one broker."""

import asyncio
import time
from pathlib import Path

import msgspec

from tests.bench.load import KEYS, Ends, Process, events, fill, latency, make_topics, throughput
from tests.bench.systems import System, stop


class Row(msgspec.Struct, omit_defaults=True):
    """One line of the table. Rates per second, CPU in microseconds, latency in milliseconds, memory in MB.

    A run is counted from its first output, with all CPU of its process; `warm` ones from a tenth of it on.
    """

    events_per_s: float | None = None
    cpu_us_per_event: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    peak_mb: float | None = None
    warm_events_per_s: float | None = None
    warm_cpu_us_per_event: float | None = None


def quantile(ordered: list[float], share: float) -> float:
    """The value below which this share lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def measure(system: System, kafka: str, folder: Path, count: int, seconds: int) -> Row:
    """One system."""
    total = max(5000, int(count * system.events))
    tag = f"{system.name.replace(' ', '-')}-{int(time.time())}"
    names = {"source": f"source-{tag}", "out": f"out-{tag}", "group": f"group-{tag}"}
    await make_topics(kafka, names["source"], names["out"])
    await make_topics(kafka, f"{names['group']}-changelog", compact=True)
    await fill(kafka, names["source"], events(total, keys=min(KEYS, total // 10)))
    process = system.start(folder / tag, kafka, names)
    try:
        seen = Process(process.pid)
        async with Ends(kafka) as ends:
            rate = await throughput(ends, names["out"], total, seen)
        await asyncio.sleep(2)
        delays = await latency(kafka, names["source"], names["out"], seconds=seconds)
        return Row(
            events_per_s=round(rate.events_per_s),
            cpu_us_per_event=round(rate.cpu_us_per_event, 1),
            p50_ms=round(quantile(delays, 0.50), 1),
            p95_ms=round(quantile(delays, 0.95), 1),
            p99_ms=round(quantile(delays, 0.99), 1),
            peak_mb=round(seen.peak()),
            warm_events_per_s=round(rate.warm_events_per_s),
            warm_cpu_us_per_event=round(rate.warm_cpu_us_per_event, 1),
        )
    finally:
        stop(process)
