"""What others hold us to: the topics as described, CloudEvents as an independent client sees them, layers of code."""

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from schemas.__main__ import FOLDER
from schemas.documents import OUTPUTS, address
from schemas.internal import Origin
from schemas.outputs import Audit, Notification
from schemas.vocabulary import CBP_NAMES, CBP_PREFIX, PRECHECK_NAMES, PRECHECK_PREFIX, PROFILE_NAMES, PROFILE_PREFIX
from streams import events, topics
from streams.grammar import ToStage
from streams.identity import Identity
from streams.intake import Intake
from streams.reading import read

ROOT = FOLDER.parent
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
DOCUMENT = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text())
CHANNELS: dict[str, Any] = {channel["address"]: channel for channel in DOCUMENT["channels"].values()}


# ---- AsyncAPI


def test_every_topic_is_described_and_no_other() -> None:
    assert sorted(CHANNELS) == sorted(topics.EVERY)


def test_what_we_read_and_what_we_write_are_told_apart() -> None:
    actions: dict[str, set[str]] = {"send": set(), "receive": set()}
    for operation in DOCUMENT["operations"].values():
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        actions[operation["action"]].add(DOCUMENT["channels"][name]["address"])
    assert actions == {"send": set(topics.OUTPUTS), "receive": set(topics.INPUTS)}


def test_every_type_that_may_come_in_is_described_on_its_topic() -> None:
    for topic, prefix, names in (
        (topics.PRECHECK, PRECHECK_PREFIX, PRECHECK_NAMES),
        (topics.GLOBAL_ENTRY, CBP_PREFIX, CBP_NAMES),
        (topics.PROFILE, PROFILE_PREFIX, PROFILE_NAMES),
    ):
        assert {message["name"] for message in CHANNELS[topic]["messages"].values()} == {
            prefix + name for name in names
        }


def test_every_state_of_a_notification_is_described() -> None:
    described = {message["name"].rpartition(".")[2] for message in CHANNELS[topics.NOTIFICATIONS]["messages"].values()}
    assert described == {
        *("planned", "held", "claimed", "accepted", "rejected", "in-doubt", "delivered", "failed"),
        *("unconfirmed", "suppressed", "expired", "superseded", "parked"),
    }
    assert described >= events.FINAL


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert any(reference.startswith("./") for reference in found)
    for reference in found:
        if reference.startswith("./"):
            assert (FOLDER / reference).is_file(), reference
            continue
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


# ---- CloudEvents, with the official SDK as an independent client


def sdk_event() -> SdkEvent:
    attributes = {
        "id": "e-1",
        "source": "cbp/ttp",
        "type": "gov.dhs.cbp.ttp.application.submitted",
        "time": datetime(2027, 3, 1, 11, 59, tzinfo=UTC),
        "subject": "R-1",
        "datacontenttype": "application/json",
    }
    return SdkEvent(attributes, {"recordId": "R-1", "program": "NEXUS"})


@pytest.mark.parametrize("write", [kafka.to_binary_event, kafka.to_structured_event])
def test_an_event_written_by_the_sdk_is_read(write: Any) -> None:
    message = write(sdk_event(), JSONFormat())
    origin = Origin(
        topic=topics.GLOBAL_ENTRY,
        partition=0,
        offset=0,
        timestamp=0,
        key=None,
        headers=tuple(message.headers.items()),
        value=message.value,
    )
    [output] = Intake(Identity(b"k" * 32))(origin, NOW)
    assert isinstance(output, ToStage)
    assert (output.stage, output.key) == ("records", "NEXUS:R-1")
    assert read(origin).event.time == datetime(2027, 3, 1, 11, 59, tzinfo=UTC)


def test_an_event_that_we_write_is_read_by_the_sdk() -> None:
    data = Notification(
        notificationId="n", travelerId="t", recordId="R-1", program="NEXUS", kind="APPROVED", channel="sms"
    )
    event = events.notification("planned", data, NOW).event
    assert event is not None
    message = kafka.KafkaMessage(headers=dict(event.headers()), key="t", value=bytes(event.data))
    got = kafka.from_kafka_event(message, JSONFormat())
    assert got.get_id() == event.id
    assert got.get_type() == "gov.dhs.ttp.notification.planned"
    assert got.get_time() == NOW
    assert got.get_data() == json.loads(bytes(event.data))
    structured = SdkEvent(
        {key: value for key, value in json.loads(JSONFormat().write(got)).items() if key not in ("data", "time")}, {}
    )
    assert structured.get_dataschema() == event.dataschema


def test_the_data_schema_of_an_event_is_one_of_ours() -> None:
    event = events.audit(Audit(action="notice.approved", by="ana"), "e", NOW).event
    assert event is not None
    assert event.dataschema is not None
    named = FOLDER / event.dataschema.rpartition("/")[2]
    assert json.loads(named.read_text())["$id"] == event.dataschema
    assert {address(name).rpartition("/")[2] for name in OUTPUTS} <= {path.name for path in FOLDER.glob("*.json")}


# ---- layers


def modules(layer: str) -> Iterator[tuple[str, set[str]]]:
    for path in sorted((ROOT / layer).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
        yield path.relative_to(ROOT).as_posix(), found


EDGES = {
    "aiohttp",
    "aiokafka",
    "aiosmtpd",
    "aiosmtplib",
    "asyncio",
    "click",
    "cryptography",
    "faust",
    "logging",
    "os",
    "pathlib",
    "prometheus_client",
    "random",
    "rocksdict",
    "secrets",
    "socket",
    "structlog",
    "subprocess",
    "threading",
    "time",
    "twilio",
}


@pytest.mark.parametrize(("layer", "above"), [("schemas", {"streams", "services"}), ("streams", {"services"})])
def test_imports_point_one_way(layer: str, above: set[str]) -> None:
    assert {path: found & above for path, found in modules(layer) if found & above} == {}


def test_the_core_reaches_no_clock_no_network_and_no_file() -> None:
    assert {path: found & EDGES for path, found in modules("streams") if found & EDGES} == {}


def test_the_core_never_asks_what_time_it_is() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "streams").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("now", "utcnow", "today", "uuid1", "uuid4")
    ]
    assert asked == []


@pytest.mark.parametrize(("package", "home"), [("faust", "services/runtime"), ("twilio", "services/twilio.py")])
def test_a_library_that_we_bend_is_imported_in_one_place(package: str, home: str) -> None:
    users = [path for layer in ("schemas", "streams", "services") for path, found in modules(layer) if package in found]
    assert users
    assert all(path.startswith(home) for path in users), users
