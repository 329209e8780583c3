"""What comes from an address: STOP, START, YES, HELP, wrong person; and what we answer, once.

An answer goes at any hour, in the language of the last text sent to the number (contract 5.14); before any text, in
that of its traveler, then in that of the word. After STOP nothing is answered but the confirmation itself.
"""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Answered, Facts, Inbound, OptedOut, Send
from streams import words
from streams.addresses import blocks, queue
from streams.addresses.state import Address, Job
from streams.addresses.turn import Turn
from streams.identity import event_id, notification_id

ANSWER_WITHIN: Final = timedelta(hours=1)
"""An answer that could not leave for so long is worth nothing any more."""

_HELP_AGAIN: Final = timedelta(minutes=1)
_LONGEST_HELP: Final = timedelta(hours=1)
"""Who asks again and again, as a machine would, is answered later and later, in the end once in this time."""

_UNKNOWN_AGAIN: Final = timedelta(hours=24)
_REMEMBERED: Final = 8
"""Texts of one number of which a second copy is known for what it is."""


def text(turn: Turn, message: Inbound) -> None:
    """A text from this number. The provider hands one over again when it did not hear that we have it."""
    if message.providerId is not None:
        if message.providerId in turn.address.heard:
            return
        turn.address = replace(turn.address, heard=(*turn.address.heard, message.providerId)[-_REMEMBERED:])
    turn.address = replace(turn.address, channel="sms", to=message.sender)
    heard = words.hear(message.body)
    spoken = heard.language if heard is not None else None
    if "hard-bounce" in turn.address.blocks:
        blocks.lift(turn, "hard-bounce")
    word = heard.word if heard is not None else message.heard
    if word == "stop" or (message.heard == "stop" and word != "wrong-person"):
        _stop(turn, spoken, message.answered)
    elif word in ("start", "yes"):
        _start(turn, word, spoken, message.answered)
    elif word == "wrong-person":
        blocks.block(turn, "wrong-person")
    elif blocks.reason(turn) is None:
        _help(turn, spoken, _HELP_AGAIN if word == "help" else _UNKNOWN_AGAIN, message.answered)
    queue.pump(turn)


def opted_out(turn: Turn, message: OptedOut) -> None:
    """The owner of a mailbox unsubscribed or complained, or the mailbox is gone."""
    if turn.address.channel is None:
        turn.address = replace(turn.address, channel="email")
    blocks.block(turn, message.reason)
    queue.pump(turn)


def _stop(turn: Turn, spoken: str | None, answered: bool) -> None:
    again = "stopped" in turn.address.blocks
    blocks.block(turn, "stopped")
    if not again and not answered and "wrong-person" not in turn.address.blocks:
        _reply(turn, "STOP_CONFIRM", spoken)


def _start(turn: Turn, word: str, spoken: str | None, answered: bool) -> None:
    """Restores what STOP removed, and proves a number that was asked.

    Who owns no text of ours gets HELP; so does who holds a number that its traveler has given up: nothing more comes.
    """
    address = turn.address
    stopped = "stopped" in address.blocks
    blocks.lift(turn, "stopped")
    if blocks.reason(turn) is not None:
        return
    owned = any(not owner.left for owner in address.owners.values())
    if not owned and (address.owners or not stopped):
        _help(turn, spoken, _UNKNOWN_AGAIN, answered)
        return
    for traveler in address.owners:
        told = Answered(word="start" if word == "start" else "yes", address=address.to or "")
        turn.tell("travelers", traveler, told)
    if not answered:
        _reply(turn, "WELCOME", spoken)


def _help(turn: Turn, spoken: str | None, wait: timedelta, answered: bool) -> None:
    last, helps = turn.address.helpedAt, turn.address.helps
    if last is None or turn.now >= last + 2 * _LONGEST_HELP:
        helps = 0
    patience = max(wait, min(_HELP_AGAIN * 2 ** max(helps - 1, 0), _LONGEST_HELP))
    if answered or (last is not None and turn.now < last + patience):
        return
    turn.address = replace(turn.address, helpedAt=turn.now, helps=min(helps + 1, 10))
    _reply(turn, "HELP", spoken)


def _reply(turn: Turn, kind: str, spoken: str | None) -> None:
    """An answer that we owe the address itself; it goes past every block and hour."""
    address = turn.address
    count = address.replies + 1
    turn.address = replace(address, replies=count)
    name = notification_id(address.key, None, kind, str(count), "sms")
    traveler, language, program = _last(address)
    requested = language or spoken
    send = Send(
        notificationId=name,
        travelerId=traveler,
        kind=kind,
        fact=str(count),
        channel="sms",
        to=address.to or "",
        program=program,
        causeId=event_id(address.key, "inbound", str(count)),
        facts=Facts(program=program),
        languageRequested=requested,
        languageServed=turn.setting.catalogue.serve(kind, requested, "sms"),
        occurredAt=turn.now,
        plannedAt=turn.now,
        releaseAt=turn.now,
        notAfter=turn.now + ANSWER_WITHIN,
        lane=0,
        exempt=True,
    )
    job = turn.put(Job(send=send, reply=True))
    turn.say(job, "planned")
    queue.pump(turn)


def _last(address: Address) -> tuple[str, str | None, str | None]:
    """Whom the last text was for, in which language and of which program; the number itself where there was none."""
    if not address.owners:
        return address.key, None, None
    traveler = list(address.owners)[-1]
    owner = address.owners[traveler]
    return traveler, owner.language, owner.program
