"""The suite finds faults: each deliberate bug turns it red, and without a bug the same runs are green."""

import signal
import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.mutations import LATE, NAMES, SLOW
from tests.kafka.rig import PARTITIONS, Rig, wait_for

pytestmark = pytest.mark.kafka

_ROUNDS: Final = 5
_NAMELESS: Final = "offsets are committed in nobody's name"
_UNSTABLE: Final = "offsets are read while they are about to change"
_STALE: Final = "what was fetched for an earlier assignment is delivered"
_FAUST: Final = "Faust commits on its own"
_BY_KILLS: Final = [name for name in NAMES if name not in (_NAMELESS, _UNSTABLE, _STALE, _FAUST, LATE, SLOW)]


@pytest.mark.parametrize("bug", [None, *_BY_KILLS])
def test_kills_show_a_bug(rig: Rig, bug: str | None) -> None:
    """A kill hits its window by the batches that happen to form: a bug may take more than one round to show."""
    owners = dict.fromkeys(range(PARTITIONS), 1)
    for _ in range(1 if bug is None else _ROUNDS):
        _kill_in_turn(rig, bug)
        if bug is not None and not _green(rig, owners):
            return
    _says(rig, bug, owners)


def _kill_in_turn(rig: Rig, bug: str | None) -> None:
    steps = ("after-offsets:kill:3", "after-produce:kill:2", "after-commit:kill:2", "after-store:kill:3")
    for disk, step in (("kept", steps[0]), ("wiped", steps[1]), ("kept", steps[2]), ("wiped", steps[3]), ("wiped", "")):
        rig.feed([*rig.hits(600, keys=200, hold=0.3, command=True), *rig.hits(1, poison=True)])
        worker = rig.worker(mutation=bug, failpoint=step, limits={"records": 40, "wakes": 10})
        if step:
            worker.wait()
        else:
            _let_work(worker.idle)
            worker.end()
        if disk == "wiped" and step:
            rig.wipe()


@pytest.mark.parametrize("bug", [None, _NAMELESS])
def test_a_zombie_shows_a_bug(rig: Rig, bug: str | None) -> None:
    rig.feed(rig.hits(600))
    zombie = rig.worker(1, mutation=bug, instance=None, failpoint="after-handle:stop:3", limits={"records": 40})
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


@pytest.mark.parametrize("bug", [None, _UNSTABLE])
def test_a_zombie_whose_transaction_is_open_shows_a_bug(rig: Rig, bug: str | None) -> None:
    """It goes on before its transaction times out, and commits what the heir must then not do again."""
    rig.feed(rig.hits(600))
    zombie = rig.worker(
        1, mutation=bug, instance=None, session=3.0, failpoint="after-offsets:stop:3", limits={"records": 40}
    )
    wait_for(zombie.stopped, "the zombie is suspended")
    heir = rig.worker(2, mutation=bug, instance=None, session=3.0)
    time.sleep(6)
    zombie.signal(signal.SIGCONT)
    time.sleep(3)
    zombie.end()
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)), "the heir owns all", 40)
    _let_work(heir.idle)
    heir.end()
    _says(rig, bug, dict.fromkeys(range(PARTITIONS), 2))


@pytest.mark.parametrize("bug", [LATE, _STALE])
def test_a_fetch_held_over_a_rebalance_shows_a_bug(rig: Rig, bug: str) -> None:
    """The first worker gets it when a second one has joined, and done with half of the partitions what it holds."""
    first = rig.worker(1, mutation=bug, instance=None)
    wait_for(lambda: bool(first.partitions()), "the first worker runs")
    rig.feed(rig.hits(400))
    second = rig.worker(2, instance=None)
    wait_for(lambda: len(second.partitions()) == PARTITIONS // 2, "two share the partitions", 40)
    rig.feed(rig.hits(400))
    _let_work(lambda: first.idle() and second.idle())
    owners = {partition: number for number, each in ((1, first), (2, second)) for partition in each.partitions()}
    second.end()
    first.end()
    _says(rig, None if bug == LATE else bug, owners)


def test_what_is_on_its_way_from_the_client_counts_as_not_handled(rig: Rig) -> None:
    rig.feed(rig.hits(600))
    worker = rig.worker(mutation=SLOW)
    wait_for(worker.idle, "all is done")
    worker.end()
    _says(rig, None, dict.fromkeys(range(PARTITIONS), 1))


@pytest.mark.parametrize("bug", [None, _FAUST])
def test_an_end_in_order_shows_a_bug(rig: Rig, bug: str | None) -> None:
    rig.feed(rig.hits(600))
    worker = rig.worker(mutation=bug)
    wait_for(worker.idle, "all is done")
    in_order = worker.stop() == 0
    assert (in_order and _green(rig, dict.fromkeys(range(PARTITIONS), 1))) == (bug is None)


def _let_work(done: Callable[[], bool], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


def _green(rig: Rig, owners: dict[int, int]) -> bool:
    names = [name for number in (1, 2) for name, _ in rig.commands(number)]
    return bool(rig.judge(owners)) and len(names) == len(set(names))


def _says(rig: Rig, bug: str | None, owners: dict[int, int]) -> None:
    """Green without a bug, red with one."""
    assert _green(rig, owners) == (bug is None), rig.judge(owners).faults[:10]
