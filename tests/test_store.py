"""The store of one partition: values, due index and position move together, and a restore is whole or not there."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.store import (
    MISSED,
    Change,
    Memory,
    Shared,
    Store,
    UnreadableStoreError,
    due_of,
    from_micros,
    micros,
    pack,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FOREVER = 1 << 62


def _store(folder: Path) -> Store:
    return Store(folder / "store", Shared(Memory()))


def test_values_index_and_position_are_there_after_a_restart(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write({b"a": Change(pack(NOW, b"one"), None), b"b": Change(pack(None, b"two"), None)}, 7)
    store.close()
    store = _store(tmp_path)
    assert store.position() == 7
    assert store.get_many([b"a", b"x", b"b"]) == [pack(NOW, b"one"), None, pack(None, b"two")]
    assert store.due(FOREVER, 10) == [(micros(NOW), b"a")]
    assert dict(store.items()) == {b"a": pack(NOW, b"one"), b"b": pack(None, b"two")}


def test_a_key_is_due_at_its_newest_moment_alone(tmp_path: Path) -> None:
    store = _store(tmp_path)
    later = NOW + timedelta(hours=1)
    store.write({b"a": Change(pack(NOW, b""), None)}, 1)
    store.write({b"a": Change(pack(later, b""), micros(NOW))}, 2)
    assert store.due(micros(NOW), 10) == []
    assert from_micros(store.next_due() or 0) == later
    store.write({b"a": Change(pack(None, b""), micros(later))}, 3)
    assert store.next_due() is None


def test_an_earlier_moment_is_found_after_a_later_one_was_looked_for(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write({b"late": Change(pack(NOW + timedelta(days=1), b""), None)}, 1)
    assert store.due(micros(NOW), 10) == []
    store.write({b"soon": Change(pack(NOW, b""), None)}, 2)
    assert store.due(micros(NOW), 10) == [(micros(NOW), b"soon")]


def test_due_keys_come_earliest_first_and_in_parts(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write({b"%d" % n: Change(pack(NOW + timedelta(seconds=9 - n), b""), None) for n in range(10)}, 1)
    assert [key for _, key in store.due(FOREVER, 4)] == [b"9", b"8", b"7", b"6"]


def test_a_restore_leaves_no_old_moment_behind(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.restore([(b"a", pack(NOW, b"")), (b"b", pack(NOW, b""))], 2)
    store.restore([(b"a", pack(NOW + timedelta(days=1), b"")), (b"b", None)], 4)
    store.settle()
    assert store.due(micros(NOW), 10) == []
    assert store.next_due() == micros(NOW + timedelta(days=1))
    assert store.get(b"b") is None


_KILLED = """
import os, signal, sys
from pathlib import Path
from services.store import MISSED, Change, Memory, Shared, Store, pack
store = Store(Path(sys.argv[1]) / "store", Shared(Memory()))
for first in range(0, 1000, 100):
    store.restore([(b"%d" % n, pack(None, b"x" * 100)) for n in range(first, first + 100)], first + 100)
if sys.argv[2] == "settled":
    store.settle()
    store.write({b"more": Change(pack(None, b""), None)}, 1001)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("step", ["settled", "before"])
def test_a_process_killed_in_a_restore_has_all_up_to_its_position(tmp_path: Path, step: str) -> None:
    subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), step], check=False, timeout=60)
    store = _store(tmp_path)
    held = len(dict(store.items()))
    assert held == store.position()
    assert step == "before" or held == 1001


def test_a_value_of_another_format_is_refused() -> None:
    with pytest.raises(UnreadableStoreError, match="format 9, and this version reads 1"):
        due_of(b"\x09" + bytes(8))


@pytest.mark.parametrize(("away", "left"), [(MISSED / 2, pack(NOW, b"one")), (MISSED + 60, None)])
def test_a_store_that_was_out_of_use_for_long_begins_empty(tmp_path: Path, away: float, left: bytes | None) -> None:
    """Kafka tells of a deletion for a day: what was deleted meanwhile would stay here for ever."""
    store = _store(tmp_path)
    store.write({b"a": Change(pack(NOW, b"one"), None)}, 7)
    store.close()
    for file in (tmp_path / "store").iterdir():
        os.utime(file, (time.time() - away, time.time() - away))
    store = _store(tmp_path)
    assert (store.get(b"a"), store.position()) == (left, 0 if left is None else 7)
