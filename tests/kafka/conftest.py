"""Workers of a test stage on the shared broker."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from services.broker import Cluster
from streams import topics
from tests.kafka.rig import Rig, Zygote, make_topics, run
from tests.kafka.system import System

_numbers = count(1)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One process that forks all workers of the run."""
    forks = Zygote()
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def dead_letters(kafka: str) -> None:
    """The dead letter topic, shared by all test stages."""
    run(make_topics(kafka, [topics.DEAD_LETTER]))


@pytest.fixture
def new_rig(kafka: str, dead_letters: None, zygote: Zygote, tmp_path: Path) -> Callable[..., Rig]:
    """Makes a test stage with topics of its own."""

    def make(onward: str | None = None) -> Rig:
        name = f"counting{next(_numbers)}"
        rig = Rig(kafka, zygote, tmp_path / name, name, onward)
        rig.make_topics()
        return rig

    return make


@pytest.fixture
def rig(new_rig: Callable[..., Rig]) -> Rig:
    """One test stage."""
    return new_rig()


@pytest.fixture
def system(kafka_cluster: Callable[[int], Cluster], tmp_path: Path) -> Iterator[System]:
    """The product on a broker of its own, with a sandbox that runs."""
    found = System(kafka_cluster(1).bootstrap, tmp_path)
    found.run("topics", "apply")
    with found.sandbox():
        yield found
