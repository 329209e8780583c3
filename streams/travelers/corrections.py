"""What one source takes back of what it had us tell: so much of it that a person must look at the source (domain 3.9).

Nothing is held for it: each traveler hears of the mistake at once (contract 5.5); the staff hears of the many. Their
item stays open, because only they can find out what the source did.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import ToldWrong
from schemas.outputs import WorkItem
from streams import events
from streams.grammar import Output
from streams.identity import event_id
from streams.travelers.state import Corrections, Program

REASON: Final = "correction of many"
MOST: Final = 100
"""People whom one source may correct before a person looks at it (domain 3.9)."""

WINDOW: Final = timedelta(hours=24)
"""Corrections of one source that lie further apart are not one mistake."""


def told_wrong(program: Program, message: ToldWrong, now: datetime, key: str) -> tuple[Program, list[Output]]:
    """The program after one more traveler was told something wrong; `key` is the program's own."""
    before = program.corrections.get(message.source)
    if before is None or now - before.last > WINDOW:
        before = Corrections(last=now)
    after, outputs = replace(before, last=now), list[Output]()
    if not before.many:
        people = {name: at for name, at in before.people.items() if now - at <= WINDOW} | {message.travelerId: now}
        after = replace(after, people=people)
        if len(people) > MOST:
            after = Corrections(last=now, many=True)
            item = WorkItem(
                itemId=event_id(message.eventId, REASON, f"{key}\x1e{message.source}"),
                reason=REASON,
                program=program.program,
                recordId=None,
            )
            outputs.append(events.work("opened", item, key, message.eventId, now))
    return replace(program, corrections=program.corrections | {message.source: after}), outputs
