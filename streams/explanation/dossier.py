"""All that is on the topics about travelers, kept so that it can be explained."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import msgspec

from schemas import cloudevents
from schemas.cloudevents import CloudEvent
from schemas.internal import Origin
from schemas.outputs import Notification, Transition, TravelerStatus, WorkItem
from schemas.source import SourceData
from streams import topics
from streams.explanation.profile import said
from streams.reading import UnusableError, read, record_key


class Fact(msgspec.Struct, frozen=True):
    """A source event: its name without prefix, who said it, when it happened and when it arrived (if known).

    `says` is what a profile event says, without addresses; `subject` the portal's subject that it names; `corrects` the
    event that it replaces or removes.
    """

    id: str
    name: str
    source: str
    happened: datetime
    arrived: datetime | None
    says: str = ""
    subject: str | None = None
    corrects: str | None = None


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
        self.persons: defaultdict[str, list[Fact]] = defaultdict(list)
        self._notices: dict[str, Fact] = {}
        self._moved: dict[str, str] = {}
        self._unusable: set[str] = set()
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
        fact = Fact(
            id=event.id,
            name=name,
            source=event.source,
            happened=event.time,
            arrived=arrived,
            says=said(data),
            subject=getattr(data, "portalSubject", None),
            corrects=getattr(data, "corrects", None) or getattr(data, "eventId", None),
        )
        if program is not None and data.recordId is not None:
            record = record_key(program, data.recordId)
            self.facts[record].append(fact)
            if isinstance(data, SourceData) and name == "record.merged" and data.mergedInto is not None:
                self._moved[record] = record_key(program, data.mergedInto)
        elif name == "program.notice":
            self._notices[event.id] = fact
        elif fact.subject is not None:
            self.persons[fact.subject].append(fact)

    def letter(self, origin: Origin, at: datetime | None, reason: str, error: str) -> None:
        """A dead letter; kept where its subject can be read."""
        try:
            event = cloudevents.read(origin.value, origin.headers)
        except ValueError:
            return
        self._unusable.add(event.id)
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
        meant = {reference, *self._heirs(reference)}
        return [
            traveler
            for traveler, view in self.views.items()
            if any(card.recordId in meant or record_key(card.program, card.recordId) in meant for card in view.cards)
        ]

    def _heirs(self, reference: str) -> set[str]:
        """The records into which a record was merged, one after the other."""
        found: set[str] = set()
        next_ = [new for old, new in self._moved.items() if reference in (old, old.partition(":")[2])]
        while next_:
            record = next_.pop()
            if record not in found:
                found.add(record)
                next_ += [new for old, new in self._moved.items() if old == record]
        return found

    def log(self, record: str) -> list[Fact]:
        """What was said of a record, and of those that were merged into it, since anybody was last forgotten."""
        merged = [old for old in self._moved if record in self._heirs(old)]
        facts = [fact for each in (*merged, record) for fact in self.facts.get(each, ())]
        return _since(self._forgotten(facts), facts)

    def profile(self, records: Iterable[str]) -> list[Fact]:
        """What was said of the person who has these records by the portal that last claimed each of them."""
        facts = {record: self.log(record) for record in records}
        subjects = {subject for record in facts if (subject := self._subject(record, facts[record])) is not None}
        said = [fact for subject in sorted(subjects) for fact in self.persons.get(subject, ())]
        told = _since(self._forgotten([*said, *(f for record in facts for f in self.facts.get(record, ()))]), said)
        return sorted(told, key=lambda fact: fact.happened)

    def _forgotten(self, facts: list[Fact]) -> datetime | None:
        asked = [fact for fact in facts if fact.name == "erased" and fact.id not in self._unusable]
        return max((fact.arrived or fact.happened for fact in asked), default=None)

    def _subject(self, record: str, facts: list[Fact]) -> str | None:
        named = [fact for fact in facts if fact.subject is not None and fact.id not in self._unusable]
        last = max(named, key=lambda fact: fact.happened, default=None)
        return None if last is None or last.name == "unlinked" else last.subject

    def fact(self, record: str, event_id: str | None) -> Fact | None:
        """The source event of that id, where it was seen: of the record, or a notice about a program."""
        facts = self.log(record)
        return next((fact for fact in facts if fact.id == event_id), self._notices.get(event_id or ""))


def _since(moment: datetime | None, facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if moment is None or (fact.arrived or fact.happened) > moment]


def _about(data: Notification) -> str:
    """What a message is about: its record, or the traveler where it is about none."""
    if data.program is not None and data.recordId is not None:
        return record_key(data.program, data.recordId)
    return data.travelerId
