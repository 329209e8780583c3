"""The suite finds faults: each deliberate bug turns it red, and without a bug the same runs are green."""

import signal
import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.mutations import NAMES
from tests.kafka.rig import PARTITIONS, Rig, wait_for

pytestmark = pytest.mark.kafka

_ROUNDS: Final = 5
_ZOMBIES: Final = ("transactional ids are random",)


@pytest.mark.parametrize("bug", [None, *(n for n in NAMES if n not in _ZOMBIES)])
def test_kills_show_a_bug(rig: Rig, bug: str | None) -> None:
    """A kill hits its window by the batches that happen to form: a bug may take more than one round to show."""
    owners = dict.fromkeys(range(PARTITIONS), 1)
    for _ in range(1 if bug is None else _ROUNDS):
        _kill_in_turn(rig, bug)
        if bug is not None and not _green(rig, owners):
            return
    _says(rig, bug, owners)


def _kill_in_turn(rig: Rig, bug: str | None) -> None:
    steps = ("after-offsets:kill:3", "after-send:kill:2", "after-commit:kill:2", "after-store:kill:3")
    for disk, step in (("kept", steps[0]), ("wiped", steps[1]), ("kept", steps[2]), ("wiped", steps[3]), ("wiped", "")):
        rig.feed([*rig.hits(600, keys=200, hold=0.3, command=True), *rig.hits(1, poison=True)])
        worker = rig.worker(mutation=bug, failpoint=step, limits={"wakes": 10})
        if step:
            worker.wait()
        else:
            _let_work(worker.idle)
            worker.end()
        if disk == "wiped" and step:
            rig.wipe()


@pytest.mark.parametrize("bug", [None, *_ZOMBIES])
def test_a_zombie_shows_a_bug(rig: Rig, bug: str | None) -> None:
    rig.feed(rig.hits(600))
    zombie = rig.worker(1, mutation=bug, instance=None, failpoint="after-send:stop:3")
    time.sleep(1)
    heir = rig.worker(2, mutation=bug, instance=None)
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)) and heir.caught_up(), "the heir owns all", 40)
    zombie.signal(signal.SIGCONT)
    time.sleep(3)
    zombie.end()
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)), "the heir owns all again", 40)
    _let_work(heir.idle)
    heir.end()
    _says(rig, bug, dict.fromkeys(range(PARTITIONS), 2))


def _let_work(done: Callable[[], bool], seconds: float = 8.0) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


def _green(rig: Rig, owners: dict[int, int]) -> bool:
    names = [name for number in (1, 2) for name, _ in rig.commands(number)]
    return bool(rig.judge(owners)) and len(names) == len(set(names))


def _says(rig: Rig, bug: str | None, owners: dict[int, int]) -> None:
    """Green without a bug, red with one."""
    assert _green(rig, owners) == (bug is None), rig.judge(owners).faults[:10]
