"""Every message in every language: which language serves a reader, and the message of a case. Pure.

The files are those of `templates/`; `templates/README.md` says how they are made. Everything is checked when a
catalogue is built, so that a wrong file stops the start and never a message.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.internal import Facts, Mail, Text
from schemas.outputs import Channel
from streams import sms
from streams.catalogue import calendar, mail, page, tags
from streams.catalogue.errors import CatalogueError
from streams.catalogue.filling import Filling
from streams.catalogue.language import Language
from streams.catalogue.library import KINDS, Library
from streams.catalogue.mail import Envelope, FallbackLine
from streams.catalogue.values import place_time, values
from streams.catalogue.wording import File, Wording, terms_of

__all__ = ["KINDS", "Catalogue", "CatalogueError", "Envelope"]

_SLOTS: Final[dict[Channel, tuple[str, ...]]] = {
    "sms": ("sms",),
    "email": ("subject", "lead", "sms", "means", "next", "dates", "disagree"),
}


class Catalogue:
    """All messages. `sources` maps relative paths of `templates/` to their text.

    `drafts` lets translations go out that no linguist has approved against the present English; without it such a
    reader gets English. English, the official version, always goes out. Raises CatalogueError, naming file and reason.
    """

    def __init__(self, sources: Mapping[str, str], drafts: bool = True) -> None:
        self.library: Final = Library(sources)
        self._drafts = drafts
        self._filling = Filling()
        self._frame = self._filling.frame(self.library.frame)
        self._versions: dict[tuple[str, str, Channel], str] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """The tags of all languages that have files, English first."""
        return tuple(self.library.languages)

    def serve(self, kind: str, requested: str | None, channel: Channel) -> str:
        """The language in which this kind goes out on this channel to a reader who asked for `requested`."""
        return next(tag for tag in tags.chain(requested) if tag == tags.ENGLISH or self._may(kind, tag, channel))

    def version(self, kind: str, language: str, channel: Channel) -> str:
        """Twelve hexadecimal digits that change when the words of this message change."""
        name = (kind, language, channel)
        if name not in self._versions:
            self._versions[name] = self._file(kind, language).fingerprint(_SLOTS[channel])
        return self._versions[name]

    def text(self, kind: str, language: str, facts: Facts) -> Text:
        """The text message of a case, with its size."""
        file = self._file(kind, language)
        known = values(self.library.languages[language], facts, "sms")
        body = self._filling.fill(self._choose(file, "sms", facts, known), known, html=False)
        measured = sms.size(body)
        return Text(body=body, segments=measured.segments, encoding=measured.encoding)

    def mail(self, kind: str, language: str, facts: Facts, envelope: Envelope) -> Mail:
        """The email of a case: both parts, headers, and a calendar file for an interview with a known time."""
        file = self._file(kind, language)
        front = self.library.of_kind(kind)
        words = self.library.languages[language]
        known = values(words, facts, "email")
        line = values(words, facts, "subject")
        start = place_time(facts) if front.calendar else None
        cancels_nothing = front.calendar == "cancel" and envelope.interview is None
        chosen = {slot: self._choose(file, slot, facts, known) for slot in ("means", "next", "dates", "disagree")}
        chosen["subject"] = self._choose(file, "subject", facts, line)
        chosen["lead"] = self._lead(file, words, facts, known)
        made = mail.letter(
            words,
            chosen,
            reminder=front.reminder,
            unsubscribe=envelope.unsubscribe is not None,
            calendar=front.calendar == "publish" and start is not None,
        )
        marked = {name: page.value(name, value) for name, value in known.items()}

        def fill(wording: str, html: bool) -> str:
            return self._filling.fill(wording, marked if html else known, html)

        subject = self._filling.fill(made.subject, line, html=False)
        fallback = self._fallback(language, envelope.requested)
        text = mail.text_part(made, fill, fallback)
        html = self._frame.render(
            lang=language,
            dir=words.direction,
            subject=subject,
            sender=words.sender,
            fallback=fallback,
            **mail.html_parts(made, fill),
        )
        ics = None
        if front.calendar and start is not None and not cancels_nothing:
            uid = envelope.interview or envelope.bracketed_id.strip("<>")
            title = line["program"]
            ics = calendar.event(
                front.calendar, uid, envelope.date, start, title, known.get("site", ""), f"https://{known['host']}"
            )
        return Mail(
            subject=subject,
            text=text,
            html=html,
            headers=mail.headers(envelope, subject, language, front.reminder),
            calendar=ics,
        )

    def _file(self, kind: str, language: str) -> File:
        try:
            return self.library.files[language, kind]
        except KeyError:
            raise CatalogueError(f"{language}/{kind}.txt", "there is no such message") from None

    def _may(self, kind: str, tag: str, channel: Channel) -> bool:
        file = self.library.files.get((tag, kind))
        if file is None or self.library.languages[tag].silent(kind, channel):
            return False
        return self._drafts or self.library.approved(file)

    def _choose(self, file: File, slot: str, facts: Facts, known: Mapping[str, Any]) -> str:
        found = self._wording(file, slot, facts, known)
        return "" if found is None else found.text

    def _wording(self, file: File, slot: str, facts: Facts, known: Mapping[str, Any]) -> Wording | None:
        terms = terms_of(facts.program, facts.child, facts.variant)
        return next((wording for wording in file.of(slot) if wording.fits(terms, known.keys())), None)

    def _lead(self, file: File, words: Language, facts: Facts, known: Mapping[str, Any]) -> str:
        """The first line: its own wording, else the sentence of the text message without the sentence on STOP."""
        own = self._choose(file, "lead", facts, known)
        return own or " ".join(self._choose(file, "sms", facts, known).removesuffix(words.stop).split())

    def _fallback(self, served: str, requested: str | None) -> FallbackLine | None:
        wanted = tags.base(requested)
        if served != tags.ENGLISH or wanted == tags.ENGLISH:
            return None
        return self.library.fallback(wanted)
