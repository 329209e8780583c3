"""How many parts a text message takes: GSM-7 or UCS-2, as 3GPP TS 23.038 and 23.040 count.

National shift tables are not counted, because Twilio does not use them. One character outside the alphabet makes the
whole text UCS-2.
"""

from typing import Final, Literal, NamedTuple

Encoding = Literal["GSM-7", "UCS-2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("^{}\\[~]|€\f")
"""Characters that cost two septets: an escape and themselves."""


class Size(NamedTuple):
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2."""

    encoding: Encoding
    segments: int
    units: int


def size(body: str) -> Size:
    """The encoding that `body` needs, its length in that encoding and the parts it takes; an empty text takes none."""
    gsm = all(letter in BASIC or letter in EXTENSION for letter in body)
    if gsm:
        costs = [2 if letter in EXTENSION else 1 for letter in body]
        return Size("GSM-7", _parts(costs, single=160, joined=153), sum(costs))
    costs = [2 if ord(letter) > 0xFFFF else 1 for letter in body]
    return Size("UCS-2", _parts(costs, single=70, joined=67), sum(costs))


def outside(body: str) -> list[str]:
    """The characters that keep `body` out of GSM-7, each once, in order of appearance."""
    return [letter for letter in dict.fromkeys(body) if letter not in BASIC and letter not in EXTENSION]


def _parts(costs: list[int], single: int, joined: int) -> int:
    """A pair (escape and letter, or surrogates) never straddles two parts."""
    if sum(costs) <= single:
        return 1 if costs else 0
    parts, used = 1, 0
    for cost in costs:
        if used + cost > joined:
            parts, used = parts + 1, 0
        used += cost
    return parts
