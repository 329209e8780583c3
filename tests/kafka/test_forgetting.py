"""Copies of everything that was kept of a person, made before: nothing that the deployment still holds opens them."""

import json
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.cloudevents import rfc3339
from schemas.internal import Receipt
from services import topics as declared
from services import wire
from services.broker import Cluster
from services.contents import contents
from services.runtime.process import STAGES
from services.sealing import Keys, SealError
from services.store import Memory, Shared, Store
from services.transit import PLACE, key_of
from streams import topics
from streams.identity import Identity
from tests.kafka import rig
from tests.kafka.opened import Opened
from tests.kafka.rig import Row, read, run
from tests.kafka.system import System

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

GONE, STAYS = "+13125550110", "+13125550111"
_KEYS: Final = [topics.data_keys(stage) for stage in topics.KEYED_STAGES]
_HASTE: Final = """
import functools, pathlib, sys
import services.keyring, services.runtime.process as process
from services.transit import Times, Transit
services.keyring.SWEEP = 1.0
sweep = float(sys.argv[3])
process.Transit = functools.partial(Transit, times=Times(life=6.0, ahead=3.0, margin=1.0, sweep=sweep, roll=2.0))
process.main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[1], 6.0)
"""
"""A stage as `ttn worker` starts it, whose keys live for seconds and not for an hour."""


class Hasty(System):
    """The product with keys that live for seconds."""

    stages: dict[str, "subprocess.Popen[bytes]"]

    def begin(self, sweep: int = 1) -> None:
        """Start all stages; they look every so many seconds for keys of messages that are of no use any more."""
        place = self.folder / "workers" / "1"
        place.mkdir(parents=True, exist_ok=True)
        (self.folder / "workers" / "1.lock").touch()
        self.stages = {}
        for stage in STAGES:
            with (self.folder / f"{stage}.log").open("ab") as log:
                command = [sys.executable, "-c", _HASTE, stage, str(place), str(sweep)]
                self.stages[stage] = subprocess.Popen(
                    command, env=self.environ, stdin=subprocess.PIPE, stdout=log, stderr=log
                )

    def end(self, number: int = signal.SIGTERM) -> None:
        """Stop all stages."""
        for process in self.stages.values():
            process.send_signal(number)
        for process in self.stages.values():
            process.wait(60)

    def running(self) -> bool:
        return all(process.poll() is None for process in self.stages.values())

    def rows(self, topic: str) -> list[Row]:
        """All records of a topic as they stand in the log now."""
        return [row for rows in run(read(self.settings.kafka or "", topic)).values() for row in rows]

    def opened(self, folder: Path) -> Opened:
        """What opens with the keys that are on the topics now."""
        held = {topic: [(key, value) for _, key, value, _ in self.rows(topic)] for topic in [*_KEYS, PLACE.topic]}
        return Opened(Keys.load(self.settings), held, folder)


@pytest.fixture
def system(kafka_cluster: Callable[[int], Cluster], tmp_path: Path) -> Iterator[Hasty]:
    found = Hasty(kafka_cluster(1).bootstrap, tmp_path)
    found.run("topics", "apply")
    run(_compact_soon(found))
    with found.sandbox():
        found.begin(sweep=3600)
        yield found
        for process in found.stages.values():
            process.kill()
            process.wait()


async def _compact_soon(system: Hasty) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=system.settings.kafka)
    await admin.start()
    for topic in declared.declared():
        if topic.gone:
            soon = {**topic.options(1), "segment.ms": "1000", "max.compaction.lag.ms": "1000"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, soon)])
    await admin.close()


def _line(topic: str, source: str, kind: str, subject: str, name: str, data: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=5)
    event = {"specversion": "1.0", "id": name, "source": source, "type": kind, "subject": subject, "time": rfc3339(at)}
    return {"at": rfc3339(at), "topic": topic, "event": {**event, "data": data}}


def _profile(name: str, phone: str) -> dict[str, Any]:
    profile = {
        "portalSubject": name,
        "timeZone": "America/Chicago",
        "consent": {"sms": True, "email": False},
        "phone": {"address": phone, "verified": True},
    }
    return _line(topics.PROFILE, "dhs/portal", "gov.dhs.ttp.profile.updated", name, f"p-{name}", profile)


def _event(name: str, step: str, **data: Any) -> dict[str, Any]:
    body = {"recordId": f"GE-{name}", **data}
    return _line(
        topics.GLOBAL_ENTRY, "cbp/ttp", f"gov.dhs.cbp.ttp.application.{step}", f"GE-{name}", f"{step}-{name}", body
    )


def _send(system: Hasty, *lines: dict[str, Any]) -> None:
    file = system.folder / "events.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    system.run("send", str(file))


def _texts(system: Hasty) -> list[str]:
    return [entry.to for entry in system.ledger() if entry.channel == "sms"]


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Return once `true()`; here much is started anew, and Kafka's cleaner takes its time."""
    rig.wait_for(true, what, 300)


