"""What an enrollment looks like once its log is folded: applications, membership, review, overlay, and its steps."""

import math
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple

from schemas.source import SourceData
from streams.records.log import Entry

APPLICATION: Final = "application"
MEMBERSHIP: Final = "membership"
REVIEW: Final = "review"
OVERLAY: Final = "overlay"
INTEGRITY: Final = "integrity"


class Appointment(NamedTuple):
    """One interview or appointment as it is booked; `knownAt`: when this came in."""

    part: str
    at: datetime | None
    zone: str | None
    site: str | None
    knownAt: datetime


class Step(NamedTuple):
    """One change of one axis. `at` is when it happened, `receivedAt` when the fact behind it came in.

    `case` is the application's place in the record. `published` is false for what no traveler could notice. `event` is
    the canonical event behind it, `earlier` the appointment that it moves or takes away, `part` which of several parts
    of an interview it is about. `again` counts the same steps of the clock before it: one approval can end twice, where
    its extension came late.
    """

    cause: str
    name: str
    axis: str
    before: str
    after: str
    at: datetime
    receivedAt: datetime
    data: SourceData
    case: str = ""
    backfill: bool = False
    published: bool = True
    clock: bool = False
    event: str | None = None
    earlier: Appointment | None = None
    part: str = ""
    again: int = 0

    @property
    def identity(self) -> str:
        """What tells this step from every other of the record."""
        return f"{self.cause}\x1f{self.axis}\x1f{self.name}" + (f"\x1f{self.again}" if self.again else "")


@dataclass(slots=True)
class Case:
    """One application inside the record.

    `why` is the rule that decided its kind, `endBefore` the end of the membership as it stood at the submission.
    """

    key: str
    applicationId: str | None = None
    state: str = "-"
    kind: str = "INITIAL"
    why: str = "nothing was known before"
    program: str = ""
    openedBy: Entry | None = None
    endBefore: date | None = None
    submittedAt: datetime | None = None
    decidedAt: datetime | None = None
    decidedBy: Entry | None = None
    dueDate: date | None = None
    dueKnownAt: datetime | None = None
    completeBy: date | None = None
    conditionalAt: datetime | None = None
    conditionalKnownAt: datetime | None = None
    appointments: dict[str, Appointment] = field(default_factory=dict)
    partsDone: list[str] = field(default_factory=list)
    changedAt: datetime | None = None
    changedKnownAt: datetime | None = None

    @property
    def parts_needed(self) -> tuple[str, ...]:
        """All interview parts of the program: NEXUS is joint with Canada (domain 2.1); PreCheck has none."""
        if self.program == "PRECHECK":
            return ()
        return ("US", "CA") if self.program == "NEXUS" else ("US",)

    @property
    def all_parts_done(self) -> bool:
        """Whether nothing of the interview is left to do."""
        return set(self.parts_needed) <= set(self.partsDone)

    @property
    def booked(self) -> list[Appointment]:
        """The appointments of the parts that are not done, the earliest first."""
        left = [one for part, one in sorted(self.appointments.items()) if part not in self.partsDone]
        return sorted(left, key=lambda one: one.at.timestamp() if one.at else math.inf)

    def next_appointment(self, now: datetime) -> Appointment | None:
        """The next appointment, else the last one that passed; once all is done, the last one that there was."""
        ahead = self._ahead(now)
        if ahead:
            return ahead[0]
        known = self.booked
        if not known and self.all_parts_done:
            known = sorted(self.appointments.values(), key=lambda one: one.at.timestamp() if one.at else -math.inf)
        return known[-1] if known else None

    def next_changes(self, now: datetime) -> datetime | None:
        """When, of two appointments that lie ahead, the second becomes the next."""
        ahead = self._ahead(now)
        return ahead[0].at if len(ahead) > 1 else None

    def _ahead(self, now: datetime) -> list[Appointment]:
        return [one for one in self.booked if one.at is not None and one.at > now]


@dataclass(slots=True)
class Membership:
    """The membership of the record. `knownAt`: when the fact that gives `validTo` came in."""

    state: str = "NONE"
    validFrom: date | None = None
    validTo: date | None = None
    sourceUntil: date | None = None
    extendedUntil: date | None = None
    includesPrecheck: bool | None = None
    precheckExtended: bool | None = None
    number: str | None = None
    sameNumber: bool = False
    cause: Entry | None = None
    changedBy: Entry | None = None
    changedMoment: datetime | None = None
    ever: bool = False
    restored: bool = False


@dataclass(slots=True)
class Review:
    """The newest review of an adverse decision."""

    state: str = "NONE"
    replyBy: date | None = None
    channel: str | None = None
    cause: Entry | None = None
    receivedAt: datetime | None = None


@dataclass(slots=True)
class Overlay:
    """A pause of the program that came as an event of this person (domain S-11)."""

    state: str = "NORMAL"
    scope: str | None = None


class Conflict(NamedTuple):
    """Facts that contradict each other: the event that stands for now, and the one that speaks against it."""

    standing: Entry
    against: Entry


@dataclass(slots=True)
class Picture:
    """The whole of a record at one moment."""

    program: str
    cases: list[Case] = field(default_factory=list)
    membership: Membership = field(default_factory=Membership)
    review: Review = field(default_factory=Review)
    overlay: Overlay = field(default_factory=Overlay)
    steps: list[Step] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    unknown: Entry | None = None
    asOf: datetime | None = None
    nextClock: datetime | None = None

    @property
    def current(self) -> Case | None:
        """The application that counts: the one begun last."""
        return self.cases[-1] if self.cases else None

    @property
    def integrity(self) -> str:
        """OK, CONFLICT or UNKNOWN (domain 3.1)."""
        if self.conflicts:
            return "CONFLICT"
        return "UNKNOWN" if self.unknown is not None else "OK"
