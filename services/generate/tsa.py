"""What befalls a record of TSA PreCheck."""

from datetime import datetime, timedelta
from typing import Any

from services.generate.diary import Diary

TERM = timedelta(days=5 * 365 + 1)


def first(diary: Diary, program: str, begins: datetime) -> None:
    """A first application: an online form or none, a visit, a decision."""
    dice = diary.dice
    visit = begins
    if dice.random() < 0.7:
        visit = begins + timedelta(days=dice.uniform(1, 14))
        booked: dict[str, Any] = {
            "interview": {"at": visit.isoformat(), "timeZone": diary.who.timeZone, "site": "Enrollment center 7"}
        }
        diary.source(program, "enrollment.pre_enrolled", begins, person=_person(diary))
        diary.source(program, "appointment.booked", begins + timedelta(minutes=6), **booked)
        if dice.random() < 0.06:
            diary.source(program, "appointment.missed", visit + timedelta(hours=1))
            visit += timedelta(days=dice.uniform(1, 10))
    diary.source(program, "enrollment.completed", visit, person=_person(diary))
    diary.source(program, "vetting.started", visit + timedelta(hours=dice.uniform(1, 12)))
    decided = visit + _vetting(diary)
    if dice.random() < 0.02:
        asked = visit + timedelta(days=dice.uniform(1, 4))
        answered = asked + timedelta(days=dice.uniform(1, 25))
        due: dict[str, Any] = {"dueDate": (asked + timedelta(days=30)).date().isoformat()}
        diary.source(program, "vetting.info_requested", asked, **due)
        diary.source(program, "info.received", answered)
        decided = max(decided, answered + timedelta(days=2))
    _decide(diary, program, decided)


def renewal(diary: Diary, program: str, begins: datetime) -> None:
    """A member of five years renews before the end."""
    dice = diary.dice
    ends = begins + timedelta(days=dice.uniform(30, 200))
    member_since(diary, program, begins, ends)
    filed = begins + (ends - begins) * dice.uniform(0.05, 0.95)
    diary.source(program, "renewal.submitted", filed)
    term = {"validFrom": ends.date() + timedelta(days=1), "validTo": ends.date() + TERM}
    decided = filed + _vetting(diary)
    diary.source(program, "renewal.approved", decided, ktn=number(diary), ktnRetained=True, **dates(term))


def lapse(diary: Diary, program: str, begins: datetime) -> None:
    """A member lets it end."""
    ends = begins + timedelta(days=diary.dice.uniform(20, 250))
    member_since(diary, program, begins, ends)
    if diary.dice.random() < 0.3:
        diary.source(program, "membership.expired", ends + timedelta(days=1, hours=6))


def member(diary: Diary, program: str, begins: datetime) -> None:
    """A member with years to go; for few of them something happens."""
    dice = diary.dice
    member_since(diary, program, begins, begins + timedelta(days=dice.uniform(400, 1700)))
    rare(diary, program, begins)


def member_since(diary: Diary, program: str, known: datetime, ends: datetime, **more: Any) -> None:
    """The approval of a membership that ends then, known to us only now: old news, told to nobody."""
    approved = ends - TERM
    name = "eligibility.approved" if program == "PRECHECK" else "application.approved"
    what: dict[str, Any] = (
        {"ktn": number(diary)} if program == "PRECHECK" else {"passId": number(diary), "includesPrecheck": True}
    )
    term = dates({"validFrom": approved.date(), "validTo": ends.date()})
    diary.history(program, name, approved, known, person=_person(diary), **what, **term, **more)


def rare(diary: Diary, program: str, begins: datetime) -> None:
    """Suspensions, revocations, new contacts, labels."""
    dice = diary.dice
    chance = dice.random()
    when = begins + timedelta(days=dice.uniform(5, 300))
    if chance < 0.02:
        diary.source(program, "membership.suspended", when)
        if dice.random() < 0.7:
            diary.source(program, "membership.reinstated", when + timedelta(days=dice.uniform(5, 60)))
    elif chance < 0.025:
        diary.source(program, "membership.revoked", when, letterDate=when.date().isoformat())
    elif chance < 0.07:
        diary.source(program, "contact.updated", when, person={"email": f"new{diary.who.number}@example.com"})
    elif chance < 0.08:
        diary.source(program, "status.reported", when, label="Eligibility Assessed")


def dates(term: dict[str, Any]) -> dict[str, Any]:
    """Dates as the sources write them."""
    return {name: day.isoformat() for name, day in term.items()}


def number(diary: Diary) -> str:
    """The number of this membership."""
    return f"TT{diary.who.number % 100_000_000:08d}"


def _vetting(diary: Diary) -> timedelta:
    """Mostly 3 to 5 days, sometimes 60."""
    return timedelta(days=min(90.0, max(0.2, diary.dice.lognormvariate(1.35, 0.75))))


def _decide(diary: Diary, program: str, decided: datetime) -> None:
    dice = diary.dice
    chance = dice.random()
    if chance < 0.007:
        letter: dict[str, Any] = {"letterDate": decided.date().isoformat(), "caseNo": f"C-{diary.who.number}"}
        diary.source(program, "eligibility.preliminary_ineligible", decided, **letter)
        if dice.random() < 0.4:
            return
        replied = decided + timedelta(days=dice.uniform(5, 55))
        diary.source(program, "correction.received", replied)
        decided = replied + timedelta(days=dice.uniform(10, 60))
        chance = dice.uniform(0, 0.02)
    if chance < 0.009:
        diary.source(program, "eligibility.denied_final", decided, letterDate=decided.date().isoformat())
        return
    if chance < 0.014:
        diary.source(program, "application.withdrawn", decided)
        return
    term = {"validFrom": decided.date(), "validTo": decided.date() + TERM}
    diary.source(program, "eligibility.approved", decided, ktn=number(diary), **dates(term))


def _person(diary: Diary) -> dict[str, Any]:
    who = diary.who
    named = {"givenName": who.givenName, "familyName": who.familyName, "dateOfBirth": who.born.isoformat()}
    held = {"language": who.language, "state": who.state, "phone": who.phone, "email": who.email}
    return named | {name: value for name, value in held.items() if value is not None}
