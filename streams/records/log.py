"""The event log of one enrollment: what is kept of an event, in which order it counts, what a correction leaves of it.

Order (domain 3.4 rule 4): by sequence inside one application where there is one, else by the time of the event, then by
the place of its type in the process, then by id. Never by arrival.
"""

import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

import msgspec

from schemas.cloudevents import canonical
from schemas.source import Link, Person, ProfileUpdated, SourceData, StaffDecision
from streams.reading import Reading
from streams.records.machine import APPLICATION_EVENTS, EVENTS, OPENING

LIMIT: Final = 1000
"""Events of one record; more is not a person's case but a fault upstream (design 1)."""

_RANKS: Final = {
    name: rank
    for rank, name in enumerate(
        (
            *APPLICATION_EVENTS,
            "REPLY_RECEIVED",
            "DECIDED",
            "EXTENDED",
            "REINSTATED",
            "SUSPENDED",
            "REVOKED",
            "EXPIRED",
            "CLOSED",
            "STATUS_REPORTED",
        )
    )
}


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as the log keeps it: no name, no address, numbers masked.

    `digest` is of the whole body (the same id with another digest is refused), `material` of what makes two events say
    the same (domain 3.4 rule 3). `by` is who acted, in the portal or for the staff.
    """

    id: str
    source: str
    name: str
    at: datetime
    receivedAt: datetime
    digest: str
    material: str
    data: SourceData
    backfill: bool = False
    by: str | None = None
    birthDate: date | None = None
    language: str | None = None
    timeZone: str | None = None
    state: str | None = None
    hasPhone: bool = False
    hasEmail: bool = False

    @property
    def of_program(self) -> bool:
        """Whether the program itself said it, not the portal or the staff."""
        return not self.source.startswith("dhs/")

    @property
    def canonical(self) -> str | None:
        """The event of the state machine that this is, if any."""
        return EVENTS.get(self.name)


def entry(reading: Reading, arrived: datetime, backfill: bool) -> Entry:
    """What the log keeps of an event that arrived at `arrived`."""
    event, data = reading.event, reading.data
    person = (data.person if isinstance(data, SourceData) else None) or Person()
    body = b"\x00".join((event.type.encode(), event.time.isoformat().encode(), canonical(event.data)))
    kept = _kept(data)
    said = msgspec.structs.replace(kept, sequence=None, applicationId=None, corrects=None)
    numbers = f"{getattr(data, 'ktn', None)}\x00{getattr(data, 'passId', None)}"
    contact = f"{person.phone}\x00{person.email}"
    return Entry(
        id=event.id,
        source=event.source,
        name=reading.name,
        at=event.time,
        receivedAt=arrived,
        digest=_digest(body),
        material=_digest(b"\x00".join((msgspec.json.encode(said), numbers.encode(), contact.encode()))),
        data=kept,
        backfill=backfill,
        by=_actor(data),
        birthDate=person.dateOfBirth,
        language=person.language,
        timeZone=person.timeZone,
        state=person.state,
        hasPhone=bool(person.phone),
        hasEmail=bool(person.email),
    )


def _actor(data: SourceData | Link | ProfileUpdated | StaffDecision) -> str | None:
    if isinstance(data, StaffDecision):
        return data.by
    return data.actor if isinstance(data, Link) else None


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _kept(data: SourceData | Link | ProfileUpdated | StaffDecision) -> SourceData:
    if isinstance(data, SourceData):
        return msgspec.structs.replace(data, person=None, ktn=mask(data.ktn), passId=mask(data.passId), caseNo=None)
    if isinstance(data, StaffDecision):
        return SourceData(corrects=data.eventId, reason=data.reason)
    reason = data.reason if isinstance(data, Link) else None
    return SourceData(portalSubject=data.portalSubject, recordId=data.recordId, program=data.program, reason=reason)


def mask(number: str | None) -> str | None:
    """A membership number as it may be shown: `TT*****45` (domain 3.5)."""
    if number is None:
        return None
    if len(number) < 6:
        return "*" * len(number)
    return number[:2] + "*" * (len(number) - 4) + number[-2:]


def rank(event: Entry) -> int:
    """The place of an event's type in the process, for events of the same moment."""
    return _RANKS.get(event.canonical or "", len(_RANKS))


class Placed(NamedTuple):
    """An event and the moment at which it counts: never earlier than that of the event before it in sequence."""

    moment: datetime
    rank: int
    event: Entry


