"""What the records stage keeps of one enrollment."""

from datetime import datetime
from typing import Literal

import msgspec

from schemas.internal import Arrived, ContactChanged, News, Origin, SourceGuardian
from schemas.outputs import Channel
from streams.records.log import Entry


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of news that is not at its end yet.

    held: its debounce hold runs. released: it is with the traveler. withdrawn: it is taken back. moving: it was taken
    back from the old traveler of the record, and is issued again for the channels in `back` when that is confirmed.
    `step` is the step of the fold that it tells; a reminder has none. `open` are the channels whose notification has
    not ended.
    """

    news: News
    status: Literal["held", "released", "withdrawn", "moving"]
    step: str | None = None
    open: tuple[Channel, ...]
    back: tuple[Channel, ...] = ()

    @property
    def on_its_way(self) -> bool:
        """Whether it stands: held here, or with the traveler."""
        return self.status in ("held", "released")


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message that a provider took: what the traveler was told.

    `corrected` once we said that it was wrong; `stands` is the step that counted then in its place.
    """

    notificationId: str
    kind: str
    fact: str
    applicationId: str | None
    channel: Channel
    at: datetime
    step: str | None = None
    corrected: bool = False
    stands: str | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A notification that is over: it is never planned again under its id (contract 1.5)."""

    name: tuple[str | None, str, str]
    channel: Channel
    superseded: bool


class Marked(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A timing row that was written: its id and what it said, so that a restatement can name it.

    `open`: its clock was running.
    """

    id: str
    said: str
    open: bool = False


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state of one record. Every list is in the order in which things came, which is the inbox's order.

    `asked` is the traveler and birth date of a Join without an answer, `askedBy` the event that led to it, `joinedAs`
    what the owner accepted, `disputes` the work items of sign-ins by somebody else. `absorbed` are old cards that go
    away when this one is shown: record, traveler, version.
    `steps` are the identities of the steps that were published or were history; `shown` is the last published state of
    each axis; `waiting` are messages for the traveler of a record that has none yet; `contested` says of events since
    when a contradiction holds what they tell. At `lookAt` the clock changes more than the holds.
    """

    key: str
    entries: list[Entry] = []
    owner: str | None = None
    zones: tuple[str, ...] = ()
    asked: str | None = None
    askedBy: Origin | None = None
    joinedAs: str | None = None
    refused: list[str] = []
    disputes: list[str] = []
    deceased: Entry | None = None
    mergedInto: str | None = None
    absorbed: list[tuple[str, str, int]] = []
    waiting: list[Arrived | ContactChanged | SourceGuardian] = []
    version: int = 0
    card: str | None = None
    staleAt: datetime | None = None
    steps: list[str] = []
    shown: dict[str, str] = {}
    deferred: list[str] = []
    contested: dict[str, datetime] = {}
    items: list[Item] = []
    told: list[Told] = []
    ended: list[Ended] = []
    reminded: list[str] = []
    work: dict[str, str] = {}
    marks: dict[str, Marked] = {}
    dueAt: datetime | None = None
    lookAt: datetime | None = None
