"""What is said again while nothing happens: deadlines, appointments, ends of membership, and long silence.

A reminder is planned when it falls due and only if it is still true then; one whose moment passed before the record was
known is not sent (contract 5.9, 5.11).
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from schemas.internal import Facts, News
from schemas.outputs import Channel
from streams.calendar import EASTERN, end_of_day, local_day, morning, next_morning
from streams.channels import BOTH, EMAIL, SMS
from streams.records.guards import renews
from streams.records.picture import Appointment, Case, Picture

EXPIRY: Final = ((180, EMAIL), (90, EMAIL), (30, BOTH), (14, BOTH))
"""Days before `validTo`, TSA's published rhythm (domain 1.1), and channels (domain 3.9)."""

REPLY: Final = (30, 14, 3)
ACTION: Final = (7, 2)
CONDITIONAL: Final = (30, 90, 180)
CONDITIONAL_LIMIT: Final = 60
INTERVIEW: Final[tuple[tuple[int, tuple[Channel, ...]], ...]] = ((3, EMAIL), (1, SMS))
STILL_IN_REVIEW: Final = {True: 10, False: 30}
"""Days without a change, by whether the program is PreCheck; then every 60 days, three times at most."""
AGAIN: Final = 60
MOST: Final = 3

WAITING: Final = ("SUBMITTED", "IN_REVIEW", "DECISION_PENDING")
"""States in which the traveler can only wait for the agency."""

STANDING: Final = timedelta(days=2)


