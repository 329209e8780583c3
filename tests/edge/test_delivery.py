"""Each message once, whatever the provider does and wherever the worker dies: real Kafka, real processes, and the
provider's ledger, synced to disk before it answers, as the judge (delivery.md 7.4).
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.broker import Cluster
from services.sealing import demo_secret_file
from tests.delivery import BUGS, Assembly, Fate

pytestmark = pytest.mark.kafka

FULL = bool(os.environ.get("TTN_TEST_FULL"))
COUNT = 12
# Fewer than half, or the circuit breaker would open, as it should.
STRUCK = 4
# (what goes wrong, for how many messages, what the provider may have taken of each, how each ends)
REQUESTS = [
    ("drop", STRUCK, 1, "delivered"),
    ("hang", STRUCK, 1, "delivered"),
    ("lose", STRUCK, 1, "delivered"),
    ("500-before", STRUCK, 1, "delivered"),
    ("500-after", STRUCK, 1, "delivered"),
    ("429", STRUCK, 1, "delivered"),
    ("reject:21614", COUNT, 0, "failed"),
    ("undelivered:30005", COUNT, 1, "failed"),
    ("lost", COUNT, 1, "delivered"),
    ("late:5", COUNT, 1, "delivered"),
    ("doubled", COUNT, 1, "delivered"),
]
POINTS = ["before-dial", "after-connect", "after-last-byte", "after-response", "before-result", "after-result"]
QUICK_POINTS = ["after-connect", "after-last-byte", "after-commit"]
STAGE_POINTS = ["after-handle", "after-commit", "after-hand-over"]


@pytest.fixture(scope="module")
def running(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembly]:
    folder = tmp_path_factory.mktemp("delivery")
    cluster = Cluster(kafka_libs, folder / "kafka")
    cluster.start()
    assembly = Assembly(cluster.bootstrap, folder / "data", demo_secret_file(folder))
    try:
        assembly.start()
        yield assembly
    finally:
        assembly.stop()
        cluster.stop()


@pytest.fixture
def delivery(running: Assembly) -> Assembly:
    running.begin()
    return running


def judge(fates: dict[str, Fate], taken: int, ending: str) -> None:
    """Nothing lost, nothing doubled, and one end for each."""
    assert {name: fate.taken for name, fate in fates.items()} == dict.fromkeys(fates, taken)
    assert [fate.endings for fate in fates.values()] == [[ending]] * len(fates)
    assert not [fate for fate in fates.values() if "duplicate-confirmed" in fate.reasons]


def test_whatever_the_provider_does_to_different_texts_at_once_each_arrives_once(delivery: Assembly) -> None:
    delivery.worker()
    # Every other text: of those that leave first, fewer than half may show the provider in trouble.
    struck = dict(enumerate(case for case in REQUESTS for _ in range(2)))
    for number, (fault, *_) in struck.items():
        delivery.fault(fault, 1, delivery.address(2 * number))
    delivery.send(2 * len(struck))
    fates = list(delivery.fates().values())
    for number, (fault, _, taken, ending) in struck.items():
        assert (fates[2 * number].taken, fates[2 * number].endings) == (taken, [ending]), fault
    judge({str(number): fate for number, fate in enumerate(fates[1::2])}, 1, "delivered")
    assert not [fate for fate in fates if "duplicate-confirmed" in fate.reasons]
    assert delivery.unsent() == 0, "nothing waits at the provider of which all is known"


@pytest.mark.skipif(not FULL, reason="each fault alone takes minutes: TTN_TEST_FULL=1")
@pytest.mark.parametrize(("fault", "times", "taken", "ending"), REQUESTS)
def test_whatever_the_provider_does_each_text_arrives_once(
    delivery: Assembly, fault: str, times: int, taken: int, ending: str
) -> None:
    delivery.worker()
    delivery.fault(fault, times)
    delivery.send(COUNT)
    judge(delivery.fates(), taken, ending)


def test_a_list_that_lags_within_the_hold_doubles_nothing(delivery: Assembly) -> None:
    delivery.worker()
    delivery.fault("lag:3")
    delivery.fault("drop", COUNT)
    delivery.send(COUNT)
    judge(delivery.fates(), 1, "delivered")


def test_an_email_whose_answer_is_lost_is_one_letter_to_its_reader(delivery: Assembly) -> None:
    delivery.worker()
    delivery.fault("drop", STRUCK)
    delivery.send(COUNT, "email")
    fates = delivery.fates()
    assert [fate.endings for fate in fates.values()] == [["delivered"]] * COUNT
    assert all(1 <= fate.taken <= 2 for fate in fates.values())
    assert delivery.letters() == COUNT


@pytest.mark.parametrize("point", POINTS + STAGE_POINTS if FULL else QUICK_POINTS)
def test_a_worker_killed_at_any_point_leaves_each_text_sent_once(delivery: Assembly, point: str) -> None:
    doomed = delivery.worker(f"{point}:kill:{4 if point in POINTS else 1}")
    delivery.send(COUNT)
    doomed.wait(60)
    assert doomed.returncode == -signal.SIGKILL
    delivery.worker()
    judge(delivery.fates(), 1, "delivered")


def test_a_worker_suspended_across_the_deadline_sends_nothing_when_it_wakes(delivery: Assembly) -> None:
    suspended = delivery.worker("after-connect:stop:4")
    delivery.send(COUNT)
    until = time.monotonic() + 60
    while Path(f"/proc/{suspended.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(8)
    suspended.send_signal(signal.SIGCONT)
    try:
        suspended.wait(30)
    except subprocess.TimeoutExpired:
        # It noticed the pause and still has the partition: it goes on by itself.
        judge(delivery.fates(), 1, "delivered")
        delivery.end(suspended)
        return
    delivery.worker()
    judge(delivery.fates(), 1, "delivered")


@pytest.mark.parametrize("bug", BUGS)
def test_the_judge_sees_a_deliberate_bug(delivery: Assembly, bug: str) -> None:
    worker = delivery.worker(bug=bug)
    for name in ("lag:8", "lost"):
        delivery.fault(name)
    delivery.fault("drop", STRUCK)
    delivery.send(COUNT)
    try:
        with pytest.raises(AssertionError):
            judge(delivery.fates(), 1, "delivered")
    finally:
        delivery.end(worker)
