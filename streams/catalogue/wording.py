"""One template file: front matter, and whole wordings to choose from.

A file is TOML front matter between `+++` lines, then blocks. A block begins with `[slot]` or `[slot: term, term]`; the
first block of a slot whose terms hold and whose placeholders are all known is the wording that goes out. So a missing
date never leaves a hole: the next wording, a whole sentence without it, takes over.
"""

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Set
from typing import Any, Final, Literal

import msgspec

from streams.catalogue.errors import CatalogueError
from streams.catalogue.programs import PROGRAMS

SLOTS: Final = ("sms", "subject", "lead", "means", "next", "dates", "disagree")
REQUIRED: Final = ("sms", "subject", "means", "next", "dates")
DATES: Final = ("on", "validTo", "dueDate", "replyBy", "until", "completeBy", "letterDate")
ALWAYS: Final = frozenset({"program", "host"})
SMS_PLACEHOLDERS: Final = ALWAYS | {*DATES, "day", "time"}
EMAIL_PLACEHOLDERS: Final = SMS_PLACEHOLDERS | {"zone", "site"}
"""The place of an interview is the source's free text: it never reaches a text message (domain 7.1)."""

_PLACEHOLDER = re.compile(r"\{\{ ([A-Za-z]+) \}\}")
_HEADER = re.compile(r"\[([a-z]+)(?:: ([A-Za-z_,| -]+))?\]")
FORBIDDEN: Final = {
    "\u00a0": "no-break space",
    "\u202f": "narrow no-break space",
    "\u200b": "zero-width space",
    "\u00ad": "soft hyphen",
    "\ufeff": "byte order mark",
    "\u2028": "line separator",
    "\u2029": "paragraph separator",
    "\t": "tab",
    "\r": "carriage return",
    **{chr(code): "direction control" for code in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
}


class Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands above the wordings.

    `source` is the fingerprint of the English wordings that a translation was made or approved against. `stop`,
    `reminder`, `calendar`, `variants` and `about` belong to the kind and stand in the English file alone.
    """

    owner: str
    state: Literal["draft", "reviewed", "approved"]
    segments: int
    notes: str = ""
    source: str | None = None
    about: str = ""
    stop: bool = True
    reminder: bool = False
    calendar: Literal["publish", "cancel"] | None = None
    variants: dict[str, str] = {}


class Wording(msgspec.Struct, frozen=True):
    """One whole text for one slot. `terms`: all must hold; `A|B` holds for either. `needs`: its placeholders."""

    slot: str
    terms: tuple[str, ...]
    text: str
    needs: frozenset[str]

    @property
    def header(self) -> str:
        """The line above the block."""
        return f"[{self.slot}: {', '.join(self.terms)}]" if self.terms else f"[{self.slot}]"

    def fits(self, terms: Collection[str], known: Set[str]) -> bool:
        """Whether this wording may be used for a case of these terms, of which these placeholders are known."""
        return self.needs <= known and all(any(one in terms for one in term.split("|")) for term in self.terms)


class File(msgspec.Struct, frozen=True):
    """A template file, read and checked as far as it can be alone."""

    path: str
    front: Front
    wordings: tuple[Wording, ...]

    def of(self, slot: str) -> tuple[Wording, ...]:
        """The wordings of a slot in order of preference."""
        return tuple(wording for wording in self.wordings if wording.slot == slot)

    def fingerprint(self, slots: Iterable[str] = SLOTS) -> str:
        """Twelve hexadecimal digits of the wordings of these slots; notes and state do not count."""
        chosen = [f"{wording.header}\n{wording.text}\n" for slot in slots for wording in self.of(slot)]
        return hashlib.sha256("".join(chosen).encode()).hexdigest()[:12]


def parse(path: str, text: str) -> File:
    """Read a template file. Raises CatalogueError with the line or block that is wrong."""
    if unicodedata.normalize("NFC", text) != text:
        raise CatalogueError(path, "letters and their accents must be one character each (Unicode NFC)")
    for letter, name in FORBIDDEN.items():
        if letter in text:
            line = text[: text.index(letter)].count("\n") + 1
            raise CatalogueError(path, f"line {line} holds a {name}, which no phone or mail program treats alike")
    match = re.fullmatch(r"\+\+\+\n(.*?)\n\+\+\+\n(.*)", text, re.DOTALL)
    if match is None:
        raise CatalogueError(path, "must begin with TOML front matter between two +++ lines")
    try:
        front = msgspec.convert(tomllib.loads(match[1]), Front)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(path, f"front matter: {error}") from None
    return File(path, front, tuple(_blocks(path, match[2])))


def placeholders(text: str) -> frozenset[str]:
    """The names between double braces."""
    return frozenset(_PLACEHOLDER.findall(text))


def fill(text: str, values: dict[str, Any]) -> str:
    """`text` with its placeholders replaced, for measuring; what goes out is rendered by Jinja2."""
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def _blocks(path: str, text: str) -> list[Wording]:
    blocks: list[tuple[str, tuple[str, ...], list[str]]] = []
    for line in text.split("\n"):
        if line.startswith("["):
            header = _HEADER.fullmatch(line)
            if header is None or header[1] not in SLOTS:
                raise CatalogueError(path, f"{line!r} is not a block header; slots are {', '.join(SLOTS)}")
            terms = tuple(term.strip() for term in (header[2] or "").split(",") if term.strip())
            blocks.append((header[1], terms, []))
        elif blocks:
            blocks[-1][2].append(line.rstrip())
        elif line.strip():
            raise CatalogueError(path, f"{line!r} stands before the first block header")
    wordings = [_wording(path, slot, terms, "\n".join(lines).strip("\n")) for slot, terms, lines in blocks]
    for slot in REQUIRED:
        chosen = [wording for wording in wordings if wording.slot == slot]
        if not chosen:
            raise CatalogueError(path, f"has no [{slot}]")
        if chosen[-1].terms or not chosen[-1].needs <= ALWAYS or not chosen[-1].text:
            raise CatalogueError(path, f"the last [{slot}] must fit every case: no terms, no dates, not empty")
    return wordings


def _wording(path: str, slot: str, terms: tuple[str, ...], text: str) -> Wording:
    header = Wording(slot, terms, "", frozenset()).header
    needs = placeholders(text)
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        raise CatalogueError(path, f"{header}: a placeholder is written {{{{ name }}}}; nothing else may use braces")
    unknown = needs - (SMS_PLACEHOLDERS if slot == "sms" else EMAIL_PLACEHOLDERS)
    if unknown:
        raise CatalogueError(path, f"{header}: no placeholder {', '.join(sorted(unknown))} here")
    if slot == "subject" and "\n" in text:
        raise CatalogueError(path, f"{header}: a subject is one line")
    if "  " in text:
        raise CatalogueError(path, f"{header}: two spaces in a row")
    return Wording(slot, terms, text, needs)


def terms_of(program: str | None, child: bool, variant: str | None) -> frozenset[str]:
    """The terms that hold for a case: its program, CBP for all of CBP's, child, and the variant."""
    terms = {program} if program in PROGRAMS else set()
    if program in PROGRAMS and program != "PRECHECK":
        terms.add("CBP")
    if child:
        terms.add("child")
    if variant:
        terms.add(variant)
    return frozenset(term for term in terms if term)
