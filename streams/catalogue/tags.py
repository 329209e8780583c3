"""Which languages may serve a request, best first: exact tag, base language, English (domain 7.3)."""

from typing import Final

ENGLISH: Final = "en"
_TRADITIONAL: Final = frozenset({"hant", "tw", "hk", "mo"})
_BASES: Final = {"fil": "tl", "pt": "pt-BR", "cmn": "zh", "yue": "zh-Hant"}


def base(requested: str | None) -> str:
    """The language of the catalogue, or the bare base tag, that a requested tag asks for; English where none is asked.

    Traditional and simplified Chinese are two languages here: neither stands in for the other.
    """
    parts = (requested or ENGLISH).replace("_", "-").lower().split("-")
    language = _BASES.get(parts[0], parts[0])
    if language == "zh":
        script = next((part for part in parts[1:] if part in ("hans", "hant")), None)
        traditional = script == "hant" if script else not _TRADITIONAL.isdisjoint(parts[1:])
        return "zh-Hant" if traditional else "zh-Hans"
    return language


def chain(requested: str | None) -> tuple[str, ...]:
    """The tags to try in order."""
    exact = (requested or ENGLISH).replace("_", "-")
    return tuple(dict.fromkeys((exact, base(requested), ENGLISH)))
