"""Why an address is not written to: STOP, wrong person, hard bounce. By address, whoever the traveler is."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from schemas.outputs import Suppression
from streams import events
from streams.addresses import steps
from streams.addresses.state import Block, Blocking
from streams.addresses.turn import Turn

_ORDER: Final[tuple[Blocking, ...]] = ("wrong-person", "stopped", "hard-bounce")


def reason(turn: Turn) -> Blocking | None:
    """The strongest reason that holds now."""
    blocks = turn.address.blocks
    return next((name for name in _ORDER if name in blocks and _holds(turn, blocks[name])), None)


def block(turn: Turn, why: Blocking, days: int | None = None) -> None:
    """Do not write to this address any more; for `days`, or for good."""
    if why not in turn.address.blocks or not _holds(turn, turn.address.blocks[why]):
        until = turn.now + timedelta(days=days) if days is not None else None
        turn.address = replace(turn.address, blocks=turn.address.blocks | {why: Block(turn.now, until)})
        for job in turn.having(lambda job: job.phase == "dialling" and not job.reply):
            steps.withhold(turn, job)
    publish(turn)


def lift(turn: Turn, *why: Blocking) -> None:
    """These reasons no longer hold."""
    kept = {name: block for name, block in turn.address.blocks.items() if name not in why}
    turn.address = replace(turn.address, blocks=kept)
    publish(turn)


def publish(turn: Turn) -> None:
    """Show the strongest reason where it is another than before; none is a tombstone."""
    now = reason(turn)
    if now == turn.address.shown:
        return
    turn.address = replace(turn.address, shown=now, changes=turn.address.changes + 1)
    if now is None or turn.address.channel is None:
        turn.emit(events.no_suppression(turn.address.key))
        return
    data = Suppression(channel=turn.address.channel, reason=now, since=turn.address.blocks[now].since)
    turn.emit(events.suppression(turn.address.key, data, str(turn.address.changes)))


def _holds(turn: Turn, block: Block) -> bool:
    return block.until is None or turn.now < block.until
