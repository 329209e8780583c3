"""A case in plain words: what is known, from which event, which rule decided, what was sent or not and why."""

import re
from functools import cache
from typing import get_args

import pytest
from click.testing import CliRunner

from schemas.outputs import Reason
from schemas.vocabulary import NotificationState
from services.simulate import command
from streams.events import FINAL
from streams.explanation import tell, unused, words
from tests.scene import Scene
from tests.story import FOLDER, NAMES
from tests.test_stories import UNTIL


@cache
def told(name: str) -> str:
    [full] = [story for story in NAMES if story.startswith(name + "-")]
    arguments = [str(FOLDER / f"{full}.jsonl"), "--until", UNTIL[full], "--explain"]
    result = CliRunner().invoke(command, arguments, env={"TTN_SECRET_FILE": "", "TTN_HOLDS": ""})
    assert result.exit_code == 0, result.stderr
    lines = result.stdout_bytes.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith("{"))


def test_every_reason_and_every_state_has_its_words() -> None:
    assert set(words.SUPPRESSED) == set(get_args(Reason))
    assert set(words.STEPS) | set(words.ENDINGS) | {"suppressed"} == set(get_args(NotificationState))
    assert set(words.ENDINGS) | {"suppressed"} == set(FINAL)
    assert set(words.OPEN) == set(get_args(NotificationState)) - set(FINAL)


@pytest.mark.parametrize("name", [name.partition("-")[0] for name in NAMES])
def test_every_traveler_of_every_story_has_a_case(name: str) -> None:
    text = told(name)
    assert "Traveler t" in text
    assert "What happened, and which rule decided:" in text
    assert "None" not in text
    assert "  because ." not in text
    assert not re.search(r"\+1\d{5}|@", text)


def test_a_decision_is_told_with_its_event_and_its_rule() -> None:
    text = told("s01")
    assert (
        "APPROVED: application DECISION_PENDING -> APPROVED, because of application.approved, said by cbp/ttp, "
        "id s01-first-global-entry-6. Rule: APPROVED moves DECISION_PENDING to APPROVED: creates or extends the "
        "membership; skipped steps are normal."
    ) in text
    assert "On top: ACTIVE (Global Entry), because a membership is valid." in text
    assert "980123456" not in text


def test_what_was_sent_is_told_step_by_step() -> None:
    text = told("s02")
    assert "APPROVED by text about eligibility.approved (id s02-precheck-in-spanish-3): delivered." in text
    assert "2027-02-06 14:00:00 UTC  handed to the provider in es" in text
    assert "held until 2027-02-06 14:00:00 UTC: outside the hours in which we may write" in text


def test_what_was_not_sent_is_told_with_the_reason() -> None:
    assert (
        "APPROVED by email about eligibility.approved (id s02-precheck-in-spanish-3): not sent, because the "
        in told("s02")
    )
    assert "COND_APPROVED by text about application.conditionally_approved" in told("s07")
    assert "not sent, because the owner of the address said STOP" in told("s07")


def test_a_clock_is_named_where_no_event_decided() -> None:
    ended = "EXPIRED: membership ACTIVE -> EXPIRED, because of the clock, with the date from application.approved"
    assert ended in told("s05b")
    assert "Rule: END_PASSED moves ACTIVE to EXPIRED." in told("s05b")
    assert "Rule: END_PASSED moves ACTIVE to EXTENDED." in told("s05")


def test_events_without_effect_and_events_that_could_not_be_used_are_named() -> None:
    text = told("s03")
    assert "Events that moved nothing above" in text
    assert "id 31)" in text
    assert "Not used: event 9, because its id came before with another body" in text
    assert (
        "Not used: event typo, because a field cannot be right: validTo is before validFrom (invalid-field)."
        in told("s12a")
    )


def test_a_contradiction_says_what_waits_for_whom() -> None:
    text = told("s04")
    assert "CONFLICT_OPENED: integrity OK -> CONFLICT" in text
    assert "Rule: facts contradict each other and no sequence decides" in text
    assert "Waits for a person: unknown label." in told("s12c")


def test_what_the_person_said_is_told_without_any_address() -> None:
    said = "updated (dhs/portal, id s02-precheck-in-spanish-1): language es, time zone America/Chicago, phone verified"
    assert f"{said}, agrees to texts, does not agree to emails" in told("s02")
    assert "is a child, has a guardian" in told("s09")
    assert "no guardian any more" in told("s09")


def test_an_event_that_moved_no_state_says_what_it_led_to() -> None:
    assert "record.corrected (cbp/ttp, id second), about event first; led to CORRECTION" in told("s12d")
    assert "id s08-new-phone-recycled-number-5); led to CONTACT_CHANGED, OPT_IN_REQUEST" in told("s08")


def test_a_reminder_is_due_by_the_clock_and_not_news_of_an_event() -> None:
    assert "INTERVIEW_REMINDER by text, due by the clock after application.submitted" in told("s09")
    assert "INTERVIEW_BOOKED by text about interview.scheduled" in told("s09")
    assert "not sent, because the facts do not fit together, so it is not certain that this is still so" in told("s12c")


def test_a_message_that_waited_for_a_contradiction_to_be_solved_says_so() -> None:
    assert "handed to the provider in en, words c9c473490020, attempt 1, after the contradiction was solved" in told(
        "s04"
    )


