"""The records stage at the edges of a case: whose it is, merges, refusals, and what the staff did."""

from datetime import timedelta
from typing import Any

from streams import topics
from streams.events import FINAL
from streams.grammar import DeadLetter, Emission
from tests.scene import Scene
from tests.test_properties import START, Event, Run, event, pipeline, profile, time_of

HOUR = timedelta(hours=1)


def ge(name: str, hours: float, record: str = "GE-1", **data: Any) -> Event:
    return event(name, hours, f"{record}-{name}-{hours}", record, recordId=record, **data)


def link(name: str, hours: float, subject: str, source: str = "dhs/portal", **data: Any) -> Event:
    body = {"portalSubject": subject, "recordId": "GE-1", "program": "GLOBAL_ENTRY", **data}
    return event(name, hours, f"{name}-{subject}-{hours}", subject, topics.PROFILE, **body) | {"source": source}


def play(*events: Event, hours: float = 100) -> Run:
    run = Run()
    for one in sorted(events, key=time_of):
        run.arrive(one, time_of(one) + timedelta(seconds=1))
    return run.rest(START + HOUR * hours)


def letters(run: Run) -> list[str]:
    return [
        one.output.reason for one in run.happened if isinstance(one, Emission) and isinstance(one.output, DeadLetter)
    ]


def test_a_link_made_by_the_staff_is_audited_with_its_reason() -> None:
    run = play(ge("application.submitted", 1), link("linked", 2, "p1", "dhs/staff", actor="pat.staff", reason="called"))
    [(_, (_, entry))] = run.events(topics.AUDIT)
    assert (entry["action"], entry["by"], entry["reason"], entry["recordId"]) == (
        "linked",
        "pat.staff",
        "called",
        "GE-1",
    )
    assert entry["result"] == "done"


def decided(hours: float, event_id: str, subject: str, **data: Any) -> Event:
    body = {"eventId": event_id, "by": "pat.staff", "reason": "checked", **data}
    return event("event.voided", hours, f"void-{event_id}-{hours}", subject, topics.PROFILE, **body) | {
        "source": "dhs/staff"
    }


def audits(run: Run) -> list[tuple[str | None, ...]]:
    return [
        (entry["eventId"], entry["program"], entry["recordId"], entry["result"])
        for _, (_, entry) in run.events(topics.AUDIT)
    ]


def test_every_decision_of_the_staff_is_audited_once_with_its_result_whatever_it_names() -> None:
    known = ge("application.submitted", 1)
    nowhere = decided(2, "nothing", "nothing")
    run = play(known, nowhere, nowhere, decided(3, "later", "GE-1", program="GLOBAL_ENTRY", recordId="GE-1"))
    run.arrive(decided(4, known["id"], "GE-1"), START + HOUR * 101)
    assert audits(run) == [
        ("nothing", None, None, "unknown-event"),
        ("later", "GLOBAL_ENTRY", "GE-1", "unknown-event"),
        (known["id"], "GLOBAL_ENTRY", "GE-1", "done"),
    ]
    assert [view["cards"][0]["application"]["state"] for view in run.views().values() if view] == ["VOIDED"]


def test_what_the_staff_does_to_a_person_is_audited_once_by_subject_or_by_record() -> None:
    death = event("deceased", 2, "d1", "p1", topics.PROFILE, portalSubject="p1", actor="pat.staff") | {
        "source": "dhs/staff"
    }
    by_record = event("deceased", 3, "d2", "GE-1", topics.PROFILE, recordId="GE-1", program="GLOBAL_ENTRY") | {
        "source": "dhs/staff"
    }
    run = play(death, death, by_record, by_record, ge("application.submitted", 4, portalSubject="p1"))
    found = [(entry["action"], entry["by"], entry["result"]) for _, (_, entry) in run.events(topics.AUDIT)]
    assert found == [
        ("deceased", "pat.staff", "done"),
        ("deceased", "unnamed", "unknown-record"),
        ("deceased", "unnamed", "done"),
    ]


