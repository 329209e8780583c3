"""How many parts a text message takes: GSM-7 or UCS-2, as 3GPP TS 23.038 and 23.040 count.

National shift tables are not counted, because Twilio does not use them. One character outside the alphabet makes the
whole text UCS-2.
"""

import re
from typing import Final, Literal, NamedTuple

Encoding = Literal["GSM-7", "UCS-2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("^{}\\[~]|€\f")
"""Characters that cost two septets: an escape and themselves."""

SEPTETS_JOINED: Final = 153
UNITS_JOINED: Final = 67
"""Room in one of several joined parts."""

_GSM = re.compile(f"[{re.escape(''.join(sorted(BASIC | EXTENSION)))}]*")
_EXTENSION = re.compile(f"[{re.escape(''.join(sorted(EXTENSION)))}]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


class Size(NamedTuple):
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2."""

    encoding: Encoding
    segments: int
    units: int


def size(body: str) -> Size:
    """The encoding that `body` needs, its length in that encoding and the parts it takes; an empty text takes none."""
    if _GSM.fullmatch(body):
        return _measured("GSM-7", body, _EXTENSION, single=160, joined=SEPTETS_JOINED)
    return _measured("UCS-2", body, _ASTRAL, single=70, joined=UNITS_JOINED)


def outside(body: str) -> list[str]:
    """The characters that keep `body` out of GSM-7, each once, in order of appearance."""
    return [letter for letter in dict.fromkeys(body) if letter not in BASIC and letter not in EXTENSION]


def _measured(encoding: Encoding, body: str, double: re.Pattern[str], single: int, joined: int) -> Size:
    """A pair (escape and letter, or surrogates) never straddles two parts."""
    units = len(body) + len(double.findall(body))
    if units <= single:
        return Size(encoding, 1 if body else 0, units)
    if units == len(body):
        return Size(encoding, -(-units // joined), units)
    parts, used = 1, 0
    for letter in body:
        cost = 2 if double.match(letter) else 1
        if used + cost > joined:
            parts, used = parts + 1, 0
        used += cost
    return Size(encoding, parts, units)
