"""Standby stores: a worker that takes partitions over has most of their state already, and it is the right one."""

import re
import signal
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.mutations import AHEAD, STILL
from tests.kafka.rig import PARTITIONS, Rig, Worker, wait_for

pytestmark = pytest.mark.kafka

_ALL: Final = set(range(PARTITIONS))


def _restored(worker: Worker, partitions: set[int]) -> int:
    """Records of changelogs and of data keys that a worker read in its last restore of these partitions."""
    said = re.findall(r'^ttn_restored_records{partition="(\d+)",.*} (\S+)$', worker.metrics(), re.MULTILINE)
    assert said
    return sum(int(float(count)) for number, count in said if int(number) in partitions)


def _followed(worker: Worker, partitions: int) -> bool:
    """Whether a worker's standby stores lack nothing."""
    return worker.health().get("standby") == {"partitions": partitions, "left": 0}


def _two(rig: Rig, **asked: object) -> tuple[Worker, Worker]:
    first = rig.worker(1, instance=None, **asked)
    wait_for(lambda: first.partitions() == _ALL, "the first worker owns all")
    second = rig.worker(2, instance=None, **asked)
    wait_for(lambda: len(first.partitions()) == len(second.partitions()) == 2, "two workers share the partitions")
    return first, second


@pytest.mark.parametrize("bug", [None, AHEAD, STILL])
def test_a_worker_killed_for_good_leaves_only_a_tail_to_restore(rig: Rig, bug: str | None) -> None:
    """With a bug in the standby store, too much is restored or what comes of it is wrong."""
    first, second = _two(rig, standby=True, mutation=bug)
    rig.feed(rig.hits(12_000, keys=5000, hold=3600.0))
    rig.settle(first, second)
    wait_for(lambda: _followed(first, 2) and _followed(second, 2), "each follows what the other owns")
    rig.feed(rig.hits(500, hold=3600.0))
    taken = first.partitions()
    first.end()
    rig.feed(rig.hits(500, hold=0.2))
    if bug is None:
        rig.settle(second)
    else:
        wait_for(lambda: not second.running() or (second.partitions() == _ALL and second.idle()), "the other goes on")
    restored = _restored(second, taken) if second.running() else 0
    assert second.stop() == 0 or bug is not None, second.said()[-2000:]
    verdict = rig.judge(dict.fromkeys(range(PARTITIONS), 2))
    assert (bool(verdict) and restored < 1500) == (bug is None), (restored, verdict.faults[:20])
    assert verdict.events == 13_000


def test_what_a_worker_keeps_over_a_rebalance_is_not_read_again(rig: Rig) -> None:
    first = rig.worker(1, instance=None)
    rig.feed(rig.hits(3000, keys=1000))
    rig.settle(first)
    second = rig.worker(2, instance=None)
    wait_for(lambda: len(first.partitions()) == len(second.partitions()) == 2, "two workers share the partitions")
    assert _restored(second, second.partitions()) > 500, "states and data keys of what it has taken over"
    assert _restored(first, first.partitions()) == 0
    rig.feed(rig.hits(1000, keys=1000))
    owners = rig.settle(first, second)
    assert second.stop() == first.stop() == 0
    verdict = rig.judge(owners)
    assert verdict, verdict.faults[:20]


def test_without_standby_everything_is_restored(rig: Rig) -> None:
    first, second = _two(rig)
    rig.feed(rig.hits(5000, keys=5000))
    rig.settle(first, second)
    taken = first.partitions()
    first.end()
    rig.settle(second)
    assert _restored(second, taken) > 1000
    assert second.health()["standby"] is None
    second.stop()


def test_stores_that_change_hands_under_load_stay_exact(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig()
    first, second = _two(rig, standby=True)
    for turn in range(4):
        rig.feed(rig.hits(2000, keys=400, hold=0.5))
        if turn % 2:
            second.end()
        else:
            assert second.stop() == 0, second.said()[-2000:]
        rig.feed(rig.hits(1000, keys=400, hold=3600.0))
        if turn < 2:
            wait_for(lambda: first.partitions() == _ALL, "the first worker owns all")
        second = rig.worker(2, instance=None, standby=True)
        wait_for(lambda: len(second.partitions()) == 2, "the second worker takes part again")  # noqa: B023
    second.signal(signal.SIGSTOP)
    rig.feed(rig.hits(1000, keys=400))
    wait_for(lambda: first.partitions() == _ALL and first.caught_up(), "the first worker owns all")
    second.signal(signal.SIGCONT)
    wait_for(second.gone_on, "the zombie goes on")
    second.end()
    rig.settle(first)
    assert first.stop() == 0, first.said()[-2000:]
    verdict = rig.judge(dict.fromkeys(range(PARTITIONS), 1))
    assert verdict, verdict.faults[:20]
    assert verdict.events == 13_000