def test_a_link_of_two_birth_dates_is_refused_each_time_and_waits_for_the_staff() -> None:
    run = play(
        profile("p1", "+13125550100"),
        event("updated", 0, "born", "p1", topics.PROFILE, portalSubject="p1", dateOfBirth="1980-01-01"),
        ge("application.submitted", 1, person={"dateOfBirth": "1990-01-01"}),
        link("linked", 2, "p1"),
        link("linked", 3, "p1"),
    )
    assert letters(run) == ["identity-conflict", "identity-conflict"]
    assert [said[1]["reason"] for _, said in run.events(topics.WORK)] == ["identity conflict"]
    assert all(to != "p1@example.com" for _, to, _ in run.sent)


def test_a_merged_record_takes_its_story_along_and_tells_nothing_twice() -> None:
    run = play(
        profile("p1", "+13125550100"),
        ge("application.submitted", 4, portalSubject="p1"),
        ge("record.merged", 30, mergedInto="GE-2"),
        ge("application.approved", 40, validTo="2032-04-18"),
    )
    [view] = [view for view in run.views().values() if view is not None]
    assert [(card["recordId"], card["membership"]["state"]) for card in view["cards"]] == [("GE-2", "ACTIVE")]
    assert sorted({kind for _, _, kind in run.sent}) == ["APPROVED", "APP_RECEIVED"]
    assert len(run.sent) == 4


def test_records_merged_in_a_circle_end_in_one_of_them() -> None:
    run = play(
        ge("application.submitted", 1),
        ge("record.merged", 2, mergedInto="GE-2"),
        ge("record.merged", 3, "GE-2", mergedInto="GE-1"),
        ge("application.approved", 4, "GE-2", validTo="2032-04-18"),
    )
    states = [card["membership"]["state"] for view in run.views().values() if view for card in view["cards"]]
    assert states == ["ACTIVE"]


def test_of_two_corrections_of_one_event_the_newer_speaks() -> None:
    first = ge("application.approved", 1, validTo="2030-01-01")
    run = play(
        first,
        ge("record.corrected", 5, corrects=first["id"], validTo="2031-01-01"),
        ge("record.corrected", 3, corrects=first["id"], validTo="2032-01-01"),
    )
    [card] = [card for view in run.views().values() if view for card in view["cards"]]
    assert (card["membership"]["validTo"], card["integrity"]) == ("2031-01-01", "OK")


def test_who_is_forgotten_leaves_a_tombstone_and_empty_records_and_the_audit_of_it() -> None:
    body = {"recordId": "GE-1", "program": "GLOBAL_ENTRY", "actor": "pat.staff", "reason": "asked to"}
    erased = event("erased", 5, "erase", "GE-1", topics.PROFILE, **body) | {"source": "dhs/staff"}
    run = play(
        profile("p1", "+13125550100"),
        ge("application.submitted", 1, portalSubject="p1"),
        event("enrollment.completed", 2, "pc", "PC-1", topics.PRECHECK, recordId="PC-1", portalSubject="p1"),
        erased,
    )
    assert set(run.views().values()) == {None}
    for key in ("GLOBAL_ENTRY:GE-1", "PRECHECK:PC-1"):
        assert run.simulation.state("records", key) == pipeline().stages["records"].empty(key)
    [(_, (_, entry))] = run.events(topics.AUDIT)
    assert (entry["action"], entry["by"], entry["reason"]) == ("erased", "pat.staff", "asked to")


def test_a_link_to_somebody_who_was_forgotten_does_not_count() -> None:
    revoked = ge("membership.revoked", 6, letterDate="2027-03-01")
    run = Run()
    erased = event("erased", 1, "gone", "p1", topics.PROFILE, portalSubject="p1")
    for one in (profile("p1", "+13125550100"), erased, link("linked", 5, "p1"), revoked, revoked):
        run.arrive(one, time_of(one))
    run.rest(START + HOUR * 100)
    states = [kind.rpartition(".")[2] for _, (kind, _) in run.events(topics.NOTIFICATIONS)]
    assert (states.count("planned"), states.count("suppressed")) == (2, 2)
    [view] = [view for view in run.views().values() if view is not None]
    assert [card["recordId"] for card in view["cards"]] == ["GE-1"]


