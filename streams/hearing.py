"""What we keep of a text that a person sends us, whichever way it comes in."""

import re
from typing import Final

_LONGEST: Final = 160
_DIGITS: Final = re.compile(r"\d(?:[ .-]?\d){3,}")


def without_numbers(body: str) -> str:
    """The first 160 characters, without runs of four and more digits: people answer with their SSN (domain 4.7)."""
    return _DIGITS.sub("", body)[:_LONGEST]
