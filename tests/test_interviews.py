"""An interview in two parts (NEXUS): each is told, reminded of, moved and cancelled for itself."""

import re
from datetime import timedelta
from typing import Any

from schemas.internal import Mail
from streams.simulation import Sent
from tests.scene import Scene
from tests.story import Story
from tests.test_properties import START, Run, event, profile

US = {"part": "US", "at": "2027-05-10T16:00:00Z", "timeZone": "America/Los_Angeles", "site": "Blaine"}
CA = {"part": "CA", "at": "2027-05-20T18:00:00Z", "timeZone": "America/Vancouver", "site": "Vancouver"}


def nexus(*events: tuple[str, str, dict[str, Any]], until: str = "2027-06-10T00:00:00Z") -> Story:
    scene = Scene().traveler("2027-04-01T14:00:00Z")
    begun = ("2027-04-10T16:00:00Z", "application.conditionally_approved", {"portalSubject": "dana"})
    for at, name, data in (begun, *events):
        scene.cbp(at, name, recordId="NX-1", program="NEXUS", **data)
    return scene.play(until)


BOOKED = (
    ("2027-04-20T16:00:00Z", "interview.scheduled", {"interview": US}),
    ("2027-04-20T16:01:00Z", "interview.scheduled", {"interview": CA}),
)


def bodies(story: Story, kind: str) -> list[str]:
    return [sent["body"] for sent in story.sent if sent["channel"] == "sms" and sent["kind"] == kind]


def test_two_parts_booked_within_one_hold_are_both_told_as_set() -> None:
    said = bodies(nexus(*BOOKED), "INTERVIEW_BOOKED")
    assert ["May 10" in said[0], "May 20" in said[1], len(said)] == [True, True, 2]
    assert not any("is now" in one for one in said)


def test_each_part_is_reminded_of() -> None:
    story = nexus(*BOOKED)
    assert [when for when, kind, _ in story.texts() if kind == "INTERVIEW_REMINDER"] == [
        "2027-05-09T13:00:00Z",
        "2027-05-19T13:00:00Z",
    ]


def test_a_part_that_is_moved_is_told_as_changed_and_the_other_keeps_its_reminders() -> None:
    moved = ("2027-04-25T16:00:00Z", "interview.rescheduled", {"interview": US | {"at": "2027-05-12T16:00:00Z"}})
    story = nexus(*BOOKED, moved)
    said = bodies(story, "INTERVIEW_BOOKED")
    assert ("is now" in said[2], "May 12" in said[2]) == (True, True)
    reminded = bodies(story, "INTERVIEW_REMINDER")
    assert ["May 12" in reminded[0], "May 20" in reminded[1], len(reminded)] == [True, True, 2]


def test_a_part_that_is_cancelled_takes_its_own_reminders_along() -> None:
    off = ("2027-04-25T16:00:00Z", "interview.cancelled", {"interview": {"part": "CA"}})
    story = nexus(*BOOKED, off, until="2027-05-11T00:00:00Z")
    assert len(bodies(story, "INTERVIEW_CANCELLED")) == 1
    assert ["May 10" in one for one in bodies(story, "INTERVIEW_REMINDER")] == [True]
    card = story.card("NX-1")
    assert (card["application"]["state"], card["interview"]["at"]) == ("INTERVIEW_SCHEDULED", US["at"])


def test_a_part_that_is_done_is_not_reminded_of_and_the_view_shows_the_other() -> None:
    done = ("2027-05-01T16:00:00Z", "interview.completed", {"interview": {"part": "US", "mode": "CENTER"}})
    story = nexus(*BOOKED, done, until="2027-05-19T20:00:00Z")
    assert ["May 20" in one for one in bodies(story, "INTERVIEW_REMINDER")] == [True]
    interview = story.card("NX-1")["interview"]
    assert (interview["at"], interview["partsDone"], interview["partsNeeded"]) == (CA["at"], ["US"], ["US", "CA"])
    assert story.view("NX-1")["headline"]["code"] == "INTERVIEW_SCHEDULED"


def test_when_the_first_of_two_appointments_has_begun_the_view_shows_the_second() -> None:
    story = nexus(*BOOKED, until="2027-05-10T16:00:00Z")
    assert story.card("NX-1")["interview"]["at"] == CA["at"]


def test_both_parts_at_one_time_and_place_are_told_once() -> None:
    joint = ("2027-04-20T16:01:00Z", "interview.scheduled", {"interview": US | {"part": "CA"}})
    done = ("2027-05-10T17:00:00Z", "interview.completed", {"interview": {"part": "US"}})
    story = nexus(BOOKED[0], joint, done)
    assert len(bodies(story, "INTERVIEW_BOOKED")) == len(bodies(story, "INTERVIEW_REMINDER")) == 1
    assert story.card("NX-1")["application"]["state"] == "INTERVIEW_SCHEDULED"


def test_each_part_has_an_event_of_its_own_in_the_calendar() -> None:
    nexus_record = {"recordId": "NX-1", "program": "NEXUS", "portalSubject": "p1"}
    run = Run()
    run.arrive(profile("p1", "+13125550100"), START)
    for hours, name, interview in ((1, "scheduled", US), (2, "scheduled", CA), (20, "cancelled", {"part": "CA"})):
        one = event(f"interview.{name}", hours, f"e{hours}", "NX-1", **nexus_record, interview=interview)
        run.arrive(one, START + timedelta(hours=hours))
    run.rest(START + timedelta(hours=30))
    mails = [one.claim.message for one in run.happened if isinstance(one, Sent) and isinstance(one.claim.message, Mail)]
    uids = [re.findall(r"UID:(\S+)", mail.calendar)[0] for mail in mails if mail.calendar]
    assert (len(uids), len(set(uids)), uids[1] == uids[2]) == (3, 2, True)


def test_the_interview_ends_with_its_last_part() -> None:
    done = [
        ("2027-05-10T17:00:00Z", "interview.completed", {"interview": {"part": "US"}}),
        ("2027-05-20T19:00:00Z", "interview.completed", {"interview": {"part": "CA"}}),
    ]
    [row] = nexus(*BOOKED, *done).timing("M3")
    assert (row["stop_at"], row["interview_part"]) == ("2027-05-20T19:00:00Z", "CA")