class Copies:
    """All that the deployment kept when they were made: inboxes, changelogs, stores; not the keys."""

    def __init__(self, system: Hasty, folder: Path) -> None:
        self.messages = [
            (stage, row) for stage in topics.KEYED_STAGES for row in system.rows(topics.inbox(stage)) if row[1]
        ]
        self.states = [
            (stage, row[1], row[2])
            for stage in topics.KEYED_STAGES
            for row in system.rows(topics.changelog(stage))
            if row[1] is not None and row[2] is not None
        ]
        shutil.copytree(system.folder / "workers" / "1" / "stores", folder)
        shared = Shared(Memory())
        for path in sorted(folder.glob("*/*")):
            store = Store(path, shared)
            self.states += [(path.parent.name, key, value) for key, value in store.items()]
            store.close()

    def read(self, opened: Opened) -> tuple[list[bytes], list[bytes]]:
        """What can be read of messages and of states."""
        messages, states = [], []
        for _, (_, _, value, _) in self.messages:
            try:
                messages.append(opened.message(value or b""))
            except SealError:
                continue
        for stage, key, value in self.states:
            try:
                states.append(opened.state(stage, key, value))
            except SealError:
                continue
        return messages, states


def test_after_forgetting_no_copy_of_what_was_kept_can_be_read(system: Hasty) -> None:
    people = ("gone", GONE), ("stays", STAYS)
    _send(system, *(_profile(name, phone) for name, phone in people))
    wait_for(system.idle, "the profiles are read")
    _send(system, *(_event(name, "submitted", portalSubject=name) for name, _ in people))
    wait_for(lambda: sorted(_texts(system)) == [GONE, STAYS], "both were told")
    wait_for(system.idle, "all is done")
    system.end()
    before = system.opened(system.folder / "before")
    copies = Copies(system, system.folder / "copy")
    held = {(topic, row[1]): row[2] for topic in _KEYS for row in system.rows(topic) if row[1] and row[2]}
    messages, states = copies.read(before)
    assert (len(messages), len(states)) == (len(copies.messages), len(copies.states))
    for phone in (GONE, STAYS):
        assert any(phone.encode() in each for each in messages)
        assert any(phone.encode() in each for each in states)
    identity = Identity(Keys.load(system.settings).hmac)
    theirs = {b"GLOBAL_ENTRY:GE-gone", identity.traveler_of_subject("gone").encode()}
    theirs |= {identity.address("sms", GONE).encode()}
    wrapped = {value for (_, key), value in held.items() if key in theirs}
    others = {value for (_, key), value in held.items() if b"GE-stays" in key}
    assert len(wrapped) == 3
    system.begin()

    system.run("forget", "GE-gone")
    old = {key_of(row[2] or b"") for _, row in copies.messages}

    def gone() -> bool:
        on_topics = {row[2] for topic in _KEYS for row in system.rows(topic)}
        in_transit = {row[1] for row in system.rows(PLACE.topic) if row[2] is not None}
        return system.idle() and not wrapped & on_topics and not old & in_transit

    wait_for(gone, "the deleted keys have left the log")
    assert STAYS.encode() in b"".join(copies.read(system.opened(system.folder / "after"))[1])
    messages, states = copies.read(system.opened(system.folder / "again"))
    assert messages == [], "what every stage has read, nobody can read again"
    for secret in (GONE, "GE-gone", "p-gone", "submitted-gone"):
        assert not any(secret.encode() in each for each in states), secret
    files = b"".join(
        path.read_bytes() for path in (system.folder / "workers" / "1" / "keys").rglob("*") if path.is_file()
    )
    assert any((value or b"")[-40:] in files for value in others)
    assert not any((value or b"")[-40:] in files for value in wrapped)
    views = run(_views(system))
    assert views[identity.traveler_of_subject("gone")] is None
    assert views[identity.traveler_of_subject("stays")] is not None

    letters = len(system.rows(topics.DEAD_LETTER))
    _send(system, _event("gone", "approved", validTo="2032-04-18"), _event("stays", "approved", validTo="2032-04-18"))
    run(_again(system, copies, identity))
    wait_for(lambda: _texts(system).count(STAYS) == 2, "the other is told of the approval")
    wait_for(system.idle, "all is done")
    assert system.running()
    assert _texts(system).count(GONE) == 1
    assert run(_views(system)).get(identity.traveler_of_subject("gone")) is None
    assert len(system.rows(topics.DEAD_LETTER)) == letters
    assert _forgotten(system) == len(copies.messages)

    system.end(signal.SIGKILL)
    system.wipe()
    system.begin()
    wait_for(system.idle, "all is restored from changelogs that hold values without a key")
    assert system.running()
    assert STAYS.encode() in b"".join(
        Copies(system, system.folder / "last").read(system.opened(system.folder / "l"))[1]
    )


async def _views(system: Hasty) -> dict[str, bytes | None]:
    return {(record.key or b"").decode(): record.value async for record in contents(system.settings, topics.STATUS)}


async def _again(system: Hasty, copies: Copies, identity: Identity) -> None:
    """A late receipt for the forgotten number, and every message of the copies once more."""
    key = identity.address("sms", GONE)
    receipt = Receipt(token=f"{key}-x", providerId="SM" + 32 * "0", status="delivered")
    late = wire.to_stage(Keys.load(system.settings), 4, "addresses", key, receipt, datetime.now(UTC))
    async with AIOKafkaProducer(bootstrap_servers=system.settings.kafka) as producer:
        await producer.send_and_wait(late.topic, late.value, late.key, late.partition, headers=list(late.headers))
        for stage, (_, name, value, headers) in copies.messages:
            place = wire.partition_of(name or b"", 4)
            await producer.send_and_wait(topics.inbox(stage), value, name, place, headers=list(headers))


def _forgotten(system: Hasty) -> int:
    total = 0.0
    for stage in topics.KEYED_STAGES:
        address = (system.folder / "workers" / "1" / f"{stage}.metrics").read_text()
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        total += sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("ttn_forgotten_total"))
    return int(total)
