"""The working copy of one record at one moment, and what it puts out."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeVar

import msgspec

from schemas.internal import Message, Origin
from schemas.outputs import WorkItem
from streams import events
from streams.grammar import Output, ToStage
from streams.identity import Identity
from streams.policy import Policy
from streams.records.log import Effective, Entry, effective
from streams.records.persons import disputed
from streams.records.state import Record

T = TypeVar("T")


class Turn:
    """The working copy of one record at one moment, and what it puts out.

    `zones_before` are the traveler's time zones as the record knew them until now, `origin` the source record that is
    at hand, if any.
    """

    def __init__(self, key: str, state: Record, now: datetime, identity: Identity, policy: Policy) -> None:
        self.key = key
        self.program, _, self.reference = key.partition(":")
        self.state = copy(state)
        self.zones_before = state.zones
        self.now = now
        self.identity = identity
        self.policy = policy
        self.origin: Origin | None = None
        self.out: list[Output] = []
        self._left: tuple[int, Effective] | None = None
        self._heard: tuple[Effective, list[Entry]] | None = None

    def tell_traveler(self, message: Message, traveler: str | None = None) -> None:
        """Send a message to the record's traveler, or to a given one."""
        self.out.append(ToStage("travelers", traveler or self.state.owner or "", message))

    def left(self) -> Effective:
        """What counts of the log."""
        size = len(self.state.entries)
        if self._left is None or self._left[0] != size:
            self._left = (size, effective(self.state.entries))
        return self._left[1]

    def said(self, what: Callable[[Entry], T | None]) -> T | None:
        """The newest of what the events say of the person, but for those that speak of somebody else."""
        return next((value for one in self._speakers() if (value := what(one)) is not None), None)

    def _speakers(self) -> list[Entry]:
        """The events that speak of the person of this record, the newest first."""
        left = self.left()
        if self._heard is None or self._heard[0] is not left:
            strange = disputed(left.events)
            own = [one for one in left.living if (one.source, one.id) not in strange]
            self._heard = (left, sorted(own, key=lambda one: (one.at, one.id), reverse=True))
        return self._heard[1]

    def birth_date(self) -> date | None:
        """The newest birth date that an event gives."""
        return self.said(lambda one: one.birthDate)

    def refuses(self, traveler: str) -> bool:
        """Whether this traveler has refused the record, born as it says now."""
        return bool(self.state.refused) and f"{traveler}|{self.birth_date()}" in self.state.refused

    def open_work(self, item: str, reason: str, trigger: Entry | None) -> None:
        """Put something before the staff, once."""
        self.state.work[item] = reason
        self._work("opened", item, reason, trigger)

    def close_work(self, item: str, trigger: Entry | None) -> None:
        """Take it away again."""
        self._work("closed", item, self.state.work.pop(item), trigger)

    def _work(self, action: str, item: str, reason: str, trigger: Entry | None) -> None:
        data = WorkItem(itemId=item, reason=reason, program=self.program, recordId=self.reference)
        cause = trigger.id if trigger else item
        self.out.append(events.work(action, data, self.key, f"{item}|{cause}", self.now))  # type: ignore[arg-type]


_CONTAINERS: Final = tuple(one.name for one in msgspec.structs.fields(Record) if one.default_factory in (list, dict))


def copy(state: Record) -> Record:
    """A copy that may be changed: the fields that are containers are new."""
    return msgspec.structs.replace(state, **{name: getattr(state, name).copy() for name in _CONTAINERS})
