"""The product's own workers under kills, on real Kafka with a real sandbox: judged by the fold of every inbox."""

import json
import os
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from schemas.cloudevents import rfc3339
from services import templates
from services.sealing import Keys
from streams import topics
from streams.catalogue import Catalogue
from streams.identity import Identity
from streams.pipeline import build
from tests.kafka.pipeline_oracle import PipelineOracle
from tests.kafka.rig import wait_for
from tests.kafka.system import System

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

_FULL: Final = bool(os.environ.get("TTN_TEST_FULL"))
_STAGE: Final = ("after-commit", "after-offsets", "after-send", "after-store", "after-handle", "after-fence")
_DIAL: Final = ("after-last-byte", "before-dial", "after-response", "before-result", "after-result", "after-connect")
_AREAS: Final = (312, 212, 415, 206, 305, 617, 702, 808)


def _chunk(numbers: range, chance: random.Random) -> list[dict[str, Any]]:
    """Travelers who consent, apply and are approved; a tenth twice, a twentieth out of order, junk in between."""
    lines: list[dict[str, Any]] = []
    now = datetime.now(UTC) - timedelta(minutes=5)
    for number in numbers:
        subject, record = f"subject-{number}", f"GE-{number}"
        phone = f"+1{_AREAS[number // 100 % 8]}55501{number % 100:02d}"
        source: dict[str, Any] = {"recordId": record, "applicationId": "A-1", "portalSubject": subject}
        profile = {
            "portalSubject": subject,
            "language": "en",
            "timeZone": "America/Chicago",
            "consent": {"sms": True, "email": True},
            "phone": {"address": phone, "verified": True},
            "email": {"address": f"t{number}@example.com", "verified": True},
        }
        made = [
            _line(topics.PROFILE, "dhs/portal", "gov.dhs.ttp.profile.updated", subject, f"p{number}", profile, now),
            *(
                _line(
                    topics.GLOBAL_ENTRY, "cbp/ttp", f"gov.dhs.cbp.ttp.application.{name}", record, f"s{number}-{step}",
                    {**source, "sequence": step}, now + timedelta(seconds=step),
                )
                for step, name in enumerate(("submitted", "pending_review", "approved"), start=1)
            ),
        ]  # fmt: skip
        if chance.random() < 0.1:
            made.append(chance.choice(made))
        if chance.random() < 0.05:
            chance.shuffle(made)
        lines += made
        if chance.random() < 0.04:
            lines.append({"at": rfc3339(now), "topic": topics.PRECHECK, "raw": f"junk {number}"})
    return lines


def _line(topic: str, source: str, kind: str, subject: str, name: str, data: Any, at: datetime) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": name, "source": source, "type": kind, "subject": subject, "time": rfc3339(at)}
    return {"at": rfc3339(at), "topic": topic, "event": {**event, "data": data}}


def test_kills_of_every_stage_and_of_the_dialer_change_nothing(system: System) -> None:
    chance = random.Random(4)
    points = [(point, 2) for point in _STAGE] + [(point, 3) for point in _DIAL]
    rounds = points * 3 if _FULL else points[:3] + points[6:8]
    size, wanted = (160, 12) if _FULL else (30, 5)
    kills = 0
    for number, (point, nth) in enumerate(rounds):
        worker = system.start("worker", "--session", "6", failpoint=f"{point}:kill:{nth}")
        file = system.folder / f"chunk-{number}.jsonl"
        chunk = _chunk(range(number * size, (number + 1) * size), chance)
        file.write_text("".join(json.dumps(line) + "\n" for line in chunk))
        system.run("send", str(file))
        enough = wanted if point in _STAGE else 2
        before, until = system.restarts(), time.monotonic() + 40
        while system.restarts() - before < enough and time.monotonic() < until:
            time.sleep(0.1)
        kills += system.restarts() - before
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if number % 2:
            system.wipe()
    worker = system.start("worker", "--session", "6")
    wait_for(system.idle, "all is done", 300)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    keys = Keys.load(system.settings)
    pipeline = build(Identity(keys.hmac), system.settings.policy(), Catalogue(templates.load()))
    oracle = PipelineOracle(system.settings.kafka or "", pipeline, keys, 4)
    faults = oracle.judge()
    assert not faults, faults
    assert kills >= len(rounds)
    assert oracle.events["intake"] >= len(rounds) * size * 4
    texts = Counter((entry.to, entry.body) for entry in system.ledger() if entry.channel == "sms")
    # Whose profile is read after their news is told nothing, and rightly so: the product's own word is what must agree.
    taken = set(system.taken())
    assert sum(texts.values()) == len(taken) >= len(rounds) * size // 2
    assert max(texts.values()) == 1
