"""An email from its wordings: text part, HTML part and headers.

The text part is written, not derived: both parts are filled from the same wordings, line by line.
"""

import email.utils
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec
from markupsafe import Markup

from streams.catalogue import page
from streams.catalogue.language import Language

POSTAL: Final = "U.S. Department of Homeland Security, Washington, DC 20528"
Fill = Callable[[str, bool], str]
"""A wording and whether it becomes HTML, to the filled text."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What an email needs beside its words.

    `message_id` and `date` are the same at every attempt, so that a mailbox shows one message. `requested` is the
    language that the traveler asked for. `unsubscribe` is the one-click address (RFC 8058); it is used only on
    reminders and notices. `interview` names the interview for calendars, so that a new time replaces the old one.
    """

    message_id: str
    date: datetime
    sender_email: str
    sender_name: str
    to: str
    requested: str | None = None
    unsubscribe: str | None = None
    interview: str | None = None

    @property
    def bracketed_id(self) -> str:
        """The Message-ID in angle brackets."""
        return f"<{self.message_id.strip('<>')}>"


class FallbackLine(msgspec.Struct, frozen=True):
    """One line in a language that the message is not in."""

    lang: str
    dir: Literal["ltr", "rtl"]
    line: str


class Letter(msgspec.Struct, frozen=True):
    """The wordings chosen for one email. `sections` are heading and wording; `foot` are whole lines."""

    subject: str
    lead: str
    sections: tuple[tuple[str, str], ...]
    foot: tuple[str, ...]


def letter(language: Language, chosen: dict[str, str], reminder: bool, unsubscribe: bool, calendar: bool) -> Letter:
    """Put the chosen wordings in order under the headings of the language."""
    frame = language.email
    sections = [
        (heading, chosen[slot])
        for slot, heading in (
            ("means", frame.means),
            ("next", frame.next),
            ("dates", frame.dates),
            ("disagree", frame.disagree),
        )
        if chosen.get(slot)
    ]
    if calendar:
        sections = [(head, f"{body}\n{frame.calendar}" if head == frame.dates else body) for head, body in sections]
    foot = [frame.courtesy, frame.language, frame.accessibility, frame.official]
    if reminder and unsubscribe:
        foot.append(frame.unsubscribe)
    return Letter(chosen["subject"], chosen["lead"], (*sections, (frame.real, frame.realText)), tuple(foot))


def text_part(made: Letter, fill: Fill, fallback: FallbackLine | None) -> str:
    """The plain text. The first line is the sentence of the text message, after the line in the reader's language."""
    parts = [fill(made.lead, False)]
    parts += [f"{heading}\n{fill(body, False)}" for heading, body in made.sections]
    parts.append("\n".join((*(fill(line, False) for line in made.foot), POSTAL)))
    if fallback is not None:
        parts.insert(0, fallback.line)
    return "\n\n".join(parts) + "\n"


def html_parts(made: Letter, fill: Fill) -> dict[str, object]:
    """What the HTML frame is filled with."""
    return {
        "lead": _marked(made.lead, fill),
        "sections": [(heading, _marked(body, fill)) for heading, body in made.sections],
        "foot": Markup("\n").join(_marked(line, fill) for line in made.foot),
        "postal": POSTAL,
    }


def headers(envelope: Envelope, subject: str, language: str, reminder: bool) -> dict[str, str]:
    """The headers of a message; one-click unsubscribe only where a reader may stop a kind of message (delivery 3.4)."""
    made = {
        "From": email.utils.formataddr((envelope.sender_name, envelope.sender_email)),
        "To": envelope.to,
        "Subject": subject,
        "Date": email.utils.format_datetime(envelope.date),
        "Message-ID": envelope.bracketed_id,
        "Content-Language": language,
        "Auto-Submitted": "auto-generated",
    }
    if reminder and envelope.unsubscribe:
        made["List-Unsubscribe"] = f"<{envelope.unsubscribe}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return made


def _marked(wording: str, fill: Fill) -> Markup:
    return page.blocks(fill(page.escaped(wording), True))
