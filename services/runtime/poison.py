"""How many events may fail in our own code before the fault is ours: a burst stops the worker, not the stream."""

from typing import Final

from services.runtime.ending import RefusedError

CONSECUTIVE: Final = 20
SHARE: Final = 0.05
_MANY: Final = 50
_WINDOW: Final = 2000


class Poison:
    """Counts the events of one stage that its code failed on; older ones count half, a quarter, and so on."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._row = 0
        self._seen = 0
        self._failed = 0

    def passed(self) -> None:
        """An event went well."""
        self._row = 0
        self._count()

    def failed(self) -> None:
        """The code failed on an event. Raises RefusedError where that is one too many."""
        self._row += 1
        self._failed += 1
        self._count()
        if self._row > CONSECUTIVE or (self._failed > _MANY and self._failed > SHARE * self._seen):
            raise RefusedError(
                f"Stage {self._stage} fails on too many events ({self._failed} of the last {self._seen}): this is a "
                "fault of the program, so it stops before it turns the stream into dead letters."
            )

    def _count(self) -> None:
        self._seen += 1
        if self._seen > _WINDOW:
            self._seen //= 2
            self._failed //= 2
