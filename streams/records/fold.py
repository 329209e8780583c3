"""The fold of one record's log into its picture: pure, and the same for every order of arrival.

Time runs between the events: a membership ends, an extension is over, a reply window closes at its own moment. Where a
later decision outranks an earlier one the log is folded again without the earlier (contract 5.4), so that nothing of
the outranked decision is left behind.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from streams.calendar import add_months, earliest, end_of_day
from streams.records.log import Effective, Entry, Placed, effective, in_order
from streams.records.machine import (
    APPLICATION_EVENTS,
    CBP,
    DECISIONS,
    ENDINGS,
    LABELS,
    OPEN,
    TERMINAL,
    TSA,
    Row,
    rows,
    system_of,
)
from streams.records.picture import APPLICATION, MEMBERSHIP, OVERLAY, REVIEW, Case, Conflict, Picture, Step

EXTENSION_MONTHS: Final = 24
"""How long a CBP membership goes on while a renewal that came in time is pending (domain 2.1)."""

REPLY_DAYS: Final = 60
"""Days to answer a preliminary letter of PreCheck where the source gives no date (contract 1.2)."""

SAME_DECISION: Final = timedelta(days=30)
"""Decisions without an application id that lie further apart belong to two applications."""

_REPLY_CHANNELS: Final = {"correction.received": "TSA_COR", "reconsideration.received": "CBP_OMB"}


def fold(entries: Sequence[Entry], program: str, now: datetime, deceased: Entry | None = None) -> Picture:
    """The picture of a record at `now`. `deceased` is the event that said so, if any did."""
    left = effective(entries)
    outranked: frozenset[str] = frozenset()
    while True:
        run = _Fold(program, left)
        for placed in in_order(_distinct(one for one in left.events if one.id not in outranked)):
            run.take(placed)
        if run.outranked:
            outranked |= run.outranked
            continue
        if deceased is not None:
            run.clock(deceased.at)
            run.membership("DECEASED", deceased, deceased.at)
        run.clock(now)
        picture = run.picture
        picture.nextClock = run.next_moment()
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
    picture.asOf = void.at
    picture.steps.append(Step(void.id, "VOIDED", APPLICATION, "-", "VOIDED", void.at, void.receivedAt, void.data, "#0"))


class _Fold:
    """One pass over the log. `outranked` collects decisions that a later one with a higher sequence replaces."""

    def __init__(self, program: str, left: Effective) -> None:
        self.picture = Picture(program)
        self.system = system_of(program)
        self.stands = left.stands
        self.outranked: set[str] = set()

    # ---- time

    def next_moment(self) -> datetime | None:
        """When the clock alone will next change something."""
        return earliest((self._membership_end(), self._window_end()))

    def _membership_end(self) -> datetime | None:
        member = self.picture.membership
        day = {"ACTIVE": member.validTo, "EXTENDED": member.extendedUntil}.get(member.state)
        return None if day is None else end_of_day(day)

    def _window_end(self) -> datetime | None:
        review = self.picture.review
        if review.state != "WINDOW_OPEN" or review.replyBy is None:
            return None
        return end_of_day(review.replyBy)

    def clock(self, until: datetime) -> None:
        """Let the time run to `until`."""
        while (moment := self.next_moment()) is not None and moment <= until:
            if moment == self._membership_end():
                self._membership_over(moment)
            else:
                review = self.picture.review
                assert review.cause is not None  # noqa: S101 - a window has an event that opened it
                self.review("WINDOW_PASSED", review.cause, moment, clock=True)

    def _membership_over(self, moment: datetime) -> None:
        member = self.picture.membership
        cause = member.cause
        assert cause is not None  # noqa: S101 - an end has an event that gave it
        if member.state == "ACTIVE":
            until = add_months(member.validTo, EXTENSION_MONTHS) if member.validTo else None
            if member.sourceUntil is not None:
                until = min(member.sourceUntil, until) if until else member.sourceUntil
            member.extendedUntil = until
            self.membership("END_PASSED", cause, moment, clock=True)
            if member.state != "EXTENDED":
                member.extendedUntil = None
        else:
            self.membership("EXTENSION_OVER", cause, moment, clock=True)

    # ---- events

    def take(self, placed: Placed) -> None:
        """One event, at its place in the order."""
        event = placed.event
        self.clock(placed.moment)
        if event.of_program:
            self.picture.asOf = max(self.picture.asOf or event.at, event.at)
        canonical = event.canonical
        if canonical == "STATUS_REPORTED":
            canonical = LABELS.get((self.system, (event.data.label or "").strip().casefold()))
            self.picture.unknown = event if canonical is None else None
        elif canonical is not None:
            self.picture.unknown = None
        if canonical is None:
            return
        if canonical in APPLICATION_EVENTS:
            self._application(canonical, event, placed.moment)
        elif canonical in ("REPLY_RECEIVED", "DECIDED"):
            self._reply(canonical, event, placed.moment)
        else:
            self._member(canonical, event, placed.moment)

    # ---- applications

    def _application(self, canonical: str, event: Entry, moment: datetime) -> None:
        case = self._case_of(canonical, event, moment)
        if case is None:
            return
        if case.state in TERMINAL:
            self._after_decision(case, canonical, event, moment)
            return
        if canonical == "INTERVIEW_DONE":
            part = event.data.interview.part if event.data.interview and event.data.interview.part else "US"
            if part not in case.partsDone:
                case.partsDone.append(part)
        for row in rows(APPLICATION, self.system, case.state, canonical):
            if row.guard is None or GUARDS[row.guard](self, case, event):
                self._move(case, row, canonical, event, moment)
                return
        if canonical == "REVIEW_STARTED":
            self.review("REVIEW_STARTED", event, moment)

    def _case_of(self, canonical: str, event: Entry, moment: datetime) -> Case | None:
        """The application that an event belongs to (contract 1.2, `applicationId`)."""
        cases, named = self.picture.cases, event.data.applicationId
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
        elif cases and self._belongs_to_decided(cases[-1], canonical, event, moment):
            return cases[-1]
        if not rows(APPLICATION, self.system, "-", canonical):
            return cases[-1] if cases and named is None and canonical in DECISIONS else None
        case = Case(key=f"#{len(cases)}", applicationId=named, program=self.picture.program, openedBy=event)
        cases.append(case)
        case.kind, case.why = self._kind(event)
        return case

    def _belongs_to_decided(self, last: Case, canonical: str, event: Entry, moment: datetime) -> bool:
        """Whether a decision without an application id speaks of the application that is decided already."""
        if canonical not in DECISIONS or event.name == "renewal.approved" or event.data.applicationType == "RENEWAL":
            return False
        if canonical == "WITHDRAWN" or (
            canonical == "APPROVED" and event.data.validTo == self.picture.membership.validTo
        ):
            return True
        if last.state == "DENIED" and canonical == "APPROVED" and self.picture.review.state in _ANSWERED:
            return True
        return last.decidedAt is None or moment - last.decidedAt <= SAME_DECISION

    def _kind(self, event: Entry) -> tuple[str, str]:
        """INITIAL, RENEWAL or REAPPLICATION, and the rule that says so (domain 3.1)."""
        member = self.picture.membership
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

    def _move(self, case: Case, row: Row, canonical: str, event: Entry, moment: datetime) -> None:
        before, data, cancelled = case.state, event.data, None
        case.state = row.to
        if before != row.to:
            case.changedAt, case.changedKnownAt = moment, event.receivedAt
        if canonical == "APP_SUBMITTED":
            case.submittedAt, case.endBefore = event.at, self.picture.membership.validTo
            case.kind, case.why = self._kind(event)
        elif canonical == "INFO_REQUESTED":
            case.dueDate, case.dueKnownAt = data.dueDate, event.receivedAt
        elif canonical == "COND_APPROVED":
            case.conditionalAt, case.conditionalKnownAt, case.completeBy = event.at, event.receivedAt, data.completeBy
        elif canonical == "INTERVIEW_SET" and data.interview is not None:
            case.appointment, case.site = data.interview.at, data.interview.site
            case.appointmentZone, case.appointmentKnownAt = data.interview.timeZone, event.receivedAt
        elif canonical == "INTERVIEW_OFF":
            cancelled = (case.appointment, case.appointmentZone, case.site)
            case.appointment = case.site = case.appointmentZone = None
        if row.to != "ACTION_NEEDED":
            case.dueDate = None
        name = row.name or canonical
        if row.to in ENDINGS or row.to == "PRELIM_INELIGIBLE":
            case.decidedAt, case.decidedBy = event.at, event
        self._step(event, name, APPLICATION, before, row.to, moment, case.key)
        if cancelled is not None:
            self.picture.steps[-1] = self.picture.steps[-1]._replace(cancelled=cancelled)
        self._consequences(case, canonical, name, event, moment)

    def _consequences(self, case: Case, canonical: str, name: str, event: Entry, moment: datetime) -> None:
        """What a step of an application does to the membership and to the review."""
        review = self.picture.review
        if canonical == "APPROVED":
            if review.state in _ANSWERED or name == "CLEARED":
                self.review("GRANTED", event, moment)
            elif review.state != "NONE":
                review.state, review.replyBy = "NONE", None
            self.membership("APPROVED", event, moment)
        elif canonical == "PRELIM_INELIGIBLE" or name == "DENIED":
            self._adverse(event, moment)
        elif name == "DENIED_FINAL":
            if review.state in _ANSWERED:
                self.review("NOT_GRANTED", event, moment)
            elif event.data.replyBy is not None:
                self._adverse(event, moment)
        refused = canonical in ("DENIED", "WITHDRAWN", "CLOSED_INCOMPLETE")
        if refused and self.picture.membership.state == "EXTENDED" and not any(map(renews, self.picture.cases)):
            self.membership("EXTENSION_OVER", event, moment)

    def _after_decision(self, case: Case, canonical: str, event: Entry, moment: datetime) -> None:
        """An event of a decided application: the same again, outranking, surrender or contradiction."""
        decided = case.decidedBy
        if decided is None or self._says_the_same(case, canonical, event):
            return
        if canonical == "REVIEW_STARTED" and self.picture.review.state in _ANSWERED:
            self.review("REVIEW_STARTED", event, moment)
            return
        if case.state == "DENIED" and canonical == "APPROVED" and self.picture.review.state in _ANSWERED:
            self._reverse(case, event, moment, "APPROVED")
            return
        earlier, later = decided.data.sequence, event.data.sequence
        outranks = earlier is not None and later is not None and later > earlier
        if outranks and case.state == "APPROVED" and canonical == "WITHDRAWN":
            self.membership("CLOSED", event, moment)
        elif event.id in self.stands or (outranks and canonical in ENDINGS):
            self.outranked.add(decided.id)
        elif decided.id not in self.stands:
            self.picture.conflicts.append(Conflict(decided, event))

    def _says_the_same(self, case: Case, canonical: str, event: Entry) -> bool:
        if canonical != _ENDED_BY.get(case.state):
            return False
        told = case.decidedBy.data.validTo if case.decidedBy else None
        return canonical != "APPROVED" or event.data.validTo is None or told is None or event.data.validTo == told

    def _reverse(self, case: Case, event: Entry, moment: datetime, to: str) -> None:
        """A review that was granted takes a denial back (domain 3.2, REVIEW_GRANTED)."""
        before, case.state = case.state, to
        case.changedAt, case.changedKnownAt = moment, event.receivedAt
        case.decidedAt, case.decidedBy = (event.at, event) if to in TERMINAL else (None, None)
        self._step(event, "REVIEW_GRANTED", APPLICATION, before, to, moment, case.key)
        if self.picture.review.state in _ANSWERED:
            self.review("GRANTED", event, moment)
        if to == "APPROVED":
            self.membership("APPROVED", event, moment)

    # ---- reviews

    def _adverse(self, event: Entry, moment: datetime) -> None:
        review, data = self.picture.review, event.data
        review.letterDate, review.replyBy = data.letterDate, data.replyBy
        if review.replyBy is None and self.system == TSA and data.letterDate is not None:
            review.replyBy = data.letterDate + timedelta(days=REPLY_DAYS)
        review.cause, review.channel, review.receivedAt = event, None, None
        self.review("ADVERSE", event, moment)

    def _reply(self, canonical: str, event: Entry, moment: datetime) -> None:
        review = self.picture.review
        if canonical == "REPLY_RECEIVED":
            review.channel = _REPLY_CHANNELS.get(event.name, review.channel)
            if review.cause is None:
                review.cause = event
            if review.receivedAt is None:
                review.receivedAt = event.at
            self.review("REPLY_RECEIVED", event, moment)
        if event.data.outcome is None:
            return
        self.review(event.data.outcome, event, moment)
        case = self.picture.current
        if event.data.outcome == "GRANTED" and case is not None and case.state in ("DENIED", "PRELIM_INELIGIBLE"):
            self._reverse(case, event, moment, "APPROVED" if event.data.validTo else "IN_REVIEW")

    def review(self, canonical: str, event: Entry, moment: datetime, clock: bool = False) -> None:
        """Move the review axis."""
        review = self.picture.review
        for row in rows(REVIEW, self.system, review.state, canonical):
            before, review.state = review.state, row.to
            self._step(
                event,
                row.name or canonical,
                REVIEW,
                before,
                row.to,
                moment,
                published=row.name is not None,
                clock=clock,
            )
            return

    # ---- membership

    def _member(self, canonical: str, event: Entry, moment: datetime) -> None:
        if event.data.reason == "PROGRAM" and canonical in ("SUSPENDED", "REINSTATED"):
            overlay = self.picture.overlay
            before, overlay.state = overlay.state, "PAUSED" if canonical == "SUSPENDED" else "NORMAL"
            overlay.scope = "all" if overlay.state == "PAUSED" else None
            if before != overlay.state:
                self._step(event, f"PROGRAM_{overlay.state}", OVERLAY, before, overlay.state, moment)
            return
        other = self.picture.membership.changedBy
        if other is not None and self.picture.membership.changedMoment == moment and self._contradicts(other, event):
            if event.id in self.stands:
                self.outranked.add(other.id)
            elif other.id not in self.stands:
                self.picture.conflicts.append(Conflict(other, event))
            return
        if canonical == "EXTENDED":
            self._extended(event)
        self.membership(canonical, event, moment)

    def _extended(self, event: Entry) -> None:
        member = self.picture.membership
        member.sourceUntil = event.data.until or event.data.validTo or member.sourceUntil
        limit = add_months(member.validTo, EXTENSION_MONTHS) if member.validTo else None
        until = member.sourceUntil
        member.extendedUntil = min(until, limit) if until and limit else until or limit
        if member.cause is None:
            member.cause = event

    @staticmethod
    def _contradicts(other: Entry, event: Entry) -> bool:
        if None not in (other.data.sequence, event.data.sequence) and other.data.sequence != event.data.sequence:
            return False
        return {other.canonical in _AGAINST, event.canonical in _AGAINST} == {True, False} and not (
            {other.canonical, event.canonical} & {"EXPIRED", "EXTENDED", "CLOSED"}
        )

    def membership(self, canonical: str, event: Entry, moment: datetime, clock: bool = False) -> None:
        """Move the membership axis; the rows of domain 3.3."""
        member = self.picture.membership
        for row in rows(MEMBERSHIP, self.system, member.state, canonical):
            if row.guard is not None and not GUARDS[row.guard](self, self.picture.current, event):
                continue
            before, member.state = member.state, row.to
            self._member_facts(canonical, row, event, moment)
            if not clock:
                member.changedBy, member.changedMoment = event, moment
            self._step(event, row.name or canonical, MEMBERSHIP, before, row.to, moment, clock=clock)
            if row.to == "REVOKED":
                self._adverse(event, moment)
            return
        if canonical == "APPROVED":
            self._dates(event)

    def _member_facts(self, canonical: str, row: Row, event: Entry, moment: datetime) -> None:
        member, review = self.picture.membership, self.picture.review
        member.ever = True
        if canonical in ("APPROVED", "REINSTATED"):
            ended = member.validTo
            self._dates(event)
            member.sourceUntil = member.extendedUntil = None
            member.restored = canonical == "REINSTATED" and bool(ended and member.validTo and member.validTo > ended)
        if canonical == "REINSTATED":
            if review.state in _ANSWERED:
                self.review("GRANTED", event, moment)
            elif review.state == "WINDOW_OPEN":
                review.state, review.replyBy = "NONE", None
        if row.to == "EXPIRED":
            member.expiredAt = moment

    def _dates(self, event: Entry) -> None:
        member, data = self.picture.membership, event.data
        member.validFrom = data.validFrom or member.validFrom
        if data.validTo is not None or member.cause is None:
            member.validTo, member.cause = data.validTo or member.validTo, event
        number = data.ktn or data.passId
        member.sameNumber = data.ktnRetained is True or (number is not None and number == member.number)
        member.number = number or member.number
        if data.includesPrecheck is not None:
            member.includesPrecheck = data.includesPrecheck
        if self.system == TSA:
            member.includesPrecheck = True

    # ---- what happened

    def _step(
        self,
        event: Entry,
        name: str,
        axis: str,
        before: str,
        after: str,
        moment: datetime,
        case: str = "",
        published: bool = True,
        clock: bool = False,
    ) -> None:
        known = max(event.receivedAt, moment) if clock else event.receivedAt
        self.picture.steps.append(
            Step(
                cause=event.id,
                name=name,
                axis=axis,
                before=before,
                after=after,
                at=moment if clock else event.at,
                receivedAt=known,
                data=event.data,
                case=case,
                backfill=event.backfill and not (clock and moment > event.receivedAt),
                published=published,
                clock=clock,
                event=event.canonical,
            )
        )


_ANSWERED: Final = ("RECEIVED", "UNDER_REVIEW", "GRANTED")
_AGAINST: Final = ("SUSPENDED", "REVOKED")
_ENDED_BY: Final = {
    "APPROVED": "APPROVED",
    "DENIED": "DENIED",
    "WITHDRAWN": "WITHDRAWN",
    "CLOSED_INCOMPLETE": "CLOSED_INCOMPLETE",
}


def renews(case: Case) -> bool:
    """Whether an open renewal keeps a CBP membership going."""
    return case.state in OPEN and case.kind == "RENEWAL" and case.submittedAt is not None


def _another_due_date(run: _Fold, case: Case | None, event: Entry) -> bool:
    """The same request again says nothing new."""
    return case is not None and event.data.dueDate != case.dueDate


def _another_appointment(run: _Fold, case: Case | None, event: Entry) -> bool:
    """The same time and place again says nothing new."""
    interview = event.data.interview
    return case is None or interview is None or (interview.at, interview.site) != (case.appointment, case.site)


def _has_appointment(run: _Fold, case: Case | None, event: Entry) -> bool:
    """There is something to cancel."""
    return case is not None and case.appointment is not None


def _all_parts_done(run: _Fold, case: Case | None, event: Entry) -> bool:
    """NEXUS needs the U.S. and the Canadian part (domain 2.1)."""
    return case is not None and set(case.parts_needed) <= set(case.partsDone)


def _another_end(run: _Fold, case: Case | None, event: Entry) -> bool:
    """An approval that gives the end that is known already renews nothing."""
    return event.data.validTo is None or event.data.validTo != run.picture.membership.validTo


def _renewal_in_time(run: _Fold, case: Case | None, event: Entry) -> bool:
    """8 CFR 235.12 practice (domain 2.1): the renewal was submitted by the end of `validTo`, U.S. Eastern."""
    member = run.picture.membership
    if run.system != CBP or member.validTo is None:
        return False
    end = end_of_day(member.validTo)
    if member.sourceUntil is not None and member.sourceUntil > member.validTo:
        return True
    return any(renews(one) and one.submittedAt is not None and one.submittedAt < end for one in run.picture.cases)


GUARDS: Final[dict[str, Callable[[_Fold, Case | None, Entry], bool]]] = {
    "another_due_date": _another_due_date,
    "another_appointment": _another_appointment,
    "has_appointment": _has_appointment,
    "all_parts_done": _all_parts_done,
    "another_end": _another_end,
    "renewal_in_time_or_source_extended": _renewal_in_time,
}
