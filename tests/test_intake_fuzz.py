"""Whatever bytes come in, intake answers with messages or one dead letter, and never finds a bug of its own."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import canonical
from schemas.internal import Arrived, Origin
from schemas.source import (
    Consent,
    Contact,
    Guardian,
    Interview,
    Link,
    Person,
    ProfileUpdated,
    ProgramNotice,
    SourceData,
    StaffDecision,
)
from schemas.vocabulary import CBP_NAMES, PRECHECK_NAMES, PROFILE_NAMES, PROGRAMS
from streams.grammar import DeadLetter, ToStage
from streams.identity import Identity
from streams.intake import Intake
from streams.reading import read
from streams.topics import GLOBAL_ENTRY, INPUTS, PRECHECK, PROFILE

INTAKE = Intake(Identity(b"k" * 32))
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
REASONS = {
    "undecodable",
    "not-a-cloudevent",
    "unknown-type",
    "unknown-program",
    "missing-field",
    "invalid-field",
    "too-large",
    "future-dated",
}
TYPES = (
    [(PRECHECK, "tsa/precheck/clear", f"gov.dhs.tsa.precheck.{name}") for name in PRECHECK_NAMES]
    + [(GLOBAL_ENTRY, "cbp/ttp", f"gov.dhs.cbp.ttp.{name}") for name in CBP_NAMES]
    + [(PROFILE, "dhs/staff", f"gov.dhs.ttp.profile.{name}") for name in PROFILE_NAMES]
)
STRUCTS = (
    SourceData,
    Person,
    Interview,
    Guardian,
    ProgramNotice,
    ProfileUpdated,
    Contact,
    Consent,
    Link,
    StaffDecision,
)
FIELDS = sorted({field.encode_name for struct in STRUCTS for field in msgspec.structs.fields(struct)})

texts = st.one_of(
    st.text(st.characters(codec=None), max_size=12),
    st.sampled_from(["R-1", "p-1", *PROGRAMS, "2027-01-01", "9999-12-31", "0001-01-01", "2027-02-03T04:05:06+14:00"]),
    st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "America/Chicago", "GRANTED", "es", "NEW"]
    ),
)
numbers = st.one_of(st.integers(), st.just(10**400), st.floats(), st.just(-(2**63)))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6)),
    max_leaves=12,
)


def mostly(usual: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), texts)


def check(topic: str, value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> None:
    origin = Origin(topic=topic, partition=0, offset=0, timestamp=0, key=None, headers=headers, value=value)
    outputs = INTAKE(origin, NOW)
    assert outputs
    if isinstance(outputs[0], DeadLetter):
        assert len(outputs) == 1
        assert outputs[0].reason in REASONS, outputs[0]
        assert outputs[0].origin is origin
        return
    for output in outputs:
        assert isinstance(output, ToStage)
        assert isinstance(output.message, Arrived)
        output.key.encode()
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(output.message), type=Arrived) == output.message
    event, data, _, _ = read(origin)
    canonical(event.data)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(data), type=type(data)) == data


@settings(max_examples=300)
@given(
    st.sampled_from(INPUTS), st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=20)))
)
def test_random_bytes_and_headers(topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    check(topic, value, tuple(headers))
    check(topic, value, (("content-type", b"application/cloudevents+json"), *headers))


@settings(max_examples=1500)
@given(
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=8),
    mostly("R-1"),
    mostly("e-1"),
    mostly("2027-03-01T11:00:00Z"),
)
def test_random_fields_in_events_of_every_type(
    kind: tuple[str, str, str], data: dict[str, Any], subject: str, identifier: str, moment: str
) -> None:
    topic, source, name = kind
    event = {"specversion": "1.0", "id": identifier, "source": source, "type": name, "subject": subject, "data": data}
    event["time"] = moment
    if len(data) % 2:
        data["recordId"] = subject
    value = json.dumps(event).encode()
    check(topic, value, (("content-type", b"application/cloudevents+json"),))
    headers = [("content-type", b"application/json")]
    headers += [
        (f"ce_{name}", str(event[name]).encode("utf-8", "surrogatepass"))
        for name in ("specversion", "id", "source", "type", "subject", "time")
    ]
    check(topic, json.dumps(data).encode(), tuple(headers))


@settings(max_examples=50)
@given(st.integers(1, 4000), st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
def test_deep_json(depth: int, brackets: tuple[bytes, bytes]) -> None:
    deep = brackets[0] * depth + b"1" + brackets[1] * depth
    headers = (("content-type", b"application/cloudevents+json"),)
    check(PRECHECK, deep, headers)
    event = (
        b'{"specversion":"1.0","id":"1","source":"tsa/precheck/clear","type":"gov.dhs.tsa.precheck.vetting.started",'
        b'"time":"2027-01-01T00:00:00Z","subject":"R","data":{"recordId":"R","x":%s}}'
    )
    check(PRECHECK, event % deep, headers)


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=6), st.integers(0, 200), st.integers(0, 5))
def test_a_good_event_with_some_bytes_overwritten(noise: bytes, position: int, length: int) -> None:
    good = (
        b'{"specversion":"1.0","id":"1","source":"cbp/ttp","type":"gov.dhs.cbp.ttp.application.approved",'
        b'"time":"2027-01-01T00:00:00Z","subject":"R","data":{"recordId":"R","validTo":"2031-01-01","ktn":"\\ud83d\\ude00"}}'
    )
    broken = good[:position] + noise + good[position + length :]
    check(GLOBAL_ENTRY, broken, (("content-type", b"application/cloudevents+json"),))
