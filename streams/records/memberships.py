"""The membership axis: begun, extended, ended, taken away and given back (domain 3.3)."""

from datetime import datetime
from typing import Final

from streams.calendar import add_months
from streams.records.guards import GUARDS
from streams.records.log import Entry
from streams.records.machine import TSA, rows
from streams.records.picture import MEMBERSHIP, OVERLAY, Conflict
from streams.records.reviews import ANSWERED, adverse, move_review, take_back
from streams.records.run import Run

EXTENSION_MONTHS: Final = 24
"""How long a CBP membership goes on while a renewal that came in time is pending (domain 2.1)."""

_AGAINST: Final = ("SUSPENDED", "REVOKED")


def move_membership(run: Run, canonical: str, event: Entry, moment: datetime, clock: bool = False) -> None:
    """Move the membership axis; the rows of domain 3.3."""
    member = run.picture.membership
    for row in rows(MEMBERSHIP, run.system, member.state, canonical):
        if row.guard is not None and not GUARDS[row.guard](run, run.picture.current, event):
            continue
        before, member.state = member.state, row.to
        _facts(run, canonical, before, event, moment)
        if not clock:
            member.changedBy, member.changedMoment = event, moment
        run.step(event, row.name or canonical, MEMBERSHIP, before, row.to, moment, clock=clock)
        if row.to == "REVOKED":
            adverse(run, event, moment)
        return
    if canonical == "APPROVED":
        _dates(run, event)


def _facts(run: Run, canonical: str, before: str, event: Entry, moment: datetime) -> None:
    member, review = run.picture.membership, run.picture.review
    member.ever = True
    if canonical in ("APPROVED", "REINSTATED"):
        ended = member.validTo
        _dates(run, event)
        member.sourceUntil = member.extendedUntil = None
        member.restored = canonical == "REINSTATED" and bool(ended and member.validTo and member.validTo > ended)
    if canonical == "REINSTATED" and before not in ("ACTIVE", "EXTENDED"):
        if review.state in ANSWERED:
            move_review(run, "GRANTED", event, moment)
        elif review.state == "WINDOW_OPEN":
            take_back(run, event, moment)


def _dates(run: Run, event: Entry) -> None:
    member, data = run.picture.membership, event.data
    member.validFrom = data.validFrom or member.validFrom
    if data.validTo is not None or member.cause is None:
        member.validTo, member.cause = data.validTo or member.validTo, event
    number = data.ktn or data.passId
    member.sameNumber = data.ktnRetained is True or (number is not None and number == member.number)
    member.number = number or member.number
    if data.includesPrecheck is not None:
        member.includesPrecheck = data.includesPrecheck
    if data.precheckExtended is not None:
        member.precheckExtended = data.precheckExtended
    if run.system == TSA:
        member.includesPrecheck = True


def take_member(run: Run, canonical: str, event: Entry, moment: datetime) -> None:
    overlay = run.picture.overlay
    of_program = event.data.reason == "PROGRAM" and canonical in ("SUSPENDED", "REINSTATED")
    # Reasons are of suspensions (contract 1.2): what gives back a membership that was not taken is about the program.
    lifts = canonical == "REINSTATED" and run.picture.membership.state in ("ACTIVE", "EXTENDED")
    if of_program or (lifts and overlay.state == "PAUSED"):
        before, overlay.state = overlay.state, "PAUSED" if canonical == "SUSPENDED" else "NORMAL"
        overlay.scope = "all" if overlay.state == "PAUSED" else None
        if before != overlay.state:
            run.step(event, f"PROGRAM_{overlay.state}", OVERLAY, before, overlay.state, moment)
    if of_program:
        return
    other = run.picture.membership.changedBy
    if other is not None and run.picture.membership.changedMoment == moment and _contradicts(other, event):
        if event.id in run.stands:
            run.outranked.add(other.id)
        elif other.id not in run.stands:
            run.picture.conflicts.append(Conflict(other, event))
        return
    if canonical == "EXTENDED":
        _extended(run, event)
    move_membership(run, canonical, event, moment)
    if canonical == "REINSTATED":  # also where it was active already: a suspension of that moment contradicts it
        run.picture.membership.changedBy, run.picture.membership.changedMoment = event, moment


def _extended(run: Run, event: Entry) -> None:
    member = run.picture.membership
    member.sourceUntil = event.data.until or event.data.validTo or member.sourceUntil
    if event.data.precheckExtended is not None:
        member.precheckExtended = event.data.precheckExtended
    limit = add_months(member.validTo, EXTENSION_MONTHS) if member.validTo else None
    until = member.sourceUntil
    member.extendedUntil = min(until, limit) if until and limit else until or limit
    if member.cause is None:
        member.cause = event


def _contradicts(other: Entry, event: Entry) -> bool:
    if None not in (other.data.sequence, event.data.sequence) and other.data.sequence != event.data.sequence:
        return False
    return {other.canonical in _AGAINST, event.canonical in _AGAINST} == {True, False} and not (
        {other.canonical, event.canonical} & {"EXPIRED", "EXTENDED", "CLOSED"}
    )


def membership_over(run: Run, moment: datetime) -> None:
    member = run.picture.membership
    cause = member.cause
    assert cause is not None  # noqa: S101 - an end has an event that gave it
    if member.state == "ACTIVE":
        until = add_months(member.validTo, EXTENSION_MONTHS) if member.validTo else None
        if member.sourceUntil is not None:
            until = min(member.sourceUntil, until) if until else member.sourceUntil
        member.extendedUntil = until
        move_membership(run, "END_PASSED", cause, moment, clock=True)
        if member.state != "EXTENDED":
            member.extendedUntil = None
    else:
        move_membership(run, "EXTENSION_OVER", cause, moment, clock=True)
