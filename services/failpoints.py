"""Named points of a batch and of a delivery at which a crash test ends or stops the process (`TTN_FAILPOINT`).

`TTN_FAILPOINT=after-connect:kill` ends the process (SIGKILL) at that point, `:stop` suspends it (SIGSTOP);
`after-connect:kill:3` does so the third time that the point is passed.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

Point = Literal[
    # a stage's batch, from fetch to the hand-over of commands; and taking a partition over
    "after-fetch",
    "after-handle",
    "after-begin",
    "after-send",
    "after-produce",
    "after-offsets",
    "after-commit",
    "after-store",
    "after-hand-over",
    "after-fence",
    "in-restore",
    "after-restore",
    # a dialled claim
    "before-dial",
    "after-connect",
    "after-last-byte",
    "after-response",
    "before-result",
    "after-result",
]
POINTS: Final[tuple[str, ...]] = get_args(Point)
_SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}

Action = Callable[[], None]


class Failpoints:
    """What happens at which point, and how often each was passed."""

    def __init__(self, actions: Mapping[str, Action] | None = None) -> None:
        self._actions = dict(actions or {})
        self.passed: Counter[str] = Counter()

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> "Failpoints":
        """The points that the environment asks for. Raises ValueError for a point or an action that does not exist."""
        asked = environ.get("TTN_FAILPOINT")
        if not asked:
            return cls()
        point, _, rest = asked.partition(":")
        action, _, nth = rest.partition(":")
        if point not in POINTS or action not in _SIGNALS or not (nth or "1").isdigit():
            raise ValueError(f"TTN_FAILPOINT: expected POINT:kill or POINT:stop, POINT one of {', '.join(POINTS)}")
        failpoints = cls()
        failpoints._actions[point] = lambda: failpoints._signal(point, int(nth or "1"), _SIGNALS[action])
        return failpoints

    def _signal(self, point: str, nth: int, number: signal.Signals) -> None:
        if self.passed[point] == nth:
            os.kill(os.getpid(), number)

    def reach(self, point: Point) -> None:
        """Pass a point; where an action is set for it, that happens now."""
        action = self._actions.get(point)
        if action is not None:
            self.passed[point] += 1
            action()
