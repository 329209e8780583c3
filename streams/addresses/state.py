"""What the addresses stage remembers of one phone number or mailbox."""

from datetime import datetime
from typing import Literal

import msgspec

from schemas.internal import Recall, Send
from schemas.outputs import Channel

Ending = Literal["delivered", "failed", "unconfirmed", "suppressed", "expired", "superseded", "parked"]
Blocking = Literal["stopped", "wrong-person", "hard-bounce"]


class Try(msgspec.Struct, frozen=True, omit_defaults=True):
    """One claim: when it was made, until when it may be dialled, the callback token, and the provider's id if known."""

    at: datetime
    deadline: datetime
    token: str
    sid: str | None = None


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message to this address.

    waiting: not claimed, or its last claim certainly never reached the provider; `due` is when it may be looked at
    again, None when it only waits for its turn. dialling: one claim is out. doubt: nobody knows. accepted: the provider
    has it; receipts follow. done: ended as `ending`; kept a while so that late evidence finds it.

    `body` is the text while it may have to be found in the provider's list. `first` is the moment of the first claim:
    the date of an email. `failures` counts for the back-off, `looks` the questions asked in this doubt, `polls` the
    receipt polls. `retried`: the one late retry after an undelivered text was used. `rank` is that of the newest
    receipt. `reply`: an answer to what came from this address, known to no traveler. `late` are sids of claims that
    were taken for lost and were not. `alarmed`: the staff know of the doubt. `redacted` are sids whose
    body the provider has removed, `erasures` how often it was asked to.
    """

    send: Send
    phase: Literal["waiting", "dialling", "doubt", "accepted", "done"] = "waiting"
    due: datetime | None = None
    tries: tuple[Try, ...] = ()
    first: datetime | None = None
    body: str | None = None
    segments: int | None = None
    encoding: str | None = None
    failures: int = 0
    looks: int = 0
    polls: int = 0
    holds: int = 0
    rank: int = 0
    retried: bool = False
    reply: bool = False
    alarmed: bool = False
    late: tuple[str, ...] = ()
    recalled: Recall | None = None
    redacted: tuple[str, ...] = ()
    erasures: int = 0
    ending: Ending | None = None
    since: datetime | None = None


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why the address is not written to, since when, and until when (None: for good)."""

    since: datetime
    until: datetime | None = None


class Owner(msgspec.Struct, frozen=True, omit_defaults=True):
    """A traveler whose messages go to this address: language and program of the last one, `sent` once there was one.

    `left`: the traveler has another number now; what was sent to this one is still answered in its language.
    """

    language: str | None = None
    program: str | None = None
    sent: bool = False
    left: bool = False


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """One phone number or mailbox: all messages to it, whoever they are for, and what its owner said.

    `owners` by traveler id, the one of the last message last. `texts` are the local days of the texts that the
    provider took, exempt ones apart. `shown` is the suppression published last; `changes` counts those publications
    and `replies` our answers. `helpedAt` is when HELP went last, `helps` how often without a pause. `forgotten` are
    travelers whose last messages have not ended. `rests`: claims turned back unsent in a row; until `restsUntil` none
    is made. `heard` are the provider's ids of the latest texts from here.
    """

    key: str
    channel: Channel | None = None
    to: str | None = None
    jobs: dict[str, Job] = {}
    blocks: dict[Blocking, Block] = {}
    shown: Blocking | None = None
    changes: int = 0
    owners: dict[str, Owner] = {}
    texts: tuple[str, ...] = ()
    replies: int = 0
    helpedAt: datetime | None = None
    helps: int = 0
    forgotten: tuple[str, ...] = ()
    rests: int = 0
    restsUntil: datetime | None = None
    heard: tuple[str, ...] = ()
