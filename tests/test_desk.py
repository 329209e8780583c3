"""The staff's desk: a decision names an event, and the desk knows what the event is about."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.internal import Origin
from schemas.source import StaffDecision
from streams.desk import Action, Decision, Desk
from streams.grammar import ToStage
from streams.identity import Identity
from streams.intake import Intake
from streams.reading import read
from streams.topics import GLOBAL_ENTRY

AT = datetime(2027, 3, 1, 12, tzinfo=UTC)
INTAKE = Intake(Identity(b"k" * 32))


def seen(identifier: str, name: str, subject: str, **data: Any) -> Origin:
    event = {
        "specversion": "1.0",
        "id": identifier,
        "source": "cbp/ttp",
        "type": f"gov.dhs.cbp.ttp.{name}",
        "time": "2027-03-01T11:00:00Z",
        "subject": subject,
        "data": data,
    }
    return Origin(
        topic=GLOBAL_ENTRY,
        partition=0,
        offset=0,
        timestamp=0,
        key=None,
        headers=(("content-type", b"application/cloudevents+json"),),
        value=json.dumps(event).encode(),
    )


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    for origin in (
        seen("e-1", "application.denied", "R-1", recordId="R-1", program="NEXUS"),
        seen("n-1", "program.notice", "SENTRI", notice={"state": "PAUSED"}),
        seen("bad", "application.denied", "R-2", recordId="R-1"),
    ):
        made.see(INTAKE(origin, AT))
    return made


def decide(desk: Desk, action: Action, event: str) -> tuple[str, str, StaffDecision, list[tuple[str, str]]]:
    origin = desk.decide(Decision(action=action, eventId=event, by="ana", reason="seen"), AT)
    reading = read(origin)
    assert isinstance(reading.data, StaffDecision)
    outputs = INTAKE(origin, AT)
    assert all(isinstance(output, ToStage) for output in outputs)
    targets = [(output.stage, output.key) for output in outputs if isinstance(output, ToStage)]
    return reading.name, reading.event.subject or "", reading.data, targets


def test_a_decision_on_an_event_goes_to_its_record(desk: Desk) -> None:
    name, subject, data, targets = decide(desk, "void-event", "e-1")
    assert (name, subject) == ("event.voided", "R-1")
    assert (data.eventId, data.by, data.reason, data.recordId, data.program) == ("e-1", "ana", "seen", "R-1", "NEXUS")
    assert targets == [("records", "NEXUS:R-1")]
    assert decide(desk, "release-conflict", "e-1")[0] == "conflict.released"


def test_a_decision_on_a_notice_goes_to_its_program(desk: Desk) -> None:
    name, subject, _, targets = decide(desk, "approve-notice", "n-1")
    assert (name, subject) == ("notice.approved", "SENTRI")
    assert targets == [("travelers", "program:SENTRI")]
    assert decide(desk, "drop-notice", "n-1")[0] == "notice.dropped"


def test_a_decision_on_an_event_that_was_refused_is_passed_on_as_it_is(desk: Desk) -> None:
    _, subject, data, targets = decide(desk, "void-event", "bad")
    assert (subject, data.recordId, data.program) == ("bad", None, None)
    assert {stage for stage, _ in targets} == {"records"}


def test_the_same_decision_at_the_same_moment_is_one_event_and_another_person_makes_another(desk: Desk) -> None:
    def identifier(by: str, at: datetime) -> str:
        return read(desk.decide(Decision(action="approve-notice", eventId="n-1", by=by), at)).event.id

    assert identifier("ana", AT) == identifier("ana", AT)
    assert identifier("ana", AT) != identifier("ben", AT)