def test_later_events_of_a_forgotten_record_are_of_nobody() -> None:
    body = {"recordId": "GE-1", "program": "GLOBAL_ENTRY"}
    run = play(
        ge("application.submitted", 1),
        event("erased", 5, "erase", "GE-1", topics.PROFILE, **body),
        ge("application.approved", 30, validTo="2032-04-18"),
    )
    assert set(run.views().values()) == {None}
    kinds = [said["kind"] for _, (_, said) in run.events(topics.NOTIFICATIONS)]
    assert "APPROVED" not in kinds
    assert run.simulation.state("records", "GLOBAL_ENTRY:GE-1") == pipeline().stages["records"].empty(
        "GLOBAL_ENTRY:GE-1"
    )


def test_what_ended_for_one_traveler_is_not_rescued_under_its_id_for_the_next() -> None:
    unproved = profile("p1", "+13125550100")
    unproved["data"]["email"]["verified"] = False
    other = profile("p2", "+13125550101")
    other["data"]["phone"]["verified"] = False
    run = play(unproved, other, ge("application.submitted", 0.2, portalSubject="p1"), link("linked", 1, "p2"), hours=30)
    emails = [
        (kind.rpartition(".")[2], said["reason"])
        for _, (kind, said) in notes(run, "APP_RECEIVED")
        if said["channel"] == "email" and kind.rpartition(".")[2] in FINAL
    ]
    assert emails == [("suppressed", "unverified")]


def test_a_void_that_names_the_traveler_keeps_the_record_with_them() -> None:
    approved = ge("application.approved", 1, portalSubject="p1", validTo="2032-04-18")
    run = play(
        profile("p1", "+13125550100"),
        approved,
        ge("record.corrected", 9, corrects=approved["id"], void=True, portalSubject="p1"),
    )
    [view] = [view for view in run.views().values() if view is not None]
    assert [(card["recordId"], card["application"]["state"]) for card in view["cards"]] == [("GE-1", "VOIDED")]
    assert [kind for _, to, kind in run.sent if to.startswith("+")] == ["APPROVED", "CORRECTION"]


APPOINTMENT = {"interview": {"at": "2027-03-20T16:00:00Z", "timeZone": "America/Chicago", "site": "ORD"}}


def test_the_same_appointment_booked_again_after_a_cancellation_is_told_again() -> None:
    run = play(
        profile("p1", "+13125550100"),
        ge("application.conditionally_approved", 4, portalSubject="p1"),
        ge("interview.scheduled", 28, **APPOINTMENT),
        ge("interview.cancelled", 52),
        ge("interview.scheduled", 76, **APPOINTMENT),
    )
    kinds = [kind for _, to, kind in run.sent if to.startswith("+")]
    assert kinds == ["COND_APPROVED", "INTERVIEW_BOOKED", "INTERVIEW_CANCELLED", "INTERVIEW_BOOKED"]


def test_a_later_end_while_active_is_told_as_a_change_of_the_membership() -> None:
    run = play(
        profile("p1", "+13125550100"),
        ge("application.approved", 4, portalSubject="p1", validTo="2031-04-18"),
        ge("membership.reinstated", 28, validTo="2031-08-18"),
    )
    assert [kind for _, to, kind in run.sent if to.startswith("+")] == ["APPROVED", "MEMBERSHIP_CHANGE"]


def test_nobody_is_told_still_in_review_while_the_program_says_what_we_do_not_understand() -> None:
    run = play(
        profile("p1", "+13125550100"),
        ge("application.submitted", 4, portalSubject="p1"),
        ge("status.reported", 28, label="Eligibility Determined"),
        hours=24 * 40,
    )
    assert "STILL_IN_REVIEW" not in [kind for _, _, kind in run.sent]
    said = [(kind.rpartition(".")[2], one["reason"]) for _, (kind, one) in notes(run, "STILL_IN_REVIEW")]
    assert said == [("planned", None), ("suppressed", "not-news")], "a decision not to send leaves a record"


def test_nobody_is_told_still_in_review_while_facts_contradict_each_other() -> None:
    both = {"validTo": "2032-04-18", "applicationId": "A1"}
    run = play(
        profile("p1", "+13125550100"),
        ge("application.approved", 4, portalSubject="p1", **both),
        ge("application.submitted", 28, applicationId="A2"),
        ge("membership.suspended", 30),
        ge("membership.reinstated", 30),
        hours=24 * 40,
    )
    assert list(run.views().values())[-1]["integrity"] == "CONFLICT"
    assert "STILL_IN_REVIEW" not in [kind for _, _, kind in run.sent]


