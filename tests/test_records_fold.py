"""The fold of an enrollment: every order of arrival, every pair of state and event, corrections and contradictions."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.records import machine
from streams.records.card import card
from streams.records.fold import fold
from streams.records.guards import GUARDS
from streams.records.log import Entry, mask
from streams.records.picture import Picture
from tests.casework import START, cbp, moment, staff, tsa

LATER = START + timedelta(days=400)


def picture(*entries: Entry, program: str = "GLOBAL_ENTRY", now: object = LATER) -> Picture:
    return fold(entries, program, now)  # type: ignore[arg-type]


def state(*entries: Entry, program: str = "GLOBAL_ENTRY") -> str:
    found = picture(*entries, program=program).current
    return found.state if found else "-"


def test_an_application_goes_the_whole_way() -> None:
    seen = picture(
        cbp("application.submitted", 0),
        cbp("application.pending_review", 1),
        cbp("application.conditionally_approved", 10),
        cbp("interview.scheduled", 11, interview={"at": "2027-03-20T16:00:00Z", "site": "ORD"}),
        cbp("interview.completed", 19),
        cbp("application.approved", 20, validTo="2032-04-18", passId="981234567"),
    )
    assert [step.name for step in seen.steps if step.axis == "application"] == [
        "APP_SUBMITTED",
        "REVIEW_STARTED",
        "COND_APPROVED",
        "INTERVIEW_SET",
        "INTERVIEW_DONE",
        "APPROVED",
    ]
    assert (seen.membership.state, seen.membership.validTo) == ("ACTIVE", date(2032, 4, 18))
    assert seen.membership.number == "98*****67"


def test_a_number_is_shown_as_domain_3_5_shows_it() -> None:
    assert mask("TT1234545") == "TT*****45"
    assert mask("12345") == "*****"


def test_nexus_needs_both_interview_parts() -> None:
    first = (
        cbp("application.submitted", 0, program="NEXUS"),
        cbp("application.conditionally_approved", 5, program="NEXUS"),
    )
    one = cbp("interview.completed", 9, program="NEXUS", interview={"part": "CA"})
    two = cbp("interview.completed", 12, program="NEXUS", interview={"part": "US"})
    assert state(*first, one, program="NEXUS") == "CONDITIONALLY_APPROVED"
    assert state(*first, one, two, program="NEXUS") == "DECISION_PENDING"


US = {"part": "US", "at": "2027-05-10T16:00:00Z", "site": "Blaine"}
CA = {"part": "CA", "at": "2027-05-20T16:00:00Z", "site": "Vancouver"}


def nexus(*events: Entry, now: object = LATER) -> Picture:
    begun = cbp("application.conditionally_approved", 0, program="NEXUS")
    return picture(begun, *events, program="NEXUS", now=now)


def interview(name: str, day: float, **said: str) -> Entry:
    return cbp(f"interview.{name}", day, program="NEXUS", **({"interview": said} if said else {}))


def standing(seen: Picture) -> tuple[str, list[str], list[str]]:
    assert seen.current is not None
    return (seen.current.state, [one.part for one in seen.current.booked], seen.current.partsDone)


def test_the_parts_of_an_interview_are_booked_moved_and_done_apart_from_each_other() -> None:
    booked = (interview("scheduled", 1, **CA), interview("scheduled", 2, **US))
    assert standing(nexus(*booked)) == ("INTERVIEW_SCHEDULED", ["US", "CA"], [])
    moved = interview("rescheduled", 3, **US | {"at": "2027-05-25T16:00:00Z"})
    assert standing(nexus(*booked, moved)) == ("INTERVIEW_SCHEDULED", ["CA", "US"], [])
    first = interview("completed", 4, part="CA")
    assert standing(nexus(*booked, first)) == ("INTERVIEW_SCHEDULED", ["US"], ["CA"])
    assert standing(nexus(*booked, first, interview("completed", 5, part="US")))[0] == "DECISION_PENDING"


@pytest.mark.parametrize("name", ["cancelled", "no_show"])
def test_one_part_is_cancelled_or_missed_and_the_other_stays(name: str) -> None:
    booked = (interview("scheduled", 1, **US), interview("scheduled", 2, **CA))
    off = interview(name, 3, part="US")
    assert standing(nexus(*booked, off)) == ("INTERVIEW_SCHEDULED", ["CA"], [])
    assert standing(nexus(*booked, off, interview(name, 4))) == ("CONDITIONALLY_APPROVED", [], [])
    seen = nexus(booked[1], off)
    assert standing(seen) == ("INTERVIEW_SCHEDULED", ["CA"], []), "what was not booked cannot be cancelled"
    assert [step.name for step in seen.steps].count("INTERVIEW_OFF") == 0


def test_when_one_part_is_done_the_other_is_still_to_be_booked() -> None:
    done = (interview("scheduled", 1, **US), interview("completed", 2, part="US"))
    assert standing(nexus(*done)) == ("CONDITIONALLY_APPROVED", [], ["US"])
    unnamed = interview("scheduled", 3, at=CA["at"], site=CA["site"])
    assert standing(nexus(*done, unnamed)) == ("INTERVIEW_SCHEDULED", ["CA"], ["US"])


def test_the_card_shows_the_next_part_that_is_not_done() -> None:
    def at(*events: Entry, now: str) -> str | None:
        view = card(nexus(*events, now=moment(now)), "R-1", moment(now)).interview
        return view and view.at and f"{view.at:%m-%d}"

    booked = (interview("scheduled", 1, **US), interview("scheduled", 2, **CA))
    assert at(*booked, now="2027-05-01T00:00:00+00:00") == "05-10"
    assert at(*booked, now="2027-05-15T00:00:00+00:00") == "05-20"
    assert at(*booked, interview("completed", 3, part="US"), now="2027-05-01T00:00:00+00:00") == "05-20"
    assert at(booked[0], interview("completed", 3, part="US"), now="2027-05-01T00:00:00+00:00") is None


def test_a_higher_sequence_outranks_an_earlier_decision_and_leaves_nothing_of_it() -> None:
    seen = picture(
        cbp("application.submitted", 0, sequence=1),
        cbp("application.approved", 3, sequence=2, validTo="2032-04-18"),
        cbp("application.denied", 4, sequence=3),
    )
    assert (seen.current and seen.current.state, seen.membership.state, seen.integrity) == ("DENIED", "NONE", "OK")


@pytest.mark.parametrize("second", [{"sequence": 2}, {}])
def test_without_a_higher_sequence_two_decisions_contradict_each_other(second: dict[str, int]) -> None:
    seen = picture(
        cbp("application.submitted", 0),
        cbp("application.approved", 3, validTo="2032-04-18", **second),
        cbp("application.denied", 3, **second),
    )
    assert seen.integrity == "CONFLICT"


def test_a_tie_ends_when_one_side_is_said_again_with_a_higher_sequence() -> None:
    tie = (
        cbp("application.approved", 3, validTo="2032-04-18", sequence=2),
        cbp("application.denied", 3, sequence=2),
    )
    approved = picture(*tie, cbp("application.approved", 4, validTo="2032-04-18", sequence=3))
    assert (approved.integrity, approved.membership.state) == ("OK", "ACTIVE")
    denied = picture(*tie, cbp("application.denied", 4, sequence=3))
    assert (denied.integrity, denied.current and denied.current.state) == ("OK", "DENIED")
    assert picture(*tie, cbp("application.approved", 4, validTo="2032-04-18")).integrity == "CONFLICT"


def test_a_card_is_as_of_the_last_word_of_its_program_a_correction_included() -> None:
    log = (cbp("application.submitted", 0), cbp("application.approved", 3, "yes", validTo="2032-04-18"))
    void = picture(*log, cbp("record.corrected", 5, corrects="yes", void=True))
    assert void.asOf == START + timedelta(days=5)
    changed = picture(*log, cbp("record.corrected", 6, corrects="yes", validTo="2033-04-18"))
    assert changed.asOf == START + timedelta(days=6)
    assert picture(*log, staff("event.voided", 7, "yes")).asOf == START


def test_a_void_or_the_staff_releases_a_contradiction() -> None:
    both = (cbp("application.approved", 3, "yes", validTo="2032-04-18"), cbp("application.denied", 3, "no"))
    assert picture(*both).integrity == "CONFLICT"
    void = picture(*both, cbp("record.corrected", 4, corrects="no", void=True))
    assert (void.integrity, void.membership.state) == ("OK", "ACTIVE")
    chosen = picture(*both, staff("conflict.released", 4, "no"))
    assert (chosen.integrity, chosen.current and chosen.current.state) == ("OK", "DENIED")


def test_what_the_staff_chose_still_stands_when_it_is_corrected() -> None:
    both = (cbp("application.approved", 3, "yes", validTo="2032-04-18"), cbp("application.denied", 3, "no"))
    chosen = (*both, staff("conflict.released", 4, "yes"))
    corrected = picture(*chosen, cbp("record.corrected", 5, "again", corrects="yes", validTo="2033-04-18"))
    assert (corrected.integrity, corrected.membership.validTo) == ("OK", date(2033, 4, 18))
    twice = (*chosen, cbp("record.corrected", 5, "again", corrects="yes", validTo="2033-04-18"))
    seen = picture(*twice, cbp("record.corrected", 6, corrects="again", validTo="2034-04-18"))
    assert (seen.integrity, seen.membership.validTo) == ("OK", date(2034, 4, 18))


def test_a_suspension_for_the_program_is_lifted_by_a_reinstatement_that_gives_no_reason() -> None:
    paused = (cbp("application.approved", 1, validTo="2032-04-18"), cbp("membership.suspended", 2, reason="PROGRAM"))
    before = picture(*paused)
    assert (before.overlay.state, before.membership.state) == ("PAUSED", "ACTIVE")
    after = picture(*paused, cbp("membership.reinstated", 3))
    assert (after.overlay.state, after.membership.state) == ("NORMAL", "ACTIVE")


def test_a_correction_replaces_a_field_and_keeps_the_rest() -> None:
    seen = picture(
        cbp("application.approved", 3, "yes", validTo="2031-04-18", includesPrecheck=True),
        cbp("record.corrected", 5, corrects="yes", validTo="2032-04-18"),
    )
    assert (seen.membership.validTo, seen.membership.includesPrecheck) == (date(2032, 4, 18), True)


def test_a_record_whose_only_application_is_voided_shows_it_so() -> None:
    assert state(cbp("application.submitted", 0, "s"), cbp("record.corrected", 1, corrects="s", void=True)) == "VOIDED"


def test_surrender_needs_a_later_sequence() -> None:
    approved = cbp("application.approved", 3, sequence=4, validTo="2032-04-18")
    given_up = picture(approved, cbp("application.withdrawn", 9, sequence=5))
    assert (given_up.current and given_up.current.state, given_up.membership.state) == ("APPROVED", "CLOSED")
    assert picture(approved, cbp("application.withdrawn", 9)).integrity == "CONFLICT"


@pytest.mark.parametrize(
    ("submitted", "kind", "membership"),
    [("2027-02-01T04:50:00+00:00", "RENEWAL", "EXTENDED"), ("2027-02-01T05:10:00+00:00", "REAPPLICATION", "EXPIRED")],
)
def test_a_renewal_before_midnight_eastern_keeps_a_cbp_membership_going(
    submitted: str, kind: str, membership: str
) -> None:
    member = cbp("application.approved", -1800, validTo="2027-01-31", applicationId="A1")
    day = (moment(submitted) - START) / timedelta(days=1)
    seen = picture(member, cbp("application.submitted", day, applicationId="A2"), now=START)
    assert seen.current is not None
    assert (seen.current.kind, seen.membership.state) == (kind, membership)
    assert seen.membership.extendedUntil == (date(2029, 1, 31) if membership == "EXTENDED" else None)


@pytest.mark.parametrize("before", ["membership.suspended", "membership.revoked", None])
def test_a_restoration_with_a_later_end_counts_also_while_the_membership_is_active(before: str | None) -> None:
    seen = picture(
        cbp("application.approved", 0, validTo="2031-04-18"),
        *((cbp(before, 10), cbp("membership.reinstated", 20)) if before else ()),
        cbp("membership.reinstated", 30, "later", validTo="2031-08-18"),
        cbp("membership.reinstated", 31, "again", validTo="2031-08-18"),
    )
    assert (seen.membership.state, seen.membership.validTo) == ("ACTIVE", date(2031, 8, 18))
    assert [step.cause for step in seen.steps if step.name == "REINSTATED"][-1] == "later"
    assert seen.membership.restored


def test_a_longer_membership_leaves_the_review_of_another_decision_open() -> None:
    seen = picture(
        cbp("application.approved", -1000, validTo="2029-04-18", applicationId="A1"),
        cbp("application.denied", 2, applicationId="A2", replyBy="2028-12-01"),
        cbp("membership.reinstated", 3, validTo="2029-08-18"),
    )
    assert (seen.membership.validTo, seen.review.state) == (date(2029, 8, 18), "WINDOW_OPEN")


def test_precheck_has_no_extension() -> None:
    member = tsa("eligibility.approved", -1800, validTo="2027-03-10")
    assert picture(member, tsa("renewal.submitted", 1), program="PRECHECK").membership.state == "EXPIRED"


def test_a_renewal_denied_while_extended_ends_the_extension() -> None:
    seen = picture(
        cbp("application.approved", -1800, validTo="2027-03-10", applicationId="A1"),
        cbp("application.submitted", 1, applicationId="A2"),
        cbp("application.denied", 40, applicationId="A2"),
    )
    assert [step.after for step in seen.steps if step.axis == "membership"] == ["ACTIVE", "EXTENDED", "EXPIRED"]


def test_a_preliminary_letter_gives_sixty_days() -> None:
    seen = picture(
        tsa("enrollment.completed", 0),
        tsa("eligibility.preliminary_ineligible", 9, letterDate="2027-01-11"),
        program="PRECHECK",
        now=START + timedelta(days=9, hours=1),
    )
    assert seen.review.replyBy == date(2027, 3, 12)


STORY = (
    cbp("application.submitted", 0, applicationId="A1"),
    cbp("application.pending_review", 1, applicationId="A1"),
    cbp("application.info_requested", 2, applicationId="A1", dueDate="2027-04-01"),
    cbp("info.received", 5, applicationId="A1"),
    cbp("application.conditionally_approved", 10),
    cbp("interview.scheduled", 11, interview={"at": "2027-03-20T16:00:00Z", "site": "ORD"}),
    cbp("interview.completed", 19),
    cbp("application.approved", 20, "yes", validTo="2032-04-18", passId="981234567"),
    cbp("application.approved", 20, "again", validTo="2032-04-18", passId="981234567"),
    cbp("membership.suspended", 60),
    cbp("membership.reinstated", 90),
    cbp("record.corrected", 21, corrects="yes", validTo="2032-05-18"),
    cbp("status.reported", 2, label="Eligibility Determined"),
)


def shown(seen: Picture) -> tuple[object, ...]:
    return (card(seen, "R-1", LATER), [(step.name, step.axis, step.after) for step in seen.steps])


@settings(max_examples=150, deadline=None)
@given(st.permutations(STORY), st.data())
def test_every_order_of_arrival_gives_the_same_picture(order: list[Entry], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(order)))
    kept = sorted(order[:count], key=lambda one: one.id)
    assert shown(picture(*order[:count])) == shown(picture(*kept))


def test_every_pair_of_state_and_event_has_a_result_and_no_state_is_a_dead_end() -> None:
    for system in (machine.TSA, machine.CBP):
        reached = {"-"}
        for _ in machine.STATES:
            for state_ in tuple(reached):
                for event in machine.APPLICATION_EVENTS:
                    found = machine.rows("application", system, state_, event)
                    assert all(row.to in machine.STATES for row in found)
                    reached |= {row.to for row in found}
        for state_ in reached - {"-"} - set(machine.TERMINAL):
            ways = {
                row.to
                for event in machine.APPLICATION_EVENTS
                for row in machine.rows("application", system, state_, event)
            }
            assert ways & set(machine.TERMINAL), f"{state_} of {system} never ends"
        assert set(machine.TERMINAL) - {"VOIDED"} <= reached


def test_every_guard_named_in_the_tables_exists_and_is_used() -> None:
    tables = (*machine.APPLICATION, *machine.MEMBERSHIP, *machine.REVIEW)
    assert {row.guard for row in tables if row.guard} == set(GUARDS)


NAMES = sorted(name for name, event in machine.EVENTS.items() if event)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 40), st.booleans()), max_size=12))
def test_any_events_at_all_fold_to_a_known_state(events: list[tuple[str, int, bool]]) -> None:
    entries = [
        (tsa if tsa_known(name) else cbp)(name, day, f"{name}{day}{n}", **({"sequence": n} if numbered else {}))
        for n, (name, day, numbered) in enumerate(events)
    ]
    seen = picture(*entries)
    assert seen.membership.state in machine.MEMBERSHIP_STATES
    assert seen.review.state in machine.REVIEW_STATES
    assert all(case.state in machine.STATES for case in seen.cases)


def tsa_known(name: str) -> bool:
    from schemas.vocabulary import CBP_NAMES

    return name not in CBP_NAMES
