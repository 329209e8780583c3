"""The application axis: which application an event belongs to, and what it does to it (domain 3.2, 3.4)."""

from datetime import datetime, timedelta
from typing import Final

from streams.records.guards import GUARDS, renews
from streams.records.interviews import book, done, part_of
from streams.records.log import Entry
from streams.records.machine import DECISIONS, ENDINGS, OPEN, TERMINAL, Row, rows
from streams.records.memberships import move_membership
from streams.records.picture import APPLICATION, Case, Conflict
from streams.records.reviews import ANSWERED, adverse, move_review, take_back
from streams.records.run import Run

SAME_DECISION: Final = timedelta(days=30)
"""Decisions without an application id that lie further apart belong to two applications."""

_REPLY_CHANNELS: Final = {"correction.received": "TSA_COR", "reconsideration.received": "CBP_OMB"}


def take_application(run: Run, canonical: str, event: Entry, moment: datetime) -> None:
    case = _case_of(run, canonical, event, moment)
    if case is None:
        return
    if case.state in TERMINAL:
        _after_decision(run, case, canonical, event, moment)
        return
    if canonical == "INTERVIEW_DONE":
        done(case, part_of(case, event))
    for row in rows(APPLICATION, run.system, case.state, canonical):
        if row.guard is None or GUARDS[row.guard](run, case, event):
            _move(run, case, row, canonical, event, moment)
            return
    if canonical == "INTERVIEW_SET" and case.state == "INTERVIEW_SCHEDULED":
        book(case, part_of(case, event), event)
    if canonical == "REVIEW_STARTED":
        move_review(run, "REVIEW_STARTED", event, moment)


def _case_of(run: Run, canonical: str, event: Entry, moment: datetime) -> Case | None:
    """The application that an event belongs to (contract 1.2, `applicationId`)."""
    cases, named = run.picture.cases, event.data.applicationId
    opened = [case for case in cases if case.state in OPEN or case.state == "-"]
    if named is not None:
        for case in cases:
            if case.applicationId == named:
                return case
        if opened and opened[-1].applicationId is None:
            opened[-1].applicationId = named
            return opened[-1]
    elif opened:
        return opened[-1]
    elif cases and _belongs_to_decided(run, cases[-1], canonical, event, moment):
        return cases[-1]
    if not rows(APPLICATION, run.system, "-", canonical):
        return cases[-1] if cases and named is None and canonical in DECISIONS else None
    case = Case(key=f"#{len(cases)}", applicationId=named, program=run.picture.program, openedBy=event)
    cases.append(case)
    case.kind, case.why = _kind(run, event)
    return case


def _belongs_to_decided(run: Run, last: Case, canonical: str, event: Entry, moment: datetime) -> bool:
    """Whether a decision without an application id speaks of the application that is decided already."""
    if canonical not in DECISIONS or event.name == "renewal.approved" or event.data.applicationType == "RENEWAL":
        return False
    if canonical == "WITHDRAWN" or (canonical == "APPROVED" and event.data.validTo == run.picture.membership.validTo):
        return True
    if last.state == "DENIED" and canonical == "APPROVED" and run.picture.review.state in ANSWERED:
        return True
    return last.decidedAt is None or moment - last.decidedAt <= SAME_DECISION


def _kind(run: Run, event: Entry) -> tuple[str, str]:
    """INITIAL, RENEWAL or REAPPLICATION, and the rule that says so (domain 3.1)."""
    member = run.picture.membership
    if event.data.applicationType == "RENEWAL":
        return "RENEWAL", "the source says that it is a renewal"
    if event.data.applicationType == "NEW":
        return ("REAPPLICATION" if member.ever else "INITIAL"), "the source says that it is new"
    if member.state == "ACTIVE":
        return "RENEWAL", "the membership was active when it was submitted"
    if member.ever:
        return "REAPPLICATION", "a membership existed but was not active when it was submitted"
    if event.name.startswith("renewal."):
        return "RENEWAL", "the source sends it as a renewal, of a membership that we do not know"
    return "INITIAL", "no membership was known before"


def _move(run: Run, case: Case, row: Row, canonical: str, event: Entry, moment: datetime) -> None:
    before, data = case.state, event.data
    part, earlier = part_of(case, event), None
    case.state = row.to
    if before != row.to:
        case.changedAt, case.changedKnownAt = moment, event.receivedAt
    if canonical == "APP_SUBMITTED":
        member = run.picture.membership
        case.submittedAt, case.endBefore = event.at, None if member.state in ("REVOKED", "CLOSED") else member.validTo
        case.kind, case.why = _kind(run, event)
    elif canonical == "INFO_REQUESTED":
        case.dueDate, case.dueKnownAt = data.dueDate, event.receivedAt
    elif canonical == "COND_APPROVED":
        case.conditionalAt, case.conditionalKnownAt, case.completeBy = event.at, event.receivedAt, data.completeBy
    elif canonical == "INTERVIEW_SET":
        earlier = book(case, part, event)
    elif canonical == "INTERVIEW_OFF":
        earlier = case.appointments.pop(part, None)
    if row.to != "ACTION_NEEDED":
        case.dueDate = None
    name = row.name or canonical
    if row.to in ENDINGS or row.to == "PRELIM_INELIGIBLE":
        case.decidedAt, case.decidedBy = event.at, event
    run.step(event, name, APPLICATION, before, row.to, moment, case.key)
    if canonical in ("INTERVIEW_SET", "INTERVIEW_OFF"):
        of_several = part if len(case.parts_needed) > 1 else ""
        run.picture.steps[-1] = run.picture.steps[-1]._replace(earlier=earlier, part=of_several)
    _consequences(run, case, canonical, name, event, moment)


