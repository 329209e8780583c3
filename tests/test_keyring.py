"""Data keys of states: made with the state, replaced when it gave something up, gone with it; never in the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from services import wire
from services.keyring import Keyrings, Sealing
from services.runtime.ending import RefusedError
from services.runtime.job import Limits, Slice
from services.runtime.keyed import Keyed
from services.runtime.meters import Meters
from services.runtime.standby import Standby
from services.sealing import ForgottenError, Keys, SealError
from services.store import Change, Memory, Shared, Store, blob_of, pack
from streams import topics
from streams.grammar import Output, Renew

NOW = datetime(2027, 3, 1, 16, tzinfo=UTC)
SPRING = {"spring": b"s" * 32}
SECRET = b"a data key in sealed form"


class Note(msgspec.Struct, tag="note"):
    """What the notebook is told: a text to keep (None: forget all), and whether older copies shall be unreadable."""

    text: str | None
    renew: bool = False


class Notebook(msgspec.Struct):
    """What is kept."""

    key: str
    texts: list[str] = []


class Notebooks:
    """A stage that keeps what it is told."""

    name = "notebooks"
    state_type = Notebook
    message_type: Any = Note

    def empty(self, key: str) -> Notebook:
        return Notebook(key)

    def receive(self, state: Notebook, message: Note, now: datetime) -> tuple[Notebook, Sequence[Output]]:
        texts = [] if message.text is None else [*state.texts, message.text]
        return Notebook(state.key, texts), [Renew()] if message.renew else []

    def due(self, state: Notebook) -> datetime | None:
        return None

    def wake(self, state: Notebook, now: datetime) -> tuple[Notebook, Sequence[Output]]:
        return state, ()


class Desk:
    """One partition of the stage, as the runtime drives it: a slice, then what was committed."""

    def __init__(self, folder: Path, keys: Keys | None = None) -> None:
        self.folder = folder
        self.keys = keys or Keys(b"h" * 32, SPRING)
        self.shared = Shared(Memory())
        self.rings = Keyrings(self.keys, "notebooks", folder / "keys", self.shared)
        self.store = Store(folder / "store", self.shared)
        self.ring = self.rings.ring(0)
        self._job = Keyed(Notebooks(), self.keys, 1, Limits())

    def tell(self, *notes: Note, key: str = "a", commit: bool = True) -> Slice:
        sent = [wire.to_stage(self.keys, 1, "notebooks", key, note, NOW) for note in notes]  # type: ignore[arg-type]
        records: Any = [
            SimpleNamespace(topic=one.topic, partition=0, offset=i, timestamp=0, key=one.key, value=one.value,
                            headers=one.headers)
            for i, one in enumerate(sent)
        ]  # fmt: skip
        work = self._job.slice(records, self.store, self.ring)
        if commit:
            self.ring.keep(work.changes, None)
            self.store.write(work.changes, None)
        return work

    def texts(self, value: bytes | None, key: bytes = b"a") -> list[str]:
        """What a value says, with the keys that are held now. Raises SealError where they do not open it."""
        clear = Sealing(self.ring, 1).open(key, blob_of(value or b""))
        return msgspec.msgpack.decode(clear, type=Notebook).texts

    def close(self) -> None:
        self.store.close()
        self.rings.close()


def written(work: Slice) -> list[tuple[bytes | None, bool]]:
    """What goes to the topic of data keys: which key, and whether it is one or its deletion."""
    topic = topics.data_keys("notebooks")
    return [(out.key, out.value is not None) for out in work.outgoing if out.topic == topic]


def test_a_data_key_is_written_with_the_first_state_and_not_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert written(desk.tell(Note("one"), Note("two"))) == [(b"a", True)]
    assert written(desk.tell(Note("three"))) == []
    assert written(desk.tell(Note("other"), key="b")) == [(b"b", True)]
    assert desk.texts(desk.store.get(b"a")) == ["one", "two", "three"]


def test_a_state_opens_with_its_own_data_key_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("one"))
    desk.tell(Note("other"), key="b")
    with pytest.raises(SealError):
        desk.texts(desk.store.get(b"a"), b"b")


def test_what_was_kept_cannot_be_read_when_the_state_is_empty(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("secret"))
    copy = desk.store.get(b"a")
    work = desk.tell(Note(None))
    assert written(work) == [(b"a", False)]
    assert work.changes[b"a"].value is None
    with pytest.raises(ForgottenError):
        desk.texts(copy)


def test_older_copies_cannot_be_read_when_a_state_gave_something_up(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("secret"))
    copy = desk.store.get(b"a")
    assert written(desk.tell(Note("kept", renew=True))) == [(b"a", True)]
    assert desk.texts(desk.store.get(b"a"))[-1] == "kept"
    with pytest.raises(SealError):
        desk.texts(copy)


def test_a_data_key_counts_only_when_it_is_committed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("lost"), commit=False)
    assert written(desk.tell(Note("one"))) == [(b"a", True)]
    desk.tell(Note("two", renew=True), commit=False)
    assert desk.texts(desk.store.get(b"a")) == ["one"]


def test_a_state_without_its_data_key_stops_the_stage_with_one_sentence(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    work = desk.tell(Note("one"))
    desk.tell(Note(None))
    desk.store.write(work.changes, None)
    with pytest.raises(RefusedError, match="the data key of a state is gone"):
        desk.tell(Note("two"))


def test_a_data_key_that_an_older_key_of_the_deployment_sealed_is_replaced(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("one"))
    desk.close()
    both = Desk(tmp_path, Keys(b"h" * 32, SPRING | {"autumn": b"a" * 32}))
    assert written(both.tell(Note("two"))) == [(b"a", True)]
    assert written(both.tell(Note("three"))) == []
    both.close()
    new = Desk(tmp_path, Keys(b"h" * 32, {"autumn": b"a" * 32}))
    assert new.texts(new.store.get(b"a")) == ["one", "two", "three"]


def test_a_copy_of_the_store_holds_no_data_key(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    work = desk.tell(Note("one"))
    desk.store.settle()
    sealed = work.changes[b"a"].key or b""
    files = b"".join(path.read_bytes() for path in (tmp_path / "store").iterdir() if path.is_file())
    assert len(sealed) > 32
    assert blob_of(work.changes[b"a"].value or b"") in files
    assert sealed not in files


def test_a_deleted_data_key_leaves_the_files_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sealed = desk.tell(Note("one")).changes[b"a"].key or b""
    desk.tell(Note("other"), key="b")
    ring = desk.rings.ring(0)
    ring.store.compact()

    assert sealed[-40:] in _files(tmp_path)
    desk.tell(Note(None))
    ring.sweep()
    assert sealed[-40:] not in _files(tmp_path)


def test_a_data_key_that_another_worker_deleted_leaves_the_files_of_one_that_stands_by(tmp_path: Path) -> None:
    log = TopicPartition(topics.data_keys("notebooks"), 0)
    ring = Keyrings(Keys(b"h" * 32, SPRING), "notebooks", tmp_path / "keys", Shared(Memory())).ring(0)
    standby = Standby({}, Meters("test"))
    standby.follow({log: ring.store})
    standby._apply(log, [SimpleNamespace(key=b"a", value=pack(None, SECRET), offset=0)], 0)
    ring.sweep()
    assert SECRET in _files(tmp_path)
    standby._apply(log, [SimpleNamespace(key=b"a", value=None, offset=1)], 0)
    ring.sweep()
    assert SECRET not in _files(tmp_path)


def test_a_data_key_that_was_deleted_right_before_a_restart_leaves_the_files_after_it(tmp_path: Path) -> None:
    rings = Keyrings(Keys(b"h" * 32, SPRING), "notebooks", tmp_path / "keys", Shared(Memory()))
    rings.ring(0).keep({b"a": Change(b"", None, SECRET)}, 1)
    rings.ring(0).sweep()
    assert SECRET in _files(tmp_path)
    rings.ring(0).keep({b"a": Change(None, None)}, 2)
    rings.close()
    rings.ring(0).sweep()
    assert SECRET not in _files(tmp_path)
    assert rings.ring(0).store.position() == 2


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (folder / "keys").rglob("*") if path.is_file())


def test_a_worker_keeps_no_keys_of_partitions_that_others_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("one"))
    desk.rings.ring(1)
    desk.rings.hold([1])
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["1"]


def test_keys_of_a_partition_that_stays_are_kept_over_a_rebalance_and_a_restart(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tell(Note("one"))
    desk.rings.hold([0, 1])
    desk.rings.ring(0).store.compact()
    assert written(desk.tell(Note("two"))) == []
    desk.close()
    Keyrings(desk.keys, "notebooks", tmp_path / "keys", desk.shared).hold([0])
    again = Desk(tmp_path)
    assert again.texts(again.store.get(b"a")) == ["one", "two"]
