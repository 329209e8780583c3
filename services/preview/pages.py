"""The pages of the preview: each message as a phone and an inbox show it, beside its English. No JavaScript."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from schemas.internal import Facts
from services.preview import showcase
from streams.catalogue import KINDS, Catalogue, Envelope
from streams.catalogue.library import dearest
from streams.catalogue.tags import ENGLISH
from streams.catalogue.values import values
from streams.catalogue.wording import terms_of

_ENVELOPE: Final = Envelope(
    message_id="preview@example.com",
    date=datetime(2027, 1, 5, 15, 0, tzinfo=UTC),
    sender_email="notices@example.com",
    sender_name="DHS Trusted Traveler",
    to="maya@example.com",
    unsubscribe="https://example.com/unsubscribe/preview",
)
_ROOM: Final = {("GSM-7", 1): 160, ("GSM-7", 2): 306, ("UCS-2", 1): 70, ("UCS-2", 2): 134, ("UCS-2", 3): 201}
_FRAME = re.compile(r"(<style>.*?</style>).*<body>(.*)</body>", re.DOTALL)


def build(catalogue: Catalogue, tags: Sequence[str] = ()) -> dict[str, str]:
    """File name -> page: an index, one page for each language (default: all) and one for each kind."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = [tag for tag in catalogue.languages if not tags or tag in tags]
    common = {"languages": {tag: catalogue.library.languages[tag] for tag in shown}, "kinds": KINDS}
    made = {
        "index.html": environment.get_template("index.html.j2").render(
            cells={kind: {tag: _cell(catalogue, kind, tag) for tag in shown} for kind in KINDS},
            abouts={kind: catalogue.library.of_kind(kind).about for kind in KINDS},
            **common,
        )
    }
    for tag in shown:
        pair = [ENGLISH] if tag == ENGLISH else [ENGLISH, tag]
        made[f"{tag}.html"] = environment.get_template("language.html.j2").render(
            tag=tag, messages=list(_messages(catalogue, pair)), **common
        )
    for kind in KINDS:
        everywhere = [tag for tag in shown if (tag, kind) in catalogue.library.files]
        made[f"{kind}.html"] = environment.get_template("kind.html.j2").render(
            kind=kind,
            about=catalogue.library.of_kind(kind).about,
            rows=[_side(catalogue, kind, tag, showcase.texts(catalogue, kind)[-1].facts) for tag in everywhere],
            **common,
        )
    return made


def _cell(catalogue: Catalogue, kind: str, tag: str) -> dict[str, Any] | None:
    file = catalogue.library.files.get((tag, kind))
    if file is None:
        return None
    sizes = [dearest(wording, catalogue.library.languages[tag]) for wording in file.of("sms")]
    return {
        "state": file.front.state,
        "stale": tag != ENGLISH and not catalogue.library.current(file),
        "parts": max(size.segments for size in sizes),
        "encoding": max(size.encoding for size in sizes),
    }


def _messages(catalogue: Catalogue, pair: Sequence[str]) -> Iterator[dict[str, Any]]:
    for kind in KINDS:
        file = catalogue.library.files.get((pair[-1], kind))
        if file is None:
            continue
        yield {
            "kind": kind,
            "about": catalogue.library.of_kind(kind).about,
            "notes": file.front.notes,
            "owner": file.front.owner,
            **(_cell(catalogue, kind, pair[-1]) or {}),
            "texts": [
                {"label": scene.label, "sides": [_text(catalogue, kind, tag, scene.facts) for tag in pair]}
                for scene in showcase.texts(catalogue, kind)
            ],
            "emails": [
                {"label": scene.label, "sides": [_email(catalogue, kind, tag, scene.facts) for tag in pair]}
                for scene in showcase.emails(catalogue, kind)
            ],
        }


def _side(catalogue: Catalogue, kind: str, tag: str, facts: Facts) -> dict[str, Any]:
    return {"text": _text(catalogue, kind, tag, facts), "email": _email(catalogue, kind, tag, facts), "tag": tag}


def _text(catalogue: Catalogue, kind: str, tag: str, facts: Facts) -> dict[str, Any]:
    file, words = catalogue.library.files[tag, kind], catalogue.library.languages[tag]
    known = values(words, facts, "sms")
    terms = terms_of(facts.program, facts.child, facts.variant)
    size = dearest(next(one for one in file.of("sms") if one.fits(terms, known.keys())), words)
    return {
        "tag": tag,
        "dir": words.direction,
        "body": catalogue.text(kind, tag, facts).body,
        "units": size.units,
        "room": _ROOM[size.encoding, file.front.segments],
        "parts": size.segments,
        "encoding": size.encoding,
    }


def _email(catalogue: Catalogue, kind: str, tag: str, facts: Facts) -> dict[str, Any]:
    mail = catalogue.mail(kind, tag, facts, _ENVELOPE)
    parts = _FRAME.search(mail.html)
    if parts is None:
        raise ValueError("email.html.j2 has no style or no body")
    return {
        "tag": tag,
        "dir": catalogue.library.languages[tag].direction,
        "sender": catalogue.library.languages[tag].sender,
        "subject": mail.subject,
        "letters": len(mail.subject),
        "first": mail.text.split("\n", 1)[0],
        "text": mail.text,
        "calendar": mail.calendar is not None,
        "html": Markup(parts[1] + parts[2]),  # noqa: S704 - the HTML part of our own message, escaped when it was made
    }