def test_a_text_that_never_reached_the_provider_was_not_refused_by_it() -> None:
    assert "2027-04-10 15:04:20 UTC  the provider's list does not have it: it never arrived there" in told("s13")
    assert "refused by the provider" not in told("s13")


def test_the_end_of_a_message_that_was_not_sent_has_its_moment() -> None:
    assert "      2027-02-03 17:22:00 UTC  not sent" in told("s02")


def test_a_later_decision_and_a_solved_contradiction_are_told_from_a_correction() -> None:
    denied = "DENIED: application APPROVED -> DENIED, because of application.denied, said by cbp/ttp, id"
    assert f"{denied} s04b-denied-after-approval-4. Rule: {words.REPLACED}." in told("s04b")
    assert f"{denied} no-4. Rule: {words.SETTLED}." in told("s04c")
    assert f"Rule: {words.GROUND_GONE}." in told("s04b")


def test_an_extension_that_an_event_ended_was_not_ended_by_the_clock() -> None:
    assert "EXPIRED: membership EXTENDED -> EXPIRED, because of application.denied, said by cbp/ttp" in told("s05d")


def test_a_notice_about_a_program_is_named_with_who_said_it() -> None:
    assert "PROGRAM_PAUSED: overlay NORMAL -> PAUSED, because of program.notice, said by" in told("s11b")
    assert "PROGRAM_NOTICE by text about program.notice (id n-pause): delivered." in told("s11b")


def test_an_interview_has_its_hour_at_the_place_and_the_parts_that_are_left() -> None:
    assert "Interview: 2027-02-14 16:30:00 UTC (2027-02-14 10:30 there), Chicago O'Hare (ORD)." in told("s09")
    nexus = {"recordId": "NX-1", "program": "NEXUS"}
    interview = {"at": "2027-04-30T16:00:00Z", "timeZone": "America/Toronto", "site": "Lewiston", "part": "US"}
    found = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana", **nexus)
        .cbp("2027-03-01T16:00:00Z", "application.conditionally_approved", **nexus)
        .cbp("2027-03-26T16:00:00Z", "interview.scheduled", interview=interview, **nexus)
        .cbp("2027-04-30T17:00:00Z", "interview.completed", interview=interview, **nexus)
        .dossier("2027-05-01T00:00:00Z")
    )
    assert "Interview: no appointment, done: US, still to be done: CA." in tell(found, found.find("NX-1"))


def test_a_record_that_was_merged_is_found_under_its_old_name_with_its_events() -> None:
    found = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana", id="old-1")
        .cbp("2027-02-03T16:00:00Z", "record.merged", mergedInto="GE-2")
        .dossier("2027-02-05T00:00:00Z")
    )
    assert found.find("GE-1") == found.find("GLOBAL_ENTRY:GE-1") == found.find("GE-2") != []
    text = tell(found, found.find("GE-1"))
    assert "record GE-2" in text
    assert "application.submitted" in text
    assert "id old-1" in text


def test_a_profile_is_told_to_nobody_but_the_person_who_claimed_the_record_last() -> None:
    scene = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", language="es")
        .profile("2027-02-01T14:00:00Z", portalSubject="linh", language="vi")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .profile("2027-02-03T16:00:00Z", "linked", portalSubject="linh", recordId="GE-1", program="GLOBAL_ENTRY")
    )
    found = scene.dossier("2027-02-05T00:00:00Z")
    text = tell(found, found.find("GE-1"))
    assert "language vi" in text
    assert "language es" not in text


def test_what_was_said_before_a_person_was_forgotten_is_not_told() -> None:
    found = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", language="es")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana", id="before")
        .profile("2027-02-03T16:00:00Z", "erased")
        .profile("2027-02-04T14:00:00Z", language="vi")
        .cbp("2027-02-04T16:00:00Z", "application.submitted", portalSubject="dana", recordId="GE-2")
        .dossier("2027-02-05T00:00:00Z")
    )
    text = tell(found, found.views)
    assert "language vi" in text
    assert "language es" not in text
    assert "id before" not in text


def test_of_a_record_of_which_nothing_is_known_the_events_that_could_not_be_used_are_told() -> None:
    found = Scene().cbp("2027-02-02T16:00:00Z", "application.exploded", id="odd").dossier("2027-02-05T00:00:00Z")
    assert found.find("GE-1") == []
    assert unused(found, "GLOBAL_ENTRY:GE-1") == unused(found, "GE-1") != []
    assert unused(found, "GE-1")[0].startswith("  Not used: event odd, because the type does not belong on this topic")
    assert unused(found, "GE-9") == []


def test_a_request_to_forget_that_could_not_be_used_hides_nothing() -> None:
    found = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana", id="before")
        .profile("2027-02-03T16:00:00Z", "erased", time="2027-09-03T16:00:00Z")
        .dossier("2027-02-05T00:00:00Z")
    )
    text = tell(found, found.find("GE-1"))
    assert "application.submitted, said by cbp/ttp, id before" in text
    assert "language en" in text


def test_a_message_that_waits_is_not_on_its_way() -> None:
    scene = Scene().traveler("2027-02-01T14:00:00Z")
    found = scene.cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana").dossier(
        "2027-02-02T16:01:00Z"
    )
    text = tell(found, found.find("GE-1"))
    assert "APP_RECEIVED by text about application.submitted (id event-2): not sent yet: it waits." in text
    assert "on its way" not in text