def _consequences(run: Run, case: Case, canonical: str, name: str, event: Entry, moment: datetime) -> None:
    """What a step of an application does to the membership and to the review."""
    review = run.picture.review
    if canonical == "APPROVED":
        if review.state in ANSWERED or name == "CLEARED":
            move_review(run, "GRANTED", event, moment)
        else:
            take_back(run, event, moment)
        move_membership(run, "APPROVED", event, moment)
    elif canonical == "PRELIM_INELIGIBLE" or name == "DENIED":
        adverse(run, event, moment)
    elif name == "DENIED_FINAL":
        if review.state in ANSWERED:
            move_review(run, "NOT_GRANTED", event, moment)
        elif event.data.replyBy is not None:
            adverse(run, event, moment)
    refused = canonical in ("DENIED", "WITHDRAWN", "CLOSED_INCOMPLETE")
    if refused and run.picture.membership.state == "EXTENDED" and not any(map(renews, run.picture.cases)):
        move_membership(run, "EXTENSION_OVER", event, moment)


def _after_decision(run: Run, case: Case, canonical: str, event: Entry, moment: datetime) -> None:
    """An event of a decided application: the same again, outranking, surrender or contradiction."""
    decided = case.decidedBy
    if decided is None:
        return
    if _says_the_same(run, case, canonical, event):
        _settle(run, decided, event)
        return
    if canonical == "REVIEW_STARTED" and run.picture.review.state in ANSWERED:
        move_review(run, "REVIEW_STARTED", event, moment)
        return
    if case.state == "DENIED" and canonical == "APPROVED" and run.picture.review.state in ANSWERED:
        _reverse(run, case, event, moment, "APPROVED")
        return
    earlier, later = decided.data.sequence, event.data.sequence
    outranks = earlier is not None and later is not None and later > earlier
    if outranks and case.state == "APPROVED" and canonical == "WITHDRAWN":
        move_membership(run, "CLOSED", event, moment)
    elif event.id in run.stands or (outranks and canonical in ENDINGS):
        run.outranked.add(decided.id)
    elif decided.id not in run.stands:
        run.picture.conflicts.append(Conflict(decided, event))


def _settle(run: Run, decided: Entry, event: Entry) -> None:
    """The same decision said again with a higher sequence ends what contradicted it (contract 5.4)."""

    def outdone(conflict: Conflict) -> bool:
        against, number = conflict.against, event.data.sequence
        if conflict.standing is not decided or against.canonical not in ENDINGS or number is None:
            return False
        return against.data.sequence is not None and against.data.sequence < number

    run.picture.conflicts = [one for one in run.picture.conflicts if not outdone(one)]


def _says_the_same(run: Run, case: Case, canonical: str, event: Entry) -> bool:
    if canonical != case.state:
        return False
    told = case.decidedBy.data.validTo if case.decidedBy else None
    return canonical != "APPROVED" or event.data.validTo is None or told is None or event.data.validTo == told


def _reverse(run: Run, case: Case, event: Entry, moment: datetime, to: str) -> None:
    """A review that was granted takes a denial back (domain 3.2, REVIEW_GRANTED)."""
    before, case.state = case.state, to
    case.changedAt, case.changedKnownAt = moment, event.receivedAt
    case.decidedAt, case.decidedBy = (event.at, event) if to in TERMINAL else (None, None)
    run.step(event, "REVIEW_GRANTED", APPLICATION, before, to, moment, case.key)
    if run.picture.review.state in ANSWERED:
        move_review(run, "GRANTED", event, moment)
    if to == "APPROVED":
        move_membership(run, "APPROVED", event, moment)


def take_reply(run: Run, canonical: str, event: Entry, moment: datetime) -> None:
    review = run.picture.review
    if canonical == "REPLY_RECEIVED":
        review.channel = _REPLY_CHANNELS.get(event.name, review.channel)
        if review.cause is None:
            review.cause = event
        if review.receivedAt is None:
            review.receivedAt = event.at
        move_review(run, "REPLY_RECEIVED", event, moment)
    if event.data.outcome is None:
        return
    move_review(run, event.data.outcome, event, moment)
    case = run.picture.current
    if event.data.outcome == "GRANTED" and case is not None and case.state in ("DENIED", "PRELIM_INELIGIBLE"):
        _reverse(run, case, event, moment, "APPROVED" if event.data.validTo else "IN_REVIEW")
