"""`make bench`: all figures of design 6 that one machine can give, side by side in one run, and `build/bench.json`."""

import argparse
import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from services.broker import Cluster, jars
from tests.bench import dialer, fold_job, recovery_job, stages_job
from tests.bench.fold_job import Row
from tests.bench.systems import systems

_BUILD: Final = Path(__file__).parents[2] / "build"
_JOBS: Final = ("fold", "stages", "restore", "kill", "dialer")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


async def _fold(kafka: str, folder: Path, count: int, seconds: int) -> dict[str, Row]:
    rows = {}
    for system in systems(_BUILD):
        _say(f"fold: {system.name}")
        rows[system.name] = await fold_job.measure(system, kafka, folder, count, seconds)
        _say(f"fold: {system.name}: {msgspec.to_builtins(rows[system.name])}")
    return rows


async def _kill(kafka: str, folder: Path, keys: int) -> dict[str, dict[str, float]]:
    found = {}
    for system in systems(_BUILD):
        if system.killed:
            _say(f"kill: {system.name}")
            found[system.name] = await recovery_job.kill_to_flow(system, kafka, folder, keys)
            _say(f"kill: {system.name}: {found[system.name]}")
    return found


def _table(jobs: dict[str, dict[str, Any]]) -> str:
    columns = Row.__struct_fields__
    lines = [f"{'job':<12} {'system':<28} " + " ".join(f"{column:>21}" for column in columns)]
    for job, rows in jobs.items():
        for system, row in rows.items():
            cells = [row.get(column) for column in columns]
            if any(cell is not None for cell in cells):
                said = " ".join(f"{'-' if cell is None else cell:>21}" for cell in cells)
                lines.append(f"{job:<12} {system:<28} {said}")
            else:
                lines.append(f"{job:<12} {system:<28} " + ", ".join(f"{name}: {value}" for name, value in row.items()))
    return "\n".join(lines)


def main() -> None:
    """Measure, print one table, write the file."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--jobs", default=",".join(_JOBS), help="some of " + ", ".join(_JOBS))
    parser.add_argument("--events", type=int, default=400_000, help="events of the job fold")
    parser.add_argument("--seconds", type=int, default=20, help="length of the latency run at 500 events/s")
    parser.add_argument("--travelers", type=int, default=5_000, help="population of the real stages")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in the store that is killed")
    parser.add_argument("--records", type=int, default=400_000, help="records of the restore")
    asked = parser.parse_args()
    wanted = asked.jobs.split(",")
    folder = recovery_job.scratch()
    cluster = Cluster(jars(_say), folder / "kafka")
    _say("Starting Kafka.")
    cluster.start()
    kafka = cluster.bootstrap
    jobs: dict[str, dict[str, Any]] = {}
    try:
        if "fold" in wanted:
            rows = asyncio.run(_fold(kafka, folder, asked.events, asked.seconds))
            jobs["fold"] = {name: msgspec.to_builtins(row) for name, row in rows.items()}
        if "stages" in wanted:
            _say("stages: the real ones, one after the other")
            measured = stages_job.measure(kafka, folder, asked.travelers)
            jobs |= {stage: {"ours": msgspec.to_builtins(row)} for stage, row in measured.items()}
        if "restore" in wanted:
            _say("restore")
            jobs["restore"] = {"ours": asyncio.run(recovery_job.restore_rate(kafka, asked.records, folder))}
        if "kill" in wanted:
            jobs["kill"] = asyncio.run(_kill(kafka, folder, asked.keys))
        if "dialer" in wanted:
            _say("dialer: texts to a sandbox in a process of its own")
            jobs["dialer"] = {"ours": {name: round(figure, 1) for name, figure in dialer.main([]).items()}}
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    _BUILD.mkdir(exist_ok=True)
    (_BUILD / "bench.json").write_text(json.dumps(jobs, indent=1) + "\n")
    print(_table(jobs))


if __name__ == "__main__":
    main()
