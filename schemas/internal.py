"""The messages between our own stages, and the commands to the dialer. Sealed on Kafka: they hold addresses and texts.

Every message travels with the moment (`now`) at which the sender decided it; that moment, not Kafka's timestamp, is the
receiver's clock.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from schemas.outputs import CardView, Channel, OverlayView
from schemas.source import Guardian


class _Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="is"):
    """A message that ignores fields of newer versions.

    A message that an older worker must not read as it always did gets a new tag: on an unknown one a worker stops.
    """


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A source record as Kafka held it, so that a dead letter is a copy of the bytes. `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


class Arrived(_Message, tag="arrived", frozen=True, kw_only=True):
    """A valid event, as it came. `at` is its arrival; `backfill` marks history that tells nobody.

    Source events, links and staff decisions about a record go to records; so do profile events that name a record,
    which records passes on to the record's traveler. Profile events of a portal subject and program notices go to
    travelers.
    """

    origin: Origin
    at: datetime
    backfill: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a template may say about the case. No name, no number, no reason.

    `dates` by placeholder: on, validTo, dueDate, replyBy, until, completeBy, letterDate. `variant` picks a wording
    inside a kind (for example `restored` of MEMBERSHIP_CHANGE in an email); never a secret in a text message. `part`
    is which of several parts of an interview it is about.
    """

    program: str | None = None
    dates: dict[str, date] = {}
    appointment: datetime | None = None
    appointmentZone: str | None = None
    site: str | None = None
    part: str | None = None
    child: bool = False
    variant: str | None = None


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a traveler should hear about one record; becomes one notification for each channel.

    `fact` is the effective fact that makes it this news and no other (a date, a place); with record, application and
    kind it names the notification. `releaseAt` is the end of the debounce hold; quiet hours come later. `withheld` are
    channels of the news that are planned and at once suppressed, each with the reason (contract 1.5). `queuedAt` is
    when it was ready to be told, where a contradiction or a change of traveler has held it since. `daytime`: an email
    too leaves only in the hours of texts (contract 5.1). `over` are channels on which it ended before it moved here.
    """

    record: str
    program: str
    recordId: str
    applicationId: str | None
    kind: str
    fact: str
    causeId: str
    occurredAt: datetime
    receivedAt: datetime
    plannedAt: datetime
    releaseAt: datetime
    notAfter: datetime
    channels: tuple[Channel, ...]
    queuedAt: datetime | None = None
    over: tuple[Channel, ...] = ()
    adverse: bool = False
    daytime: bool = False
    exempt: bool = False
    facts: Facts = Facts()
    withheld: dict[str, str] = {}

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What makes two pieces of news the same."""
        return (self.record, self.applicationId or "", self.kind, self.fact)

    @property
    def name_in_record(self) -> tuple[str | None, str, str]:
        """The same among the news of one record."""
        return (self.applicationId, self.kind, self.fact)


# ---- records -> travelers


class Join(_Message, tag="join", frozen=True, kw_only=True):
    """A record asks to belong to this traveler, because of the event `eventId`; travelers answers with Joined.

    Refused where the birth dates differ. Asked again on every change of owner, never assumed.
    """

    record: str
    eventId: str
    birthDate: date | None = None


class CardSnapshot(_Message, tag="card", frozen=True, kw_only=True):
    """The newest card of a record, with what its source says of the person; a reader keeps the highest version."""

    record: str
    version: int
    card: CardView
    birthDate: date | None = None
    language: str | None = None
    timeZone: str | None = None
    state: str | None = None
    minor: bool | None = None
    sourceHasPhone: bool = False
    sourceHasEmail: bool = False
    causeId: str | None = None


class CardGone(_Message, tag="card-gone", frozen=True, kw_only=True):
    """The record left this traveler at this version: linked elsewhere, unlinked, merged or erased."""

    record: str
    version: int


class Plan(_Message, tag="plan", frozen=True, kw_only=True):
    """News that records will release at `news.releaseAt`; travelers says `planned` for each channel."""

    news: News


