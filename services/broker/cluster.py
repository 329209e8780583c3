"""A cluster of real Kafka brokers in KRaft mode as child processes, on loopback, which tests may kill and restart."""

import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from services.broker.jars import POM
from services.children import Child
from services.settings import SettingsError

_FREE: Final = 1024 * 1024 * 1024
_START: Final = 60.0
_HOST: Final = "127.0.0.1"
_LOGGING: Final = POM.with_name("log4j2.properties")
_STARTED: Final = re.compile(r"Kafka Server started")

# What the broker says when it cannot start, and what that means for a person.
_FAILURES: Final = (
    (r"Address already in use", "Kafka could not start, because port {ports} is taken by another program."),
    (r"No space left on device", "Kafka could not start, because the disk of {folder} is full."),
    (r"UnsupportedClassVersionError", "Kafka needs Java 17 or newer, and the `java` found is older."),
    (r"Failed to acquire lock", "Kafka could not start, because another broker runs in {folder}."),
    (r"insufficient memory|Could not reserve enough space", "Kafka could not start, because it needs 1 GB of memory."),
)


class Broker:
    """One broker: its folder, its ports and its process. It keeps its ports over restarts."""

    def __init__(self, libs: Path, folder: Path, node: int, ports: tuple[int, int]) -> None:
        self.node: Final = node
        self.port, self.controller_port = ports
        self.address: Final = f"{_HOST}:{self.port}"
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

    def launch(self, voters: list["Broker"], cluster_id: str) -> None:
        """Start the process, formatting its folder the first time. `wait` says when it takes requests."""
        java = _java()
        self._folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < _FREE:
            raise SettingsError(f"Kafka needs {_FREE >> 30} GB free in {self._folder}.")
        config = self._folder / "server.properties"
        config.write_text(self._properties(voters), encoding="utf-8")
        log = self._folder / "server.log"
        if not (self._folder / "data" / "meta.properties").exists():
            self._format(java, config, cluster_id, log)
        self._read_from = log.stat().st_size if log.exists() else 0
        options = ["-Xms256m", "-Xmx1g", "-XX:+ExitOnOutOfMemoryError", f"-Dlog4j2.configurationFile={_LOGGING}"]
        self._child = Child([java, *options, "-cp", f"{self._libs}/*", "kafka.Kafka", str(config)], log)

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
        command = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{self._libs}/*", "kafka.tools.StorageTool"]
        with log.open("ab") as out:
            done = subprocess.run(  # noqa: S603 - java, found on the path
                [*command, "format", "-t", cluster_id, "-c", str(config)], stdout=out, stderr=out, check=False
            )
        if done.returncode:
            raise self._failure(self._said())

    def _properties(self, voters: list["Broker"]) -> str:
        copies = min(3, len(voters))
        settled = max(1, copies - 1)
        lines = {
            "process.roles": "broker,controller",
            "node.id": self.node,
            "controller.quorum.voters": ",".join(f"{b.node}@{_HOST}:{b.controller_port}" for b in voters),
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{_HOST}:{self.controller_port}",
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
            # The largest topic limit is the dead letters' 2 MiB; a copy of such a record must fit in a fetch.
            "message.max.bytes": 2_200_000,
            "replica.fetch.max.bytes": 2_200_000,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())


class Cluster:
    """Brokers that know each other; one is enough for a demonstration, three survive the loss of one."""

    def __init__(self, libs: Path, folder: Path, brokers: int = 1, ports: list[int] | None = None) -> None:
        """`ports` are two for each broker, for clients and for the controller; by default the system chooses."""
        ports = ports or free_ports(2 * brokers)
        self.brokers: Final = [
            Broker(libs, folder / f"broker-{n + 1}", n + 1, (ports[2 * n], ports[2 * n + 1])) for n in range(brokers)
        ]
        self._folder = folder
        self.bootstrap: Final = ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        """Start all that do not run, and return when they take requests."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for broker in self.brokers:
                broker.launch(self.brokers, self._id())
            for broker in self.brokers:
                broker.wait()
        except OSError as error:
            self.stop()
            raise SettingsError(f"Kafka cannot keep its data in {self._folder}: {error.strerror}.") from None
        except BaseException:
            self.stop()
            raise

    def restart(self, broker: Broker) -> None:
        """Start a broker that was killed or stopped, on its old ports and data."""
        broker.launch(self.brokers, self._id())
        broker.wait()

    def stop(self) -> None:
        """Stop all brokers in order; their data stays."""
        for broker in self.brokers:
            broker.ask()
        for broker in self.brokers:
            broker.stop()

    def _id(self) -> str:
        kept = self._folder / "cluster.id"
        if not kept.exists():
            kept.write_text(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), encoding="ascii")
        return kept.read_text(encoding="ascii")


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _java() -> str:
    home = os.environ.get("JAVA_HOME", "").strip()
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        where = "JAVA_HOME" if home else "the path"
        raise SettingsError(f"Java 17 or newer is needed to run Kafka on this machine, and {where} has no `java`.")
    return java
