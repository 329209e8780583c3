"""Apache Kafka: where it is, and a real one of our own on this machine when none is given (design 7)."""

import socket
from pathlib import Path
from typing import Any, Final

from services.broker.cluster import Cluster as Cluster
from services.broker.jars import Progress as Progress
from services.broker.jars import jars as jars
from services.broker.server import Broker as Broker
from services.settings import Settings, SettingsError

_ADDRESS: Final = "kafka.address"


def bootstrap(settings: Settings) -> str:
    """The bootstrap servers: TTN_KAFKA, else the broker that runs in the data dir.

    Raises SettingsError where there is neither.
    """
    if settings.kafka is not None:
        return settings.kafka
    try:
        address = (settings.data_dir / _ADDRESS).read_text(encoding="ascii").strip()
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, ValueError):
        raise SettingsError(
            f"TTN_KAFKA: expected the brokers' addresses, because no broker of `ttn demo` runs in {settings.data_dir}."
        ) from None
    return address


def client(settings: Settings) -> dict[str, Any]:
    """The options with which any client of Kafka reaches the brokers. Raises SettingsError where none are known."""
    return {"bootstrap_servers": bootstrap(settings), **settings.security.client_options()}


class LocalKafka:
    """One broker in the data dir, for as long as the `with` block or this process lasts; others find its address."""

    def __init__(self, data_dir: Path, progress: Progress, *, fresh: bool = False) -> None:
        """Fetch Kafka where needed and start it; `fresh` drops what an earlier one kept.

        Raises SettingsError, in one sentence, where that cannot be.
        """
        self._address = data_dir / _ADDRESS
        self._cluster = Cluster(jars(progress), data_dir / "kafka")
        progress("Starting Kafka.")
        self._cluster.start(fresh=fresh)
        self.bootstrap: Final = self._cluster.bootstrap
        self._address.write_text(self.bootstrap, encoding="ascii")

    def stop(self) -> None:
        """Stop the broker; its data stays."""
        self._address.unlink(missing_ok=True)
        self._cluster.stop()

    def __enter__(self) -> "LocalKafka":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