class Release(_Message, tag="release", frozen=True, kw_only=True):
    """The hold is over and the news still stands: tell it, at the right hour, until `notAfter`."""

    record: str
    applicationId: str | None
    kind: str
    fact: str
    notAfter: datetime | None = None


class Freeze(_Message, tag="freeze", frozen=True, kw_only=True):
    """The news was released and is in doubt now: what has not left waits for another Release."""

    record: str
    applicationId: str | None
    kind: str
    fact: str


class Withdraw(_Message, tag="withdraw", frozen=True, kw_only=True):
    """The news no longer stands (superseded), or goes to another traveler: whatever has not left does not leave."""

    record: str
    applicationId: str | None
    kind: str
    fact: str
    reason: str


class ContactChanged(_Message, tag="contact-changed", frozen=True, kw_only=True):
    """A program says that the person has another phone or mailbox. Unverified."""

    record: str
    program: str
    recordId: str
    causeId: str
    occurredAt: datetime
    phone: str | None = None
    email: str | None = None


class SourceGuardian(_Message, tag="source-guardian", frozen=True, kw_only=True):
    """A program says who acts for the child, which is unverified; `guardian` None: nobody does any more."""

    record: str
    causeId: str
    occurredAt: datetime
    guardian: Guardian | None = None


class Absorbed(_Message, tag="absorbed", frozen=True, kw_only=True):
    """The whole log of a record that was merged into this one, in its own encoding. From records to records.

    `owner` still shows the old card at `version`; it is taken away when the new one stands. `path` are the records
    that it went through, so that records merged in a circle end in one of them. `steps`, `shown`, `marks` and
    `reminded` are what was published and said of it, and is not again. `items` are its news on its way, which is told
    from here once the old traveler has let go; `deferred` are steps to be told when no facts contradict each other.
    """

    record: str
    entries: bytes
    told: bytes
    ended: bytes = b"\x90"
    steps: tuple[str, ...] = ()
    shown: dict[str, str] = {}
    marks: bytes = b"\x80"
    items: bytes = b"\x90"
    deferred: tuple[str, ...] = ()
    reminded: tuple[str, ...] = ()
    owner: str | None = None
    version: int = 0
    path: tuple[str, ...] = ()


class ToldWrong(_Message, tag="told-wrong", frozen=True, kw_only=True):
    """A source took back what a traveler had been told of their record. To the key of the record's program."""

    travelerId: str
    source: str
    eventId: str


# ---- travelers -> travelers, addresses


class Forget(_Message, tag="forget", frozen=True, kw_only=True):
    """Keep nothing of this traveler: the person was forgotten.

    To every address that was told of the traveler; and to the traveler that a record of theirs had before a link, which
    is then forgotten as well.
    """

    travelerId: str
    causeId: str


# ---- travelers -> records


class Death(msgspec.Struct, frozen=True):
    """The event that says that the person has died, and when that was; `record` is the one that it named, if any."""

    eventId: str
    at: datetime
    record: str | None = None


class Joined(_Message, tag="joined", frozen=True, kw_only=True):
    """The answer to Join. `zones` are the time zones in which the traveler may live; empty: unknown.

    `erased`: the traveler was forgotten, and no record joins any more.
    """

    travelerId: str
    eventId: str
    accepted: bool
    zones: tuple[str, ...] = ()
    deceased: Death | None = None
    erased: bool = False


class TravelerChanged(_Message, tag="traveler-changed", frozen=True, kw_only=True):
    """What a record must know of its traveler: zones for reminders at 8:00, and the end of everything."""

    travelerId: str
    zones: tuple[str, ...] = ()
    deceased: Death | None = None
    erased: bool = False


class Outcome(_Message, tag="outcome", frozen=True, kw_only=True):
    """What a notification came to, accepted or ended: the `state` of the event just written, with its times."""

    notificationId: str
    travelerId: str
    record: str
    applicationId: str | None
    kind: str
    fact: str
    channel: Channel
    state: str
    at: datetime
    plannedAt: datetime | None = None
    claimedAt: datetime | None = None
    languageRequested: str | None = None
    languageServed: str | None = None
    templateVersion: str | None = None
    code: str | None = None
    reason: str | None = None


