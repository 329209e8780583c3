"""Kills at every step between fetch and commit, with the disk kept and wiped: nothing lost, doubled or out of order."""

import os
import random
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.rig import Rig

pytestmark = pytest.mark.kafka

STEPS: Final = (
    "after-fence",
    "in-restore",
    "after-restore",
    "after-fetch",
    "after-handle",
    "after-begin",
    "after-offsets",
    "after-send",
    "after-produce",
    "after-commit",
    "after-store",
    "after-hand-over",
)
ROUNDS: Final = 10 if os.environ.get("TTN_TEST_FULL") else 2
EVENTS: Final = 250


@pytest.mark.parametrize("disk", ["kept", "wiped"])
def test_a_kill_at_any_step_changes_nothing(new_rig: Callable[..., Rig], disk: str) -> None:
    rig = new_rig()
    chance = random.Random(disk)
    rig.feed(rig.hits(EVENTS, hold=0.5))
    kills = 0
    for _ in range(ROUNDS):
        for step in STEPS:
            worker = rig.worker(failpoint=f"{step}:kill:{_nth(step, chance)}", limits={"records": 15})
            rig.feed(rig.hits(EVENTS, hold=chance.choice([None, 0.2, 3600.0]), size=chance.choice([0, 500])))
            assert worker.wait() == -9, worker.said()[-2000:]
            kills += 1
            if disk == "wiped":
                rig.wipe()
    rig.feed(rig.hits(EVENTS, hold=0.3))
    worker = rig.worker()
    rig.settle(worker)
    assert worker.stop() == 0, worker.said()[-2000:]
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == EVENTS * (2 + kills)
    assert verdict.wakes > 0


def _nth(step: str, chance: random.Random) -> int:
    return 1 if step in ("in-restore", "after-restore") else chance.randint(1, 4)
