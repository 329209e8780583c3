"""What goes wrong on the way from a program to us: repeats, delays, junk, corrections (domain 3.4; shares are ours)."""

import random
from collections.abc import Iterable
from datetime import timedelta

from services.generate.diary import Entry

REPEATED = 0.01
REWORDED = 0.002
DELAYED = 0.02
JUNK = 0.0005
FOREIGN = 0.0002


def disturbed(entries: Iterable[Entry], dice: random.Random) -> list[Entry]:
    """The entries as they really arrive, in order of arrival."""
    made: list[Entry] = []
    for entry in entries:
        made += _one(entry, dice)
    return sorted(made, key=lambda entry: entry.at)


def _one(entry: Entry, dice: random.Random) -> list[Entry]:
    event = entry.fields.get("event")
    chance = dice.random()
    if event is None or not event["type"].startswith(("gov.dhs.tsa.", "gov.dhs.cbp.")):
        return [entry]
    later = entry.at + timedelta(seconds=round(dice.lognormvariate(8.0, 2.0)))
    if chance < REPEATED:
        return [entry, Entry(later, entry.fields)]
    chance -= REPEATED
    if chance < REWORDED:
        return [entry, Entry(later, entry.fields | {"event": event | {"id": event["id"] + "-again"}})]
    chance -= REWORDED
    if chance < DELAYED:
        return [Entry(later, entry.fields)]
    chance -= DELAYED
    if chance < JUNK:
        junk = dice.choice(("", "{", "\x00\x01", "<event/>", '{"specversion": "1.0"}'))
        return [Entry(entry.at, {"topic": entry.fields["topic"], "raw": junk}), Entry(later, entry.fields)]
    chance -= JUNK
    if chance < FOREIGN:
        foreign = event | {"id": event["id"] + "-twic", "data": event["data"] | {"program": "TWIC"}}
        return [Entry(entry.at, entry.fields | {"event": foreign}), entry]
    return [entry]