# ---- inside travelers: program notices fan out over shards of travelers, so that no key is a bottleneck


class Enroll(_Message, tag="enroll", frozen=True, kw_only=True):
    """A traveler has a card of this program: tell them of its notices. To one shard of the program."""

    travelerId: str
    program: str
    leave: bool = False


class Notice(_Message, tag="notice", frozen=True, kw_only=True):
    """The state of a program as announced, to shards and then travelers: shown, or told as well where `wave`.

    `dropped`: the staff took it back; what has not left of it does not leave.
    """

    program: str
    eventId: str
    occurredAt: datetime
    receivedAt: datetime
    overlay: OverlayView
    wave: bool = False
    correction: bool = False
    dropped: bool = False


# ---- travelers -> addresses


class Send(_Message, tag="send", frozen=True, kw_only=True):
    """A message whose channel, language and hour are decided: it may leave from `releaseAt` to `notAfter`.

    `lane` orders what waits for the provider: 0 consent and security, 1 deadlines and decisions, 2 status, 3 the rest.
    `exempt` from caps. `rescue`: told here because another channel failed. `round` counts how often the same message
    was withdrawn before, so that its steps have own ids.
    """

    notificationId: str
    travelerId: str
    kind: str
    fact: str
    channel: Channel
    to: str
    record: str | None = None
    recordId: str | None = None
    program: str | None = None
    applicationId: str | None = None
    causeId: str
    facts: Facts = Facts()
    languageRequested: str | None = None
    languageServed: str
    occurredAt: datetime
    plannedAt: datetime
    releaseAt: datetime
    notAfter: datetime
    zones: tuple[str, ...] = ()
    lane: int = 2
    adverse: bool = False
    daytime: bool = False
    exempt: bool = False
    rescue: bool = False
    round: int = 0


class Recall(_Message, tag="recall", frozen=True, kw_only=True):
    """Do not send this any more if it has not left; it ends in `state` with `reason`."""

    notificationId: str
    travelerId: str
    state: Literal["superseded", "suppressed"]
    reason: str | None = None


class Owned(_Message, tag="owned", frozen=True, kw_only=True):
    """A traveler's texts would go to this number, in this language; `leave`: no longer. No text was sent by it.

    So a first word from the number, before any text, is answered in its language and reaches its traveler.
    """

    travelerId: str
    to: str
    language: str | None = None
    program: str | None = None
    leave: bool = False


# ---- addresses -> travelers (Outcome also goes this way; travelers passes it on to records)


class Answered(_Message, tag="answered", frozen=True, kw_only=True):
    """The owner of a number said something that concerns the traveler: yes, start, stop or wrong-person."""

    word: Literal["yes", "start", "stop", "wrong-person"]
    address: str


# ---- edges -> addresses


class Inbound(_Message, tag="inbound", frozen=True, kw_only=True):
    """A text that came from a number. `body` is at most 160 characters with digit runs of four and more removed.

    `answered`: the provider replied by itself (its opt-out type says so). `heard` is what it took the text for: it may
    know keywords that we do not, and it blocks by them.
    """

    sender: str
    body: str
    answered: bool = False
    heard: Literal["stop", "start", "help"] | None = None
    providerId: str | None = None


class Receipt(_Message, tag="receipt", frozen=True, kw_only=True):
    """What the provider says later of one message, by our callback token or by its id."""

    token: str | None
    providerId: str | None
    status: str
    code: str | None = None


class OptedOut(_Message, tag="opted-out", frozen=True, kw_only=True):
    """The owner of a mailbox used one-click unsubscribe, or complained; or a mailbox bounced for good."""

    address: str
    reason: Literal["stopped", "hard-bounce"]


