"""A rebalance storm: workers come and go every few seconds under load, and the result is that of one quiet worker."""

import os
import random
import signal
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.crew import Crew, Load
from tests.kafka.rig import Rig

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1200)]

_FULL: Final = bool(os.environ.get("TTN_TEST_FULL"))
_TURNS: Final = 24 if _FULL else 3


@pytest.mark.parametrize("seed", range(3) if _FULL else [1])
def test_workers_that_come_and_go_under_load_change_nothing(new_rig: Callable[..., Rig], seed: int) -> None:
    chance = random.Random(seed)
    rig = new_rig()
    crew = Crew(rig)
    crew.join(1)
    with Load(rig, 1000, keys=300, hold=0.5) as load:
        crew.rest(2)
        for _ in range(_TURNS):
            for number in (2, 3):
                # A lasting name comes back to its partitions; without one, every start is a new member.
                name = chance.choice([{"instance": None}, {}])
                crew.join(number, standby=chance.random() < 0.5, **name)
                crew.rest(chance.uniform(0.5, 3))
            if chance.random() < 0.4:
                crew.kill(1, wipe=chance.random() < 0.5)
            for number in (2, 3):
                crew.leave(number, chance.choice([signal.SIGTERM, signal.SIGTERM, signal.SIGKILL]))
                crew.rest(chance.uniform(0.5, 3))
    verdict = rig.judge(crew.finish())
    assert verdict, verdict.faults[:20]
    assert verdict.events == load.fed > 0
    # One that is asked to end before it has begun ends by the signal itself.
    assert set(crew.ends) <= {0, 70, -signal.SIGKILL, -signal.SIGTERM}, crew.ends
