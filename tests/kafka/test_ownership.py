"""Rebalances, restarts and zombies: whoever owns a partition is the only one who can write for it."""

import os
import signal
import time
from collections.abc import Callable
from typing import Final

import pytest

from tests.kafka.rig import PARTITIONS, Rig, Worker, wait_for

pytestmark = pytest.mark.kafka

SMALL: Final = {"records": 40}
"""Slices so small that the events of a test take several transactions."""

LONG, AT_ONCE = 45.0, 30.0
"""A session or a transaction of so many seconds, and what is much sooner than its end, however slow the machine."""


def _share(workers: list[Worker]) -> bool:
    """Whether these workers own all partitions between them, evenly."""
    owned = [worker.partitions() for worker in workers]
    return sum(map(len, owned)) == PARTITIONS == len(set().union(*owned)) and max(map(len, owned)) <= 2 + (
        len(workers) == 1
    ) * (PARTITIONS - 2)


def test_scaling_out_and_in_loses_nothing(rig: Rig) -> None:
    workers = [rig.worker(1, instance=None)]
    rig.feed(rig.hits(2000))
    wait_for(lambda: _share(workers), "one worker owns all")
    for number in (2, 3):
        workers.append(rig.worker(number, instance=None))
        rig.feed(rig.hits(2000, hold=0.5))
    wait_for(lambda: _share(workers), "three workers share the partitions")
    rig.feed(rig.hits(2000))
    for worker in workers[1:]:
        rig.feed(rig.hits(1000))
        assert worker.stop() == 0, worker.said()[-2000:]
    rig.feed(rig.hits(1000))
    rig.settle(workers[0])
    assert workers[0].stop() == 0, workers[0].said()[-2000:]
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == 11_000


def test_a_rolling_restart_with_lasting_names_loses_nothing(rig: Rig) -> None:
    workers = {number: rig.worker(number, session=LONG) for number in (1, 2)}
    rig.feed(rig.hits(2000))
    wait_for(lambda: _share(list(workers.values())), "two workers share the partitions")
    for _ in range(2):
        for number in (1, 2):
            rig.feed(rig.hits(1000, hold=0.5))
            assert workers[number].stop() == 0, workers[number].said()[-2000:]
            started = time.monotonic()
            workers[number] = rig.worker(number, session=LONG)
            wait_for(lambda: bool(workers[number].partitions()), "the restarted worker owns partitions")  # noqa: B023
            assert time.monotonic() - started < AT_ONCE, "it waited for its own old session to end"
    owners = rig.settle(*workers.values())
    for worker in workers.values():
        assert worker.stop() == 0, worker.said()[-2000:]
    verdict = rig.judge(owners)
    assert verdict, verdict.faults[:20]
    assert verdict.events == 6000


STEPS = ("after-handle", "after-send", "after-commit")
MORE_STEPS = ("after-begin", "after-offsets", "after-produce", "after-store") if os.environ.get("TTN_TEST_FULL") else ()


@pytest.mark.parametrize("step", STEPS + MORE_STEPS)
def test_a_worker_suspended_beyond_its_session_can_neither_write_nor_act(rig: Rig, step: str) -> None:
    rig.feed(rig.hits(1000, command=True))
    zombie = rig.worker(1, instance=None, failpoint=f"{step}:stop:3", limits=SMALL)
    rig.feed(rig.hits(1000, command=True))
    wait_for(zombie.stopped, "the worker is suspended")
    heir = rig.worker(2, instance=None)
    wait_for(lambda: heir.partitions() == set(range(PARTITIONS)), "the heir owns all")
    rig.feed(rig.hits(1000))
    rig.settle(heir)
    commands = rig.commands(1)
    zombie.signal(signal.SIGCONT)
    if step in ("after-commit", "after-store"):
        # It has nothing left to commit for this batch: it may go on as a new member, and must not harm.
        wait_for(zombie.gone_on, "the zombie goes on")
        zombie.end()
    else:
        assert zombie.wait() == 70, zombie.said()[-2000:]
    acted = rig.commands(1)[len(commands) :]
    assert all(not held for _, held in acted), "it acted on a command after its partition was gone"
    rig.settle(heir)
    assert heir.stop() == 0, heir.said()[-2000:]
    verdict = rig.judge(dict.fromkeys(range(PARTITIONS), 2))
    assert verdict, verdict.faults[:20]
    assert verdict.events == 3000


def test_a_worker_that_goes_on_before_its_transaction_times_out_may_end_it_and_its_heir_waits(rig: Rig) -> None:
    rig.feed(rig.hits(1000, command=True))
    open_for = {"session": 3.0, "transaction": LONG}
    zombie = rig.worker(1, instance=None, failpoint="after-send:stop:3", limits=SMALL, **open_for)
    wait_for(zombie.stopped, "the worker is suspended")
    heir = rig.worker(2, instance=None, **open_for)
    wait_for(lambda: bool(heir.health().get("assignment")), "the heir is given the partitions")
    time.sleep(3)
    assert not heir.partitions(), "it did not wait for the open transaction"
    commands = rig.commands(1)
    zombie.signal(signal.SIGCONT)
    wait_for(lambda: bool(heir.partitions()), "the heir goes on", AT_ONCE)
    assert all(not held for _, held in rig.commands(1)[len(commands) :]), "it acted after its partition was gone"
    zombie.end()
    rig.settle(heir)
    assert heir.stop() == 0, heir.said()[-2000:]
    verdict = rig.judge(dict.fromkeys(range(PARTITIONS), 2))
    assert verdict, verdict.faults[:20]
    assert verdict.events == 1000


@pytest.mark.parametrize(
    ("instance", "asked"), [("lasting", {"session": LONG, "transaction": LONG}), (None, {"session": 3.0})]
)
def test_after_a_kill_in_the_middle_of_a_transaction_work_goes_on(
    rig: Rig, instance: str | None, asked: dict[str, float]
) -> None:
    """At once under its lasting name, which ends the transaction; else after the session, and at most its timeout."""
    rig.feed(rig.hits(1000))
    worker = rig.worker(1, instance=instance, failpoint="after-send:kill:3", limits=SMALL, **asked)
    assert worker.wait() == -9
    started = time.monotonic()
    worker = rig.worker(1, instance=instance, **asked)
    wait_for(lambda: worker.partitions() == set(range(PARTITIONS)), "it owns all again")
    assert time.monotonic() - started < AT_ONCE
    rig.settle(worker)
    assert worker.stop() == 0, worker.said()[-2000:]
    verdict = rig.judge()
    assert verdict, verdict.faults[:20]
    assert verdict.events == 1000


def test_no_command_is_handed_over_twice(new_rig: Callable[..., Rig]) -> None:
    rig = new_rig()
    for step in ("after-commit", "after-store", "after-hand-over", "after-offsets"):
        worker = rig.worker(failpoint=f"{step}:kill:2", limits=SMALL)
        rig.feed(rig.hits(500, command=True))
        assert worker.wait() == -9
    worker = rig.worker()
    rig.settle(worker)
    assert worker.stop() == 0
    names = [name for name, _ in rig.commands(1)]
    assert len(names) == len(set(names))
    assert len(names) > 500
