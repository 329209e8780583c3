"""What each stage gets to do in a measurement: the events of a generated population, and what the stages make of them.

Made by the pure functions before anything is measured, so that a stage alone can be given what it would be given.
"""

import random
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from schemas.cloudevents import rfc3339
from schemas.internal import Message, Origin
from services import templates, wire
from services.generate.diary import Entry
from services.generate.disorder import disturbed
from services.generate.lives import life
from services.generate.people import person
from services.lines import Record, read_lines
from services.sealing import Keys
from services.send import partition
from services.settings import Settings
from services.wire import Outgoing
from streams.catalogue import Catalogue
from streams.grammar import Output, ToStage, step
from streams.identity import Identity
from streams.pipeline import build
from tests.bench.load import PARTITIONS
from tests.delivery import approved

FIRST: Final = 5_000_000
"""The number of the first traveler of a latency run: nobody whom a replay on the same broker has loaded."""

_AREAS: Final = tuple(area for area in range(200, 1000) if area % 100 != 11)
_BEGIN: Final = datetime(2023, 1, 1, tzinfo=UTC)


class Given(msgspec.Struct, frozen=True):
    """One message for one key of a stage."""

    key: str
    message: Message


def events(count: int) -> Iterator[Record]:
    """So many source records of a population whose lives went on side by side, in order of arrival."""
    entries: list[Entry] = []
    number = FIRST
    while len(entries) < count:
        dice = random.Random(f"latency:{number}")
        who = person(dice, number, _BEGIN + timedelta(minutes=number - FIRST))
        entries += [entry for entry in disturbed(life(who, dice).entries, dice) if "event" in entry.fields]
        number += 1
    entries.sort(key=lambda entry: entry.at)
    for line in read_lines(entry.written() for entry in entries[:count]):
        assert isinstance(line.what, Record)
        yield line.what


def given(settings: Settings, count: int) -> dict[str, list[Given]]:
    """So many messages for records and for travelers, each in an order in which they may come."""
    pipeline = build(Identity(Keys.load(settings).hmac), settings.policy(), Catalogue(templates.load(), drafts=True))
    states: dict[tuple[str, str], Any] = {}
    found: dict[str, list[Given]] = {name: [] for name in pipeline.stages}
    now = datetime.now(UTC)
    for number, record in enumerate(events(count)):
        open_: deque[Output] = deque(pipeline.intake(origin(record, number, now), now, True))
        while open_:
            output = open_.popleft()
            if not isinstance(output, ToStage):
                continue
            found[output.stage].append(Given(output.key, output.message))
            stage, place = pipeline.stages[output.stage], (output.stage, output.key)
            state = states.get(place)
            before = stage.empty(output.key) if state is None else state
            states[place], emitted = step(stage, before, output.message, now)
            open_ += [emission.output for emission in emitted]
    return {name: messages[:count] for name, messages in found.items()}


def phone(number: int) -> str:
    """The number of a fictional person; each of the first 79,000 has one that nobody else has."""
    return f"+1{_AREAS[number // 100 % len(_AREAS)]}55501{number % 100:02d}"


def many_phones(number: int) -> str:
    """The number of one of up to 7.9 million people to whom nothing is sent."""
    return f"+1{_AREAS[number // 10_000]}555{number % 10_000:04d}"


def texts(keys: Keys, first: int, count: int) -> Iterator[Outgoing]:
    """Records for the inbox of addresses: so many texts that may leave now, each to a number of its own."""
    identity, now = Identity(keys.hmac), datetime.now(UTC)
    for number in range(first, first + count):
        to = phone(number)
        send = approved(f"bench-{number}", "sms", to, now)
        yield wire.to_stage(keys, PARTITIONS, "addresses", identity.address("sms", to), send, now)


def event(source: str, kind: str, subject: str, data: Mapping[str, object]) -> bytes:
    """A structured event about a subject, the only one of its kind; it happens now."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"{subject}:{kind}",
            "source": source,
            "type": kind,
            "time": rfc3339(datetime.now(UTC)),
            "subject": subject,
            "data": data,
        }
    )


def origin(record: Record, offset: int, at: datetime) -> Origin:
    """A source record as Kafka would hold it."""
    return Origin(
        topic=record.topic,
        partition=partition(record, PARTITIONS),
        offset=offset,
        timestamp=int(at.timestamp() * 1000),
        key=record.key,
        headers=record.headers,
        value=record.value,
    )
