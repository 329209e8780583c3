"""What is left of a log once its corrections have spoken, however they are chained."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.internal import Origin
from streams.reading import read
from streams.records.log import Entry, effective, entry
from streams.topics import GLOBAL_ENTRY

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def logged(identifier: str, name: str, **data: Any) -> Entry:
    event = {
        "specversion": "1.0",
        "id": identifier,
        "source": "cbp/ttp",
        "type": f"gov.dhs.cbp.ttp.{name}",
        "time": "2027-02-01T12:00:00Z",
        "subject": "R-1",
        "data": {"recordId": "R-1"} | data,
    }
    origin = Origin(
        topic=GLOBAL_ENTRY,
        partition=0,
        offset=0,
        timestamp=0,
        key=None,
        headers=(("content-type", b"application/cloudevents+json"),),
        value=json.dumps(event).encode(),
    )
    return entry(read(origin), NOW, False)


def left(*log: Entry) -> list[tuple[str, str, str]]:
    return sorted((one.id, one.name, str(one.data.validTo)) for one in effective(log).events)


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    log = [
        logged("a", "application.approved", validTo="2031-01-01"),
        logged("b", "record.corrected", corrects="a", validTo="2032-01-01"),
    ]
    assert left(*log) == left(*reversed(log)) == [("b", "application.approved", "2032-01-01")]


def test_two_corrections_that_name_each_other_correct_nothing() -> None:
    log = [
        logged("a", "record.corrected", corrects="b", validTo="2031-01-01"),
        logged("b", "record.corrected", corrects="a", validTo="2032-01-01"),
        logged("c", "application.submitted"),
    ]
    assert left(*log) == left(*reversed(log))
    assert ("c", "application.submitted", "None") in left(*log)


def test_a_voided_void_lets_the_event_stand() -> None:
    log = [
        logged("a", "application.approved", validTo="2031-01-01"),
        logged("b", "record.corrected", corrects="a", void=True),
        logged("c", "record.corrected", corrects="b", void=True),
    ]
    assert left(*log) == left(*reversed(log)) == [("a", "application.approved", "2031-01-01")]


def test_a_correction_of_a_correction_does_not_bring_back_what_was_wrong_first() -> None:
    log = [
        logged("a", "application.approved", validTo="2031-01-01"),
        logged("b", "record.corrected", corrects="a", validTo="2032-01-01"),
        logged("c", "record.corrected", corrects="b", validTo="2033-01-01"),
    ]
    assert left(*log) == left(*reversed(log)) == [("c", "application.approved", "2033-01-01")]


def test_a_chain_as_long_as_a_log_may_be_is_followed_to_its_end() -> None:
    log = [logged("e0", "application.approved", validTo="2031-01-01")]
    log += [logged(f"e{n}", "record.corrected", corrects=f"e{n - 1}", validTo="2032-01-01") for n in range(1, 1000)]
    assert left(*log) == left(*reversed(log)) == [("e999", "application.approved", "2032-01-01")]


def test_a_correction_speaks_of_the_event_of_its_own_source_alone() -> None:
    telos, clear = (f"tsa/precheck/{name}" for name in ("telos", "clear"))

    def of(source: str, one: Entry) -> Entry:
        return msgspec.structs.replace(one, source=source)

    log = [
        of(clear, logged("a", "application.info_requested", dueDate="2027-03-01")),
        of(telos, logged("a", "application.submitted")),
        of(clear, logged("b", "record.corrected", corrects="a", dueDate="2027-03-09")),
        of(telos, logged("c", "record.corrected", corrects="x", validTo="2032-01-01")),
        of(clear, logged("d", "record.corrected", corrects="x", validTo="2033-01-01")),
    ]
    requested = [str(one.data.dueDate) for one in effective(log).events if one.name == "application.info_requested"]
    assert requested == ["2027-03-09"]
    assert ("a", "application.submitted", "None") in left(*log) == left(*reversed(log))
    assert {("c", "eligibility.approved", "2032-01-01"), ("d", "eligibility.approved", "2033-01-01")} <= {*left(*log)}


def test_a_correction_that_names_no_event_changes_nothing() -> None:
    nameless = logged("b", "record.corrected", validTo="2032-01-01")
    assert left(logged("a", "application.submitted"), nameless) == [("a", "application.submitted", "None")]
    log = [logged("a", "application.submitted"), nameless, logged("c", "record.corrected", corrects="a", void=True)]
    assert left(*log) == []


def test_an_event_that_corrects_another_and_names_nobody_is_of_the_person_whom_that_one_named() -> None:
    log = [
        logged("a", "application.approved", validTo="2031-01-01", portalSubject="dana"),
        logged("b", "application.approved", validTo="2032-01-01", corrects="a"),
        logged("c", "application.approved", validTo="2033-01-01", corrects="b"),
        logged("d", "membership.suspended", corrects="x"),
    ]
    named = {one.id: one.data.portalSubject for one in effective(log).events}
    assert named == {"c": "dana", "d": None}
