"""Addresses: one phone number or mailbox. Every send to it, whoever it is for: STOP, caps, claims, doubts, receipts."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from schemas import internal
from streams.addresses import doubt, evidence, forgetting, inbound, queue, redaction, results, steps
from streams.addresses.state import Address, Job
from streams.addresses.turn import Setting, Turn, Wordings
from streams.grammar import Output
from streams.identity import Identity
from streams.policy import Policy

KEPT: Final = timedelta(days=7)
"""How long an ended message is remembered, so that late evidence finds it."""

_HANDLERS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    internal.Send: queue.send,
    internal.Recall: queue.recall,
    internal.Owned: queue.owned,
    internal.Dialled: results.dialled,
    internal.Listed: doubt.listed,
    internal.Receipt: evidence.receipt,
    internal.Inbound: inbound.text,
    internal.OptedOut: inbound.opted_out,
    internal.Redacted: redaction.redacted,
    internal.Forget: forgetting.forget,
}


class Addresses:
    """The stage. `catalogue` has the words; `policy` the times of the delivery protocol."""

    name = "addresses"
    state_type = Address
    message_type: Any = internal.AddressesMessage

    def __init__(self, identity: Identity, policy: Policy, catalogue: Wordings) -> None:
        self._setting = Setting(identity, policy, catalogue)

    def empty(self, key: str) -> Address:
        """An address of which nothing is known."""
        return Address(key=key)

    def receive(self, state: Address, message: Any, now: datetime) -> tuple[Address, Sequence[Output]]:
        """The address after a message."""
        turn = Turn(self._setting, state, now)
        _forget(turn)
        _HANDLERS[type(message)](turn, message)
        forgetting.settle(turn)
        _rest(turn)
        return turn.address, turn.outputs

    def due(self, state: Address) -> datetime | None:
        """The next moment at which a message waits for the clock."""
        return min((moment for job in state.jobs.values() if (moment := _due(job)) is not None), default=None)

    def wake(self, state: Address, now: datetime) -> tuple[Address, Sequence[Output]]:
        """Whatever the clock brings at `now`."""
        turn = Turn(self._setting, state, now)
        for name in state.jobs:
            job = turn.address.jobs[name]
            moment = _due(job)
            if moment is None or moment > now:
                continue
            if job.phase == "dialling":
                doubt.enter(turn, job, None)
            elif job.phase == "doubt":
                doubt.look(turn, job)
            elif job.phase == "accepted":
                evidence.poll(turn, job)
            elif job.phase == "done":
                redaction.ask(turn, job)
        queue.pump(turn)
        queue.expire(turn)
        forgetting.settle(turn)
        _rest(turn)
        return turn.address, turn.outputs


def _due(job: Job) -> datetime | None:
    if job.phase == "done":
        return redaction.due(job)
    return job.send.notAfter if job.phase == "waiting" and job.due is None else job.due


def _rest(turn: Turn) -> None:
    """What is ready and only waits for its turn has no due time of its own but its end."""
    for job in turn.having(lambda job: job.phase == "waiting" and job.due is not None and job.due <= turn.now):
        turn.put(replace(job, due=None))


def _forget(turn: Turn) -> None:
    """Drop what ended long ago."""
    kept = {
        name: job
        for name, job in turn.address.jobs.items()
        if job.phase != "done" or job.since is None or job.since + KEPT > turn.now
    }
    if len(kept) != len(turn.address.jobs):
        for name in sorted(turn.address.jobs.keys() - kept.keys()):
            steps.close(turn, turn.address.jobs[name])
        turn.address = replace(turn.address, jobs=kept)
