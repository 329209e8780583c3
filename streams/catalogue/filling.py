"""The filling of wordings: each is compiled once, and what was filled of late is remembered.

Most of an email is the same for many readers: the footer, the headings, all that names only a program and its address.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

_REMEMBERED: Final = 4096
"""Filled wordings: about two megabytes."""

Said = tuple[tuple[str, Any], ...]


class Filling:
    """Fills wordings with values. A value that a wording needs and that is missing is an error, never a gap."""

    def __init__(self) -> None:
        self._plain = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
        self._html = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=True)
        self._compiled: dict[tuple[str, bool], jinja2.Template] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._remembered = functools.lru_cache(maxsize=_REMEMBERED)(self._filled)

    def frame(self, source: str) -> jinja2.Template:
        """The HTML around a message."""
        return self._html.from_string(source)

    def fill(self, wording: str, known: Mapping[str, Any], html: bool) -> str:
        """The wording with those of the values that it names."""
        names = self._names.get(wording)
        if names is None:
            found = meta.find_undeclared_variables(self._plain.parse(wording))
            names = self._names[wording] = tuple(sorted(found))
        return self._remembered(wording, html, tuple((name, known[name]) for name in names if name in known))

    def _filled(self, wording: str, html: bool, said: Said) -> str:
        template = self._compiled.get((wording, html))
        if template is None:
            template = (self._html if html else self._plain).from_string(wording)
            self._compiled[wording, html] = template
        return template.render(dict(said))
