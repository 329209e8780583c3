"""The partitions of a process while the group changes, without Kafka: nothing is taken before its place is known."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition

from services.failpoints import Failpoints
from services.runtime.meters import Meters
from services.runtime.owned import Owned
from services.store import Memory, Shared

PLACE = TopicPartition("inbox", 0)


async def _nothing() -> None:
    return None


def _owned(folder: Path) -> Owned:
    stub: Any = SimpleNamespace(changelog=None, topics=("inbox",), start=_nothing)
    return Owned(
        stub,
        stub,
        folder=folder,
        shared=Shared(Memory()),
        client={},
        meters=Meters("test"),
        failpoints=Failpoints(),
        hand_over=lambda commands, held: None,
        session=6.0,
        standby=0,
    )


def _records(first: int) -> list[Any]:
    return [
        SimpleNamespace(offset=offset, value=b"", key=b"k", headers=(), timestamp=0) for offset in (first, first + 1)
    ]


async def _take(owned: Owned) -> None:
    await owned.take([PLACE], cast("Any", None))
    owned.start_at({PLACE: None})


async def test_records_are_taken_only_when_the_consumer_stands_where_the_partition_goes_on(tmp_path: Path) -> None:
    owned = _owned(tmp_path)
    await _take(owned)
    await owned.restore()
    turn = owned.turn
    assert not owned.put(PLACE, _records(0))
    assert owned.offsets() == {PLACE: None}
    owned.admit(turn)
    assert not owned.admits(turn), "what was asked for before the seek may come from anywhere"
    assert owned.admits(owned.turn)
    assert owned.put(PLACE, _records(0))
    assert owned.offsets() == {PLACE: 2}


async def test_the_end_of_an_earlier_recovery_lets_nothing_in(tmp_path: Path) -> None:
    owned = _owned(tmp_path)
    await _take(owned)
    await owned.restore()
    earlier = owned.turn
    await _take(owned)
    owned.admit(earlier)
    assert not owned.put(PLACE, _records(0))
    owned.admit(owned.turn)
    assert not owned.put(PLACE, _records(0)), "its stores are not restored"
