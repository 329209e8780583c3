"""Keys of messages, with real processes' worth of readers and writers on a real Kafka."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services import topics as declared
from services.broker import Cluster
from services.sealing import ForgottenError, Keys, SealError
from services.settings import Settings
from services.transit import MARK, PLACE, Times, Transit, key_of
from streams import topics
from tests.kafka.rig import read, run, wait_for

pytestmark = pytest.mark.kafka

KEYS = Keys.built_in()
SHORT = Times(life=3.0, ahead=1.0, margin=0.5, sweep=0.5, roll=3600.0)
INBOX = topics.inbox("records")

Start = Callable[..., Transit]


@pytest.fixture(scope="module")
def settings(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("transit")
    cluster = Cluster(kafka_libs, folder)
    cluster.start()
    found = Settings.load({"TTN_KAFKA": cluster.bootstrap, "TTN_PARTITIONS": "2", "TTN_DATA_DIR": str(folder)})
    run(declared.apply(found))
    yield found
    cluster.stop()


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts what a process has to seal and open with."""
    started: list[Transit] = []

    def make(keys: Keys = KEYS, *, disposes: bool = False, times: Times | None = None) -> Transit:
        made = Transit(keys, {"bootstrap_servers": settings.kafka}, disposes=disposes, times=times)
        made.start()
        started.append(made)
        return made

    yield make
    for each in started:
        each.stop()


async def _send(settings: Settings, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        await producer.send_and_wait(INBOX, value, b"k", partition=0)


async def _commit(settings: Settings, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=f"ttn-{topics.KEYED_STAGES[0]}", enable_auto_commit=False
    )
    async with consumer:
        place = TopicPartition(INBOX, 0)
        consumer.assign([place])
        await consumer.commit({place: offset})


def _held(settings: Settings) -> set[bytes]:
    """The ids of the keys that the topic has."""
    held: dict[bytes, bool] = {}
    for _, key, value, _ in run(read(settings.kafka or "", PLACE.topic, 2))[0]:
        held[key or b""] = value is not None
    return {name for name, there in held.items() if there}


def test_a_process_opens_at_once_what_another_has_sealed_and_nothing_in_clear_is_written(
    start: Start, settings: Settings
) -> None:
    reader = start()
    writer = start()
    sealed = writer.seal(b"+13125550100")
    assert reader.open(sealed) == b"+13125550100"
    assert writer.seal(b"+13125550100") != sealed
    assert b"3125550100" not in sealed
    assert key_of(sealed) in _held(settings)
    assert start().open(sealed) == b"+13125550100", "a process that starts later"


def test_a_key_is_replaced_before_its_time_is_over_and_its_messages_open_as_long_as_one_is_unread(
    start: Start, settings: Settings
) -> None:
    process = start(disposes=True, times=SHORT)
    first = process.seal(b"first")
    run(_send(settings, first))
    wait_for(lambda: key_of(process.seal(b"x")) != key_of(first), "the next key")
    time.sleep(SHORT.life + SHORT.margin + 2)
    assert key_of(first) in _held(settings)
    assert process.open(first) == b"first"
    run(_commit(settings, 1))
    wait_for(lambda: key_of(first) not in _held(settings), "the key is deleted")
    wait_for(lambda: not _opens(process, first), "the process has read that")
    assert not _opens(start(), first)
    assert key_of(process.seal(b"x")) in _held(settings)


def _opens(process: Transit, sealed: bytes) -> bool:
    try:
        process.open(sealed)
    except ForgottenError:
        return False
    return True


def test_what_no_key_ever_sealed_is_forgotten_and_what_was_changed_is_refused(start: Start) -> None:
    process = start()
    with pytest.raises(ForgottenError):
        process.open(MARK + bytes(60))
    sealed = bytearray(process.seal(b"clear"))
    sealed[-1] ^= 1
    with pytest.raises(SealError, match="changed"):
        process.open(bytes(sealed))


def test_a_message_of_another_deployment_is_no_forgotten_one(start: Start) -> None:
    stranger = start(Keys(b"h" * 32, {"stranger": b"s" * 32}))
    process = start()
    with pytest.raises(SealError, match="does not hold") as caught:
        process.open(stranger.seal(b"clear"))
    assert not isinstance(caught.value, ForgottenError)
