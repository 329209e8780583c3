"""The suite finds faults: each deliberate bug turns it red, and without a bug the same runs are green."""

import signal
import time
from typing import Final

import pytest

from tests.kafka.mutations import AHEAD, HELD, LATE, NAMES, SLOW, STILL
from tests.kafka.rig import PARTITIONS, Rig, Worker, wait_for

pytestmark = pytest.mark.kafka

_ROUNDS: Final = 5
_NAMELESS: Final = "offsets are committed in nobody's name"
_UNSTABLE: Final = "offsets are read while they are about to change"
_STALE: Final = "what was fetched for an earlier assignment is delivered"
_FAUST: Final = "Faust commits on its own"
_ONE: Final = dict.fromkeys(range(PARTITIONS), 1)
_OTHER: Final = dict.fromkeys(range(PARTITIONS), 2)
_OTHERWISE: Final = (_NAMELESS, _UNSTABLE, _STALE, _FAUST, LATE, SLOW, AHEAD, STILL)
"""Bugs that other tests here show, or test_standby."""

_BY_KILLS: Final = [name for name in NAMES if name not in _OTHERWISE]


@pytest.mark.parametrize("bug", [None, *_BY_KILLS])
def test_kills_show_a_bug(rig: Rig, bug: str | None) -> None:
    """A kill hits its window by the batches that happen to form: a bug may take more than one round to show."""
    for _ in range(1 if bug is None else _ROUNDS):
        _kill_in_turn(rig, bug)
        if bug is not None and not _green(rig, _ONE):
            return
    _says(rig, bug, _ONE)


def _kill_in_turn(rig: Rig, bug: str | None) -> None:
    steps = ("after-offsets:kill:3", "after-produce:kill:2", "after-commit:kill:2", "after-store:kill:3")
    for disk, step in (("kept", steps[0]), ("wiped", steps[1]), ("kept", steps[2]), ("wiped", steps[3]), ("wiped", "")):
        rig.feed([*rig.hits(600, keys=200, hold=0.3, command=True), *rig.hits(1, poison=True)])
        worker = rig.worker(mutation=bug, failpoint=step, limits={"records": 40, "wakes": 10})
        if step:
            worker.wait()
        else:
            _let_work(rig, bug, worker)
            worker.end()
        if disk == "wiped" and step:
            rig.wipe()


@pytest.mark.parametrize("bug", [None, _NAMELESS])
def test_a_zombie_shows_a_bug(rig: Rig, bug: str | None) -> None:
    rig.feed(rig.hits(600))
    zombie = rig.worker(1, mutation=bug, instance=None, failpoint="after-handle:stop:3", limits={"records": 40})
    wait_for(zombie.stopped, "the zombie is suspended")
    heir = rig.worker(2, mutation=bug, instance=None)
    rig.settle(heir)
    zombie.signal(signal.SIGCONT)
    wait_for(zombie.gone_on, "the zombie goes on")
    zombie.end()
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)), "the heir owns all again")
    _let_work(rig, bug, heir)
    heir.end()
    _says(rig, bug, _OTHER)


@pytest.mark.parametrize("bug", [None, _UNSTABLE])
def test_a_zombie_whose_transaction_is_open_shows_a_bug(rig: Rig, bug: str | None) -> None:
    """It goes on before its transaction times out, and commits what the heir must then not do again."""
    rig.feed(rig.hits(600))
    asked = {"mutation": bug, "instance": None, "session": 3.0, "transaction": 45.0}
    zombie = rig.worker(1, failpoint="after-offsets:stop:3", limits={"records": 40}, **asked)
    wait_for(zombie.stopped, "the zombie is suspended")
    heir = rig.worker(2, **asked)
    wait_for(lambda: bool(heir.health().get("assignment")), "the heir is given the partitions")
    if bug is not None:
        wait_for(lambda: "took partitions over" in heir.said(), "the heir reads offsets that will change")
    zombie.signal(signal.SIGCONT)
    wait_for(zombie.gone_on, "the zombie goes on")
    zombie.end()
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)), "the heir owns all")
    _let_work(rig, bug, heir)
    heir.end()
    _says(rig, bug, _OTHER)


@pytest.mark.parametrize("bug", [LATE, _STALE])
def test_a_fetch_held_over_a_rebalance_shows_a_bug(rig: Rig, bug: str) -> None:
    """The first worker gets it when a second one has joined, and done with half of the partitions what it holds."""
    first = rig.worker(1, mutation=bug, instance=None)
    wait_for(lambda: bool(first.partitions()), "the first worker runs")
    rig.feed(rig.hits(400))
    wait_for(lambda: HELD in first.said(), "the first worker has fetched them")
    second = rig.worker(2, instance=None)
    wait_for(lambda: len(second.partitions()) == PARTITIONS // 2, "two share the partitions")
    rig.feed(rig.hits(400))
    shown = None if bug == LATE else bug
    _let_work(rig, shown, first, second)
    owners = rig.owners((first, second))
    second.end()
    first.end()
    _says(rig, shown, owners)


def test_what_is_on_its_way_from_the_client_counts_as_not_handled(rig: Rig) -> None:
    rig.feed(rig.hits(600))
    worker = rig.worker(mutation=SLOW)
    wait_for(worker.idle, "all is done")
    worker.end()
    _says(rig, None, _ONE)


@pytest.mark.parametrize("bug", [None, _FAUST])
def test_an_end_in_order_shows_a_bug(rig: Rig, bug: str | None) -> None:
    rig.feed(rig.hits(600))
    worker = rig.worker(mutation=bug)
    _let_work(rig, bug, worker)
    in_order = worker.stop() == 0
    assert (in_order and _green(rig, _ONE)) == (bug is None)


def _let_work(rig: Rig, bug: str | None, *workers: Worker) -> None:
    """Until all is done; with a bug it may never be, and what its workers believe for some seconds will do."""
    if bug is None:
        rig.settle(*workers)
        return
    until = time.monotonic() + 20
    while not all(worker.idle() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)


def _green(rig: Rig, owners: dict[int, int]) -> bool:
    names = [name for number in (1, 2) for name, _ in rig.commands(number)]
    return bool(rig.judge(owners)) and len(names) == len(set(names))


def _says(rig: Rig, bug: str | None, owners: dict[int, int]) -> None:
    """Green without a bug, red with one."""
    assert _green(rig, owners) == (bug is None), rig.judge(owners).faults[:10]
