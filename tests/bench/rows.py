"""The rows of the table and of `build/bench.json`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Rows = dict[str, dict[str, "Row"]]
"""Rows by job and system."""


class Row(msgspec.Struct):
    """One line. Rates per second, CPU in microseconds, latency in milliseconds, memory in MB; None: not measured.

    `more` are figures of this job alone, and the conditions under which it was measured.
    """

    events_per_s: float | None = None
    cpu_us_per_event: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    peak_mb: float | None = None
    more: dict[str, float | str] = {}

    def timed(self, delays: Sequence[float]) -> "Row":
        """This row with the quantiles of delays in milliseconds, in any order."""
        ordered = sorted(delays)
        self.p50_ms, self.p95_ms, self.p99_ms = (round(quantile(ordered, share), 1) for share in (0.5, 0.95, 0.99))
        return self

    def plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {name: getattr(self, name) for name in COLUMNS} | self.more


COLUMNS: Final = Row.__struct_fields__[:6]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def machine_load() -> float:
    """The load average of the last minute: above the number of cores, a figure says as much of others as of us."""
    return round(os.getloadavg()[0], 2)


def table(jobs: Mapping[str, Mapping[str, Row]]) -> str:
    """All rows, one below the other; what belongs to one job alone stands behind its row."""
    lines = [f"{'job':<20} {'system':<28} " + " ".join(f"{column:>16}" for column in COLUMNS)]
    for job, rows in jobs.items():
        for system, row in rows.items():
            cells = " ".join(f"{'-' if value is None else value:>16}" for value in row_values(row))
            said = ", ".join(f"{name} {value}" for name, value in row.more.items())
            lines.append(f"{job:<20} {system:<28} {cells}  {said}".rstrip())
    return "\n".join(lines)


def row_values(row: Row) -> list[float | None]:
    """The values of the six columns."""
    return [getattr(row, column) for column in COLUMNS]
