"""The first stage: every source record becomes messages to the keys that it concerns, or a dead letter. Stateless.

At-least-once is enough here: the stages behind it drop what they have seen.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from schemas.internal import Arrived, Origin
from schemas.source import Link, ProfileUpdated, SourceData, StaffDecision
from schemas.vocabulary import NOTICE_DECISIONS, PROGRAMS
from streams.grammar import DeadLetter, Output, ToStage
from streams.identity import Identity
from streams.reading import Reading, UnusableError, read, record_key

SKEW: Final = timedelta(minutes=5)
"""How far ahead of its arrival an event may be dated: source clocks differ (domain 3.4 rule 9)."""


class Intake:
    """Reads, checks and routes source records; `identity` names travelers by portal subject."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def __call__(self, origin: Origin, at: datetime, backfill: bool = False) -> list[Output]:
        """What follows from a source record that arrives `at`. Never raises, whatever the bytes."""
        try:
            reading = read(origin)
            if reading.event.time > at + SKEW:
                raise UnusableError("future-dated", "the event is dated more than 5 minutes after its arrival")
            targets = self._targets(reading)
        except UnusableError as error:
            return [DeadLetter(origin, "intake", error.reason, str(error))]
        except Exception as error:  # noqa: BLE001 - one record that finds a bug of ours must not stop its partition
            return [DeadLetter(origin, "intake", "handler-bug", type(error).__name__)]
        arrived = Arrived(origin=origin, at=at, backfill=backfill)
        return [ToStage(stage, key, arrived) for stage, key in targets]

    def _targets(self, reading: Reading) -> Sequence[tuple[str, str]]:
        """The stage and key of everyone whom the event concerns."""
        event, data, program, name = reading
        if isinstance(data, StaffDecision):
            return _decided(data, event.subject or "", program, name)
        if isinstance(data, SourceData) and name == "program.notice":
            return [("travelers", program_key(program or ""))]
        if isinstance(data, Link | ProfileUpdated) and data.recordId is None:
            return [("travelers", self._identity.traveler_of_subject(data.portalSubject or ""))]
        return [("records", record_key(program or "", data.recordId or ""))]


def program_key(program: str) -> str:
    """The key among travelers that knows a program's notices."""
    return f"program:{program}"


def _decided(data: StaffDecision, subject: str, program: str | None, name: str) -> Sequence[tuple[str, str]]:
    """Whom a staff decision concerns: a program's notices, or a record.

    Of an unnamed program: the notices of any of the six; the record of the first, which asks on where it does not know
    the event.
    """
    if data.recordId is None and subject in PROGRAMS:
        return [("travelers", program_key(program or subject))]
    if name in NOTICE_DECISIONS:
        return [("travelers", program_key(each)) for each in ((program,) if program else PROGRAMS)]
    return [("records", record_key(program or PROGRAMS[0], data.recordId or subject))]
