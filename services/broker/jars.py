"""The jars of Apache Kafka: those of KAFKA_HOME, else fetched once by Maven into a cache of this user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from services.settings import SettingsError

VERSION: Final = "4.1.1"
POM: Final = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
_NEEDED: Final = 300 * 1024 * 1024

Progress = Callable[[str], None]


def jars(progress: Progress, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder with the broker's jars. Says what it is doing; raises SettingsError where it cannot get them."""
    home = environ.get("KAFKA_HOME", "").strip()
    if home:
        libs = Path(home).absolute() / "libs"
        if not any(libs.glob("kafka_2.13-*.jar")):
            raise SettingsError(f"KAFKA_HOME: expected the folder of an Apache Kafka {VERSION}, not {home!r}.")
        return libs
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ttn" / f"kafka-{VERSION}"
    if not cache.is_dir():
        _fetch(cache, progress, environ)
    return cache


def _fetch(cache: Path, progress: Progress, environ: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise SettingsError(
            f"Maven (`mvn`) is needed once to fetch Apache Kafka {VERSION}, or set KAFKA_HOME to an unpacked one."
        )
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f"{cache.name}-", dir=cache.parent))
    except OSError as error:
        raise SettingsError(f"{cache.parent} cannot be written to: {error.strerror}.") from None
    try:
        if shutil.disk_usage(beside).free < _NEEDED:
            raise SettingsError(f"Fetching Kafka needs {_NEEDED >> 20} MB free in {cache.parent}.")
        _copy_dependencies(maven, beside, progress, environ)
        if not cache.is_dir():
            beside.rename(cache)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _copy_dependencies(maven: str, target: Path, progress: Progress, environ: Mapping[str, str]) -> None:
    progress(f"Fetching Apache Kafka {VERSION} with Maven, once, about 56 MB.")
    log = target.parent / "maven.log"
    command = [maven, "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
    copied = 0
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(  # noqa: S603 - Maven, found on the path
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=dict(environ)
        ) as process,
    ):
        for line in process.stdout or ():
            out.write(line)
            if "Downloaded from" in line and ".jar (" in line:
                copied += 1
                if copied % 20 == 0:
                    progress(f"Fetching Apache Kafka: {copied} jars.")
    if process.returncode or not any(target.glob("kafka_2.13-*.jar")):
        raise SettingsError(f"Maven could not fetch Apache Kafka {VERSION}; what it said is in {log}.")
