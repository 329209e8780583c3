"""The job `fold`: throughput, CPU, latency and memory of every system, one after the other on one broker."""

import asyncio
import time
from pathlib import Path

from tests.bench.load import KEYS, Ends, Process, events, fill, latency, make_topics, throughput
from tests.bench.rows import Row, machine_load
from tests.bench.systems import System


async def measure(system: System, kafka: str, folder: Path, count: int, seconds: int) -> Row:
    """One system.

    A run counts from its first output, with all CPU of its process; `warm` figures from a tenth of it on, when the
    compiler of a Java process has done most of its work.
    """
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
        load = machine_load()
        await asyncio.sleep(2)
        delays = await latency(kafka, names["source"], names["out"], seconds=seconds)
        row = Row(
            events_per_s=round(rate.events_per_s),
            cpu_us_per_event=round(rate.cpu_us_per_event, 1),
            peak_mb=round(seen.peak()),
            more={
                "events": total,
                "warm events_per_s": round(rate.warm_events_per_s),
                "warm cpu_us_per_event": round(rate.warm_cpu_us_per_event, 1),
                "load": load,
            },
        )
        return row.timed(delays)
    finally:
        process.stop()
