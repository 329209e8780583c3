"""The records stage: one enrollment, its events, its card, its clocks, its news and what was told of it."""

from streams.records.stage import Records

__all__ = ["Records"]
