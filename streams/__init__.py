"""What it means: the stages as pure functions, in the order in which an event passes them."""

from typing import Final

PIPELINE: Final = ("intake", "records", "travelers", "addresses")
