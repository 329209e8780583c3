"""The working copy of one record at one moment, and what it puts out."""

from datetime import date, datetime
from typing import Any

import msgspec

from schemas.internal import Message
from schemas.outputs import WorkItem
from streams import events
from streams.grammar import Output, ToStage
from streams.identity import Identity
from streams.policy import Policy
from streams.records.log import Entry, newest
from streams.records.state import Record


class Turn:
    """The working copy of one record at one moment, and what it puts out.

    `zones_before` are the traveler's time zones as the record knew them until now.
    """

    def __init__(self, key: str, state: Record, now: datetime, identity: Identity, policy: Policy) -> None:
        self.key = key
        self.program, _, self.reference = key.partition(":")
        self.state = copy(state)
        self.zones_before = state.zones
        self.now = now
        self.identity = identity
        self.policy = policy
        self.out: list[Output] = []

    def tell_traveler(self, message: Message, traveler: str | None = None) -> None:
        """Send a message to the record's traveler, or to a given one."""
        self.out.append(ToStage("travelers", traveler or self.state.owner or "", message))

    def birth_date(self) -> date | None:
        """The newest birth date that an event gives."""
        return newest(self.state.entries, lambda one: one.birthDate)

    def refuses(self, traveler: str) -> bool:
        """Whether this traveler has refused the record, born as it says now."""
        return f"{traveler}|{self.birth_date()}" in self.state.refused

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


def copy(state: Record) -> Record:
    """A copy that may be changed: the fields that are containers are new."""
    changed: dict[str, Any] = {}
    for name in state.__struct_fields__:
        value = getattr(state, name)
        if isinstance(value, list | dict):
            changed[name] = value.copy()
    return msgspec.structs.replace(state, **changed)
