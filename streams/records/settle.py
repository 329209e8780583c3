"""One turn of a record: what follows from its picture as it stands now, compared with what was said before."""

from streams.calendar import earliest
from streams.records import timing
from streams.records.fold import fold
from streams.records.log import Entry
from streams.records.outcomes import issue_again
from streams.records.ownership import belong
from streams.records.picture import INTEGRITY
from streams.records.reminding import remind
from streams.records.showing import show
from streams.records.state import Record
from streams.records.telling import frozen, release, tell
from streams.records.transitions import integrity, publish
from streams.records.turn import Turn


def settle(turn: Turn, trigger: Entry | None) -> None:
    """Fold, find the traveler, and say what is new; `trigger` is the event that just came, None for the clock."""
    state = turn.state
    state.dueAt = state.lookAt = None
    if state.mergedInto is not None or not any(one.of_program for one in state.entries):
        return
    belong(turn, trigger)
    if state.owner is None:
        return
    issue_again(turn)
    picture = fold(state.entries, turn.program, turn.now, state.deceased, turn.left())
    steps = state.steps
    fresh = publish(turn, picture, trigger)
    integrity(turn, picture, trigger)
    # Before the news: what the event says of the person, a language or that it is a child, counts for its own message.
    show(turn, picture, trigger)
    tell(turn, picture, fresh, trigger)
    upcoming = remind(turn, picture)
    contested = bool(picture.conflicts)
    release(turn, contested)
    # The clock alone stops no CX clock but by a step, or when books close.
    if trigger is not None or state.steps != steps or timing.closing_quarter(turn) is not None:
        timing.rows(turn, picture)
    closing = timing.next_closing(turn, picture)
    shown = picture.current.next_changes(turn.now) if picture.current else None
    state.lookAt = earliest([picture.nextClock, upcoming, state.staleAt, shown, closing])
    _due(state, contested)


def wake(turn: Turn) -> None:
    """What the clock alone does to a record. That a hold ends needs no fold: nothing else changes until `lookAt`."""
    state = turn.state
    if state.lookAt is not None and state.lookAt <= turn.now:
        settle(turn, None)
        return
    contested = state.shown.get(INTEGRITY) == "CONFLICT"
    release(turn, contested)
    _due(state, contested)


def _due(state: Record, contested: bool) -> None:
    held = [one.news.releaseAt for one in state.items if one.status == "held" and not frozen(one, contested)]
    state.dueAt = earliest([*held, state.lookAt])
