"""The news of a record that is on its way: planned once, replaced by newer news, taken back."""

import re
from typing import Final

import msgspec

from schemas.internal import News, Plan, Withdraw
from streams.channels import SILENT_AFTER
from streams.identity import event_id
from streams.records.log import Entry
from streams.records.machine import TERMINAL
from streams.records.news import DECIDED, replaces
from streams.records.picture import APPLICATION, Step
from streams.records.state import Item, Record
from streams.records.turn import Turn

_AGAIN: Final = re.compile(r"~\d+$")
"""What is behind the fact of a notification that stands again after it was superseded."""


def plan(turn: Turn, one: News, step: str | None, trigger: Entry | None) -> None:
    """Let the traveler know of news to come, unless it is on its way already or has been told.

    `step` is the identity of the step behind it, None for a reminder or a correction.
    """
    state = turn.state
    if any(same(item.news, one) and item.on_its_way for item in state.items):
        return
    fresh = _fresh(state, one)
    if fresh is None:
        return
    state.items.append(Item(news=fresh, status="held", step=step, open=fresh.channels))
    turn.tell_traveler(Plan(news=fresh))
    if one.receivedAt - one.occurredAt > SILENT_AFTER and (step is not None or one.kind == "CORRECTION"):
        item = event_id(turn.key, "late adverse news", one.causeId)
        if item not in state.work:
            turn.open_work(item, "late adverse news", trigger)


def _fresh(state: Record, one: News) -> News | None:
    """The news as it may be planned: for the channels on which it has not ended, under a name that was not used up.

    A notification ends once (contract 1.5): what was told, failed or was suppressed is over; what was superseded, or
    was told and taken back, and stands again is another notification of the same fact.
    """
    name = base(one.name_in_record)
    told = {(other.applicationId, other.kind, other.fact): other for other in state.told}
    said = {key: other for key, other in told.items() if base(key) == name}
    if any(not other.corrected for other in said.values()):
        return None
    ended = [end for end in state.ended if base(end.name) == name]
    over = {end.channel for end in ended if not end.superseded and end.name not in said}
    channels = tuple(channel for channel in one.channels if channel not in over)
    if not channels:
        return None
    used = {end.name for end in ended if end.superseded or end.name in said} | set(said)
    used |= {item.news.name_in_record for item in state.items if same(item.news, one)}
    fact = f"{one.fact}~{len(used) + 1}" if used else one.fact
    return msgspec.structs.replace(one, channels=channels, fact=fact)


def supersede(turn: Turn, newer: News, step: Step | None, living: dict[str, Step]) -> None:
    """A newer state replaces the older messages about the same thing that have not left (contract 5.5)."""
    kept = []
    for item in turn.state.items:
        waits = item.on_its_way and item.step is not None and not same(item.news, newer)
        if waits and replaces(newer.kind, item.news.kind) and not _beside(living.get(item.step or ""), step, newer):
            item = take_back(turn, item)
        kept.append(item)
    turn.state.items = kept


def _beside(older: Step | None, newer: Step | None, news_of_newer: News) -> bool:
    """Whether older news still wants to be told beside newer ones.

    So does the end of an older application, which progress of another one does not replace; and so does one part of an
    interview beside another.
    """
    if older is None or newer is None or older.axis != APPLICATION:
        return False
    if older.part and newer.part:
        return older.part != newer.part
    if news_of_newer.kind in DECIDED:
        return False
    return older.case != newer.case and older.after in TERMINAL


def take_back(turn: Turn, item: Item) -> Item:
    """News that does not leave any more if it has not left."""
    turn.tell_traveler(withdraw(item.news, "superseded"))
    return msgspec.structs.replace(item, status="withdrawn")


def withdraw(one: News, reason: str) -> Withdraw:
    """What tells a traveler that news no longer stands for them."""
    return Withdraw(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact, reason=reason)


def base(name: tuple[str | None, str, str]) -> tuple[str | None, str, str]:
    """The name of news without the count of how often its fact stood again."""
    return (name[0], name[1], _AGAIN.sub("", name[2]))


def same(one: News, other: News) -> bool:
    """Whether two pieces of news of a record tell the same fact."""
    return base(one.name_in_record) == base(other.name_in_record)
