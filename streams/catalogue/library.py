"""All files of all languages, checked against each other and against their budgets."""

import tomllib
import unicodedata
from collections.abc import Mapping
from typing import Final

import msgspec

from streams import sms
from streams.catalogue import language as languages
from streams.catalogue import wording as wordings
from streams.catalogue.errors import CatalogueError
from streams.catalogue.language import Language
from streams.catalogue.mail import FallbackLine
from streams.catalogue.programs import PROGRAMS
from streams.catalogue.rules import Rules
from streams.catalogue.tags import ENGLISH
from streams.catalogue.values import extremes
from streams.catalogue.wording import File, Front, Wording

KINDS: Final = (
    "OPT_IN_REQUEST",
    "WELCOME",
    "APP_RECEIVED",
    "STILL_IN_REVIEW",
    "ACTION_NEEDED",
    "COND_APPROVED",
    "INTERVIEW_BOOKED",
    "INTERVIEW_CANCELLED",
    "INTERVIEW_REMINDER",
    "APPROVED",
    "RENEWED",
    "RENEWAL_NOT_NEEDED",
    "LETTER_READY",
    "REPLY_DUE",
    "MEMBERSHIP_CHANGE",
    "REVIEW_RECEIVED",
    "REVIEW_DECIDED",
    "EXPIRY_REMINDER",
    "EXTENDED",
    "EXPIRED",
    "WITHDRAWN",
    "CLOSED_INCOMPLETE",
    "CORRECTION",
    "CONTACT_CHANGED",
    "PROGRAM_NOTICE",
    "STOP_CONFIRM",
    "HELP",
)
SUBJECT_LETTERS: Final = 60
_FRAME = "email.html.j2"
_FALLBACKS = "fallback-lines.toml"
_KIND_FIELDS = ("about", "reminder", "calendar", "variants")


class Library:
    """The files by language and kind. `languages` is by tag, English first; `frame` is the HTML page of an email."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        for path in (_FRAME, f"{ENGLISH}/language.toml", _FALLBACKS):
            if path not in sources:
                raise CatalogueError(path, "is missing")
        self.frame: Final = sources[_FRAME]
        tagged = sorted(
            path.split("/")[0] for path in sources if path.endswith("/language.toml") and path.count("/") == 1
        )
        ordered = [ENGLISH, *(tag for tag in tagged if tag != ENGLISH)]
        self.languages: Final = {
            tag: languages.parse(path, sources[path]) for tag in ordered for path in [f"{tag}/language.toml"]
        }
        self.files: Final[dict[tuple[str, str], File]] = {}
        for tag in ordered:
            for kind in KINDS:
                path = f"{tag}/{kind}.txt"
                if path in sources:
                    self.files[tag, kind] = wordings.parse(path, sources[path])
                elif tag == ENGLISH:
                    raise CatalogueError(path, "is missing: English has every kind")
        self._fallbacks = _fallback_lines(sources[_FALLBACKS])
        for path in sources:
            self._belongs(path)
        rules = {tag: Rules(table.banned, self.languages[ENGLISH].banned) for tag, table in self.languages.items()}
        for tag, table in self.languages.items():
            check_frame(f"{tag}/language.toml", table, rules[tag])
        for (tag, _), file in self.files.items():
            check_file(file, self.english(file), self.languages[tag], rules[tag])

    def english(self, file: File) -> File:
        """The English file of the same kind."""
        return self.files[ENGLISH, _kind(file)]

    def of_file(self, file: File) -> Front:
        """What the English file says of the kind of `file`."""
        return self.english(file).front

    def of_kind(self, kind: str) -> Front:
        """What the English file says of a kind."""
        return self.files[ENGLISH, kind].front

    def current(self, file: File) -> bool:
        """Whether a translation was made from the English wordings of today."""
        return file.front.source == self.english(file).fingerprint()

    def approved(self, file: File) -> bool:
        """Whether a linguist approved this translation of today's English."""
        return file.front.state == "approved" and self.current(file)

    def fallback(self, base: str) -> FallbackLine | None:
        """The line that tells a reader of this language that a message is in English, where there is one."""
        if (known := self.languages.get(base)) is not None:
            return FallbackLine(base, known.direction, known.fallback)
        return self._fallbacks.get(base)

    def _belongs(self, path: str) -> None:
        """A file that nothing reads is a mistake in its name."""
        folder, _, name = path.rpartition("/")
        if path in (_FRAME, _FALLBACKS) or (folder in self.languages and name == "language.toml"):
            return
        if folder not in self.languages:
            raise CatalogueError(path, "is in a folder without a language.toml")
        if name.removesuffix(".txt") not in KINDS:
            raise CatalogueError(path, "is not named after a kind of message")


def check_file(file: File, english: File, language: Language, rules: Rules) -> None:
    """Raise CatalogueError for a file that is not the English one in other words, too long, or says what none may."""
    if file.path == english.path:
        _check_english(file)
    else:
        _check_translation(file, english)
    _check_words(file, language, english.front)
    for wording in file.wordings:
        for offence in rules.offences(wording):
            raise CatalogueError(file.path, offence)


def check_frame(path: str, language: Language, rules: Rules) -> None:
    """The lines around every email obey the same rules, and know no more than the program and its address."""
    for name, line in msgspec.structs.asdict(language.email).items():
        wording = Wording("means", (), line, wordings.placeholders(line))
        if not wording.needs <= wordings.ALWAYS or "{" in wordings.fill(line, {"program": "", "host": ""}):
            raise CatalogueError(path, f"email.{name}: knows only {{{{ program }}}} and {{{{ host }}}}")
        for offence in rules.offences(wording):
            raise CatalogueError(path, f"email.{name}: {offence}")


