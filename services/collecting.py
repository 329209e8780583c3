"""When Python looks for cycles of garbage: seldom, and never among what is there for good.

By default it looks after every 700 new objects, and a batch makes tens of thousands that live until its transaction is
through: a fifth to two fifths of a stage's CPU went into looking at them over and over. What is imported and loaded at
the start, the catalogue above all, is never garbage. Reference counting frees nearly everything else at once.
"""

import gc
from typing import Final

_YOUNG: Final = 50_000
"""New objects between two looks: about as many as one batch makes, a few MB where all of them were garbage."""

_OLDER: Final = 20


def collect_seldom() -> None:
    """To be called once, when all is loaded and before records flow."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
