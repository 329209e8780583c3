"""What came of a message: told, ended, or handed back by the old traveler of a record that moved."""

import msgspec

from schemas.internal import Outcome, Plan
from streams import events
from streams.records import timing
from streams.records.state import Ended, Item, Told
from streams.records.turn import Turn


def outcome(turn: Turn, message: Outcome) -> bool:
    """Note how far a message came; whether the record must be looked at again."""
    state = turn.state
    name = (message.applicationId, message.kind, message.fact)
    item = next(
        (one for one in state.items if one.news.name_in_record == name and message.channel in one.open),
        None,
    )
    again = False
    if message.state == "accepted":
        state.told.append(
            Told(
                notificationId=message.notificationId,
                kind=message.kind,
                fact=message.fact,
                applicationId=message.applicationId,
                channel=message.channel,
                at=message.at,
                step=item.step if item else None,
            )
        )
        again = item is None or item.status == "withdrawn"
    timing.outcome(turn, message, item)
    if item is None or message.state not in events.FINAL:
        return again
    superseded = message.state == "superseded"
    moved = item.status == "moving" and superseded
    if not moved:
        state.ended.append(Ended(name=item.news.name_in_record, channel=message.channel, superseded=superseded))
    left = tuple(channel for channel in item.open if channel != message.channel)
    changed = msgspec.structs.replace(item, open=left)
    if moved:
        changed = msgspec.structs.replace(changed, back=(*item.back, message.channel))
    state.items = [changed if one is item else one for one in state.items if one is not item or left or moved]
    return again or (moved and not left)


def issue_again(turn: Turn) -> None:
    """Tell the record's traveler what the old one has let go of."""
    for item in [one for one in turn.state.items if one.status == "moving" and not one.open]:
        _issue(turn, item)


def _issue(turn: Turn, item: Item) -> None:
    turn.state.items = [one for one in turn.state.items if one is not item]
    queued = item.news.queuedAt or item.news.plannedAt
    over = (*item.news.over, *(channel for channel in item.news.channels if channel not in item.back))
    one = msgspec.structs.replace(item.news, channels=item.back, plannedAt=turn.now, queuedAt=queued, over=over)
    turn.state.items.append(Item(news=one, status="held", step=item.step, open=item.back))
    turn.tell_traveler(Plan(news=one))
