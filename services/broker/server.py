"""One real Kafka broker in KRaft mode as a child process: its properties, its start and why it cannot start."""

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.broker.jars import POM
from services.children import Child
from services.settings import SettingsError

HOST: Final = "127.0.0.1"
_FREE: Final = 1024 * 1024 * 1024
_START: Final = 120.0
_HANDOVER: Final = 5.0
_LOGGING: Final = POM.with_name("log4j2.properties")
_STARTED: Final = re.compile(r"Kafka Server started")

# What the broker says when it cannot start, and what that means for a person.
_FAILURES: Final = (
    (r"Address already in use", "Kafka could not start, because port {ports} is taken by another program."),
    (r"No space left on device", "Kafka could not start, because the disk of {folder} is full."),
    (r"UnsupportedClassVersionError", "Kafka needs Java 17 or newer, and the `java` found is older."),
    (r"insufficient memory|Could not reserve enough space", "Kafka could not start, because it needs 1 GB of memory."),
)

_SHORT_LIVED: Final = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""In the first minutes a JVM on two cores spends a third of its time on making code that pays off in hours."""


class Broker:
    """One broker: its folder, its ports and its process. It keeps its ports over restarts."""

    def __init__(self, libs: Path, folder: Path, node: int, ports: tuple[int, int], *, lasting: bool) -> None:
        self.node: Final = node
        self._jvm = [] if lasting else _SHORT_LIVED
        self.port, self.controller_port = ports
        self.address: Final = f"{HOST}:{self.port}"
        self._libs = libs
        self._folder = folder
        self._child: Child | None = None
        self._read_from = 0

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        if self._child is None:
            raise RuntimeError("the broker was never started")
        return self._child.pid

    def launch(self, voters: list["Broker"], cluster_id: str, *, fresh: bool = False) -> None:
        """Start the process, formatting its folder the first time; `fresh` drops what an earlier one kept there.

        `wait` says when it takes requests.
        """
        java = _java()
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < _FREE:
            raise SettingsError(f"Kafka needs {_FREE >> 30} GB free in {self._folder}.")
        with _lock(self._folder) as lock:
            if fresh:
                shutil.rmtree(self._folder / "data", ignore_errors=True)
                (self._folder / "server.log").unlink(missing_ok=True)
            self._launch(java, voters, cluster_id, lock)

    def _launch(self, java: str, voters: list["Broker"], cluster_id: str, lock: int) -> None:
        config = self._folder / "server.properties"
        config.write_text(self._properties(voters), encoding="utf-8")
        log = self._folder / "server.log"
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(java, config, cluster_id, log)
        self._read_from = log.stat().st_size if log.exists() else 0
        options = ["-Xms256m", "-Xmx1g", "-XX:+ExitOnOutOfMemoryError", f"-Dlog4j2.configurationFile={_LOGGING}"]
        command = [java, *options, *self._jvm, "-cp", f"{self._libs}/*", "kafka.Kafka", str(config)]
        self._child = Child(command, log, hold=(lock,))

    def wait(self) -> None:
        """Return when the broker takes requests. Raises SettingsError, in one sentence, where it does not."""
        until = time.monotonic() + _START
        while time.monotonic() < until:
            said = self._said()
            if _STARTED.search(said):
                return
            if self._child is None or self._child.poll() is not None:
                raise self._failure(self._said())
            time.sleep(0.05)
        self.kill()
        raise SettingsError(f"Kafka did not start within {_START:.0f} seconds; its log is in {self._folder}.")

    def kill(self) -> None:
        """End the process at once, as a power cut would (SIGKILL)."""
        if self._child is not None:
            self._child.kill()

    def signal(self, number: int) -> None:
        """Send the process a signal, such as SIGSTOP and SIGCONT."""
        if self._child is not None:
            self._child.signal(number)

    def ask(self) -> None:
        """Ask the process to end in order."""
        if self._child is not None:
            self._child.ask()

    def stop(self) -> None:
        """End the process in order."""
        if self._child is not None:
            self._child.stop()

    def _said(self) -> str:
        log = self._folder / "server.log"
        with log.open("rb") as file:
            file.seek(self._read_from)
            return file.read().decode("utf-8", "replace")

    def _failure(self, said: str) -> SettingsError:
        ports = f"{self.port} or {self.controller_port}"
        for pattern, sentence in _FAILURES:
            if re.search(pattern, said):
                return SettingsError(sentence.format(ports=ports, folder=self._folder))
        return SettingsError(f"Kafka could not start; what it said is in {self._folder / 'server.log'}.")

    def _format(self, java: str, config: Path, cluster_id: str, log: Path) -> None:
        tool = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{self._libs}/*", "kafka.tools.StorageTool"]
        command = [*tool, "format", f"--cluster-id={cluster_id}", "-c", str(config)]
        with log.open("ab") as out:
            done = subprocess.run(  # noqa: S603 - java, found on the path
                command, stdout=out, stderr=out, check=False
            )
        if done.returncode:
            raise self._failure(self._said())

    def _properties(self, voters: list["Broker"]) -> str:
        copies = min(3, len(voters))
        settled = max(1, copies - 1)
        lines = {
            "process.roles": "broker,controller",
            "node.id": self.node,
            "controller.quorum.voters": ",".join(f"{b.node}@{HOST}:{b.controller_port}" for b in voters),
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self._folder / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": settled,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": settled,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": settled,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            # Whoever takes a partition over waits for what a dead owner left open.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            # A broker that was killed is let back in when its old session has ended.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # The largest topic limit is the dead letters' 2 MiB; a copy of such a record must fit in a fetch.
            "message.max.bytes": 2_200_000,
            "replica.fetch.max.bytes": 2_200_000,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """The right to run a broker in a folder. The broker's guard keeps it: free when the last broker has ended."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + _HANDOVER
        while not _taken(lock):
            if time.monotonic() > until:
                raise SettingsError(f"Kafka could not start, because another broker runs in {folder}.")
            time.sleep(0.1)
        yield lock
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _java() -> str:
    home = os.environ.get("JAVA_HOME", "").strip()
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        where = "JAVA_HOME" if home else "the path"
        raise SettingsError(f"Java 17 or newer is needed to run Kafka on this machine, and {where} has no `java`.")
    return java
