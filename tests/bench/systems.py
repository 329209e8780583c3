"""The systems that do the job `fold` side by side: ours, stock Faust, and Kafka Streams where its peer is at hand."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from services.children import Child

PEER: Final = "TTN_BENCH_PEER"
SESSION: Final = 6.0
"""Seconds after which the group gives up a silent member, for all systems alike."""

_ROOT: Final = Path(__file__).parents[2]
_BUILT: Final = "target/built-with-settings"
_PREFIX: Final = "streams."
_STARTS: Final = "KafkaStreams k=new KafkaStreams("
_SETTABLE: Final = (
    "for (String name : System.getProperties().stringPropertyNames())"
    f' if (name.startsWith("{_PREFIX}")) p.put(name.substring({len(_PREFIX)}), System.getProperty(name)); '
)
"""What the peer's source lacks: settings from outside, here the session timeout."""


class System(msgspec.Struct, frozen=True):
    """One system: how to start it, and how many events it is given.

    `pair` is the command of one of two processes, `{number}`, which keep what the other owns where `{kept}` says so.
    """

    name: str
    command: tuple[str, ...]
    events: float = 1.0
    killed: bool = True
    pair: tuple[str, ...] = ()

    def start(self, folder: Path, kafka: str, names: dict[str, str]) -> Child:
        """Start it on these topics; its output goes to a file in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [part.format(kafka=kafka, folder=folder, **names) for part in self.command]
        paths = os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))
        return Child(command, folder / "log", {**os.environ, "TTN_KAFKA": kafka, "PYTHONPATH": paths})


def systems(build: Path) -> Iterator[System]:
    """All that can be measured here; says which cannot, and why."""
    ours = ("-m", "tests.bench.fold", "{kafka}", "{source}", "{out}", "{group}", "{folder}")
    stock = ("-m", "tests.bench.stock_faust", "{kafka}", "{source}", "{out}", "{group}", "{folder}")
    command = (sys.executable, *ours)
    yield System("ours", command, pair=(*command, "{number}", "{kept}"))
    classpath = peer(build)
    if classpath is not None:
        for name, guarantee in (("exactly-once", "exactly_once_v2"), ("at-least-once", "at_least_once")):
            options = ("-Xmx1g", "-Djava.io.tmpdir={folder}", f"-D{_PREFIX}session.timeout.ms={SESSION * 1000:.0f}")
            java = ("java", *options, "-cp", classpath, "Unify")
            yield System(f"kafka-streams {name}", (*java, "{source}", "{out}", "{group}", guarantee, "1", "false"))
    yield System("stock faust", (sys.executable, *stock), events=0.05, killed=False)


def peer(build: Path) -> str | None:
    """The class path of the Kafka Streams peer, built once; None, with a sentence, where it is not at hand."""
    source = os.environ.get(PEER)
    if not source or not (Path(source) / "pom.xml").is_file():
        print(f"Kafka Streams is left out: {PEER} does not name the folder of its peer.", flush=True)
        return None
    folder = build / "peer"
    if not (folder / _BUILT).is_file():
        print("Building the Kafka Streams peer with Maven.", flush=True)
        shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
        job = folder / "src" / "main" / "java" / "Unify.java"
        job.write_text(job.read_text().replace(_STARTS, _SETTABLE + _STARTS))
        made = subprocess.run(
            ["mvn", "-q", "clean", "package", "dependency:copy-dependencies", "-DoutputDirectory=target/libs"],
            cwd=folder,
            check=False,
            capture_output=True,
        )
        if made.returncode:
            print("Kafka Streams is left out: its peer cannot be built.", flush=True)
            return None
        (folder / _BUILT).touch()
    return f"{folder / 'target' / 'ks-1.jar'}:{folder / 'target' / 'libs'}/*"
