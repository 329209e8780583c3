"""A keyed stage between bytes and the pure function, without Kafka: what is written of a state that became empty."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from schemas.internal import Arrived, Joined, Message, TravelerChanged
from services import wire
from services.keyring import Keyrings
from services.runtime.job import Limits
from services.runtime.keyed import Keyed
from services.sealing import Keys
from services.store import Memory, Shared, Store
from streams.identity import Identity
from streams.policy import Policy
from streams.records import Records
from streams.topics import GLOBAL_ENTRY
from tests.casework import START, origin

KEY = "GLOBAL_ENTRY:R-1"
NOW = datetime(2027, 3, 1, 16, tzinfo=UTC)


def received(keys: Keys, offset: int, message: Message) -> Any:
    sent = wire.to_stage(keys, 1, "records", KEY, message, NOW)
    return SimpleNamespace(
        topic=sent.topic,
        partition=0,
        offset=offset,
        timestamp=0,
        key=sent.key,
        value=sent.value,
        headers=sent.headers,
    )


def test_a_record_that_was_forgotten_is_a_tombstone_in_the_changelog_and_gone_from_the_store(tmp_path: Path) -> None:
    keys = Keys.built_in()
    identity = Identity(keys.hmac)
    traveler = identity.traveler_of_record(KEY)
    job = Keyed(Records(identity, Policy()), keys, 1, Limits())
    shared = Shared(Memory())
    store = Store(tmp_path / "store", shared)
    ring = Keyrings(keys, "records", tmp_path / "keys", shared).ring(0)
    submitted = Arrived(origin=origin(GLOBAL_ENTRY, "application.submitted", START, "e1"), at=NOW)
    joined = Joined(travelerId=traveler, eventId="e1", accepted=True)
    first = job.slice([received(keys, 0, submitted), received(keys, 1, joined)], store, ring)
    ring.keep(first.changes, None)
    store.write(first.changes, 2)
    assert store.get(KEY.encode()) is not None
    assert store.next_due() is not None
    erased = TravelerChanged(travelerId=traveler, erased=True)
    second = job.slice([received(keys, 2, erased)], store, ring)
    assert second.changes[KEY.encode()].value is None
    store.write(second.changes, 3)
    assert store.get(KEY.encode()) is None
    assert store.next_due() is None