def in_order(events: Iterable[Entry]) -> list[Placed]:
    """The events in the order in which they are folded; the same for every order of arrival."""
    lanes: dict[tuple[str | None, int], list[Entry]] = {}
    unnumbered: list[Entry] = []
    for application, group in _by_application(events).items():
        for number, segment in enumerate(_segments(application, group)):
            lanes[application, number] = [one for one in segment if one.data.sequence is not None]
            unnumbered += [one for one in segment if one.data.sequence is None]
    queues = [_numbered(lane) for lane in lanes.values()]
    queues.append(sorted((Placed(one.at, rank(one), one) for one in unnumbered), key=_key))
    return list(heapq.merge(*queues, key=_key))


def _key(placed: Placed) -> tuple[datetime, int, str, str]:
    return (placed.moment, placed.rank, placed.event.id, placed.event.source)


def _numbered(lane: Sequence[Entry]) -> list[Placed]:
    placed: list[Placed] = []
    for one in sorted(lane, key=lambda one: (one.data.sequence or 0, one.at, rank(one), one.id)):
        moment = max(one.at, placed[-1].moment) if placed else one.at
        placed.append(Placed(moment, rank(one), one))
    return placed


def _by_application(events: Iterable[Entry]) -> Mapping[str | None, list[Entry]]:
    groups: dict[str | None, list[Entry]] = {}
    for one in sorted(events, key=lambda one: (one.at, one.id, one.source)):
        groups.setdefault(one.data.applicationId, []).append(one)
    return groups


def _segments(application: str | None, group: list[Entry]) -> list[list[Entry]]:
    """Events without an application id, cut where a later submission begins a new count of sequence numbers."""
    if application is not None:
        return [group]
    segments: list[list[Entry]] = [[]]
    highest: int | None = None
    for one in group:
        number = one.data.sequence
        if number is not None and highest is not None and number <= highest and one.canonical in OPENING:
            segments.append([])
            highest = None
        if number is not None:
            highest = number if highest is None else max(highest, number)
        segments[-1].append(one)
    return segments


class Effective(NamedTuple):
    """What is left of the log once its corrections have spoken.

    `living` is what nobody took back, as it came; `events` the same with each correction in the place of what it
    corrects. `stands` are events that the staff chose.
    """

    events: tuple[Entry, ...]
    living: tuple[Entry, ...]
    stands: frozenset[str]


def effective(entries: Sequence[Entry]) -> Effective:
    """The events that count: corrected ones replaced, voided ones gone (domain 3.4 rule 7).

    Of several corrections of one event the newest speaks. A correction that was itself replaced still takes away what
    it corrected; one that was voided does not.
    """
    if all(one.data.corrects is None for one in entries):
        events = [one for one in entries if one.name != "record.corrected"]
        return Effective(tuple(events), tuple(entries), frozenset())
    log = _by_id(entries)
    by_target: dict[Name, list[Entry]] = {}
    for one in entries:
        if one.data.corrects is not None and one.name != "conflict.released" and not _circular(one, log):
            for target in _targets(one, log):
                by_target.setdefault(target, []).append(one)
    dead: set[Name] = set()
    undone: set[Name] = set()
    for one in _corrections_first(entries, by_target):
        counting = [other for other in by_target.get(_name(one), ()) if _name(other) not in undone]
        if counting:
            dead.add(_name(one))
        if any(_voids(other) for other in counting):
            undone.add(_name(one))
    newest_of: dict[Name, Entry] = {}
    for one in entries:
        if one.name != "conflict.released" and _name(one) not in dead:
            for target in _targets(one, log):
                other = newest_of.get(target)
                newest_of[target] = one if other is None or _newer(one, other) else other
    living = [
        one
        for one in entries
        if _name(one) not in dead
        and (one.name == "conflict.released" or all(newest_of[target] is one for target in _targets(one, log)))
    ]
    said = [one for one in living if one.name not in ("record.corrected", "event.voided", "conflict.released")]
    events = [_signed(one, log) for one in said]
    for one in living:
        if one.name == "record.corrected" and one.data.corrects is not None and not one.data.void:
            resolved = _rewrite(one, log)
            events += [resolved] if resolved is not None else []
    return Effective(tuple(events), tuple(living), _chosen(entries, living))


def _signed(one: Entry, log: Mapping[str, list[Entry]]) -> Entry:
    """The event with the sign-in of what it corrects, where it names none itself: its person has not changed."""
    target, seen = one, {_name(one)}
    while target.data.portalSubject is None:
        corrected = _corrected_by(target, log)
        if corrected is None or _name(corrected) in seen:
            return one
        seen.add(_name(corrected))
        target = corrected
    if target is one:
        return one
    data = msgspec.structs.replace(one.data, portalSubject=target.data.portalSubject)
    return msgspec.structs.replace(one, data=data)


