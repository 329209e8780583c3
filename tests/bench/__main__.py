"""`make bench`: all figures of design 6 that one machine can give, in one table and in `build/bench.json`.

`make bench ARGS="--jobs fold,kill --events 1000000"`: some of the jobs, other sizes. Every job runs on a broker of its
own, which it warms up first; the systems of one job share it, one after the other.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from services.broker import Broker, Cluster, jars
from tests.bench import acceptance_job, dialer, fold_job, memory_job, pipeline_job, recovery_job, stages_job
from tests.bench.rows import Rows, machine_load, table
from tests.bench.systems import systems

_BUILD: Final = Path(__file__).parents[2] / "build"
_FILE: Final = _BUILD / "bench.json"
_WARM: Final = 100_000


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class _Place:
    """A broker and a folder for one job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cluster = Cluster(jars(_say), folder / "kafka", lasting=True)
        self._cluster.start()
        self.kafka = self._cluster.bootstrap

    @property
    def broker(self) -> Broker:
        return self._cluster.brokers[0]

    def stop(self) -> None:
        self._cluster.stop()


def _fold(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    found = list(systems(_BUILD))
    _say("fold: the broker is warmed up")
    asyncio.run(fold_job.measure(found[0], place.kafka, place.folder, min(_WARM, asked.events), 5))
    for system in found:
        _say(f"fold: {system.name}")
        row = asyncio.run(fold_job.measure(system, place.kafka, place.folder, asked.events, asked.seconds))
        rows.setdefault("fold", {})[system.name] = row
        _say(f"fold: {system.name}: {row.plain()}")


def _stages(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    folder = place.folder / "data"
    found = stages_job.measure(place.kafka, folder, asked.travelers, asked.seconds, asked.rate, _say)
    rows |= {stage: {"ours": row} for stage, row in found.items()}


def _pipeline(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    found = pipeline_job.measure(
        place.kafka, place.broker, place.folder / "data", asked.travelers, asked.seconds, asked.pipeline_rate, _say
    )
    rows |= {job: {"ours": row} for job, row in found.items()}


def _acceptance(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    row = acceptance_job.measure(place.kafka, place.folder / "data", asked.seconds, asked.warm, asked.texts, _say)
    rows["event-to-acceptance"] = {"ours": row}


def _dialer(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    rows["dialer"] = {"ours": dialer.row(asked.messages)}


def _restore(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    rows["restore"] = {"ours": asyncio.run(recovery_job.restore_rate(place.kafka, asked.records, place.folder))}


def _kill(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    for system in systems(_BUILD):
        if system.killed:
            _say(f"kill: {system.name}")
            row = asyncio.run(recovery_job.kill_to_flow(system, place.kafka, place.folder, asked.keys))
            rows.setdefault("kill", {})[system.name] = row
            _say(f"kill: {system.name}: {row.more}")


def _memory(place: _Place, asked: argparse.Namespace, rows: Rows) -> None:
    rows["memory"] = memory_job.measure(place.kafka, place.folder / "data", asked.people, _say)


_JOBS: Final[dict[str, Callable[[_Place, argparse.Namespace, Rows], None]]] = {
    "fold": _fold,
    "stages": _stages,
    "pipeline": _pipeline,
    "dialer": _dialer,
    "acceptance": _acceptance,
    "restore": _restore,
    "kill": _kill,
    "memory": _memory,
}
_SIZES: Final = (
    ("--events", 400_000, "events of fold; stock Faust gets a twentieth"),
    ("--seconds", 20, "length of each latency run"),
    ("--rate", 500, "events/s of the latency run of a stage"),
    ("--pipeline-rate", 100, "enrollments/s of the latency run of the pipeline"),
    ("--travelers", 10_000, "population of stages and pipeline"),
    ("--messages", 10_000, "texts of dialer"),
    ("--texts", 50, "travelers/s of acceptance"),
    ("--warm", 120, "seconds of acceptance that are not counted: the broker compiles its code"),
    ("--records", 400_000, "records of restore, of about 1 KB"),
    ("--keys", 1_000_000, "keys in the store of kill"),
    ("--people", 1_000_000, "travelers of memory: about half an hour on two cores"),
)


@contextmanager
def _place() -> Iterator[_Place]:
    folder = recovery_job.scratch()
    try:
        place = _Place(folder)
        try:
            yield place
        finally:
            place.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _asked() -> tuple[list[str], argparse.Namespace]:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--jobs", default=",".join(_JOBS), help="some of " + ", ".join(_JOBS))
    for name, size, said in _SIZES:
        parser.add_argument(name, type=int, default=size, help=f"{said} ({size})")
    asked = parser.parse_args()
    wanted = asked.jobs.split(",")
    for job in wanted:
        if job not in _JOBS:
            parser.error(f"{job} is no job; expected some of {', '.join(_JOBS)}")
    return wanted, asked


def _ended(*_: Any) -> None:
    sys.exit("The bench was told to stop.")


def main() -> None:
    """Measure, write the file after each job, print the table of this run."""
    wanted, asked = _asked()
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, _ended)
    rows: Rows = {}
    failed = []
    for job in wanted:
        _say(f"{job}: load of the machine {machine_load()}")
        try:
            with _place() as place:
                _JOBS[job](place, asked, rows)
        except Exception as error:  # noqa: BLE001 - the other jobs have their figures all the same
            failed.append(f"{job} failed: {type(error).__name__}: {error}")
            _say(failed[-1])
        _write(rows)
    print(table(rows))
    if failed:
        sys.exit("\n".join(failed))


def _write(rows: Rows) -> None:
    """Put these rows into the file, in place of older ones of the same jobs."""
    _BUILD.mkdir(exist_ok=True)
    kept: dict[str, Any] = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    kept |= {job: {system: row.plain() for system, row in found.items()} for job, found in rows.items()}
    _FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
