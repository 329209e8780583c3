"""What befalls a traveler: applications, renewals, lapses and rare bad news, with the timing that the programs have.

Shares and durations: domain 1.1, 2.1 and 2.3 (approval above 99 % at TSA and 97 % at CBP; most PreCheck decisions in 3
to 5 days, some in 60; Global Entry from days to a year; every second interview on arrival).
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from services.generate import cbp, tsa
from services.generate.diary import Diary
from services.generate.people import Person, guardian

Scenario = Callable[[Diary, str, datetime], None]

_TSA: Final[dict[Scenario, float]] = {tsa.first: 58, tsa.renewal: 22, tsa.lapse: 8, tsa.member: 12}
_CBP: Final[dict[Scenario, float]] = {cbp.first: 55, cbp.renewal: 25, cbp.lapse: 6, cbp.member: 14}


def life(who: Person, dice: random.Random) -> Diary:
    """Everything that is heard of a traveler in the year or so after they first appear."""
    diary = Diary(who, dice)
    if who.portal is not None:
        _portal(diary)
    for program in who.programs:
        table = _TSA if program == "PRECHECK" else _CBP
        begins = who.appears + timedelta(minutes=dice.uniform(1, 60 * 24 * 3))
        dice.choices(list(table), weights=list(table.values()))[0](diary, program, begins)
        if who.portal is not None and dice.random() < 0.2:
            linked: dict[str, Any] = {"recordId": diary.record(program), "program": program, "method": "sign-in"}
            diary.profile("linked", begins + timedelta(hours=dice.uniform(0, 48)), **linked)
    _answers(diary)
    return diary


def _portal(diary: Diary) -> None:
    who, dice = diary.who, diary.dice
    when = who.appears + timedelta(hours=0 if dice.random() < 0.7 else dice.uniform(1, 24 * 20))
    told: dict[str, Any] = {"language": who.language, "timeZone": who.timeZone, "state": who.state}
    if who.minor:
        diary.profile("updated", when, **told, minor=True, dateOfBirth=who.born.isoformat(), guardian=guardian(who))
        return
    verified = dice.random() < 0.9
    contacts: dict[str, Any] = {}
    if who.phone is not None:
        contacts["phone"] = {"address": who.phone, "verified": verified}
    if who.email is not None:
        contacts["email"] = {"address": who.email, "verified": dice.random() < 0.97}
    consent = {"sms": who.phone is not None and dice.random() < 0.85, "email": dice.random() < 0.98}
    diary.profile("updated", when, **told, **contacts, consent=consent, dateOfBirth=who.born.isoformat())
    if who.phone is not None and not verified and dice.random() < 0.7:
        # We ask in the daytime; a day later everybody has been asked.
        diary.says("YES" if who.language != "es" else "SI", when + timedelta(days=1, minutes=dice.uniform(1, 90)))


def _answers(diary: Diary) -> None:
    dice = diary.dice
    chance = dice.random()
    when = diary.who.appears + timedelta(days=dice.uniform(1, 200))
    if chance < 0.004:
        diary.says("STOP", when)
        if dice.random() < 0.2:
            diary.says("START", when + timedelta(days=dice.uniform(1, 30)))
    elif chance < 0.005:
        diary.says("wrong person", when)
    elif chance < 0.008:
        diary.says("Is my card on its way?", when)
