"""The staff's desk: turns a decision about an event into the profile event that says so.

A decision names only the event; the desk has seen the events go by and knows which record or notice each belongs to.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from schemas.cloudevents import STRUCTURED, CloudEvent
from schemas.internal import Arrived, Origin
from schemas.source import SourceData, StaffDecision
from schemas.vocabulary import PROFILE_PREFIX, STAFF_SOURCE
from streams.grammar import Output, ToStage
from streams.identity import event_id
from streams.reading import read
from streams.topics import PROFILE

Action = Literal["approve-notice", "drop-notice", "void-event", "release-conflict"]

_NAMES: Final[dict[Action, str]] = {
    "approve-notice": "notice.approved",
    "drop-notice": "notice.dropped",
    "void-event": "event.voided",
    "release-conflict": "conflict.released",
}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one member of the staff decided about one event (contract 2.1)."""

    action: Action
    eventId: str
    by: str
    reason: str | None = None


class Desk:
    """Remembers to which record or notice each event belongs."""

    def __init__(self) -> None:
        self._about: dict[str, tuple[str | None, str | None]] = {}

    def see(self, outputs: list[Output]) -> None:
        """Take note of an event that intake has accepted; `outputs` is what intake said of it."""
        for output in outputs:
            if isinstance(output, ToStage) and isinstance(output.message, Arrived):
                event, data, program, _ = read(output.message.origin)
                if isinstance(data, SourceData):
                    self._about.setdefault(event.id, (program, data.recordId))

    def decide(self, decision: Decision, at: datetime) -> Origin:
        """The record for the profile topic that carries the decision. An unknown event is named as it is."""
        program, record_id = self._about.get(decision.eventId, (None, None))
        data = StaffDecision(
            eventId=decision.eventId, by=decision.by, reason=decision.reason, recordId=record_id, program=program
        )
        event = CloudEvent(
            id=event_id(decision.eventId, decision.action, f"{decision.by}\x1e{at.isoformat()}"),
            source=STAFF_SOURCE,
            type=PROFILE_PREFIX + _NAMES[decision.action],
            time=at,
            subject=record_id or program or decision.eventId,
            data=msgspec.Raw(msgspec.json.encode(data)),
        )
        return Origin(
            topic=PROFILE,
            partition=0,
            offset=0,
            timestamp=int(at.timestamp() * 1000),
            key=None,
            headers=(("content-type", STRUCTURED.encode()),),
            value=msgspec.json.encode(event.structured()),
        )
