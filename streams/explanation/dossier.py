"""All that is on the topics about travelers, kept so that it can be explained."""

from collections import defaultdict
from datetime import datetime

import msgspec

from schemas import cloudevents
from schemas.cloudevents import CloudEvent
from schemas.internal import Origin
from schemas.outputs import Notification, Transition, TravelerStatus, WorkItem
from streams import topics
from streams.reading import UnusableError, read, record_key


class Fact(msgspec.Struct, frozen=True):
    """A source event: its name without prefix, who said it, when it happened and when it arrived (if known)."""

    id: str
    name: str
    source: str
    happened: datetime
    arrived: datetime | None


class Change(msgspec.Struct, frozen=True):
    """A transition, by name, with the moment of the fact."""

    name: str
    at: datetime
    data: Transition


class Step(msgspec.Struct, frozen=True):
    """One step of a message."""

    state: str
    at: datetime
    data: Notification


class Dead(msgspec.Struct, frozen=True):
    """A source record of this subject that could not be used."""

    id: str
    at: datetime | None
    reason: str
    error: str


class Dossier:
    """What was said of whom. Feed it records of the input and output topics in their order, then ask."""

    def __init__(self) -> None:
        self.views: dict[str, TravelerStatus] = {}
        self.facts: defaultdict[str, list[Fact]] = defaultdict(list)
        self.changes: defaultdict[str, list[Change]] = defaultdict(list)
        self.steps: defaultdict[str, dict[str, list[Step]]] = defaultdict(dict)
        self.work: dict[str, WorkItem] = {}
        self.dead: defaultdict[str, list[Dead]] = defaultdict(list)

    def source(self, origin: Origin, arrived: datetime | None) -> None:
        """A record of an input topic."""
        try:
            event, data, program, name = read(origin)
        except UnusableError:
            return
        fact = Fact(event.id, name, event.source, event.time, arrived)
        if program is not None and data.recordId is not None:
            self.facts[record_key(program, data.recordId)].append(fact)

    def letter(self, origin: Origin, at: datetime | None, reason: str, error: str) -> None:
        """A dead letter; kept where its subject can be read."""
        try:
            event = cloudevents.read(origin.value, origin.headers)
        except ValueError:
            return
        self.dead[event.subject or ""].append(Dead(event.id, at, reason, error))

    def published(self, topic: str, key: str, event: CloudEvent | None) -> None:
        """A record of an output topic; None is a tombstone."""
        if topic == topics.STATUS:
            self._view(key, event)
        elif event is None:
            return
        elif topic == topics.TRANSITIONS:
            data = msgspec.json.decode(event.data, type=Transition)
            change = Change(event.type.rpartition(".")[2], event.time, data)
            self.changes[record_key(data.program, data.recordId)].append(change)
        elif topic == topics.NOTIFICATIONS:
            step = Step(event.type.rpartition(".")[2], event.time, msgspec.json.decode(event.data, type=Notification))
            whose = self.steps[_about(step.data)]
            whose.setdefault(f"{step.data.notificationId}", []).append(step)
        elif topic == topics.WORK:
            item = msgspec.json.decode(event.data, type=WorkItem)
            if event.type.endswith(".opened"):
                self.work[item.itemId] = item
            else:
                self.work.pop(item.itemId, None)

    def _view(self, key: str, event: CloudEvent | None) -> None:
        if event is None:
            self.views.pop(key, None)
        else:
            self.views[key] = msgspec.json.decode(event.data, type=TravelerStatus)

    def find(self, reference: str) -> list[str]:
        """The travelers that a traveler id, `PROGRAM:recordId` or a record id alone means."""
        if reference in self.views:
            return [reference]
        return [
            traveler
            for traveler, view in self.views.items()
            if any(reference in (card.recordId, record_key(card.program, card.recordId)) for card in view.cards)
        ]

    def fact(self, record: str, event_id: str | None) -> Fact | None:
        """The source event of that id, where it was seen."""
        return next((fact for fact in self.facts[record] if fact.id == event_id), None)


def _about(data: Notification) -> str:
    """What a message is about: its record, or the traveler where it is about none."""
    if data.program is not None and data.recordId is not None:
        return record_key(data.program, data.recordId)
    return data.travelerId
