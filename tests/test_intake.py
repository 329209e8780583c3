"""Every source record becomes messages to the right keys, or a dead letter with the right reason."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.internal import Arrived, Origin
from schemas.vocabulary import CBP_NAMES, PRECHECK_NAMES, PROGRAMS
from streams.grammar import DeadLetter, ToStage
from streams.identity import Identity
from streams.intake import Intake
from streams.reading import EASTERN, LIMIT, UnusableError, read
from streams.topics import GLOBAL_ENTRY, PRECHECK, PROFILE

IDENTITY = Identity(b"k" * 32)
INTAKE = Intake(IDENTITY)
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
STRUCTURED = (("content-type", b"application/cloudevents+json"),)

TYPES = {PRECHECK: "gov.dhs.tsa.precheck.", GLOBAL_ENTRY: "gov.dhs.cbp.ttp.", PROFILE: "gov.dhs.ttp.profile."}
SOURCES = {PRECHECK: "tsa/precheck/telos", GLOBAL_ENTRY: "cbp/ttp", PROFILE: "dhs/portal"}


def event(topic: str, name: str, data: Any = None, **attributes: Any) -> dict[str, Any]:
    made = {
        "specversion": "1.0",
        "id": "e-1",
        "source": SOURCES[topic],
        "type": TYPES[topic] + name,
        "time": "2027-03-01T11:59:00Z",
        "subject": "R-1",
        "data": {"recordId": "R-1"} if data is None else data,
    } | attributes
    return {key: value for key, value in made.items() if value is not None}


def origin(topic: str, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = STRUCTURED) -> Origin:
    return Origin(topic=topic, partition=0, offset=0, timestamp=0, key=b"k", headers=headers, value=value)


def arrive(topic: str, name: str, data: Any = None, **attributes: Any) -> list[Any]:
    return INTAKE(origin(topic, json.dumps(event(topic, name, data, **attributes)).encode()), NOW)


def reason(outputs: list[Any]) -> str:
    assert [type(output) for output in outputs] == [DeadLetter]
    return str(outputs[0].reason)


def targets(outputs: list[Any]) -> list[tuple[str, str]]:
    assert all(isinstance(output, ToStage) and isinstance(output.message, Arrived) for output in outputs), outputs
    return [(output.stage, output.key) for output in outputs]


# ---- what is read


def test_a_structured_event_goes_to_its_record() -> None:
    assert targets(arrive(GLOBAL_ENTRY, "application.submitted")) == [("records", "GLOBAL_ENTRY:R-1")]


def test_a_binary_event_says_the_same_as_a_structured_one() -> None:
    made = event(PRECHECK, "vetting.started")
    headers = [("content-type", b"application/json; charset=utf-8")]
    headers += [
        (f"ce_{name}", made[name].encode()) for name in ("specversion", "id", "source", "type", "time", "subject")
    ]
    binary = origin(PRECHECK, json.dumps(made["data"]).encode(), tuple(headers))
    assert targets(INTAKE(binary, NOW)) == [("records", "PRECHECK:R-1")]
    structured = origin(PRECHECK, json.dumps(made).encode())
    assert read(binary).data == read(structured).data
    assert read(binary).name == "vetting.started"


def test_data_that_a_producer_wrote_as_base64_is_read() -> None:
    encoded = base64.b64encode(b'{"recordId":"R-1"}').decode()
    made = event(PRECHECK, "vetting.started") | {"data_base64": encoded}
    del made["data"]
    assert targets(INTAKE(origin(PRECHECK, json.dumps(made).encode()), NOW)) == [("records", "PRECHECK:R-1")]


@pytest.mark.parametrize("program", ["NEXUS", "SENTRI", "FAST", "ABTC", "GLOBAL_ENTRY"])
def test_every_program_of_customs_comes_on_its_one_topic(program: str) -> None:
    outputs = arrive(GLOBAL_ENTRY, "application.submitted", {"recordId": "R-1", "program": program})
    assert targets(outputs) == [("records", f"{program}:R-1")]


@pytest.mark.parametrize(
    ("topic", "name"), [(PRECHECK, name) for name in PRECHECK_NAMES] + [(GLOBAL_ENTRY, name) for name in CBP_NAMES]
)
def test_an_event_with_its_record_needs_no_other_field(topic: str, name: str) -> None:
    subject = {PRECHECK: "PRECHECK", GLOBAL_ENTRY: "GLOBAL_ENTRY"}[topic] if name == "program.notice" else "R-1"
    data = {} if name == "program.notice" else {"recordId": "R-1"}
    assert targets(arrive(topic, name, data, subject=subject))


def test_unknown_fields_are_ignored_so_that_a_source_may_add_one() -> None:
    assert targets(arrive(PRECHECK, "vetting.started", {"recordId": "R-1", "serviceCode": "11115V"}))


def test_an_interview_is_read_in_utc() -> None:
    data = {"recordId": "R-1", "interview": {"at": "2027-03-09T10:30:00-06:00", "timeZone": "America/Chicago"}}
    got = read(origin(GLOBAL_ENTRY, json.dumps(event(GLOBAL_ENTRY, "interview.scheduled", data)).encode())).data
    assert got.interview.at.isoformat() == "2027-03-09T16:30:00+00:00"


def test_history_is_marked_as_such() -> None:
    value = json.dumps(event(PRECHECK, "vetting.started")).encode()
    [output] = INTAKE(origin(PRECHECK, value), NOW, backfill=True)
    assert isinstance(output, ToStage)
    assert output.message == Arrived(origin=origin(PRECHECK, value), at=NOW, backfill=True)


# ---- where it goes


def test_links_go_to_the_record_that_they_name() -> None:
    data = {"portalSubject": "p-1", "recordId": "R-1", "program": "NEXUS"}
    for name in ("linked", "unlinked"):
        assert targets(arrive(PROFILE, name, data, subject="p-1")) == [("records", "NEXUS:R-1")]


def test_a_profile_goes_to_the_traveler_of_its_portal_subject() -> None:
    traveler = IDENTITY.traveler_of_subject("p-1")
    for data in ({"portalSubject": "p-1"}, {"language": "es"}, {}):
        assert targets(arrive(PROFILE, "updated", data, subject="p-1")) == [("travelers", traveler)]
    for name in ("deceased", "erased"):
        assert targets(arrive(PROFILE, name, {}, subject="p-1")) == [("travelers", traveler)]


def test_a_profile_of_a_record_goes_to_the_record() -> None:
    data = {"recordId": "R-1", "program": "PRECHECK", "language": "es"}
    assert targets(arrive(PROFILE, "updated", data)) == [("records", "PRECHECK:R-1")]
    assert targets(arrive(PROFILE, "deceased", data)) == [("records", "PRECHECK:R-1")]


def test_a_program_notice_goes_to_its_program() -> None:
    notice = {"notice": {"state": "PAUSED", "scope": "all"}}
    assert targets(arrive(GLOBAL_ENTRY, "program.notice", notice, subject="NEXUS")) == [("travelers", "program:NEXUS")]
    assert targets(arrive(PRECHECK, "program.notice", notice, subject="PRECHECK")) == [
        ("travelers", "program:PRECHECK")
    ]


def staff(name: str, data: dict[str, Any], subject: str) -> list[tuple[str, str]]:
    said = {"eventId": "e-9", "by": "ana"} | data
    return targets(arrive(PROFILE, name, said, subject=subject, source="dhs/staff"))


def test_decisions_on_a_notice_go_to_the_program() -> None:
    for name in ("notice.approved", "notice.dropped"):
        assert staff(name, {}, "GLOBAL_ENTRY") == [("travelers", "program:GLOBAL_ENTRY")]
        assert staff(name, {"program": "PRECHECK"}, "N-1") == [("travelers", "program:PRECHECK")]


def test_decisions_on_an_event_go_to_its_record() -> None:
    for name in ("event.voided", "conflict.released"):
        assert staff(name, {"program": "NEXUS", "recordId": "R-1"}, "R-1") == [("records", "NEXUS:R-1")]
        assert staff(name, {"program": "NEXUS"}, "R-1") == [("records", "NEXUS:R-1")]


def test_a_decision_on_an_event_of_an_unnamed_program_begins_at_the_first() -> None:
    assert staff("event.voided", {}, "R-1") == [("records", f"{PROGRAMS[0]}:R-1")]


# ---- what is refused


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"not json",
        b"[NaN]",
        b"{",
        b'{"a":1}{"b":2}',
        b"[" * 5000 + b"]" * 5000,
        b"[" * 70 + b"]" * 70,
    ],
)
def test_bytes_that_are_not_json_are_undecodable(value: bytes | None) -> None:
    assert reason(INTAKE(origin(PRECHECK, value), NOW)) == "undecodable"
    assert reason(INTAKE(origin(PRECHECK, value, ()), NOW)) == "undecodable"


@pytest.mark.parametrize(
    "broken",
    [
        {"specversion": "0.3"},
        {"specversion": None},
        {"id": None},
        {"id": ""},
        {"id": " "},
        {"id": 7},
        {"id": "x" * 2000},
        {"id": "a\nb"},
        {"source": None},
        {"source": "someone/else"},
        {"source": "cbp/ttp"},
        {"type": None},
        {"time": None},
        {"time": "yesterday"},
        {"time": "2027-03-01"},
        {"time": "2027-03-01T11:59:00"},
        {"time": "2027-03-01T11:59:00+0000"},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"time": "1970-01-01T00:00:00Z"},
        {"subject": None},
        {"subject": ""},
    ],
)
def test_a_missing_or_bad_attribute_is_not_a_cloudevent(broken: dict[str, Any]) -> None:
    assert reason(arrive(PRECHECK, "vetting.started", **broken)) == "not-a-cloudevent"


@pytest.mark.parametrize("headers", [(), (("content-type", b"application/json"),), (("content-type", b"text/plain"),)])
def test_json_without_the_headers_of_either_mode_is_not_a_cloudevent(headers: tuple[tuple[str, bytes], ...]) -> None:
    value = json.dumps(event(PRECHECK, "vetting.started")).encode()
    assert reason(INTAKE(origin(PRECHECK, value, headers), NOW)) == "not-a-cloudevent"


def test_json_that_is_no_object_is_not_a_cloudevent() -> None:
    assert reason(INTAKE(origin(PRECHECK, b"[1]"), NOW)) == "not-a-cloudevent"


def test_a_type_on_the_wrong_topic_is_unknown() -> None:
    assert reason(arrive(PRECHECK, "application.submitted")) == "unknown-type"
    wrong = event(PRECHECK, "vetting.started", source="cbp/ttp")
    assert reason(INTAKE(origin(GLOBAL_ENTRY, json.dumps(wrong).encode()), NOW)) == "unknown-type"
    assert reason(arrive(PRECHECK, "vetting.started", type="gov.dhs.tsa.precheck.vetting.started.v2")) == "unknown-type"
    assert reason(arrive(PRECHECK, "vetting.started", type="vetting.started")) == "unknown-type"


@pytest.mark.parametrize("program", ["TWIC", "GLOBAL_ENTRY", "", "precheck", 7])
def test_a_program_that_does_not_belong_to_the_topic_is_never_guessed(program: Any) -> None:
    outputs = arrive(PRECHECK, "enrollment.completed", {"recordId": "R-1", "program": program})
    assert reason(outputs) == "unknown-program"


def test_a_program_on_the_wrong_topic_is_unknown() -> None:
    outputs = arrive(GLOBAL_ENTRY, "application.submitted", {"recordId": "R-1", "program": "PRECHECK"})
    assert reason(outputs) == "unknown-program"
    data = {"portalSubject": "p-1", "recordId": "R-1", "program": "TWIC"}
    assert reason(arrive(PROFILE, "linked", data, subject="p-1")) == "unknown-program"


@pytest.mark.parametrize(
    ("topic", "name", "data", "subject"),
    [
        (PRECHECK, "vetting.started", {}, "R-1"),
        (PRECHECK, "vetting.started", {"recordId": None}, "R-1"),
        (PROFILE, "linked", {"recordId": "R-1", "program": "NEXUS"}, "p-1"),
        (PROFILE, "linked", {"portalSubject": "p-1", "program": "NEXUS"}, "p-1"),
        (PROFILE, "unlinked", {"portalSubject": "p-1", "recordId": "R-1"}, "p-1"),
        (PROFILE, "updated", {"recordId": "R-1", "language": "es"}, "R-1"),
    ],
)
def test_a_missing_field_is_named(topic: str, name: str, data: dict[str, Any], subject: str) -> None:
    outputs = arrive(topic, name, data, subject=subject)
    assert reason(outputs) == "missing-field"
    assert outputs[0].error.endswith("is missing")


def test_an_event_without_data_lacks_its_fields() -> None:
    made = event(PRECHECK, "vetting.started")
    del made["data"]
    assert reason(INTAKE(origin(PRECHECK, json.dumps(made).encode()), NOW)) == "missing-field"


def test_a_decision_needs_its_event_and_its_author() -> None:
    for data in ({"by": "ana"}, {"eventId": "e-9"}):
        assert reason(arrive(PROFILE, "event.voided", data, source="dhs/staff")) == "missing-field"


def test_only_staff_may_decide() -> None:
    data = {"eventId": "e-9", "by": "ana"}
    assert reason(arrive(PROFILE, "notice.approved", data, subject="NEXUS")) == "not-a-cloudevent"


@pytest.mark.parametrize(
    "data",
    [
        [],
        "text",
        {"recordId": 7},
        {"recordId": ""},
        {"recordId": "R-2"},
        {"recordId": "R-1", "validTo": "soon"},
        {"recordId": "R-1", "validTo": "2027-02-30"},
        {"recordId": "R-1", "validTo": "9999-12-31"},
        {"recordId": "R-1", "validTo": "0001-01-01"},
        {"recordId": "R-1", "validFrom": "2030-01-01", "validTo": "2029-01-01"},
        {"recordId": "R-1", "sequence": "7"},
        {"recordId": "R-1", "sequence": 2**63},
        {"recordId": "R-1", "sequence": 1.5},
        {"recordId": "R-1", "includesPrecheck": "yes"},
        {"recordId": "R-1", "applicationType": "OTHER"},
        {"recordId": "R-1", "portalSubject": "p-1\n"},
        {"recordId": "R-1", "person": {"dateOfBirth": "1822-01-01"}},
        {"recordId": "R-1", "person": {"dateOfBirth": "2031-01-01"}},
        {"recordId": "R-1", "person": {"timeZone": "Mars/Phobos"}},
        {"recordId": "R-1", "person": {"timeZone": "../../etc/passwd"}},
        {"recordId": "R-1", "interview": {"at": "2027-03-09T10:30:00"}},
        {"recordId": "R-1", "interview": {"at": "0001-01-01T00:00:00+14:00"}},
        {"recordId": "R-1", "interview": {"timeZone": "Chicago"}},
        {"recordId": "R-1", "interview": {"part": "MX"}},
        {"recordId": "R-1", "mergedInto": "R-1"},
        {"recordId": "R-1", "corrects": "e-1"},
    ],
)
def test_a_wrong_value_is_an_invalid_field(data: Any) -> None:
    assert reason(arrive(GLOBAL_ENTRY, "interview.scheduled", data)) == "invalid-field"


def test_a_profile_whose_subject_is_neither_person_nor_record_is_invalid() -> None:
    assert reason(arrive(PROFILE, "updated", {"portalSubject": "p-1"}, subject="p-2")) == "invalid-field"
    data = {"portalSubject": "p-1", "recordId": "R-1", "program": "NEXUS"}
    assert reason(arrive(PROFILE, "linked", data, subject="p-2")) == "invalid-field"


def test_a_notice_that_names_another_program_than_its_subject_is_invalid() -> None:
    data = {"program": "NEXUS", "notice": {"state": "PAUSED"}}
    assert reason(arrive(GLOBAL_ENTRY, "program.notice", data, subject="SENTRI")) == "invalid-field"
    assert reason(arrive(GLOBAL_ENTRY, "program.notice", {"notice": {"state": "OFF"}}, subject="SENTRI")) == (
        "invalid-field"
    )


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        (PRECHECK, "eligibility.approved"),
        (PRECHECK, "renewal.approved"),
        (GLOBAL_ENTRY, "application.approved"),
    ],
)
def test_an_approval_that_ends_before_it_begins_is_invalid(topic: str, name: str) -> None:
    assert reason(arrive(topic, name, {"recordId": "R-1", "validTo": "2023-05-01"})) == "invalid-field"
    assert targets(arrive(topic, name, {"recordId": "R-1", "validTo": "2027-03-01"}))


def test_the_date_of_an_approval_is_that_of_the_east_coast() -> None:
    late = {"recordId": "R-1", "validTo": "2027-02-28"}
    assert datetime(2027, 3, 1, 3, tzinfo=UTC).astimezone(EASTERN).date().isoformat() == "2027-02-28"
    assert targets(arrive(GLOBAL_ENTRY, "application.approved", late, time="2027-03-01T03:00:00Z"))
    assert reason(arrive(GLOBAL_ENTRY, "application.approved", late, time="2027-03-01T06:00:00Z")) == "invalid-field"


def test_an_end_in_the_past_is_fine_where_nothing_is_approved() -> None:
    assert targets(arrive(GLOBAL_ENTRY, "membership.expired", {"recordId": "R-1", "validTo": "2023-05-01"}))


def test_a_value_over_64_kib_is_too_large() -> None:
    padded = event(PRECHECK, "vetting.started", {"recordId": "R-1", "more": ""})
    room = LIMIT - len(json.dumps(padded).encode())
    padded["data"]["more"] = "x" * room
    assert targets(INTAKE(origin(PRECHECK, json.dumps(padded).encode()), NOW))
    padded["data"]["more"] = "x" * (room + 1)
    assert reason(INTAKE(origin(PRECHECK, json.dumps(padded).encode()), NOW)) == "too-large"
    assert reason(INTAKE(origin(PRECHECK, b"\xff" * (LIMIT + 1)), NOW)) == "too-large"


def test_an_event_may_run_ahead_of_us_by_five_minutes_and_no_more() -> None:
    ahead = (NOW + timedelta(minutes=5)).isoformat()
    assert targets(arrive(PRECHECK, "vetting.started", time=ahead))
    beyond = (NOW + timedelta(minutes=5, seconds=1)).isoformat()
    assert reason(arrive(PRECHECK, "vetting.started", time=beyond)) == "future-dated"


def test_a_dead_letter_holds_the_record_untouched_and_its_error_no_value_of_it() -> None:
    value = json.dumps(event(PRECHECK, "vetting.started", {"recordId": "R-1", "ktn": "\x01TT1234567"})).encode()
    came = origin(PRECHECK, value)
    [letter] = INTAKE(came, NOW)
    assert isinstance(letter, DeadLetter)
    assert letter.origin == came
    assert letter.reason == "invalid-field"
    assert letter.error == "ktn has a wrong type or value"


def test_what_intake_lets_pass_reads_the_same_again() -> None:
    value = json.dumps(event(PRECHECK, "vetting.started")).encode()
    [output] = INTAKE(origin(PRECHECK, value), NOW)
    assert isinstance(output, ToStage)
    assert isinstance(output.message, Arrived)
    assert read(output.message.origin) == read(origin(PRECHECK, value))


def test_what_intake_refuses_says_why_when_read_alone() -> None:
    with pytest.raises(UnusableError, match="no value") as raised:
        read(origin(PRECHECK, None))
    assert raised.value.reason == "undecodable"
