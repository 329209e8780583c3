"""One reading of a source record: its CloudEvent, its typed data, its program and its name, or why it is unusable.

Intake reads first and dead-letters what fails; records and travelers read the same bytes again with the same function,
so a reading that intake let pass never fails later.
"""

import functools
from datetime import UTC, date, timedelta
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from schemas import cloudevents
from schemas.cloudevents import CloudEvent
from schemas.internal import Origin
from schemas.source import Interview, Link, ProfileUpdated, SourceData, StaffDecision
from schemas.vocabulary import (
    APPROVALS,
    CBP_NAMES,
    CBP_PREFIX,
    CBP_PROGRAMS,
    LINK_NAMES,
    PERSON_NAMES,
    PRECHECK_NAMES,
    PRECHECK_PREFIX,
    PRECHECK_PROGRAMS,
    PROFILE_NAMES,
    PROFILE_PREFIX,
    PROGRAMS,
    STAFF_NAMES,
    STAFF_SOURCE,
)
from streams.topics import GLOBAL_ENTRY, PRECHECK, PROFILE

Data = SourceData | ProfileUpdated | Link | StaffDecision
"""`linked`, `unlinked`, `deceased` and `erased` carry a Link, `updated` a ProfileUpdated, the staff a StaffDecision."""

LIMIT: Final = 65_536
"""Bytes of one value that we read (contract 5.19)."""

EASTERN: Final = ZoneInfo("America/New_York")
_YEARS: Final = range(1990, 2101)
_BIRTH_YEARS: Final = range(1890, 2101)
_INT64: Final = 2**63


