"""A cluster of real Kafka brokers as child processes on loopback, which tests may kill and restart."""

import socket
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from services.broker.server import HOST, Broker
from services.settings import SettingsError


class Cluster:
    """Brokers that know each other; one is enough for a demonstration, three survive the loss of one."""

    def __init__(
        self, libs: Path, folder: Path, brokers: int = 1, ports: list[int] | None = None, *, lasting: bool = False
    ) -> None:
        """`ports` are two for each broker, for clients and for the controller; by default the system chooses.

        `lasting` brokers are fit for hours of load, others for minutes.
        """
        ports = ports or free_ports(2 * brokers)
        self.brokers: Final = [
            Broker(libs, folder / f"broker-{n + 1}", n + 1, (ports[2 * n], ports[2 * n + 1]), lasting=lasting)
            for n in range(brokers)
        ]
        self._folder = folder
        self.bootstrap: Final = ",".join(broker.address for broker in self.brokers)

    def start(self, *, fresh: bool = False) -> None:
        """Start all, and return when they take requests; `fresh` drops what earlier ones kept."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for broker in self.brokers:
                broker.launch(self.brokers, self._id(), fresh=fresh)
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
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
