"""`ttn explain` on the running system says what `ttn simulate --explain` says of the same events."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from schemas.cloudevents import parse_time
from services import explain, topics
from services.broker import Cluster
from services.explain import dossier
from services.lines import read_lines
from services.settings import Settings
from services.simulate import Rehearsal, note
from services.wire import dead_letter, publish
from streams.explanation import Dossier, tell
from streams.grammar import DeadLetter, Emission, Publish
from streams.simulation import Happening
from tests.story import FOLDER

pytestmark = pytest.mark.kafka

STORY = "s12a-wrong-date-corrected"
PARTITIONS = 3


@pytest.fixture
def settings(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("explain")
    cluster = Cluster(kafka_libs, folder)
    cluster.start()
    yield Settings.load(
        {"TTN_KAFKA": cluster.bootstrap, "TTN_PARTITIONS": str(PARTITIONS), "TTN_DATA_DIR": str(folder)}
    )
    cluster.stop()


async def loaded(settings: Settings) -> Dossier:
    """Put on Kafka what goes in and comes out of a story, and return the simulation's own dossier."""
    simulated = Dossier()
    rehearsal = Rehearsal(Settings.load({}), simulated)
    await topics.apply(settings)
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        with (FOLDER / f"{STORY}.jsonl").open("rb") as file:
            for line in read_lines(file):
                record = line.what
                await producer.send_and_wait(record.topic, record.value, record.key, 0, headers=list(record.headers))
                await _write(producer, simulated, list(rehearsal.play(line)))
        await _write(producer, simulated, list(rehearsal.rest(parse_time("2027-05-10T00:00:00Z"))))
    return simulated


async def _write(producer: AIOKafkaProducer, simulated: Dossier, happenings: list[Happening]) -> None:
    for happening in happenings:
        note(simulated, happening)
        if not isinstance(happening, Emission):
            continue
        output = happening.output
        assert isinstance(output, Publish | DeadLetter)
        out = publish(PARTITIONS, output) if isinstance(output, Publish) else dead_letter(PARTITIONS, output)
        await producer.send_and_wait(out.topic, out.value, out.key, out.partition, headers=list(out.headers))


async def test_the_running_system_explains_a_case_as_the_simulation_does(settings: Settings) -> None:
    simulated = await loaded(settings)
    running = await dossier(settings)
    for reference in ("GE-1201", "GLOBAL_ENTRY:GE-1201", *simulated.views):
        assert running.find(reference) == list(simulated.views)
    said = tell(running, running.find("GE-1201"))
    expected = tell(simulated, list(simulated.views))
    assert said == expected
    assert "Not used: event typo" in said


async def test_who_is_unknown_is_said_in_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    await topics.apply(settings)
    monkeypatch.setattr(Settings, "load", lambda *_: settings)

    def ask() -> str:
        result = CliRunner().invoke(explain.command, ["NOBODY-1"])
        assert result.exit_code == 1
        return result.stderr

    assert await asyncio.to_thread(ask) == "ttn explain: nothing is known of NOBODY-1.\n"
