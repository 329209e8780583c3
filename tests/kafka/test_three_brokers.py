"""Three real brokers, of which one dies or stands still: the leader, the coordinator. Nothing is lost or doubled."""

import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.broker import Broker, Cluster
from streams import topics
from tests.kafka.crew import Crew, Load
from tests.kafka.rig import Rig, Zygote, make_topics, run, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

_FULL: Final = bool(os.environ.get("TTN_TEST_FULL"))


@pytest.fixture(scope="module")
def three(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers; every topic has three copies, and a write needs two of them."""
    cluster = Cluster(kafka_libs, tmp_path_factory.mktemp("three"), 3)
    cluster.start()
    run(make_topics(cluster.bootstrap, [topics.DEAD_LETTER]))
    yield cluster
    cluster.stop()


def _leader(cluster: Cluster, rig: Rig) -> Broker:
    """The leader of the inbox's first partition."""

    async def ask(admin: AIOKafkaAdminClient) -> int:
        (topic,) = await admin.describe_topics([topics.inbox(rig.name)])
        return next(each["leader"] for each in topic["partitions"] if each["partition"] == 0)

    return _asked(cluster, ask)


def _coordinator(cluster: Cluster, rig: Rig) -> Broker:
    """The coordinator of the stage's group."""

    async def ask(admin: AIOKafkaAdminClient) -> int:
        node: int = await admin.find_coordinator(f"ttn-{rig.name}")
        return node

    return _asked(cluster, ask)


def _asked(cluster: Cluster, ask: Callable[[AIOKafkaAdminClient], Awaitable[int]]) -> Broker:
    """The broker that the cluster names, as soon as it knows one: it may just be choosing another."""
    found: list[int] = []

    async def try_it() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
        with suppress(KafkaError, OSError):
            await admin.start()
            found.append(await ask(admin))
        await admin.close()

    def known() -> bool:
        run(try_it())
        return bool(found) and found[-1] > 0

    wait_for(known, "the cluster names a broker")
    return cluster.brokers[found[-1] - 1]


@contextmanager
def _under_load(three: Cluster, zygote: Zygote, folder: Path, name: str) -> Iterator[tuple[Rig, Crew]]:
    """Two workers at work; what came of it is judged at the end of the block."""
    rig = Rig(three.bootstrap, zygote, folder, name)
    rig.make_topics()
    crew = Crew(rig)
    crew.join(1)
    crew.join(2)
    with Load(rig, 500, hold=0.5) as load:
        crew.rest(3)
        yield rig, crew
    verdict = rig.judge(crew.finish())
    assert verdict, verdict.faults[:20]
    assert verdict.events >= load.fed > 0


@pytest.mark.parametrize("disk", ["kept", "wiped"] if _FULL else ["kept"])
def test_brokers_that_are_killed_and_come_back_lose_nothing(
    three: Cluster, zygote: Zygote, tmp_path: Path, disk: str
) -> None:
    with _under_load(three, zygote, tmp_path / "rig", f"killed-{disk}") as (rig, crew):
        for find in (_leader, _coordinator) * (4 if _FULL else 1):
            broker = find(three, rig)
            broker.kill()
            crew.rest(4)
            if disk == "wiped":
                crew.kill(random.choice([1, 2]), wipe=True)
            three.restart(broker)
            crew.rest(2)


@pytest.mark.parametrize("seconds", [5.0, 12.0, 45.0] if _FULL else [5.0])
@pytest.mark.parametrize("find", [_leader, _coordinator] if _FULL else [_coordinator])
def test_a_broker_that_stands_still_for_a_while_loses_nothing(
    three: Cluster, zygote: Zygote, tmp_path: Path, seconds: float, find: Callable[[Cluster, Rig], Broker]
) -> None:
    with _under_load(three, zygote, tmp_path / "rig", f"slow{find.__name__}-{seconds:.0f}") as (rig, crew):
        broker = find(three, rig)
        broker.signal(signal.SIGSTOP)
        try:
            crew.rest(seconds)
        finally:
            broker.signal(signal.SIGCONT)
        crew.rest(2)
