"""Every course that the delivery of a message can take, one by one: none tells a person twice, none has no end.

Breadth first, so that a broken promise comes with the shortest way to it. Each deliberate bug of BUGS must be found.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from streams.addresses import blocks, doubt, evidence, queue, results, steps
from streams.addresses.turn import Turn
from tests.protocol import Broken, Move, World, after, begin, moves, stage

Path = tuple[Move, ...]

WORLDS: dict[str, World] = {
    "a text": begin(mostReceipts=2),
    "a text and a STOP": begin(
        minutes=4, stops=True, mostReceipts=0, results=("ok", "accepted-silent", "lost-doubt"), lists=("list",)
    ),
    "a text and its recall": begin(minutes=3, recalls=True),
    "two travelers owed the same words at one number": begin(
        messages=2, minutes=6, mostReceipts=0, results=("accepted-silent", "lost-doubt"), lists=("list",)
    ),
    "an email": begin("email", minutes=5, mostReceipts=2),
}
ENDINGS = {
    "a text": {"delivered", "failed", "unconfirmed", "expired"},
    "a text and a STOP": {"suppressed", "unconfirmed", "expired"},
    "a text and its recall": {"delivered", "failed", "unconfirmed", "expired", "superseded"},
    "two travelers owed the same words at one number": {"unconfirmed", "expired"},
    "an email": {"delivered", "failed", "unconfirmed", "expired"},
}


def search(start: World, most: int = 120_000) -> dict[bytes, World]:
    """Every world that can come of `start`. Raises Broken with the shortest way to a broken promise."""
    seen = {start.name: start}
    frontier: deque[tuple[World, Path]] = deque([(start, ())])
    while frontier:
        world, path = frontier.popleft()
        for move in moves(world):
            try:
                following = after(world, move)
            except Broken as broken:
                raise Broken(f"{broken}, by " + ", then ".join(" ".join(one) for one in (*path, move))) from None
            if following.name not in seen:
                seen[following.name] = following
                frontier.append((following, (*path, move)))
        if len(seen) > most:
            raise RuntimeError(f"more than {most} worlds")
    return seen


@pytest.mark.parametrize("name", WORLDS)
def test_no_course_of_events_breaks_a_promise(name: str) -> None:
    worlds = search(WORLDS[name])
    endings = {ending for world in worlds.values() for _, ending in world.endings}
    assert endings == ENDINGS[name]


@pytest.mark.parametrize("name", WORLDS)
def test_from_everywhere_each_message_comes_to_exactly_one_end(name: str) -> None:
    """Time passes in every world, and only forward; so it is enough to look where it brings nothing any more."""
    still = [world for world in search(WORLDS[name]).values() if stage().due(world.address) is None]
    assert still
    for world in still:
        assert {told for told, _ in world.endings} == {
            job.send.notificationId for job in world.address.jobs.values() if not job.reply
        }
        assert all(job.phase == "done" for job in world.address.jobs.values())


def test_a_stop_is_confirmed_exactly_once() -> None:
    worlds = search(WORLDS["a text and a STOP"]).values()
    assert {world.confirmed for world in worlds if world.stopped and stage().due(world.address) is None} == {1}


def test_a_list_that_lags_beyond_the_hold_tells_twice_and_it_is_seen() -> None:
    worlds = search(begin(lagging=True, mostReceipts=2, results=("ok", "accepted-silent"))).values()
    twice = [world for world in worlds if len(world.ledger) > 1]
    assert twice, "the price of an assumption about the provider's list must be visible here"
    both = [world for world in twice if world.receipts == 0]
    assert both
    for world in both[:50]:
        first = world.ledger[0].claimId
        seen = after(world, ("delivered", first))
        assert seen.flagged == 1, "late evidence for a claim taken for lost is recorded"
        assert any(job.alarmed or job.phase == "done" for job in seen.address.jobs.values())


# ---- deliberate bugs: each must be found, or the search proves nothing


def _crash_means_not_sent(turn: Turn, job: Any, code: str | None) -> None:
    turn.say(job, "rejected")
    steps.again(turn, job)


def _listed(change: Callable[[Any], Any]) -> Callable[[Turn, Any], None]:
    honest = doubt.listed

    def wrong(turn: Turn, message: Any) -> None:
        honest(turn, change(message))

    return wrong


def _twice(turn: Turn, message: Any) -> None:
    job = turn.address.jobs[message.claimId.rpartition(":")[0]]
    if message.result == "accepted":
        steps.again(turn, job)
    queue.pump(turn)


def _all_out(turn: Turn) -> None:
    for job in turn.having(lambda job: job.phase == "waiting" and (job.due is None or job.due <= turn.now)):
        queue.claim(turn, replace(job, body=None))


BUGS: dict[str, tuple[str, Any, str, Callable[[], Any]]] = {
    "a dialer that died has not sent": ("a text", doubt, "enter", lambda: _crash_means_not_sent),
    "a list that failed is an empty list": (
        "a text",
        doubt,
        "listed",
        lambda: _listed(lambda message: replace(message, failed=False)),
    ),
    "an empty list counts at any time": ("a text", doubt, "_hold", lambda: lambda turn: doubt.timedelta(0)),
    "an accepted message is sent again": ("a text", results, "dialled", lambda: _twice),
    "STOP does not concern what is queued": ("a text and a STOP", blocks, "reason", lambda: lambda turn: None),
    "one entry of the list is evidence for two": (
        "two travelers owed the same words at one number",
        doubt,
        "taken",
        lambda: lambda turn: (),
    ),
    "several claims of one number are out at once": (
        "two travelers owed the same words at one number",
        queue,
        "pump",
        lambda: _all_out,
    ),
    "a receipt after the end opens the message again": (
        "a text",
        evidence,
        "receipt",
        lambda: lambda turn, message: [turn.say(job, "accepted") for job in turn.address.jobs.values()],
    ),
    "an email gets a new Message-ID each time": (
        "an email",
        steps,
        "message_id",
        lambda: lambda turn, name: f"<{name}.{turn.now.timestamp()}@example.com>",
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_search_finds(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, module, attribute, make = BUGS[bug]
    _replace_everywhere(monkeypatch, module, attribute, make())
    with pytest.raises(Broken):
        search(WORLDS[name])


def _replace_everywhere(monkeypatch: pytest.MonkeyPatch, module: Any, attribute: str, wrong: Any) -> None:
    """The bug in the module and in the stage's table of handlers."""
    import streams.addresses as package

    right = getattr(module, attribute)
    monkeypatch.setattr(module, attribute, wrong)
    for kind, handler in package._HANDLERS.items():
        if handler is right:
            monkeypatch.setitem(package._HANDLERS, kind, wrong)
