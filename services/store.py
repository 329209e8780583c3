"""The state of one partition on disk: values by key, an index of what is due, and how far the changelog was read.

A value is `format byte, due moment, sealed state`. The changelog holds the same bytes, so that a restore copies them
and rebuilds the index without opening anything. The index is a hint: an entry counts only where the value names the
same moment, which lets a restore write entries without looking for older ones.

The write-ahead log survives the process, not the machine; what a machine loses is restored from the changelog.
"""

import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast

import msgspec
import rocksdict

FORMAT: Final = 1
MISSED: Final = 12 * 3600.0
"""Seconds out of use after which a store begins anew: half of the time for which Kafka tells of a deletion."""

_NEVER: Final = (1 << 64) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_VALUE: Final = b"v"
_DUE: Final = b"d"
_DUE_END: Final = b"e"
_POSITION: Final = b"mposition"
_HEAD: Final = 9


class StoreError(RuntimeError):
    """The store cannot be written; the text is one sentence for the operator."""


class UnreadableStoreError(StoreError):
    """A store, or a changelog, that only an operator can bring back into use."""


class Memory(msgspec.Struct, frozen=True):
    """Bounds of a worker's stores together, in bytes: blocks read, and writes not yet in a file."""

    block_cache: int = 48 << 20
    write_buffers: int = 48 << 20


