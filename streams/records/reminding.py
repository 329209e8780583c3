"""Reminders that fall due: planned in their moment, taken back when they are untrue."""

from datetime import datetime

from streams.records.outbox import base, plan, take_back
from streams.records.picture import Picture
from streams.records.reminders import Reminder, planned, reminders
from streams.records.turn import Turn


def remind(turn: Turn, picture: Picture) -> datetime | None:
    """Plan the reminders that fell due, take back those that are untrue by now; when the next falls due.

    The record is looked at in the very moment of each reminder. One whose moment is past became true only later, and is
    not sent (contract 5.11); unless the traveler has moved to a zone where its hour came earlier.
    """
    state = turn.state
    if state.deceased is not None:
        return None
    possible = reminders(picture, state.zones)
    names = {(one.applicationId, one.kind, one.fact) for one in possible}
    moved = _ahead(turn, picture) if state.zones != turn.zones_before else set()
    state.items = [
        take_back(turn, item)
        if item.step is None
        and item.news.kind != "CORRECTION"
        and item.on_its_way
        and base(item.news.name_in_record) not in names
        else item
        for item in state.items
    ]
    upcoming: list[datetime] = []
    for one in possible:
        if one.name in state.reminded:
            continue
        if one.moment > turn.now:
            upcoming.append(one.moment)
            continue
        if one.moment < turn.now and one.name not in moved:
            continue
        state.reminded.append(one.name)
        if not _too_many(turn, one):
            plan(turn, planned(one, turn.key, turn.now), None, None)
    return min(upcoming, default=None)


def _ahead(turn: Turn, picture: Picture) -> set[str]:
    """The reminders that lay ahead where the traveler lived before."""
    return {one.name for one in reminders(picture, turn.zones_before) if one.moment > turn.now}


def _too_many(turn: Turn, one: Reminder) -> bool:
    """Long silence is broken three times for one application, not more (domain 3.9)."""
    if one.kind != "STILL_IN_REVIEW":
        return False
    prefix = f"{one.applicationId or ''}|STILL_IN_REVIEW|"
    return sum(name.startswith(prefix) for name in turn.state.reminded) > 3
