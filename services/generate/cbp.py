"""What befalls a record of Global Entry, NEXUS, SENTRI, FAST or ABTC."""

from datetime import datetime, timedelta
from typing import Any

from services.generate.diary import Diary
from services.generate.tsa import TERM, dates, member_since, rare


def first(diary: Diary, program: str, begins: datetime) -> None:
    """A first application: review, conditional approval, interview, decision."""
    dice = diary.dice
    new: dict[str, Any] = {"applicationId": f"{diary.record(program)}-1", "applicationType": "NEW"}
    if diary.who.minor:
        new["minor"] = True
    diary.source(program, "application.submitted", begins, **new)
    about: dict[str, Any] = {"applicationId": new["applicationId"]}
    diary.source(program, "application.pending_review", begins + timedelta(hours=dice.uniform(1, 72)), **about)
    reviewed = begins + _review(diary)
    if dice.random() < 0.02:
        diary.source(program, "application.denied", reviewed, letterDate=reviewed.date().isoformat(), **about)
        if dice.random() < 0.4:
            asked = reviewed + timedelta(days=dice.uniform(5, 60))
            diary.source(program, "reconsideration.received", asked, **about)
            outcome = "GRANTED" if dice.random() < 0.3 else "NOT_GRANTED"
            answered = asked + timedelta(days=dice.uniform(30, 150))
            diary.source(program, "reconsideration.decided", answered, outcome=outcome, **about)
        return
    diary.source(program, "application.conditionally_approved", reviewed, **about)
    if dice.random() < 0.01:
        diary.source(program, "application.withdrawn", reviewed + timedelta(days=dice.uniform(1, 90)), **about)
        return
    if dice.random() < 0.08:
        return
    interviewed = _interview(diary, program, reviewed, about["applicationId"])
    _approve(diary, program, interviewed + timedelta(minutes=dice.lognormvariate(4, 1.2)), about["applicationId"])


def renewal(diary: Diary, program: str, begins: datetime) -> None:
    """A member of five years renews before the end, mostly without an interview."""
    dice = diary.dice
    ends = begins + timedelta(days=dice.uniform(20, 330))
    member_since(diary, program, begins, ends, applicationId=f"{diary.record(program)}-1")
    again = f"{diary.record(program)}-2"
    filed = begins + (ends - begins) * dice.uniform(0.05, 0.99)
    diary.source(program, "application.submitted", filed, applicationId=again, applicationType="RENEWAL")
    reviewed = filed + _review(diary)
    if dice.random() < 0.25:
        diary.source(program, "application.conditionally_approved", reviewed, applicationId=again)
        reviewed = _interview(diary, program, reviewed, again)
    _approve(diary, program, reviewed + timedelta(minutes=5), again)


def lapse(diary: Diary, program: str, begins: datetime) -> None:
    """A member lets it end; some file too late."""
    dice = diary.dice
    ends = begins + timedelta(days=dice.uniform(20, 250))
    member_since(diary, program, begins, ends, applicationId=f"{diary.record(program)}-1")
    if dice.random() < 0.4:
        filed = ends + timedelta(days=dice.uniform(1.5, 60))
        diary.source(program, "application.submitted", filed, applicationId=f"{diary.record(program)}-2")


def member(diary: Diary, program: str, begins: datetime) -> None:
    """A member with years to go; for few of them something happens."""
    member_since(diary, program, begins, begins + timedelta(days=diary.dice.uniform(400, 1700)))
    rare(diary, program, begins)


def _review(diary: Diary) -> timedelta:
    """A fifth within three days, half within two months, some for a year."""
    dice = diary.dice
    days = dice.uniform(0.1, 3) if dice.random() < 0.2 else dice.lognormvariate(4.2, 0.7)
    return timedelta(days=min(days, 400.0))


def _interview(diary: Diary, program: str, after: datetime, application: str) -> datetime:
    """When the last part was done: on arrival from abroad, or at a center on a day that may change."""
    dice = diary.dice
    if program != "NEXUS" and dice.random() < 0.45:
        done = after + timedelta(days=dice.uniform(5, 150))
        diary.source(program, "interview.completed", done, applicationId=application, interview={"mode": "EOA"})
        return done
    parts = ("CA", "US") if program == "NEXUS" else (None,)
    done = after
    for part in parts:
        booked = done + timedelta(days=dice.uniform(0.5, 10))
        done = booked + timedelta(days=dice.uniform(4, 60))
        place: dict[str, Any] = {"timeZone": diary.who.timeZone, "site": "Enrollment center 3", "mode": "CENTER"}
        place |= {"part": part} if part else {}
        planned: dict[str, Any] = {"interview": place | {"at": done.isoformat()}, "applicationId": application}
        diary.source(program, "interview.scheduled", booked, **planned)
        if dice.random() < 0.12:
            done += timedelta(days=dice.uniform(2, 20))
            moved: dict[str, Any] = {"interview": place | {"at": done.isoformat()}, "applicationId": application}
            diary.source(program, "interview.rescheduled", booked + timedelta(days=dice.uniform(0.2, 3)), **moved)
        diary.source(program, "interview.completed", done, applicationId=application, interview=place)
    return done


def _approve(diary: Diary, program: str, decided: datetime, application: str) -> None:
    term = dates({"validFrom": decided.date(), "validTo": decided.date() + TERM})
    covers = {"GLOBAL_ENTRY": True, "NEXUS": True, "SENTRI": True, "FAST": False}.get(program)
    more: dict[str, Any] = {} if covers is None else {"includesPrecheck": covers}
    number = f"98{diary.who.number % 10_000_000:07d}"
    diary.source(program, "application.approved", decided, applicationId=application, passId=number, **term, **more)
    if diary.dice.random() < 0.8:
        diary.source(program, "card.mailed", decided + timedelta(days=3), applicationId=application)