def notes(run: Run, kind: str) -> list[Any]:
    return [one for one in run.events(topics.NOTIFICATIONS) if one[1][1]["kind"] == kind]


def test_the_same_request_after_an_answer_is_told_again() -> None:
    run = play(
        profile("p1", "+13125550100"),
        ge("application.info_requested", 4, portalSubject="p1", dueDate="2027-06-01"),
        ge("info.received", 28),
        ge("application.info_requested", 52, dueDate="2027-06-01"),
    )
    assert [kind for _, to, kind in run.sent if to.startswith("+")] == ["ACTION_NEEDED", "ACTION_NEEDED"]


def test_a_message_that_ended_is_never_planned_again_under_its_id() -> None:
    denied = ge("application.denied", 24 * 40, letterDate="2027-04-10")
    run = Run()
    for one in (ge("application.submitted", 1), denied):
        run.arrive(one, time_of(one))
    run.rest(START + HOUR * 24 * 50)
    run.arrive(ge("record.corrected", 24 * 51, corrects=denied["id"], caseNo="C-2"), START + HOUR * 24 * 51)
    run.rest(START + HOUR * 24 * 60)
    planned = [
        said["notificationId"] for _, (kind, said) in run.events(topics.NOTIFICATIONS) if kind.endswith("planned")
    ]
    assert len(planned) == len(set(planned))


def test_a_source_that_corrects_more_than_a_hundred_people_is_put_before_the_staff_once() -> None:
    run = Run()
    for number in range(104):
        run.arrive(
            profile(f"p{number}", "+13125550100") | {"data": {"email": {"address": "a@example.com", "verified": True}}},
            START,
        )
    approvals = [
        ge("application.approved", 1, f"GE-{n}", portalSubject=f"p{n}", validTo="2032-04-18") for n in range(104)
    ]
    for one in approvals:
        run.arrive(one, START + HOUR)
    run.rest(START + HOUR * 2)
    for number, one in enumerate(approvals):
        void = ge("record.corrected", 3, f"GE-{number}", corrects=one["id"], void=True)
        run.arrive(void, START + HOUR * 3)
        opened = [said[1]["reason"] for _, said in run.events(topics.WORK)]
        assert opened == ([] if number < 100 else ["correction of many"])
    run.rest(START + HOUR * 4)
    assert [kind for _, _, kind in run.sent].count("CORRECTION") == 104, "nobody waits for the staff"
    [(key, (_, item))] = run.events(topics.WORK)
    assert (key, item["program"], item["recordId"]) == ("program:GLOBAL_ENTRY", "GLOBAL_ENTRY", None)


def test_history_corrects_nobody() -> None:
    run = Run()
    run.arrive(profile("p1", "+13125550100"), START)
    approved = ge("application.approved", 1, portalSubject="p1", validTo="2032-04-18")
    run.arrive(approved, START + HOUR)
    run.rest(START + HOUR * 2)
    run.arrive(ge("record.corrected", 3, corrects=approved["id"], void=True), START + HOUR * 3, backfill=True)
    run.rest(START + HOUR * 9)
    assert {kind for _, _, kind in run.sent} == {"APPROVED"}
    assert run.simulation.state("travelers", "program:GLOBAL_ENTRY").corrections == {}


def test_a_message_that_was_under_way_when_its_fact_was_corrected_is_corrected_too() -> None:
    story = (
        Scene()
        .traveler("2027-01-01T14:00:00Z")
        .provider("2027-01-01T14:00:00Z", "timeout-accepted")
        .profile("2027-01-01T15:00:00Z", "linked", recordId="GE-1", program="GLOBAL_ENTRY")
        .cbp("2027-01-02T16:00:00Z", "application.approved", validTo="2031-12-31", id="yes")
        .cbp("2027-01-02T16:02:05Z", "record.corrected", corrects="yes", void=True)
        .provider("2027-01-02T16:02:30Z", "delivered")
        .play(until="2027-01-03T16:00:00Z")
    )
    assert [kind for _, kind, _ in story.texts()] == ["APPROVED", "CORRECTION"]
    assert [kind for _, kind, _ in story.emails()] == ["APPROVED", "CORRECTION"], "corrected before, and only once"