def _kind(file: File) -> str:
    return file.path.rpartition("/")[2].removesuffix(".txt")


def _fallback_lines(text: str) -> dict[str, FallbackLine]:
    try:
        tables = msgspec.convert(tomllib.loads(text), dict[str, dict[str, str]])
        return {tag: msgspec.convert({"lang": tag, **entry}, FallbackLine) for tag, entry in tables.items()}
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(_FALLBACKS, str(error)) from None


def _check_english(file: File) -> None:
    if not file.front.about:
        raise CatalogueError(file.path, "front matter: about says when the message is sent")
    known = {*PROGRAMS, "CBP", "child", *file.front.variants}
    for wording in file.wordings:
        for term in wording.terms:
            if not set(term.split("|")) <= known:
                raise CatalogueError(
                    file.path, f"{wording.header}: {term} is no program, child or variant of this kind"
                )


def _check_translation(file: File, english: File) -> None:
    """The same wordings for the same cases in the same order, with the same facts."""
    kept = [name for name in _KIND_FIELDS if getattr(file.front, name) != getattr(Front("", "draft", 1), name)]
    if kept:
        raise CatalogueError(file.path, f"front matter: {', '.join(kept)} stands in the English file alone")
    if [wording.header for wording in file.wordings] != [wording.header for wording in english.wordings]:
        place = next(
            (
                ours.header
                for ours, theirs in zip(file.wordings, english.wordings, strict=False)
                if ours.header != theirs.header
            ),
            "the last one",
        )
        raise CatalogueError(file.path, f"blocks must be those of the English file in its order; differs at {place}")
    for ours, theirs in zip(file.wordings, english.wordings, strict=True):
        if ours.needs - {"program"} != theirs.needs - {"program"}:
            raise CatalogueError(
                file.path,
                f"{ours.header}: uses {', '.join(sorted(ours.needs)) or 'no placeholder'}, "
                f"English uses {', '.join(sorted(theirs.needs)) or 'none'}",
            )
        if bool(ours.text) != bool(theirs.text):
            raise CatalogueError(file.path, f"{ours.header}: is empty in one language only")


def _check_words(file: File, language: Language, kind: Front) -> None:
    shortest, longest = extremes(language)
    for wording in file.of("sms"):
        if kind.stop and not wording.text.endswith(language.stop):
            raise CatalogueError(file.path, f"{wording.header}: must end with {language.stop!r}")
        _check_direction(file, language, wording)
        for names in _names(wording):
            _check_size(file, language, wording, {**longest, **names})
            for known in (shortest, longest):
                _check_seams(file, wording, {**known, **names})
    for wording in file.of("subject"):
        _check_direction(file, language, wording)
        for names in _names(wording):
            line = wordings.fill(wording.text, {**longest, **names})
            if len(line) > SUBJECT_LETTERS:
                raise CatalogueError(file.path, f"{wording.header}: {len(line)} letters, 60 allowed: {line}")


def dearest(wording: Wording, language: Language) -> sms.Size:
    """The size of a text wording with the longest program, address, date and time that it can meet."""
    _, longest = extremes(language)
    sizes = [sms.size(wordings.fill(wording.text, {**longest, **names})) for names in _names(wording)]
    return max(sizes, key=lambda size: (size.segments, size.units))


def _check_size(file: File, language: Language, wording: Wording, known: dict[str, str]) -> None:
    body = wordings.fill(wording.text, known)
    measured = sms.size(body)
    if measured.segments > file.front.segments:
        letters = f"; {' '.join(sms.outside(body))} is not in GSM-7" if language.encoding == "GSM-7" else ""
        raise CatalogueError(
            file.path,
            f"{wording.header}: takes {measured.segments} parts ({measured.units} {measured.encoding} units) "
            f"where {file.front.segments} are allowed{letters}: {body}",
        )
    if language.encoding == "GSM-7" and measured.encoding != "GSM-7" and file.front.segments == 1:
        raise CatalogueError(file.path, f"{wording.header}: {' '.join(sms.outside(body))} is not in the GSM-7 alphabet")


def _check_direction(file: File, language: Language, wording: Wording) -> None:
    """A phone and a list of mails take the direction of a line from its first letter; we may not send controls."""
    body = wordings.fill(wording.text, dict.fromkeys(wording.needs, "x"))
    first = next((kind for kind in map(unicodedata.bidirectional, body) if kind in ("L", "R", "AL")), "L")
    if (first == "L") == (language.direction == "rtl"):
        raise CatalogueError(file.path, f"{wording.header}: must begin with a word of the language's own script")


def _check_seams(file: File, wording: Wording, known: dict[str, str]) -> None:
    """A date or an hour is never split between two parts: a part may come late or not at all."""
    body = wordings.fill(wording.text, known)
    measured = sms.size(body)
    if measured.segments < 2:
        return
    room = sms.UNITS_JOINED if measured.encoding == "UCS-2" else sms.SEPTETS_JOINED
    for name in wording.needs - wordings.ALWAYS:
        at = body.index(known[name])
        if at // room != (at + len(known[name]) - 1) // room:
            raise CatalogueError(
                file.path,
                f"{wording.header}: {{{{ {name} }}}} falls on the end of a part (letter {room}): "
                f"{body[:room]} | {body[room:]}",
            )


def _names(wording: Wording) -> list[dict[str, str]]:
    """Each length of program name and address that this wording can meet."""
    terms = {name for term in wording.terms for name in term.split("|")} & {*PROGRAMS, "CBP"}
    fitting = [
        program
        for name, program in PROGRAMS.items()
        if not terms or name in terms or ("CBP" in terms and name != "PRECHECK")
    ]
    lengths = {(len(program.short), len(program.host)): program for program in fitting}
    return [{"program": program.short, "host": program.host} for program in lengths.values()]