class Dialled(_Message, tag="dialled", frozen=True, kw_only=True):
    """What one request to the provider came to.

    accepted: has a provider id. rejected: has a code. not-sent: certainly never reached the provider. doubt: unknown.
    """

    claimId: str
    result: Literal["accepted", "rejected", "not-sent", "doubt"]
    providerId: str | None = None
    code: str | None = None
    retryAfter: float | None = None


class Listed(_Message, tag="listed", frozen=True, kw_only=True):
    """What the provider's list of messages to one number says of a claim. To addresses.

    `startedAt` is when the query began; `matches` are (provider id, status, code) of messages with our text.
    `failed`: the list could not be read, which proves nothing.
    """

    claimId: str
    startedAt: datetime
    matches: tuple[tuple[str, str, str | None], ...] = ()
    failed: bool = False


class Redacted(_Message, tag="redacted", frozen=True, kw_only=True):
    """The provider no longer holds the body of this text."""

    providerId: str


# ---- commands: from addresses to the dialer in the same process, after the transaction has committed


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A text message as it leaves."""

    body: str
    segments: int
    encoding: Literal["GSM-7", "UCS-2"]


class Mail(msgspec.Struct, frozen=True, kw_only=True, tag="mail"):
    """An email as it leaves: two parts and the headers, `Message-ID` and `Date` among them.

    `calendar` is an attached iCalendar file for an interview.
    """

    subject: str
    text: str
    html: str
    headers: dict[str, str]
    calendar: str | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True, tag="claim"):
    """The right to make exactly one request. Acted on after the claim is committed, never after a restart.

    `key` is the address key, where the result goes. `validity` in seconds. Past `deadline` it must not be dialled.
    `lane` as in Send.
    """

    claimId: str
    token: str
    key: str
    notificationId: str
    channel: Channel
    to: str
    message: Text | Mail
    validity: int
    at: datetime
    deadline: datetime
    kind: str
    language: str
    program: str | None
    lane: int = 2


class Lookup(msgspec.Struct, frozen=True, kw_only=True, tag="lookup"):
    """Ask the provider's list what became of a claim in doubt: messages to `to` with this body since `since`.

    `taken` are provider ids that are already known to belong to other claims. For a receipt poll, `providerId` is the
    message to fetch; the answer comes as a Receipt.
    """

    claimId: str
    key: str
    to: str
    body: str
    since: datetime
    until: datetime
    taken: tuple[str, ...] = ()
    providerId: str | None = None


class Redact(msgspec.Struct, frozen=True, kw_only=True, tag="redact"):
    """Remove the body of a text at the provider, where nobody needs it any more; the answer is Redacted."""

    key: str
    providerId: str


class Withhold(msgspec.Struct, frozen=True, kw_only=True, tag="withhold"):
    """Do not dial this claim any more if no byte of it has left: its address said STOP, or the news was recalled."""

    key: str
    claimId: str


class Trouble(msgspec.Struct, frozen=True, kw_only=True, tag="trouble"):
    """The provider took messages and refuses to deliver any with this code: nothing goes through for the time being."""

    key: str
    channel: Channel
    code: str


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag="settled"):
    """The provider has sent the text of this claim on, or never had it: it no longer waits there."""

    key: str
    claimId: str


class Stray(msgspec.Struct, frozen=True, kw_only=True, tag="stray"):
    """A receipt changes nothing, and staff must see it: no claim of its address has its token; or it `contradicts` what
    was final.
    """

    key: str
    status: str
    providerId: str | None = None
    contradicts: bool = False


RecordsMessage = Arrived | Absorbed | Joined | TravelerChanged | Outcome
TravelersMessage = (
    Arrived
    | Join
    | CardSnapshot
    | CardGone
    | Plan
    | Release
    | Freeze
    | Withdraw
    | ContactChanged
    | SourceGuardian
    | Outcome
    | Answered
    | Enroll
    | Notice
    | Forget
    | ToldWrong
)
AddressesMessage = Send | Recall | Owned | Forget | Inbound | Receipt | OptedOut | Dialled | Listed | Redacted
Message = RecordsMessage | TravelersMessage | AddressesMessage
