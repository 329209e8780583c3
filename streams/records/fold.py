"""The fold of one record's log into its picture: pure, and the same for every order of arrival.

Time runs between the events: a membership ends, an extension is over, a reply window closes at its own moment. Where a
later decision outranks an earlier one the log is folded again without the earlier (contract 5.4), so that nothing of
the outranked decision is left behind.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from streams.records.applications import take_application, take_reply
from streams.records.log import Effective, Entry, Placed, effective, in_order
from streams.records.machine import (
    APPLICATION_EVENTS,
    LABELS,
)
from streams.records.memberships import membership_over, move_membership, take_member
from streams.records.picture import APPLICATION, Case, Picture, Step
from streams.records.reviews import move_review
from streams.records.run import Run


def fold(
    entries: Sequence[Entry],
    program: str,
    now: datetime,
    deceased: Entry | None = None,
    left: Effective | None = None,
) -> Picture:
    """The picture of a record at `now`.

    `deceased` is the event that said so, if any did; `left` what counts of the entries, where that is known already.
    """
    left = left or effective(entries)
    outranked: frozenset[str] = frozenset()
    while True:
        run = Run(program, left)
        for placed in in_order(_distinct(one for one in left.events if one.id not in outranked)):
            take(run, placed)
        if run.outranked:
            outranked |= run.outranked
            continue
        if deceased is not None:
            clock(run, deceased.at)
            move_membership(run, "DECEASED", deceased, deceased.at)
        clock(run, now)
        picture = run.picture
        picture.nextClock = run.next_moment()
        picture.asOf = _as_of(left.living) or _as_of(entries)
        picture.cases = [case for case in picture.cases if case.state != "-"]
        if not picture.cases:
            _voided(picture, entries, left)
        return picture


def _distinct(events: Iterable[Entry]) -> list[Entry]:
    """One event for each fact: who says the same again under another id says nothing (domain 3.4 rule 3).

    The one with the highest sequence stands for all; among equals the first that came, so that a repeat is no change.
    """
    chosen: dict[tuple[object, ...], Entry] = {}
    for one in events:
        mark = (one.name, one.at, one.material, one.data.applicationId)
        other = chosen.get(mark)
        if other is None or _place(one) > _place(other):
            chosen[mark] = one
    return list(chosen.values())


def _place(event: Entry) -> int:
    return -(2**63) - 1 if event.data.sequence is None else event.data.sequence


def _as_of(events: Iterable[Entry]) -> datetime | None:
    """When the program last spoke: a correction is its word too."""
    return max((one.at for one in events if one.of_program), default=None)


def _voided(picture: Picture, entries: Sequence[Entry], left: Effective) -> None:
    """A record whose every application was voided shows the last of them as VOIDED (domain 3.2)."""
    kept = {(one.source, one.id) for one in left.events}
    gone = [one for one in entries if one.canonical in APPLICATION_EVENTS and (one.source, one.id) not in kept]
    voids = [one for one in entries if one.data.void or one.name == "event.voided"]
    if not gone or not voids:
        return
    last = max(gone, key=lambda one: (one.at, one.id))
    void = max(voids, key=lambda one: (one.at, one.id))
    case = Case(key="#0", applicationId=last.data.applicationId, state="VOIDED", program=picture.program)
    picture.cases.append(case)
    picture.steps.append(Step(void.id, "VOIDED", APPLICATION, "-", "VOIDED", void.at, void.receivedAt, void.data, "#0"))


def clock(run: Run, until: datetime) -> None:
    """Let the time run to `until`."""
    while (moment := run.next_moment()) is not None and moment <= until:
        if moment == run.membership_end():
            membership_over(run, moment)
        else:
            review = run.picture.review
            assert review.cause is not None  # noqa: S101 - a window has an event that opened it
            move_review(run, "WINDOW_PASSED", review.cause, moment, clock=True)


def take(run: Run, placed: Placed) -> None:
    """One event, at its place in the order."""
    event = placed.event
    clock(run, placed.moment)
    canonical = event.canonical
    if canonical == "STATUS_REPORTED":
        canonical = LABELS.get((run.system, (event.data.label or "").strip().casefold()))
        run.picture.unknown = event if canonical is None else None
    elif canonical is not None:
        run.picture.unknown = None
    if canonical is None:
        return
    if canonical in APPLICATION_EVENTS:
        take_application(run, canonical, event, placed.moment)
    elif canonical in ("REPLY_RECEIVED", "DECIDED"):
        take_reply(run, canonical, event, placed.moment)
    else:
        take_member(run, canonical, event, placed.moment)
