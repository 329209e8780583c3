"""Which cases to show, so that a reviewer sees every wording at least once and nothing twice."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from schemas.internal import Facts
from streams.catalogue import Catalogue
from streams.catalogue.programs import PROGRAMS
from streams.catalogue.values import values
from streams.catalogue.wording import DATES, File, Wording, terms_of

_DAY = date(2027, 9, 30)
_KNOWN = {
    "appointment": datetime(2027, 9, 30, 15, 30, tzinfo=UTC),
    "appointmentZone": "America/Chicago",
    "site": "Chicago O'Hare, Terminal 5",
}
_SCENES: tuple[tuple[str, dict[str, object]], ...] = (
    ("", {"dates": dict.fromkeys(DATES, _DAY), **_KNOWN}),
    ("no letter date", {"dates": {name: _DAY for name in DATES if name != "letterDate"}, **_KNOWN}),
    ("no reply date", {"dates": {name: _DAY for name in DATES if name != "replyBy"}, **_KNOWN}),
    ("zone without a name", {"dates": dict.fromkeys(DATES, _DAY), **_KNOWN, "appointmentZone": "Europe/Dublin"}),
    ("no place", {"dates": dict.fromkeys(DATES, _DAY), **_KNOWN, "appointmentZone": "Europe/Dublin", "site": None}),
    ("no date known", {}),
)
EMAIL_SLOTS = ("subject", "lead", "means", "next", "dates", "disagree")


class Scene(NamedTuple):
    """A case to show: what it is, in a few words, and its facts."""

    label: str
    facts: Facts


def scenes(catalogue: Catalogue, kind: str) -> Iterator[Scene]:
    """All cases of a kind, the most usual first."""
    variants = [None, *catalogue.library.of_kind(kind).variants]
    for known, said in _SCENES:
        for variant in variants:
            for child in (False, True):
                for program in ("GLOBAL_ENTRY", *(name for name in PROGRAMS if name != "GLOBAL_ENTRY")):
                    words = [PROGRAMS[program].short, *([variant] if variant else []), *(["child"] if child else [])]
                    facts = Facts(program=program, child=child, variant=variant, **said)  # type: ignore[arg-type]
                    yield Scene(", ".join([*words, *([known] if known else [])]), facts)


def texts(catalogue: Catalogue, kind: str) -> list[Scene]:
    """One case for each wording of the text message, in the order of the file."""
    return _cover(catalogue, kind, ("sms",))


def emails(catalogue: Catalogue, kind: str) -> list[Scene]:
    """Few cases that together show every wording of the email."""
    return _cover(catalogue, kind, EMAIL_SLOTS)


def _cover(catalogue: Catalogue, kind: str, slots: tuple[str, ...]) -> list[Scene]:
    file = catalogue.library.files["en", kind]
    english = catalogue.library.languages["en"]
    seen: dict[frozenset[int], Scene] = {}
    for scene in scenes(catalogue, kind):
        known = values(english, scene.facts, "email")
        shown = frozenset(file.wordings.index(one) for slot in slots if (one := _first(file, slot, scene, known)))
        seen.setdefault(shown, scene)
    chosen: list[Scene] = []
    missing = frozenset[int]().union(*seen)
    while missing:
        best = max(seen, key=lambda shown: len(shown & missing))
        chosen.append(seen[best])
        missing -= best
    return chosen


def _first(file: File, slot: str, scene: Scene, known: dict[str, str]) -> Wording | None:
    terms = terms_of(scene.facts.program, scene.facts.child, scene.facts.variant)
    return next((wording for wording in file.of(slot) if wording.fits(terms, known.keys())), None)
