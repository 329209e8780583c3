"""One turn of a record: what follows from its picture as it stands now, compared with what was said before."""

from streams.calendar import earliest
from streams.records import timing
from streams.records.fold import fold
from streams.records.log import Entry
from streams.records.ownership import belong
from streams.records.showing import show
from streams.records.telling import frozen, release, remind, tell
from streams.records.transitions import integrity, publish
from streams.records.turn import Turn


def settle(turn: Turn, trigger: Entry | None) -> None:
    """Fold, find the traveler, and say what is new; `trigger` is the event that just came, None for the clock."""
    state = turn.state
    state.dueAt = None
    if state.mergedInto is not None or not any(one.of_program for one in state.entries):
        return
    belong(turn, trigger)
    if state.owner is None:
        return
    picture = fold(state.entries, turn.program, turn.now, state.deceased)
    fresh = publish(turn, picture, trigger)
    integrity(turn, picture, trigger)
    # Before the news: what the event says of the person, a language or that it is a child, counts for its own message.
    show(turn, picture, trigger)
    tell(turn, picture, fresh, trigger)
    upcoming = remind(turn, picture)
    release(turn, picture)
    quarter = timing.rows(turn, picture)
    held = [one.news.releaseAt for one in state.items if one.status == "held" and not frozen(one, picture)]
    shown = picture.current.next_changes(turn.now) if picture.current else None
    state.dueAt = earliest([*held, picture.nextClock, upcoming, state.staleAt, shown, quarter])