class UnusableError(ValueError):
    """A source record that we cannot use. `reason` is of contract 1.3; the text holds no value of the record."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


class Reading(NamedTuple):
    """A source record understood.

    `program` is the record's or the notice's program; of a profile event only where its data names one. `name` is the
    type without its prefix, for example `application.approved`.
    """

    event: CloudEvent
    data: Data
    program: str | None
    name: str


class _Topic(NamedTuple):
    prefix: str
    names: frozenset[str]
    programs: tuple[str, ...]
    source: str


_TOPICS: Final = {
    PRECHECK: _Topic(PRECHECK_PREFIX, frozenset(PRECHECK_NAMES), PRECHECK_PROGRAMS, "tsa/precheck/"),
    GLOBAL_ENTRY: _Topic(CBP_PREFIX, frozenset(CBP_NAMES), CBP_PROGRAMS, "cbp/"),
    PROFILE: _Topic(PROFILE_PREFIX, frozenset(PROFILE_NAMES), PROGRAMS, "dhs/"),
}


@functools.lru_cache(maxsize=4)  # in one process the stages read the same record one right after the other
def read(origin: Origin) -> Reading:
    """What a source record says. Raises UnusableError with the reason for which it is a dead letter."""
    if origin.value is not None and len(origin.value) > LIMIT:
        raise UnusableError("too-large", f"the value has more than {LIMIT} bytes")
    try:
        event = cloudevents.read(origin.value, origin.headers)
    except cloudevents.Undecodable as error:
        raise UnusableError("undecodable", str(error)) from error
    except cloudevents.NotACloudEvent as error:
        raise UnusableError("not-a-cloudevent", str(error)) from error
    topic = _TOPICS[origin.topic]
    if event.time.year not in _YEARS:
        raise UnusableError("not-a-cloudevent", "attribute time is not in our century")
    name = event.type.removeprefix(topic.prefix)
    if name == event.type or name not in topic.names:
        raise UnusableError("unknown-type", "this type is not known on this topic")
    if not event.source.startswith(topic.source) or (name in STAFF_NAMES and event.source != STAFF_SOURCE):
        raise UnusableError("not-a-cloudevent", "attribute source may not say this on this topic")
    if topic.prefix == PROFILE_PREFIX:
        return _profile(event, name)
    return _source(event, name, topic)


def record_key(program: str, record_id: str) -> str:
    """The key of a record among records: `PROGRAM:recordId`."""
    return f"{program}:{record_id}"


def _source(event: CloudEvent, name: str, topic: _Topic) -> Reading:
    data = _decode(event, SourceData)
    program = data.program
    if name == "program.notice":
        return _notice(event, data, topic)
    if program is None:
        program = topic.programs[0]
    elif program not in topic.programs:
        raise UnusableError("unknown-program", "this program is not known on this topic")
    if data.recordId is None:
        raise UnusableError("missing-field", "recordId is missing")
    if data.recordId != event.subject:
        raise UnusableError("invalid-field", "recordId differs from the subject")
    if data.corrects == event.id:
        raise UnusableError("invalid-field", "corrects names the event itself")
    if data.mergedInto == data.recordId:
        raise UnusableError("invalid-field", "mergedInto names the record itself")
    return Reading(event, _checked(event, data, name), program, name)


def _notice(event: CloudEvent, data: SourceData, topic: _Topic) -> Reading:
    if event.subject not in topic.programs or (data.program is not None and data.program not in topic.programs):
        raise UnusableError("unknown-program", "this program is not known on this topic")
    if data.program is not None and data.program != event.subject:
        raise UnusableError("invalid-field", "program differs from the subject")
    return Reading(event, _checked(event, data, "program.notice"), event.subject, "program.notice")


def _checked(event: CloudEvent, data: SourceData, name: str) -> SourceData:
    if data.sequence is not None and not -_INT64 <= data.sequence < _INT64:
        raise UnusableError("invalid-field", "sequence is no 64-bit integer")
    for field in ("validFrom", "validTo", "dueDate", "letterDate", "replyBy", "completeBy", "until"):
        _plausible(getattr(data, field), field, _YEARS)
    if data.validFrom and data.validTo and data.validTo < data.validFrom:
        raise UnusableError("invalid-field", "validTo is before validFrom")
    if name in APPROVALS and data.validTo and data.validTo < event.time.astimezone(EASTERN).date():
        raise UnusableError("invalid-field", "validTo is before the approval itself")
    if data.person is not None:
        _birth(data.person.dateOfBirth, "person.dateOfBirth", event)
        _zone(data.person.timeZone, "person.timeZone")
    if data.interview is not None:
        return msgspec.structs.replace(data, interview=_interview(data.interview))
    return data


def _interview(interview: Interview) -> Interview:
    """The interview with its moment in UTC."""
    _zone(interview.timeZone, "interview.timeZone")
    if interview.at is None:
        return interview
    _plausible(interview.at, "interview.at", _YEARS)
    if interview.at.tzinfo is None:
        raise UnusableError("invalid-field", "interview.at has no offset")
    return msgspec.structs.replace(interview, at=interview.at.astimezone(UTC))


def _profile(event: CloudEvent, name: str) -> Reading:
    data: Link | ProfileUpdated | StaffDecision
    if name in STAFF_NAMES:
        data = _decode(event, StaffDecision)
        _required(data, "eventId", "by")
    elif name == "updated":
        data = _decode(event, ProfileUpdated)
        _birth(data.dateOfBirth, "dateOfBirth", event)
        _zone(data.timeZone, "timeZone")
    else:
        data = _decode(event, Link)
    if data.program is not None and data.program not in PROGRAMS:
        raise UnusableError("unknown-program", "this program is not known")
    if name in LINK_NAMES:
        _required(data, "portalSubject", "recordId", "program")
        if event.subject not in (data.portalSubject, data.recordId):
            raise UnusableError("invalid-field", "the subject is neither portalSubject nor recordId")
    if isinstance(data, Link | ProfileUpdated) and name in PERSON_NAMES:
        data = _whose(event, data)
    return Reading(event, data, data.program, name)


P = TypeVar("P", bound=Link | ProfileUpdated)


def _whose(event: CloudEvent, data: P) -> P:
    """The data with exactly one owner: the portal subject, or the record that stands in its place."""
    if data.portalSubject == event.subject or (data.portalSubject is None and data.recordId is None):
        return msgspec.structs.replace(data, portalSubject=event.subject, recordId=None)
    if data.recordId != event.subject:
        raise UnusableError("invalid-field", "the subject is neither portalSubject nor recordId")
    _required(data, "program")
    return msgspec.structs.replace(data, portalSubject=None)


def _required(data: Data, *fields: str) -> None:
    for field in fields:
        if getattr(data, field) is None:
            raise UnusableError("missing-field", f"{field} is missing")


def _plausible(moment: date | None, field: str, years: range) -> None:
    if moment is not None and moment.year not in years:
        raise UnusableError("invalid-field", f"{field} is no plausible date")


def _birth(moment: Any, field: str, event: CloudEvent) -> None:
    if isinstance(moment, date):
        _plausible(moment, field, _BIRTH_YEARS)
        if moment > (event.time + timedelta(days=1)).date():
            raise UnusableError("invalid-field", f"{field} is after the event")


def _zone(name: Any, field: str) -> None:
    if isinstance(name, str) and not _is_zone(name):
        raise UnusableError("invalid-field", f"{field} is no known time zone")


@functools.lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


T = TypeVar("T", SourceData, ProfileUpdated, Link, StaffDecision)


def _decode(event: CloudEvent, kind: type[T]) -> T:
    if bytes(event.data) == b"null":
        return kind()
    try:
        return msgspec.json.decode(event.data, type=kind)
    except msgspec.ValidationError as error:
        # The path alone: the message of a pattern or a literal could repeat the value.
        path = str(error).partition("`$")[2].rstrip("`").lstrip(".")
        if path == "program":
            raise UnusableError("unknown-program", "program is no text that names a program") from error
        raise UnusableError("invalid-field", f"{path or 'data'} has a wrong type or value") from error
