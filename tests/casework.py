"""Events of fictional enrollments for tests of the records stage, in as few words as a test can be read with."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.internal import Origin
from streams.reading import read
from streams.records.log import Entry, entry
from streams.topics import GLOBAL_ENTRY, PRECHECK, PROFILE

_KINDS = {
    GLOBAL_ENTRY: ("gov.dhs.cbp.ttp.", "cbp/ttp"),
    PRECHECK: ("gov.dhs.tsa.precheck.", "tsa/precheck/telos"),
    PROFILE: ("gov.dhs.ttp.profile.", "dhs/portal"),
}
START = datetime(2027, 3, 1, 15, tzinfo=UTC)


def moment(text: str) -> datetime:
    """The moment of an RFC 3339 text."""
    return datetime.fromisoformat(text)


def origin(topic: str, name: str, at: datetime, identifier: str, **data: Any) -> Origin:
    """A source record with one structured event."""
    prefix, source = _KINDS[topic]
    data = {"recordId": "R-1", **data}
    body = {
        "specversion": "1.0",
        "id": identifier,
        "source": "dhs/staff" if "by" in data else source,
        "type": prefix + name,
        "time": at.isoformat(),
        "subject": data.get("portalSubject") if topic == PROFILE and "by" not in data else data["recordId"],
        "data": data,
    }
    return Origin(
        topic=topic,
        partition=0,
        offset=0,
        timestamp=0,
        key=None,
        headers=(("content-type", b"application/cloudevents+json"),),
        value=json.dumps(body).encode(),
    )


def cbp(name: str, day: float, identifier: str | None = None, **data: Any) -> Entry:
    """A CBP event `day` days after the start of the story."""
    return _entry(GLOBAL_ENTRY, name, day, identifier, data)


def tsa(name: str, day: float, identifier: str | None = None, **data: Any) -> Entry:
    """A PreCheck event `day` days after the start of the story."""
    return _entry(PRECHECK, name, day, identifier, data)


def staff(name: str, day: float, event: str) -> Entry:
    """A decision of the staff about an event."""
    data = {"eventId": event, "by": "pat.staff", "reason": "checked", "program": "GLOBAL_ENTRY"}
    return _entry(PROFILE, name, day, None, data)


def _entry(topic: str, name: str, day: float, identifier: str | None, data: dict[str, Any]) -> Entry:
    at = START + timedelta(days=day)
    reading = read(origin(topic, name, at, identifier or f"{name}@{day}", **data))
    return entry(reading, at + timedelta(minutes=1), backfill=False)
