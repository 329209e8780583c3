"""Which steps deserve a message, after which hold, and what the message may say (domain 3.9, contract 5)."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from schemas.internal import Facts, News
from streams.calendar import EASTERN, local_day, next_morning
from streams.channels import BOTH, withheld
from streams.policy import Policy
from streams.records.picture import APPLICATION, MEMBERSHIP, REVIEW, Case, Picture, Step

CENTER_LETTER: Final = timedelta(days=30)

STANDING: Final = timedelta(days=3)
STANDING_ADVERSE: Final = timedelta(days=7)
"""How long a message may wait before it is no news any more; adverse news may have to wait for a working day."""


class Tell(NamedTuple):
    """How a step is told. `hold` in seconds; `morning`: with the next morning's messages (urgency U3).

    `daytime`: by email too only in the hours of texts.
    """

    kind: str
    hold: int = 0
    adverse: bool = False
    exempt: bool = False
    morning: bool = False
    daytime: bool = False


_GOOD: Final = 120
_CHANGE: Final = 300
_ADVERSE: Final = 1800

TELL: Final = {
    (APPLICATION, "APP_SUBMITTED"): Tell("APP_RECEIVED", _GOOD),
    (APPLICATION, "INFO_REQUESTED"): Tell("ACTION_NEEDED", _GOOD),
    (APPLICATION, "COND_APPROVED"): Tell("COND_APPROVED", _GOOD),
    (APPLICATION, "INTERVIEW_SET"): Tell("INTERVIEW_BOOKED", _CHANGE),
    (APPLICATION, "INTERVIEW_OFF"): Tell("INTERVIEW_CANCELLED", _CHANGE),
    (APPLICATION, "APPROVED"): Tell("APPROVED", _GOOD),
    (APPLICATION, "CLEARED"): Tell("APPROVED", _GOOD),
    (APPLICATION, "REVIEW_GRANTED"): Tell("APPROVED", _GOOD),
    (APPLICATION, "PRELIM_INELIGIBLE"): Tell("LETTER_READY", _ADVERSE, adverse=True, exempt=True),
    (APPLICATION, "DENIED"): Tell("LETTER_READY", _ADVERSE, adverse=True, exempt=True),
    (APPLICATION, "DENIED_FINAL"): Tell("LETTER_READY", _ADVERSE, adverse=True, exempt=True),
    (APPLICATION, "WITHDRAWN"): Tell("WITHDRAWN", exempt=True),
    (APPLICATION, "CLOSED_INCOMPLETE"): Tell("CLOSED_INCOMPLETE"),
    (MEMBERSHIP, "EXTENDED"): Tell("EXTENDED"),
    (MEMBERSHIP, "EXPIRED"): Tell("EXPIRED", morning=True),
    (MEMBERSHIP, "SUSPENDED"): Tell("MEMBERSHIP_CHANGE", _ADVERSE, exempt=True, daytime=True),
    (MEMBERSHIP, "REVOKED"): Tell("MEMBERSHIP_CHANGE", _ADVERSE, adverse=True, exempt=True),
    (MEMBERSHIP, "REINSTATED"): Tell("MEMBERSHIP_CHANGE", _GOOD, exempt=True),
    (REVIEW, "REPLY_RECEIVED"): Tell("REVIEW_RECEIVED", _CHANGE),
    (REVIEW, "REVIEW_DECIDED"): Tell("REVIEW_DECIDED", _ADVERSE),
}

DECIDED: Final = frozenset(
    {"APPROVED", "RENEWED", "LETTER_READY", "MEMBERSHIP_CHANGE", "WITHDRAWN", "CLOSED_INCOMPLETE", "REVIEW_DECIDED"}
)
"""What is held while facts contradict each other (domain 3.4 rule 6)."""

DUTIES: Final = frozenset({"ACTION_NEEDED", "COND_APPROVED", "INTERVIEW_BOOKED"})
"""What says that the traveler has something to do, in the state that it was said in."""

_OF_MEMBERSHIP: Final = frozenset({"EXTENDED", "EXPIRED", "MEMBERSHIP_CHANGE"})
_OUTCOMES: Final = frozenset({"APPROVED", "RENEWED", "LETTER_READY"})


def replaces(newer: str, older: str) -> bool:
    """Whether news of one kind makes news of another superfluous that has not left yet.

    What happens to the application replaces what happened to it before; an end of the membership and its extension are
    other news, which only an outcome or another change of the membership replaces.
    """
    if older == "MEMBERSHIP_CHANGE":
        return newer == "MEMBERSHIP_CHANGE"
    if older in _OF_MEMBERSHIP:
        return newer in _OF_MEMBERSHIP or newer in _OUTCOMES
    return newer not in _OF_MEMBERSHIP or (newer == "MEMBERSHIP_CHANGE" and older in _OUTCOMES)


def how(step: Step, picture: Picture) -> Tell | None:
    """How a step is told; None where it is silent."""
    if step.name == "CLOSED" and step.event == "WITHDRAWN":  # a surrender of the approved application: contract 5.16
        return Tell("WITHDRAWN", exempt=True)
    if step.name == "REVIEW_GRANTED" and step.after != "APPROVED":
        return None
    tell = TELL.get((step.axis, step.name))
    if tell is not None and tell.kind == "APPROVED" and _case(step, picture).kind == "RENEWAL":
        return tell._replace(kind="RENEWED")
    return tell


def _case(step: Step, picture: Picture) -> Case:
    for case in picture.cases:
        if case.key == step.case:
            return case
    return picture.current or Case(key="", program=picture.program)


_RANK: Final = {APPLICATION: 0, MEMBERSHIP: 1, REVIEW: 2}


def worth_telling(steps: Iterable[Step], picture: Picture) -> list[tuple[Step, Tell]]:
    """At most one message for each event: the decision before the membership, the membership before the review."""
    chosen: dict[tuple[str, bool], tuple[Step, Tell]] = {}
    for step in steps:
        tell = how(step, picture)
        if tell is None or not step.published:
            continue
        mark = (step.cause, step.clock)
        if mark not in chosen or _RANK[step.axis] <= _RANK[chosen[mark][0].axis]:
            chosen[mark] = (step, tell)
    return list(chosen.values())


def news(
    record: str, step: Step, tell: Tell, picture: Picture, now: datetime, zones: tuple[str, ...], policy: Policy
) -> News:
    """The news of a step that became known at `now`, with its hold and its age taken into account."""
    program, _, reference = record.partition(":")
    case = _case(step, picture)
    release = now + timedelta(seconds=tell.hold) if policy.debounce else now
    if tell.morning:
        release = next_morning(release, zones)
    fact, facts = _facts(step, tell, case, picture, zones)
    again = _told_before(step, fact, picture, zones)
    fact = f"{fact}|{again + 1}" if again else fact
    return News(
        record=record,
        program=program,
        recordId=reference,
        applicationId=case.applicationId,
        kind=tell.kind,
        fact=fact,
        causeId=step.cause,
        occurredAt=step.at,
        receivedAt=step.receivedAt,
        plannedAt=now,
        releaseAt=release,
        notAfter=release + (STANDING_ADVERSE if tell.adverse else STANDING),
        channels=BOTH,
        adverse=tell.adverse,
        daytime=tell.daytime,
        exempt=tell.exempt,
        facts=facts,
        withheld=withheld(step.at, step.receivedAt),
    )


def _told_before(step: Step, fact: str, picture: Picture, zones: tuple[str, ...]) -> int:
    """How often the same fact came before: asked for again after an answer, booked again after a cancellation."""
    count = 0
    for other in picture.steps:
        if other is step:
            break
        if (other.axis, other.name, other.case) == (step.axis, step.name, step.case):
            tell = how(other, picture)
            count += tell is not None and _facts(other, tell, _case(other, picture), picture, zones)[0] == fact
    return count


def _facts(step: Step, tell: Tell, case: Case, picture: Picture, zones: tuple[str, ...]) -> tuple[str, Facts]:
    """The effective fact that makes the news this one, and what a template may say of it."""
    program, data, member, review = picture.program, step.data, picture.membership, picture.review
    where = zones[0] if zones else EASTERN
    on = local_day(step.at, where)
    dates: dict[str, date] = {"on": on}
    fact, variant = step.at.isoformat(), None
    appointment = zone = site = None
    if tell.kind in ("APPROVED", "RENEWED"):
        fact = str(data.validTo or step.at.isoformat())
        _put(dates, "validTo", data.validTo)
        variant = "same-number" if tell.kind == "RENEWED" and member.sameNumber else None
    elif tell.kind == "ACTION_NEEDED":
        fact = str(data.dueDate or step.at.isoformat())
        _put(dates, "dueDate", data.dueDate)
    elif tell.kind == "COND_APPROVED":
        _put(dates, "completeBy", data.completeBy)
    elif tell.kind == "INTERVIEW_BOOKED" and data.interview is not None:
        appointment, zone, site = data.interview.at, data.interview.timeZone, data.interview.site
        fact = f"{appointment.isoformat() if appointment else step.at.isoformat()}|{site or ''}"
        variant = "changed" if step.earlier is not None else None
    elif tell.kind == "INTERVIEW_CANCELLED":
        appointment, zone, site = step.earlier[1:4] if step.earlier else (None, None, None)
        fact = f"{appointment.isoformat() if appointment else step.at.isoformat()}|{site or ''}"
    elif tell.kind == "LETTER_READY":
        fact = f"{step.after}|{data.letterDate or step.at.isoformat()}"
        _put(dates, "letterDate", data.letterDate)
        _put(dates, "replyBy", review.replyBy if review.state == "WINDOW_OPEN" else None)
        variant = {"PRELIM_INELIGIBLE": "reply"}.get(step.after)
    elif tell.kind == "MEMBERSHIP_CHANGE":
        fact = f"{step.after}|{step.at.isoformat()}"
        variant = {"SUSPENDED": "suspended", "REVOKED": "revoked"}.get(step.after)
        if variant is None:
            variant = "restored" if member.restored else "reinstated"
            _put(dates, "validTo", member.validTo)
        _put(dates, "letterDate", data.letterDate)
        if variant in ("suspended", "revoked"):
            _put(dates, "replyBy", review.replyBy or _letter_to_center(program, on))
    elif tell.kind == "EXTENDED":
        fact = str(member.extendedUntil or step.at.isoformat())
        _put(dates, "until", member.extendedUntil)
        _put(dates, "validTo", member.validTo)
    elif tell.kind == "EXPIRED":
        ended = (member.extendedUntil if step.before == "EXTENDED" else None) or member.validTo
        ended = ended and min(ended, local_day(step.at))  # the source may end it before its date
        fact = str(ended or step.at.isoformat())
        _put(dates, "validTo", ended)
    return fact, Facts(
        program=program,
        dates=dates,
        appointment=appointment,
        appointmentZone=zone,
        site=site,
        part=step.part or None,
        variant=variant,
    )


def _letter_to_center(program: str, day: date) -> date | None:
    """8 CFR 235.12: a letter to the enrollment center must get there within 30 calendar days."""
    return None if program == "PRECHECK" else day + CENTER_LETTER


def _put(dates: dict[str, date], name: str, day: date | None) -> None:
    if day is not None:
        dates[name] = day
