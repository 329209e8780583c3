"""What tests share: a real Apache Kafka, and clusters that a test may kill and restart."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.broker import Cluster, jars
from services.settings import SettingsError


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """The folder with Kafka's jars; where they cannot be had, the tests that need them say why and are skipped."""
    try:
        return jars(print)
    except SettingsError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one broker that all tests of a run share."""
    cluster = Cluster(kafka_libs, tmp_path_factory.mktemp("kafka"))
    cluster.start()
    yield cluster.bootstrap
    cluster.stop()


@pytest.fixture
def kafka_cluster(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Cluster]]:
    """Starts clusters of as many brokers as a test asks for; theirs to kill, stopped at its end."""
    started: list[Cluster] = []

    def start(brokers: int = 1) -> Cluster:
        cluster = Cluster(kafka_libs, tmp_path_factory.mktemp("cluster"), brokers)
        started.append(cluster)
        cluster.start()
        return cluster

    yield start
    for cluster in started:
        cluster.stop()