class Change(msgspec.Struct, frozen=True, gc=False):
    """The new value of a key (None: gone) and the due moment that its old value named.

    `key` is the data key of the value in sealed form, where that is new with it.
    """

    value: bytes | None
    was_due: int | None
    key: bytes | None = None


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970; moments before that count as 0."""
    return max(0, (moment - _EPOCH) // _MICROSECOND)


def from_micros(value: int) -> datetime:
    """The moment of `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def pack(due: datetime | None, blob: bytes) -> bytes:
    """A value: what it is due for, and its sealed state."""
    return bytes((FORMAT,)) + (_NEVER if due is None else micros(due)).to_bytes(8, "big") + blob


def due_of(value: bytes) -> int | None:
    """The due moment of a value in microseconds. Raises UnreadableStoreError for a value of another format."""
    if value[0] != FORMAT:
        raise UnreadableStoreError(
            f"The changelog or store holds values of format {value[0]}, and this version reads {FORMAT}: "
            "run the version that wrote them, or upgrade the changelog first."
        )
    due = int.from_bytes(value[1:_HEAD], "big")
    return None if due == _NEVER else due


def blob_of(value: bytes) -> bytes:
    """The sealed state of a value."""
    return value[_HEAD:]


class Shared:
    """What the stores of one process share: one block cache and one bound on writes in memory."""

    def __init__(self, memory: Memory) -> None:
        self._cache = rocksdict.Cache(memory.block_cache)
        self._buffers = rocksdict.WriteBufferManager(memory.write_buffers, allow_stall=False)
        self._one_buffer = max(1 << 20, memory.write_buffers // 4)

    def options(self) -> rocksdict.Options:
        """The options of one store. Small files and few threads: a process has many stores."""
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        table = rocksdict.BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(10, block_based=False)
        table.set_cache_index_and_filter_blocks(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(self._one_buffer)
        options.set_max_background_jobs(2)
        options.set_max_open_files(64)
        options.set_keep_log_file_num(2)
        options.set_max_total_wal_size(64 << 20)
        return options


class Store:
    """The store of one partition. Raises UnreadableStoreError where the directory cannot be used.

    One that was out of use for longer than MISSED begins empty: its topic may no longer tell of what was deleted since.
    `replaced` says whether its files may hold values that were deleted or replaced, until they are written anew.
    """

    def __init__(self, path: Path, shared: Shared) -> None:
        self.replaced = True
        self._path = path
        try:
            if _out_of_use(path) > MISSED:
                shutil.rmtree(path)
            path.mkdir(parents=True, exist_ok=True)
            self._db = rocksdict.Rdict(str(path), shared.options())
        except Exception as error:  # noqa: BLE001 - the binding raises nothing narrower
            raise UnreadableStoreError(
                f"The store {path} cannot be opened ({_short(error)}): repair access to it, or move it away and it is "
                "restored from its changelog."
            ) from None
        self._unlogged = rocksdict.WriteOptions()
        self._unlogged.disable_wal = True  # type: ignore[method-assign, assignment] # a property, whatever its stub says
        self._floor = 0

    def position(self) -> int:
        """The changelog offset to read next: all before it is in this store."""
        raw = self._db.get(_POSITION)
        return 0 if raw is None else int.from_bytes(raw, "big")

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        value: bytes | None = self._db.get(_VALUE + key)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys, in one call."""
        return cast("list[bytes | None]", self._db.get([_VALUE + key for key in keys]))

    def write(self, changes: Mapping[bytes, Change], position: int | None) -> None:
        """All changes, their index entries and the changelog position (None: as it was): together or not at all."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, change in changes.items():
            due = None if change.value is None else due_of(change.value)
            if change.was_due is not None and change.was_due != due:
                batch.delete(_index(change.was_due, key))
            if change.value is None:
                batch.delete(_VALUE + key)
                continue
            batch.put(_VALUE + key, change.value)
            if due is not None:
                batch.put(_index(due, key), b"")
                self._floor = min(self._floor, due)
        if position is not None:
            batch.put(_POSITION, position.to_bytes(8, "big"))
        self._apply(batch)

    def restore(self, pairs: Iterable[tuple[bytes, bytes | None]], position: int) -> None:
        """Changelog records in order; the last of a key counts. `settle` must follow before anything is written.

        Without the write-ahead log: what a crash takes is a whole tail, position included, and is restored again.
        """
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value in pairs:
            if value is None:
                batch.delete(_VALUE + key)
                continue
            due = due_of(value)
            batch.put(_VALUE + key, value)
            if due is not None:
                batch.put(_index(due, key), b"")
                self._floor = min(self._floor, due)
        batch.put(_POSITION, position.to_bytes(8, "big"))
        self.replaced = True
        self._apply(batch, self._unlogged)

    def compact(self) -> None:
        """Write all files anew, without what was deleted or replaced."""
        self.replaced = False
        self.settle()
        self._db.compact_range(None, None)

    def settle(self) -> None:
        """Put what was restored into files: later writes are logged, and must not survive it."""
        try:
            self._db.flush()
        except Exception as error:  # noqa: BLE001 - the binding raises nothing narrower
            raise StoreError(f"The store {self._path} cannot be written ({_short(error)}).") from None

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` keys that are due at `until` or before (microseconds), earliest first."""
        found: list[tuple[int, bytes]] = []
        stale: list[bytes] = []
        last = self._floor
        cursor = self._db.iter()
        cursor.seek(_DUE + self._floor.to_bytes(8, "big"))
        while cursor.valid() and len(found) < limit:
            entry: bytes = cursor.key()
            if entry >= _DUE_END:
                break
            moment, key = int.from_bytes(entry[1:_HEAD], "big"), entry[_HEAD:]
            if moment > until:
                break
            value = self.get(key)
            if value is not None and due_of(value) == moment:
                found.append((moment, key))
            else:
                stale.append(entry)
                last = moment
            cursor.next()
        if stale:
            batch = rocksdict.WriteBatch(raw_mode=True)
            for entry in stale:
                batch.delete(entry)
            self._apply(batch)
        self._floor = found[0][0] if found else max(self._floor, last)
        return found

    def next_due(self) -> int | None:
        """The earliest due moment of any key, in microseconds."""
        first = self.due(_NEVER - 1, 1)
        return first[0][0] if first else None

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """All keys and values, for comparison and export."""
        for key, value in cast("Iterable[tuple[bytes, bytes]]", self._db.items(from_key=_VALUE)):
            yield key[1:], value

    def close(self) -> None:
        """Let go of the directory, so that another process may open it."""
        self._db.close()

    def _apply(self, batch: rocksdict.WriteBatch, options: rocksdict.WriteOptions | None = None) -> None:
        try:
            self._db.write(batch, options)
        except Exception as error:  # noqa: BLE001 - the binding raises nothing narrower
            raise StoreError(f"The store {self._path} cannot be written ({_short(error)}).") from None


def _out_of_use(path: Path) -> float:
    """Seconds since a process had the store open: RocksDB writes to its own log there every ten minutes."""
    written = [file.stat().st_mtime for file in path.iterdir()] if path.exists() else []
    return time.time() - max(written) if written else 0.0


def _index(due: int, key: bytes) -> bytes:
    return _DUE + due.to_bytes(8, "big") + key


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
