"""The calendar file of an interview (RFC 5545): the moment in UTC, so that it needs no time zone rules of its own."""

from datetime import UTC, datetime
from typing import Literal

_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def event(
    method: Literal["publish", "cancel"], uid: str, stamp: datetime, start: datetime, title: str, place: str, url: str
) -> str:
    """One event. The same `uid` replaces an earlier time; `stamp` is when the message was made and orders changes."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//DHS//Trusted Traveler//EN",
        f"METHOD:{method.upper()}",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"SEQUENCE:{int(stamp.timestamp()) // 60}",
        f"DTSTAMP:{_utc(stamp)}",
        f"DTSTART:{_utc(start)}",
        f"SUMMARY:{title.translate(_ESCAPES)}",
        *([f"LOCATION:{place.translate(_ESCAPES)}"] if place else []),
        f"URL:{url}",
        "CLASS:PRIVATE",
        f"STATUS:{'CANCELLED' if method == 'cancel' else 'CONFIRMED'}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _fold(line: str) -> list[str]:
    """Lines of at most 75 octets; a following line begins with a space."""
    pieces, piece = [], ""
    for letter in line:
        if len((piece + letter).encode()) > 75:
            pieces.append(piece)
            piece = " "
        piece += letter
    return [*pieces, piece]