class Reminder(NamedTuple):
    """One thing to say at `moment`, about the application `case`; `knownAt` is when its reason came in."""

    moment: datetime
    kind: str
    fact: str
    channels: tuple[Channel, ...]
    cause: str
    knownAt: datetime
    until: datetime
    facts: Facts
    applicationId: str | None = None
    withheld: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What tells it from every other reminder of the record."""
        return f"{self.applicationId or ''}|{self.kind}|{self.fact}"


def reminders(picture: Picture, zones: tuple[str, ...]) -> list[Reminder]:
    """All reminders that the picture as it stands leads to, past and future, whose reason was known in time."""
    where = zones[0] if zones else EASTERN
    found = [*_membership(picture, zones), *_review(picture, zones)]
    if picture.current is not None:
        found += _application(picture, picture.current, zones, where)
    return sorted((one for one in found if one.moment > one.knownAt), key=lambda one: (one.moment, one.kind, one.fact))


def planned(one: Reminder, record: str, now: datetime) -> News:
    """The news of a reminder that fell due."""
    program, _, reference = record.partition(":")
    return News(
        record=record,
        program=program,
        recordId=reference,
        applicationId=one.applicationId,
        kind=one.kind,
        fact=one.fact,
        causeId=one.cause,
        occurredAt=one.moment,
        receivedAt=one.knownAt,
        plannedAt=now,
        releaseAt=now,
        notAfter=max(now, min(one.until, now + STANDING)),
        channels=one.channels,
        facts=one.facts,
        withheld=one.withheld,
    )


def _membership(picture: Picture, zones: tuple[str, ...]) -> Iterator[Reminder]:
    member = picture.membership
    if member.state != "ACTIVE" or member.validTo is None or member.cause is None:
        return
    pending = any(map(renews, picture.cases))
    for days, channels in EXPIRY:
        yield Reminder(
            moment=morning(member.validTo - timedelta(days=days), zones),
            kind="EXPIRY_REMINDER",
            fact=f"{member.validTo}|T-{days}",
            channels=channels,
            cause=member.cause.id,
            knownAt=member.cause.receivedAt,
            until=end_of_day(member.validTo),
            facts=Facts(program=picture.program, dates={"validTo": member.validTo}),
            withheld=dict.fromkeys(channels, "not-news") if pending else {},
        )


def _review(picture: Picture, zones: tuple[str, ...]) -> Iterator[Reminder]:
    review = picture.review
    if review.state != "WINDOW_OPEN" or review.replyBy is None or review.cause is None:
        return
    for days in REPLY:
        yield Reminder(
            moment=morning(review.replyBy - timedelta(days=days), zones),
            kind="REPLY_DUE",
            fact=f"{review.replyBy}|T-{days}",
            channels=BOTH,
            cause=review.cause.id,
            knownAt=review.cause.receivedAt,
            until=end_of_day(review.replyBy),
            facts=Facts(program=picture.program, dates={"replyBy": review.replyBy}),
            applicationId=review.cause.data.applicationId,
        )


def _application(picture: Picture, case: Case, zones: tuple[str, ...], where: str) -> Iterator[Reminder]:
    cause = case.openedBy
    if cause is None:
        return
    # Whoever waits is not told "still in review" while it is not certain that this is so (domain 3.1, S-12).
    doubtful: dict[str, str] = {"email": "not-news"} if picture.integrity != "OK" else {}

    def remind(
        moment: datetime,
        kind: str,
        fact: str,
        channels: tuple[Channel, ...],
        known: datetime | None,
        until: datetime | None,
        said: dict[str, date] | None = None,
        interview: Appointment | None = None,
    ) -> Reminder:
        return Reminder(
            moment=moment,
            kind=kind,
            fact=fact,
            channels=channels,
            cause=cause.id,
            knownAt=known or cause.receivedAt,
            until=until or moment + STANDING,
            facts=Facts(
                program=picture.program,
                dates=said or {},
                appointment=interview.at if interview else None,
                appointmentZone=interview.zone if interview else None,
                site=interview.site if interview else None,
                part=interview.part if interview and len(case.parts_needed) > 1 else None,
                variant="reminder" if kind in ("ACTION_NEEDED", "COND_APPROVED") else None,
            ),
            applicationId=case.applicationId,
            withheld=doubtful if kind == "STILL_IN_REVIEW" else {},
        )

    if case.state in WAITING and case.changedAt is not None:
        first = STILL_IN_REVIEW[picture.program == "PRECHECK"]
        for index in range(MOST):
            moment = next_morning(case.changedAt + timedelta(days=first + index * AGAIN), zones)
            fact = f"{case.changedAt.isoformat()}|{index + 1}"
            yield remind(moment, "STILL_IN_REVIEW", fact, EMAIL, case.changedKnownAt, None)
    if case.state == "ACTION_NEEDED" and case.dueDate is not None:
        for days in ACTION:
            moment = morning(case.dueDate - timedelta(days=days), zones)
            fact, end = f"{case.dueDate}|T-{days}", end_of_day(case.dueDate)
            yield remind(moment, "ACTION_NEEDED", fact, BOTH, case.dueKnownAt, end, {"dueDate": case.dueDate})
    if case.state == "CONDITIONALLY_APPROVED" and case.conditionalAt is not None:
        begun = local_day(case.conditionalAt, where)
        limit = {"completeBy": case.completeBy} if case.completeBy else {}
        limit_end = end_of_day(case.completeBy) if case.completeBy else None
        for days in CONDITIONAL:
            moment = morning(begun + timedelta(days=days), zones)
            fact = f"{begun}|{days}"
            yield remind(moment, "COND_APPROVED", fact, BOTH, case.conditionalKnownAt, limit_end, limit)
        if case.completeBy is not None:
            moment = morning(case.completeBy - timedelta(days=CONDITIONAL_LIMIT), zones)
            fact = f"{case.completeBy}|T-{CONDITIONAL_LIMIT}"
            yield remind(moment, "COND_APPROVED", fact, BOTH, case.conditionalKnownAt, limit_end, limit)
    if case.state in ("INTERVIEW_SCHEDULED", "STARTED"):
        for one in case.booked:
            if one.at is None:
                continue
            day = local_day(one.at, one.zone or where)
            for days, channels in INTERVIEW:
                moment = morning(day - timedelta(days=days), zones)
                fact = f"{one.at.isoformat()}|T-{days}"
                yield remind(moment, "INTERVIEW_REMINDER", fact, channels, one.knownAt, one.at, None, one)
