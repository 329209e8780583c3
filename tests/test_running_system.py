"""Commands that talk to a running system: send, status, work."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from schemas.outputs import WorkItem
from services import cli, forget, send, status, topics, work
from services.broker import Cluster
from services.contents import contents
from services.settings import Settings, SettingsError
from services.wire import origin_of
from streams import events
from streams.reading import read
from streams.topics import EVERY, PRECHECK, PROFILE, STATUS, WORK

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def settings(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("running")
    cluster = Cluster(kafka_libs, folder)
    cluster.start()
    yield Settings.load({"TTN_KAFKA": cluster.bootstrap, "TTN_PARTITIONS": "3", "TTN_DATA_DIR": str(folder)})
    cluster.stop()


@pytest.fixture
async def declared(settings: Settings) -> Settings:
    await topics.apply(settings)
    return settings


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TTN_KAFKA", settings.kafka or "")
    monkeypatch.setenv("TTN_PARTITIONS", "3")
    monkeypatch.setenv("TTN_DATA_DIR", str(settings.data_dir))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli.cli, arguments)

    return invoke


def _event(number: int, record: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "tsa/precheck/idemia",
        "type": "gov.dhs.tsa.precheck.enrollment.completed",
        "time": "2026-01-05T15:00:00Z",
        "subject": record,
        "data": {"recordId": record},
    }


def _file(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def _line(number: int, record: str) -> dict[str, Any]:
    return {"at": "2026-01-05T15:00:01Z", "topic": PRECHECK, "event": _event(number, record)}


async def _values(settings: Settings, topic: str) -> list[bytes]:
    return [record.value async for record in contents(settings, topic)]


def test_without_topics_it_says_which_is_missing_and_what_makes_it(run: Any, tmp_path: Path) -> None:
    refused = run("send", str(_file(tmp_path / "f", _line(1, "UE-1"))))
    assert isinstance(refused.exception, SettingsError)
    assert PRECHECK in str(refused.exception)
    assert "ttn topics apply" in str(refused.exception)


async def test_what_concerns_one_record_stays_in_order_and_history_is_marked(
    declared: Settings, tmp_path: Path
) -> None:
    lines = [_line(number, f"UE-{number % 5}") for number in range(200)]
    assert await send.publish(declared, _file(tmp_path / "f", *lines), backfill=True) == 200
    seen: dict[str, list[int]] = {}
    partitions = set()
    async for record in contents(declared, PRECHECK):
        event = json.loads(record.value)
        seen.setdefault(event["subject"], []).append(int(event["id"][1:]))
        partitions.add(record.partition)
        assert dict(record.headers) == {"content-type": b"application/cloudevents+json", "ttn-backfill": b"1"}
        assert record.key is None
    assert sum(map(len, seen.values())) == 200
    assert all(order == sorted(order) for order in seen.values())
    assert len(partitions) > 1


async def test_raw_bytes_key_and_headers_arrive_as_they_are(declared: Settings, tmp_path: Path) -> None:
    raw = {"at": "2026-01-05T15:00:01Z", "topic": PROFILE, "rawBase64": "AP8=", "key": "k", "headers": {"h": "v"}}
    await send.publish(declared, _file(tmp_path / "f", raw), backfill=False)
    (record,) = [record async for record in contents(declared, PROFILE)]
    assert (record.value, record.key, record.headers) == (b"\x00\xff", b"k", (("h", b"v"),))


@pytest.mark.parametrize(
    "bad", ["{", "[]", '{"at": "2026-01-05T15:00:01Z", "inboundSms": {"from": "+1", "body": "x"}}']
)
async def test_a_bad_line_is_named_by_file_and_number_and_nothing_is_sent(
    declared: Settings, run: Any, tmp_path: Path, bad: str
) -> None:
    before = len(await _values(declared, PRECHECK))
    file = _file(tmp_path / "f", _line(1, "UE-1"), bad)
    with pytest.raises(send.SendError, match=r"f, line 2: "):
        await send.publish(declared, file, backfill=False)
    assert len(await _values(declared, PRECHECK)) == before


def test_a_bad_line_ends_the_command_with_status_2(declared: Settings, run: Any, tmp_path: Path) -> None:
    failed = run("send", str(_file(tmp_path / "f", _line(1, "UE-1"), "{")))
    assert failed.exit_code == 2
    assert f"{tmp_path / 'f'}, line 2: not JSON" in failed.output


def _view(traveler: str, *records: tuple[str, str]) -> bytes:
    cards = [{"program": program, "recordId": record} for program, record in records]
    return json.dumps({"travelerId": traveler, "cards": cards}).encode()


async def test_the_newest_view_is_found_by_traveler_by_record_and_by_program_and_record(declared: Settings) -> None:
    async with AIOKafkaProducer(bootstrap_servers=declared.kafka, transactional_id="status-test") as producer:
        for views in (
            {"t1": _view("t1", ("PRECHECK", "R1")), "t2": _view("t2", ("PRECHECK", "R2"))},
            {"t1": _view("t1"), "t2": _view("t2", ("PRECHECK", "R2"), ("GLOBAL_ENTRY", "R1"))},
            {"t3": _view("t3", ("NEXUS", "R3"))},
            {"t3": None},
        ):
            async with producer.transaction():
                for traveler, value in views.items():
                    await producer.send(STATUS, value, traveler.encode())
    second = [_view("t2", ("PRECHECK", "R2"), ("GLOBAL_ENTRY", "R1"))]
    for reference in ("t2", "R1", "R2", "PRECHECK:R2", "GLOBAL_ENTRY:R1"):
        assert await status.find(declared, reference) == second
    assert await status.find(declared, "t1") == [_view("t1")]
    for unknown in ("PRECHECK:R1", "t3", "R3", "R"):
        assert await status.find(declared, unknown) == []


def test_a_traveler_that_nobody_knows_is_a_sentence_and_status_1(declared: Settings, run: Any) -> None:
    unknown = run("status", "NOBODY")
    assert unknown.exit_code == 1
    assert unknown.output == "ttn status: nothing is known of NOBODY.\n"


async def test_forgetting_asks_for_the_erasure_of_the_person_behind_a_record(declared: Settings) -> None:
    async with AIOKafkaProducer(bootstrap_servers=declared.kafka) as producer:
        await producer.send_and_wait(STATUS, _view("t9", ("PRECHECK", "UE-9"), ("GLOBAL_ENTRY", "GE-9")), b"t9")
    assert await forget.forget(declared, "UE-9", "pat.staff", "asked to") == ["PRECHECK:UE-9"]
    [asked] = [record async for record in contents(declared, PROFILE) if record.key == b"UE-9"]
    reading = read(origin_of(asked))
    assert (reading.name, reading.program, reading.event.subject) == ("erased", "PRECHECK", "UE-9")
    assert await forget.forget(declared, "NOBODY", "pat.staff", None) == []


async def test_work_is_what_was_opened_and_not_closed_again(declared: Settings) -> None:
    def item(number: int) -> WorkItem:
        return WorkItem(itemId=f"i{number}", reason="conflict", program="PRECHECK", recordId="R")

    at = datetime(2026, 1, 5, tzinfo=UTC)
    assert await work.waiting(declared) == []
    async with AIOKafkaProducer(bootstrap_servers=declared.kafka) as producer:
        for action, number in (("opened", 2), ("opened", 1), ("closed", 2)):
            event = events.work(action, item(number), "PRECHECK:R", f"cause{number}", at).event
            assert event is not None
            await producer.send_and_wait(WORK, bytes(event.data), b"PRECHECK:R", headers=list(event.headers()))
    (open_,) = await work.waiting(declared)
    assert open_ == work.OpenItem(at, item(1))


async def test_reading_stops_at_the_end_behind_the_marks_of_transactions(declared: Settings) -> None:
    topic = next(name for name in EVERY if name.endswith("timing.v1"))
    async with AIOKafkaProducer(bootstrap_servers=declared.kafka, transactional_id="marks") as producer:
        async with producer.transaction():
            await producer.send(topic, b"kept", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"dropped", partition=0)
        await producer.abort_transaction()
    assert await _values(declared, topic) == [b"kept"]
