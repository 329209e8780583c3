"""Chaos: a population of travelers goes through the real workers while they are killed at random, disks and all.

Judged by the fold of every inbox (tests/kafka/pipeline_oracle.py) and by what the provider took.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.cloudevents import rfc3339
from services import templates
from services.generate import population
from services.sealing import Keys
from streams import topics
from streams.catalogue import Catalogue
from streams.identity import Identity
from streams.pipeline import build
from tests.kafka.pipeline_oracle import PipelineOracle
from tests.kafka.rig import wait_for
from tests.kafka.system import System

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("TTN_TEST_FULL"), reason="half an hour of random kills: make chaos"),
]

_TRAVELERS: Final = int(os.environ.get("TTN_TEST_TRAVELERS", "2000"))
_KILLS: Final = 60
_SEED: Final = int(os.environ.get("TTN_TEST_SEED", "4"))
_AREAS: Final = (312, 212, 415, 206, 305, 617, 702, 808, 213, 602, 303, 404, 503, 512, 614, 615, 713, 801, 901, 907)
_DUPLICATES, _DISORDER, _POISON = 0.10, 0.05, 0.01


def events(travelers: int, chance: random.Random) -> list[dict[str, Any]]:
    """About ten events for each traveler: a year of generated life, and an application of today that is approved."""
    now = datetime.now(UTC)
    lines = [json.loads(entry.written()) for entry in population(travelers, _SEED, now - timedelta(days=800))]
    lines = [line for line in lines if "event" in line and line["event"]["time"] < rfc3339(now)]
    fresh = [list(_application(number, now)) for number in range(travelers)]
    lines += [line for step in zip(*fresh, strict=True) for line in step]
    return _disturbed(lines, chance)


def _application(number: int, now: datetime) -> Iterator[dict[str, Any]]:
    source = {"recordId": f"TODAY-{number}", "applicationId": "A-1", "portalSubject": f"today-{number}"}
    profile = {
        "portalSubject": f"today-{number}",
        "language": ("en", "es", "ko")[number % 3],
        "timeZone": "America/Chicago",
        "consent": {"sms": True, "email": True},
        "phone": {"address": f"+1{_AREAS[number // 100 % len(_AREAS)]}55501{number % 100:02d}", "verified": True},
        "email": {"address": f"today{number}@example.com", "verified": True},
    }
    yield _line(topics.PROFILE, "dhs/portal", "gov.dhs.ttp.profile.updated", f"p{number}", profile, now)
    for step, name in enumerate(("submitted", "pending_review", "conditionally_approved", "approved"), start=1):
        at = now - timedelta(minutes=10 - step)
        data = {**source, "sequence": step}
        yield _line(
            topics.GLOBAL_ENTRY, "cbp/ttp", f"gov.dhs.cbp.ttp.application.{name}", f"t{number}-{step}", data, at
        )


def _line(topic: str, source: str, kind: str, name: str, data: Any, at: datetime) -> dict[str, Any]:
    subject = data.get("recordId") or data["portalSubject"]
    event = {"specversion": "1.0", "id": name, "source": source, "type": kind, "subject": subject, "time": rfc3339(at)}
    return {"at": rfc3339(at), "topic": topic, "event": {**event, "data": data}}


def _disturbed(lines: Sequence[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    placed: list[tuple[float, dict[str, Any]]] = []
    for place, line in enumerate(lines):
        late = chance.uniform(1, 3000) if chance.random() < _DISORDER else 0.0
        placed.append((place + late, line))
        if chance.random() < _DUPLICATES:
            placed.append((place + chance.uniform(0, 3000), line))
        if chance.random() < _POISON:
            junk = chance.choice(("", "{", "\x00\x01", "<event/>", '{"specversion": "1.0"}'))
            placed.append((place, {"at": line["at"], "topic": line["topic"], "raw": junk}))
    return [line for _, line in sorted(placed, key=lambda each: each[0])]


class Nemesis:
    """Two supervised workers and what befalls them. `done` counts it."""

    def __init__(self, system: System, chance: random.Random) -> None:
        self._system = system
        self._chance = chance
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._stopped: list[int] = []
        self.done: Counter[str] = Counter()
        for number in (1, 2):
            self._start(number)

    def strike(self) -> None:
        """One thing that must change nothing."""
        number = self._chance.choice((1, 2))
        what = self._chance.choices(("stage", "stop", "worker", "wiped"), weights=(5, 1, 2, 2))[0]
        self.done[what] += 1
        if what in ("worker", "wiped"):
            self._workers[number].kill()
            self._workers[number].wait()
            # A stage that stands still would not end, and holds the folder: the next worker would take another one.
            self.go_on()
            wait_for(lambda: self._system.ended(number), "the stages of the worker have ended")
            if what == "wiped":
                self._system.wipe(number)
            self._start(number)
            return
        stages = _children(self._workers[number].pid)
        if stages:
            self._signal(self._chance.choice(stages), what)

    def go_on(self) -> None:
        """Let go on what stands still."""
        while self._stopped:
            _send(self._stopped.pop(), signal.SIGCONT)

    def end(self) -> None:
        """End the workers in order."""
        for worker in self._workers.values():
            worker.send_signal(signal.SIGTERM)
        for worker in self._workers.values():
            assert worker.wait(60) == 0

    def kill(self) -> None:
        """End whatever still runs."""
        self.go_on()
        for worker in self._workers.values():
            worker.kill()
            worker.wait()

    def _start(self, number: int) -> None:
        self._workers[number] = self._system.start("worker", "--session", "6")
        folder = self._system.folder / "workers" / str(number)
        # A worker takes the first folder that is free: before the other one may be killed, this one must hold its own.
        wait_for(lambda: folder.exists() and not self._system.ended(number), "the worker has its folder")

    def _signal(self, stage: int, what: str) -> None:
        if what == "stop":
            self._stopped.append(stage)
        _send(stage, signal.SIGSTOP if what == "stop" else signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the stages of a worker in /proc")
def test_random_kills_of_the_whole_product_change_nothing(system: System) -> None:
    chance = random.Random(_SEED)
    lines = events(_TRAVELERS, chance)
    nemesis = Nemesis(system, chance)
    try:
        size = -(-len(lines) // _KILLS)
        for number in range(_KILLS):
            file = system.folder / f"part-{number}.jsonl"
            part = lines[number * size : (number + 1) * size]
            file.write_text("".join(json.dumps(line) + "\n" for line in part))
            system.run("send", str(file))
            time.sleep(chance.uniform(0, 2))
            nemesis.strike()
            if number % 5 == 4:
                nemesis.go_on()
        time.sleep(8)
        nemesis.go_on()
        wait_for(system.idle, "all is done", 900)
        nemesis.end()
    finally:
        nemesis.kill()
    keys = Keys.load(system.settings)
    pipeline = build(Identity(keys.hmac), system.settings.policy(), Catalogue(templates.load()))
    oracle = PipelineOracle(system.settings.kafka or "", pipeline, keys, 4)
    faults = oracle.judge()
    assert not faults, faults
    assert oracle.events["intake"] == len(lines)
    assert nemesis.done.total() == _KILLS
    texts = [entry for entry in system.ledger() if entry.channel == "sms"]
    taken = system.taken()
    assert len(texts) == len(taken) == len(set(taken)) >= _TRAVELERS // 2
