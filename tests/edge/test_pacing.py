"""How fast, in which order and when not at all: the dialer's rules as arithmetic on a clock of the test's own."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attempt import Answer
from services.dialer.backlog import Backlog
from services.dialer.breaker import Breaker, Window
from services.dialer.dailycap import DailyCap
from services.dialer.guard import Job
from services.dialer.lease import Lease
from services.dialer.line import Line
from services.dialer.pacing import Lanes, Pacer
from services.dialer.retries import Retries
from tests.edge.conftest import text

ACCEPTED = Answer(result="accepted", providerId="SM1")
FAILED = Answer(result="doubt", code="20500", trouble=True)
BUSY = Answer(result="not-sent", code="20429", retryAfter=4.0)


def offer(line: Line[str], name: str, *, lane: int = 2, segments: int = 1, now: float, patience: float = 10) -> object:
    return line.offer(name, name=name, lane=lane, segments=segments, at=now, patience=patience, now=now)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=200), st.floats(0.5, 50))
def test_no_second_carries_more_segments_than_the_rate_and_its_burst(segments: list[int], rate: float) -> None:
    pacer, now = Pacer(rate), 1000.0
    sent: list[tuple[float, int]] = []
    for size in segments:
        now += pacer.wait(now)
        pacer.spend(now, size)
        sent.append((now, size))
    for start, _ in sent:
        inside = sum(size for moment, size in sent if start <= moment < start + 1.0)
        assert inside <= rate * 2 + max(segments)


def test_a_share_of_the_partitions_is_a_share_of_the_rate() -> None:
    pacer = Pacer(12.0)
    pacer.share = 0.25
    assert pacer.rate(0.0) == 3.0
    pacer.share = 0.0
    assert pacer.rate(0.0) > 0


def test_after_an_outage_the_rate_climbs_from_a_quarter_to_the_whole_in_three_minutes() -> None:
    pacer = Pacer(8.0)
    pacer.recover(100.0)
    assert [round(pacer.rate(100.0 + seconds), 3) for seconds in (0, 60, 120, 180)] == [2.0, 4.0, 6.0, 8.0]
    assert not pacer.recovering


def test_deadlines_go_before_status_and_nothing_waits_for_ever() -> None:
    lanes: Lanes[str] = Lanes()
    for number in range(20):
        lanes.push(f"status {number}", 2, number, 1)
        lanes.push(f"deadline {number}", 1, number, 1)
    order = [lanes.pop(newest=False)[0] for _ in range(20)]
    assert order[:7] == [f"deadline {number}" for number in range(7)]
    assert [item for item in order if item.startswith("status")] == ["status 0", "status 1"]


def test_after_an_outage_the_newest_leaves_first() -> None:
    lanes: Lanes[str] = Lanes()
    for number in (2, 0, 3, 1):
        lanes.push(f"n{number}", 2, number, 1)
    assert lanes.pop(newest=True) == ("n3", 1)
    assert lanes.pop(newest=False) == ("n0", 1)
    assert lanes.ahead(2) == 2


def test_who_was_turned_back_leaves_at_the_promised_turn_and_nobody_waits_twice() -> None:
    line: Line[str] = Line(2.0, 64, 64)
    now, waiting, left = 0.0, [(0.0, f"n{number}") for number in range(200)], []
    refusals: dict[str, int] = {}
    while waiting or line.waiting:
        for moment, name in [entry for entry in waiting if entry[0] <= now]:
            waiting.remove((moment, name))
            refused = offer(line, name, now=now, patience=5.0)
            if isinstance(refused, tuple):
                refusals[name] = refusals.get(name, 0) + 1
                waiting.append((now + refused[1], name))
        step = line.next(now)
        if isinstance(step, str):
            left.append(now)
            line.done(ACCEPTED, now)
        else:
            now = round(now + 0.05, 2)
        assert now < 300
    assert len(left) == 200
    assert max(refusals.values()) == 1
    assert left[-1] < 105
    gaps = [round(later - earlier, 2) for earlier, later in pairwise(left[5:])]
    assert max(gaps) <= 0.7, gaps


def test_a_deadline_does_not_queue_behind_promises_made_to_status() -> None:
    line: Line[str] = Line(1.0, 8, 8)
    for number in range(50):
        offer(line, f"s{number}", now=0.0, patience=3.0)
    assert offer(line, "deadline", lane=1, now=0.0, patience=3.0) is None
    assert line.next(0.0) == "deadline"


def test_429_halves_the_requests_under_way_once_a_second_and_holds_the_line() -> None:
    line: Line[str] = Line(100.0, 32, 64)
    for number in range(10):
        assert offer(line, f"n{number}", now=0.0) is None
        assert line.next(0.0) == f"n{number}"
    for _ in range(10):
        line.done(BUSY, 0.5)
    assert line.window.limit == 16
    offer(line, "next", now=0.5)
    assert line.next(0.6) == pytest.approx(3.9)


def test_the_window_grows_back_by_one_for_each_round() -> None:
    window = Window(start=4, most=6)
    window.record(BUSY, 10.0)
    assert window.limit == 2
    for _ in range(40):
        window.record(ACCEPTED, 11.0)
    assert window.limit == 6


def test_the_circuit_opens_on_half_of_twenty_and_closes_by_one_good_trial() -> None:
    breaker = Breaker()
    for second in range(10):
        breaker.record(ACCEPTED, float(second))
        breaker.record(FAILED, float(second))
    assert breaker.is_open
    assert breaker.wait(20.0) == pytest.approx(19.0)
    assert breaker.wait(40.0) == 0.0
    breaker.begin()
    assert breaker.wait(40.0) > 0
    assert not breaker.record(FAILED, 41.0)
    assert breaker.wait(41.0) == pytest.approx(60.0)
    breaker.begin()
    assert breaker.record(ACCEPTED, 102.0)
    assert not breaker.is_open


def test_what_is_wrong_with_a_message_or_was_not_processed_never_opens_the_circuit() -> None:
    breaker = Breaker()
    for second in range(60):
        breaker.record(Answer(result="rejected", code="21614"), second / 10)
        breaker.record(BUSY, second / 10)
        breaker.record(Answer(result="not-sent", code="lease-lost"), second / 10)
    assert not breaker.is_open


@pytest.mark.parametrize("code", ["20003", "30002", "30034"])
def test_an_answer_that_stops_everything_opens_it_at_once(code: str) -> None:
    breaker = Breaker()
    breaker.record(Answer(result="rejected", code=code, trouble=True), 0.0)
    assert breaker.is_open


def test_a_trial_that_finds_the_same_thing_wrong_does_not_close_the_circuit() -> None:
    breaker = Breaker()
    wrong = Answer(result="rejected", code="21703")
    breaker.record(wrong, 0.0)
    breaker.begin()
    assert not breaker.record(wrong, 30.0)
    assert breaker.wait(30.0) == pytest.approx(60.0)


def test_a_trial_that_never_left_leaves_the_circuit_open_for_the_next() -> None:
    breaker = Breaker()
    breaker.record(Answer(result="rejected", code="20003", trouble=True), 0.0)
    breaker.begin()
    breaker.record(Answer(result="not-sent", code="too-late"), 31.0)
    assert breaker.is_open
    assert breaker.wait(31.0) == 0.0


def test_the_trial_is_the_message_with_the_least_to_lose() -> None:
    line: Line[str] = Line(100.0, 8, 8)
    line.breaker.record(Answer(result="rejected", code="20003", trouble=True), 0.0)
    for name, lane in (("deadline", 1), ("status", 2), ("digest", 3)):
        assert offer(line, name, lane=lane, now=40.0) is None
    assert line.next(40.0) == "digest"
    line.breaker.begin()
    line.done(ACCEPTED, 40.1)
    assert line.next(40.2) == "deadline"


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker()
    for second in range(15):
        breaker.record(FAILED, float(second))
    for second in range(40, 60):
        breaker.record(ACCEPTED, float(second))
    breaker.record(FAILED, 61.0)
    assert not breaker.is_open


def test_while_the_circuit_is_open_claims_come_back_when_it_will_be_tried() -> None:
    line: Line[str] = Line(100.0, 8, 8)
    line.breaker.record(Answer(result="rejected", code="20003", trouble=True), 0.0)
    refused = offer(line, "n", now=10.0)
    assert isinstance(refused, tuple)
    assert refused[0] == "breaker"
    assert 20.0 <= refused[1] <= 25.0


def test_the_last_fifth_of_the_day_is_for_deadlines_and_the_day_ends_at_midnight_pacific() -> None:
    cap = DailyCap(100)
    noon = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
    cap.spend(80, noon)
    assert cap.wait(2, 1, noon) == 12 * 3600
    assert cap.wait(1, 20, noon) is None
    assert cap.wait(1, 21, noon) == 12 * 3600
    cap.share = 0.5
    assert cap.wait(0, 1, noon) == 12 * 3600
    assert cap.wait(2, 40, noon + timedelta(hours=13)) is None


def test_midnight_is_right_on_the_day_the_clocks_change() -> None:
    cap = DailyCap(1)
    morning = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
    cap.spend(1, morning)
    assert cap.wait(0, 1, morning) == 24 * 3600


def job(segments: int = 1, lane: int = 2, held: bool = True) -> Job:
    claim = text(lane=lane)
    words = msgspec.structs.replace(claim.message, segments=segments)
    return Job(msgspec.structs.replace(claim, message=words), Lease(lambda: held, 1e9))


def test_no_more_than_half_a_minute_of_segments_waits_at_the_provider() -> None:
    backlog = Backlog(2.0)
    first = [job(3) for _ in range(16)]
    for one in first:
        assert backlog.has_room(one, 0.0)
        backlog.enter(one, 0.0)
    assert backlog.segments == 48
    assert not backlog.has_room(job(), 0.0), "the last fifth is for what is pressing"
    assert backlog.has_room(job(12, lane=1), 0.0)
    assert not backlog.has_room(job(13, lane=1), 0.0)
    backlog.leave(first[0].claim.claimId)
    backlog.leave(first[0].claim.claimId)
    assert backlog.segments == 45
    assert backlog.has_room(job(3), 0.0)


def test_a_share_of_the_partitions_is_a_share_of_the_half_minute_and_one_text_always_fits() -> None:
    backlog = Backlog(2.0)
    backlog.share = 0.01
    assert backlog.has_room(job(3), 0.0)
    backlog.enter(job(3), 0.0)
    assert not backlog.has_room(job(), 0.0)


def test_what_the_provider_must_have_dropped_or_another_worker_follows_no_longer_counts() -> None:
    backlog = Backlog(1.0)
    for one in (job(8), job(8), job(8, held=False)):
        backlog.enter(one, 0.0)
    assert backlog.has_room(job(8), 2.0), "the partition of the last one has moved"
    backlog.enter(job(8), 2.0)
    assert not backlog.has_room(job(8), 3599.0)
    assert backlog.has_room(job(8), 3601.0), "past its validity a text is not sent any more"


def test_of_a_minutes_requests_a_tenth_may_be_second_ones_and_a_few_always() -> None:
    retries = Retries()
    for number in range(200):
        retries.leave(f"n{number}", 2, number / 10)
    went = 0
    while not retries.wait(f"n{went}", 2, 20.0):
        retries.leave(f"n{went}", 2, 20.0)
        went += 1
    assert went == 20
    assert retries.wait("n50", 2, 21.0) == pytest.approx(59.0)
    assert retries.wait("fresh", 2, 21.0) == 0.0, "what never left is not held up"
    assert retries.wait("n50", 1, 21.0) == 0.0, "each lane for itself"
    assert retries.wait("n50", 2, 80.5) == 0.0
    for number in range(10):
        assert retries.wait(f"n{number}", 3, 500.0) == 0.0, "a tenth of nothing would hold a retry for ever"
        retries.leave(f"n{number}", 3, 500.0)
    assert retries.wait("n11", 3, 500.0) > 0
