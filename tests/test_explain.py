"""A case in plain words: what is known, from which event, which rule decided, what was sent or not and why."""

from functools import cache
from typing import get_args

import pytest
from click.testing import CliRunner

from schemas.outputs import Reason
from schemas.vocabulary import NotificationState
from services.simulate import command
from streams.events import FINAL
from streams.explanation import words
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


@pytest.mark.parametrize("name", [name.partition("-")[0] for name in NAMES])
def test_every_traveler_of_every_story_has_a_case(name: str) -> None:
    text = told(name)
    assert "Traveler t" in text
    assert "What happened, and which rule decided:" in text
    assert "None" not in text
    assert "  because ." not in text


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
    assert "Events that changed nothing that can be seen" in text
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
