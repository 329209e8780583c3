"""What no message may hold: the words of swindlers, words that a locked screen must not show, foreign addresses."""

import re
from collections.abc import Iterable, Iterator

from streams.catalogue.language import Banned
from streams.catalogue.wording import Wording

_ADDRESS = re.compile(r"\b[\w-]+\.[A-Za-z]{2,}\b|https?:|www\.", re.ASCII)
_TELEPHONE = re.compile(r"\d(?:[\s().-]?\d){6,}")
_SHOUT = re.compile("[!！\u203c-\u2049\u2600-\u27bf\U0001f000-\U0001faff]")
_NEXT_SCRIPT = "\u0590"
"""Alphabets up to here (Latin, Greek, Cyrillic) put spaces between words."""


class Rules:
    """The banned words of one language and of English, which binds every language."""

    def __init__(self, own: Banned, english: Banned) -> None:
        self._anywhere = _any((*own.anywhere, *english.anywhere))
        self._private = _any((*own.sms, *english.sms))

    def offences(self, wording: Wording) -> Iterator[str]:
        """A sentence on everything in a wording that must not go out."""
        found = [self._anywhere.search(wording.text)]
        if wording.slot in ("sms", "subject"):
            found.append(self._private.search(wording.text))
        for match in filter(None, found):
            yield f"{wording.header}: must not say {match[0]!r}"
        for pattern, name in (
            (_ADDRESS, "an address"),
            (_TELEPHONE, "a telephone number"),
            (_SHOUT, "a shout or a picture"),
        ):
            if (other := pattern.search(wording.text)) is not None:
                yield f"{wording.header}: holds {name}: {other[0]!r}"


def _any(words: Iterable[str]) -> re.Pattern[str]:
    spaced = [re.escape(word) for word in sorted(set(words)) if max(word) < _NEXT_SCRIPT]
    joined = [re.escape(word) for word in sorted(set(words)) if max(word) >= _NEXT_SCRIPT]
    return re.compile("|".join([rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)", *joined]), re.IGNORECASE)
