"""The HTML part of an email: the same wordings as the text part, marked up.

A placeholder becomes an isolated run (`bdi`), so that a date or an address keeps its order in a right-to-left text; an
address of a program becomes the one kind of link that a message has.
"""

import functools
import html
import re

from markupsafe import Markup

_ITEM = "- "


def value(name: str, text: str) -> Markup:
    """A placeholder's value for the HTML part."""
    safe = Markup.escape(text)
    if name == "host":
        return Markup('<bdi dir="ltr"><a href="https://{0}">{0}</a></bdi>').format(safe)
    return Markup("<bdi>{0}</bdi>").format(safe)


@functools.lru_cache(maxsize=2048)
def escaped(wording: str) -> str:
    """A wording whose own letters are HTML text, its placeholders still in place."""
    return html.escape(wording, quote=False)


@functools.lru_cache(maxsize=4096)  # most of an email is the same for many readers
def blocks(rendered: str) -> Markup:
    """Paragraphs and lists: a line is a paragraph, lines that begin with a hyphen are a list."""
    parts: list[str] = []
    for line in filter(None, rendered.split("\n")):
        if line.startswith(_ITEM):
            parts.append(f"<li>{line.removeprefix(_ITEM)}</li>")
        else:
            parts.append(f"<p>{line}</p>")
    return Markup(re.sub(r"((?:<li>.*?</li>)+)", r"<ul>\1</ul>", "".join(parts)))  # noqa: S704 - escaped above