def _chosen(entries: Sequence[Entry], living: Sequence[Entry]) -> frozenset[str]:
    """The events that the staff chose, and those that corrected them since."""
    chosen = {one.data.corrects for one in living if one.name == "conflict.released"}
    waiting = list(chosen)
    corrections = [one for one in entries if one.data.corrects is not None and one.of_program]
    while waiting:
        found = waiting.pop()
        fresh = [one.id for one in corrections if one.data.corrects == found and one.id not in chosen]
        chosen.update(fresh)
        waiting += fresh
    return frozenset(one for one in chosen if one is not None)


Name = tuple[str, str]
"""Source and id: what names one event of a record."""


def _name(one: Entry) -> Name:
    return (one.source, one.id)


def _by_id(entries: Iterable[Entry]) -> Mapping[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for one in sorted(entries, key=_name):
        found.setdefault(one.id, []).append(one)
    return found


def _targets(one: Entry, log: Mapping[str, list[Entry]]) -> list[Name]:
    """The events that a correction is about: one of its own source, known or not; the staff speak of any source."""
    if one.data.corrects is None:
        return []
    if one.name == "event.voided":
        return [_name(other) for other in log.get(one.data.corrects, ()) if other is not one]
    return [(one.source, one.data.corrects)]


def _corrected_by(one: Entry, log: Mapping[str, list[Entry]]) -> Entry | None:
    """The event that a correction is about, where it has come in."""
    names = _targets(one, log)
    return next((other for other in log.get(one.data.corrects or "", ()) if _name(other) in names), None)


def _circular(one: Entry, log: Mapping[str, list[Entry]]) -> bool:
    """Whether corrections run in a circle from here: then they correct nothing."""
    seen = {_name(one)}
    while (target := _corrected_by(one, log)) is not None:
        if _name(target) in seen:
            return True
        seen.add(_name(target))
        one = target
    return False


def _corrections_first(entries: Sequence[Entry], by_target: Mapping[Name, list[Entry]]) -> list[Entry]:
    """The events, each after those that correct it; without recursion, because a source may correct without end."""
    found: list[Entry] = []
    begun: set[Name] = set()
    for first in entries:
        path = [] if _name(first) in begun else [first]
        while path:
            begun.add(_name(path[-1]))
            waiting = [one for one in by_target.get(_name(path[-1]), ()) if _name(one) not in begun]
            if waiting:
                path.append(waiting[0])
            else:
                found.append(path.pop())
    return found


def _voids(correction: Entry) -> bool:
    return correction.name == "event.voided" or (correction.name == "record.corrected" and correction.data.void)


def _newer(one: Entry, other: Entry) -> bool:
    first, second = one.data.sequence, other.data.sequence
    if first is not None and second is not None and first != second:
        return first > second
    return (one.at, one.id) > (other.at, other.id)


_APPROVALS: Final = {"cbp/ttp": "application.approved"}


def _rewrite(correction: Entry, log: Mapping[str, list[Entry]]) -> Entry | None:
    """The event that a `record.corrected` leaves: the old one with the fields that the corrections of it give.

    Where the old event never came in (a dead letter) a correction with an end of membership is the approval itself.
    """
    chain, seen = [correction], {_name(correction)}
    target = _corrected_by(correction, log)
    while target is not None and target.name == "record.corrected" and _name(target) not in seen:
        chain.append(target)
        seen.add(_name(target))
        target = _corrected_by(target, log)
    rewritten = None if target is not None and _name(target) in seen else target
    while chain:
        rewritten = _corrected(rewritten, chain.pop())
    return rewritten


def _corrected(target: Entry | None, correction: Entry) -> Entry | None:
    if target is None:
        if correction.data.validTo is None:
            return None
        name = _APPROVALS.get(correction.source, "eligibility.approved")
        return msgspec.structs.replace(correction, name=name)
    given = {
        field: value
        for field in correction.data.__struct_fields__
        if field not in ("corrects", "void", "recordId", "program", "sequence")
        and (value := getattr(correction.data, field)) is not None
        and value is not msgspec.UNSET
    }
    return msgspec.structs.replace(
        correction,
        name=target.name,
        at=target.at,
        data=msgspec.structs.replace(target.data, corrects=correction.data.corrects, **given),
        birthDate=correction.birthDate or target.birthDate,
    )
