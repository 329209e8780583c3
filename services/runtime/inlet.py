"""The waiting batch of one partition: arriving records join it while the actor works, and the actor takes it whole."""

from typing import Final

from services.wire import Received

_OBJECTS: Final = 450
"""Bytes that a record takes beside its key and value, which most of ours are smaller than: its object and headers."""


class Inlet:
    """Records that wait for a partition's actor, in offset order.

    `closed` for good when the partition is being let go: what waited is read again by the next owner.
    """

    def __init__(self) -> None:
        self.closed = False
        self.rung = False
        self.size = 0
        self._waiting: list[Received] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> int | None:
        """Kafka timestamp of the record that waits longest, in ms."""
        return self._waiting[0].timestamp if self._waiting else None

    def put(self, records: list[Received]) -> int:
        """Add records; returns their size in bytes."""
        if self.closed:
            return 0
        added = sum(len(record.value or b"") + len(record.key or b"") + _OBJECTS for record in records)
        self._waiting += records
        self.size += added
        return added

    def take(self) -> list[Received]:
        """All that waits; empty once closed."""
        taken, self._waiting = self._waiting, []
        self.size = 0
        return [] if self.closed else taken

    def close(self) -> None:
        """Drop what waits and take nothing more."""
        self.closed = True
        self._waiting = []
        self.size = 0


BOUND: Final = 16 << 20
"""Bytes that may wait in all inlets of a worker before it stops fetching."""
