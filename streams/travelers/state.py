"""What the travelers stage remembers: of a traveler, of a program, of a shard of a program's travelers."""

from datetime import date, datetime
from typing import Literal

import msgspec

from schemas.internal import CardSnapshot, Death, News, Notice
from schemas.outputs import Channel, OverlayView


class Stamp(msgspec.Struct, frozen=True, order=True):
    """When a field of the profile was said, and by which event: the later one wins, whatever the order of arrival."""

    time: datetime
    event: str


class Address(msgspec.Struct, frozen=True):
    """A phone (E.164) or mailbox (lower case), and whether its owner has proved it."""

    address: str
    verified: bool = False


class Guard(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a child's messages go to. Named by the profile topic, so verified and consenting (contract 1.2)."""

    phone: str | None = None
    email: str | None = None
    language: str | None = None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the portal and the staff say of the person. `stamps` by field; `guarded` once a guardian was named."""

    language: str | None = None
    timeZone: str | None = None
    state: str | None = None
    phone: Address | None = None
    email: Address | None = None
    consentSms: bool | None = None
    consentEmail: bool | None = None
    guardian: Guard | None = None
    guarded: bool = False
    minor: bool | None = None
    dateOfBirth: date | None = None
    stamps: dict[str, Stamp] = {}


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message on one channel that has not ended.

    `planned` waits for the release by records, `held` for its hour (`due`), `handed` is with the address `key`.
    `kept`: the news is about a record, which wants to hear of it. `holds` counts the holds told of. `to` is set where
    the message goes elsewhere than to the present address. `waits`: for a new guardian. `readdressed` counts the
    addresses that were given up before it could leave.
    """

    news: News
    channel: Channel
    phase: Literal["planned", "held", "handed"]
    due: datetime | None = None
    key: str | None = None
    to: str | None = None
    holds: int = 0
    round: int = 0
    kept: bool = True
    rescue: bool = False
    waits: bool = False
    readdressed: int = 0


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A program notice as this traveler knows it.

    `told` is the notice that was begun to be told last, `reached` the channels on which a provider took it.
    """

    eventId: str
    occurredAt: datetime
    overlay: OverlayView
    told: str | None = None
    reached: tuple[Channel, ...] = ()


class Traveler(msgspec.Struct, frozen=True, omit_defaults=True, tag="traveler"):
    """One person: profile, cards by record, the messages under way and what was last shown.

    `gone` holds the version at which a record left; `births` the birth dates of records that joined; `shown` a digest
    of the published view and `shows` their count; `ended` how often a notification was withdrawn and may come again;
    `notices` the newest notice of each program; `events` the profile events seen, with a digest of each; `reached` the
    keys of the addresses that were told of the person.
    """

    id: str
    profile: Profile = Profile()
    cards: dict[str, CardSnapshot] = {}
    gone: dict[str, int] = {}
    births: dict[str, date] = {}
    items: dict[str, Item] = {}
    ended: dict[str, int] = {}
    notices: dict[str, Seen] = {}
    events: dict[str, str] = {}
    reached: tuple[str, ...] = ()
    shown: str | None = None
    shows: int = 0
    zones: tuple[str, ...] = ()
    adultAt: datetime | None = None
    lookAt: datetime | None = None
    deceased: Death | None = None
    erased: bool = False


class Announcement(msgspec.Struct, frozen=True, omit_defaults=True):
    """A program notice and how far its broadcast came.

    waiting: for two approvals. telling: waves leave. told: all left, or a newer notice stopped the rest. dropped:
    nobody is told. `approvals` are the people, in order. `wave` leaves at `next`. `silent`: history, which tells
    nobody. `correction`: it takes back what was told.
    """

    occurredAt: datetime
    receivedAt: datetime
    overlay: OverlayView
    digest: str
    corrects: str | None = None
    silent: bool = False
    correction: bool = False
    approvals: tuple[str, ...] = ()
    state: Literal["waiting", "telling", "told", "dropped"] = "waiting"
    wave: int = 0
    next: datetime | None = None
    toldAt: datetime | None = None


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a member of the staff decided about a notice that has not arrived yet."""

    name: str
    by: str


class Corrections(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom one source has corrected of late: `people` says when, by traveler, until they are `many`.

    `last` is the newest correction; once the source is quiet for long enough, its next ones are counted anew.
    """

    last: datetime
    people: dict[str, datetime] = {}
    many: bool = False


class Program(msgspec.Struct, frozen=True, omit_defaults=True, tag="program"):
    """A program's notices by event id, and which shards have travelers (`shards`, a bit field).

    `early` are decisions on notices not seen yet, by event id; `decided` the ids of staff events already handled;
    `corrections` are counted by source.
    """

    program: str
    notices: dict[str, Announcement] = {}
    early: dict[str, tuple[Decision, ...]] = {}
    decided: dict[str, bool] = {}
    shards: bytes = b""
    corrections: dict[str, Corrections] = {}


class Shard(msgspec.Struct, frozen=True, omit_defaults=True, tag="shard"):
    """Some travelers of a program, and the notice that holds for them now."""

    key: str
    program: str
    members: dict[str, bool] = {}
    current: Notice | None = None


State = Traveler | Program | Shard
