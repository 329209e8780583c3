"""The cases that every message is tried with: each program, child and variant, and the extremes of what is known."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from schemas.internal import Facts
from services import templates
from streams.catalogue import KINDS, Catalogue, Envelope
from streams.catalogue.programs import PROGRAMS
from streams.catalogue.wording import DATES
from tests.messages import pseudo

CATALOGUE = Catalogue(pseudo.with_pseudo_languages(templates.load()))
LANGUAGES = CATALOGUE.languages
"""English, every language that has files, and the two invented ones."""

KNOWN: tuple[dict[str, Any], ...] = (
    {},
    {
        "dates": dict.fromkeys(DATES, date(2027, 5, 1)),
        "appointment": datetime(2027, 3, 14, 15, 0, tzinfo=UTC),
        "appointmentZone": "Pacific/Honolulu",
        "site": "ORD",
    },
    {
        "dates": dict.fromkeys(DATES, date(2032, 9, 30)),
        "appointment": datetime(2028, 9, 28, 4, 59, tzinfo=UTC),
        "appointmentZone": "America/St_Johns",
        "site": "مطار أوهير الدولي " * 14,
    },
    {
        "dates": dict.fromkeys(DATES, date(2028, 2, 29)),
        "appointment": datetime(2027, 11, 7, 5, 59, tzinfo=UTC),
        "appointmentZone": "Europe/Dublin",
        "site": '<script>alert(1)</script> & "Smith\'s"\u202e\r\nBcc: all',
    },
)
"""Nothing; short values; long dates and a long right-to-left place; an unnamed zone and a hostile place."""


def facts(kind: str) -> Iterator[Facts]:
    """Every case of a kind. Only what speaks for all programs has a case without one."""
    general = not any("program" in wording.needs for wording in CATALOGUE.library.files["en", kind].of("sms"))
    for program in (*([None] if general else []), *PROGRAMS):
        for child in (False, True):
            for variant in (None, "unheard-of", *CATALOGUE.library.of_kind(kind).variants):
                for known in KNOWN:
                    yield Facts(program=program, child=child, variant=variant, **known)


def envelope(**changes: Any) -> Envelope:
    """An envelope to a fictional person."""
    return Envelope(
        **{
            "message_id": "5f0c@example.com",
            "date": datetime(2027, 1, 5, 15, 0, tzinfo=UTC),
            "sender_email": "notices@example.com",
            "sender_name": "DHS Trusted Traveler",
            "to": "maya@example.com",
            **changes,
        }
    )


MATRIX = [(language, kind) for language in LANGUAGES for kind in KINDS if (language, kind) in CATALOGUE.library.files]
