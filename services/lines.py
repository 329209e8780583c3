"""The lines of `ttn simulate`, `ttn send` and `ttn generate` (contract 2.1): what happens, one JSON object a line."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from schemas.cloudevents import STRUCTURED, parse_time
from schemas.internal import Origin
from streams.desk import Decision
from streams.topics import INPUTS


class LineError(ValueError):
    """A line that is none of ours. The text names the line by number and says what is wrong."""


class Record(msgspec.Struct, frozen=True):
    """A record for an input topic: bytes, headers and key as they are to be on Kafka."""

    topic: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    key: bytes | None

    def origin(self, offset: int, at: datetime) -> Origin:
        """This record as Kafka would hold it in a topic of one partition."""
        return Origin(
            topic=self.topic,
            partition=0,
            offset=offset,
            timestamp=int(at.timestamp() * 1000),
            key=self.key,
            headers=self.headers,
            value=self.value,
        )


class InboundSms(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """A text that a person sends us."""

    sender: str
    body: str


class Expectation(msgspec.Struct, frozen=True):
    """What the emulated provider does with messages to one address from now on."""

    to: str
    outcome: str


class Line(msgspec.Struct, frozen=True):
    """One thing that happens, and when."""

    number: int
    at: datetime
    what: Record | InboundSms | Expectation | Decision


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    topic: str | None = None
    event: msgspec.Raw = msgspec.Raw()
    raw: str | None = None
    rawBase64: str | None = None
    headers: dict[str, str] = {}
    key: str | None = None
    inboundSms: InboundSms | None = None
    provider: Expectation | None = None
    staff: Decision | None = None


FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 9000
"""What is counted from a moment, in any zone and for years, stays inside the calendar."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}:,]')
_decoder = msgspec.json.Decoder(_Written)


def read_lines(source: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a binary file, one at a time. Raises LineError at the first that is none of ours."""
    for number, text in enumerate(source, start=1):
        try:
            yield _line(number, text)
        except LineError as error:
            raise LineError(f"line {number}: {error}") from None


def _line(number: int, text: bytes) -> Line:
    written = _written(text)
    try:
        at = parse_time(written.at)
    except (ValueError, OverflowError):
        raise LineError("`at` is not an RFC 3339 time with an offset") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise LineError(f"`at` is not within the years {FIRST_YEAR} to {LAST_YEAR}")
    others = [what for what in (written.inboundSms, written.provider, written.staff) if what is not None]
    sources = [bool(bytes(written.event)), written.raw is not None, written.rawBase64 is not None]
    if len(others) + sum(sources) != 1:
        raise LineError("needs exactly one of event, raw, rawBase64, inboundSms, provider, staff")
    return Line(number, at, others[0] if others else _record(written))


def _written(text: bytes) -> _Written:
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise LineError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        rest, event = _without_event(text)
        if not _is_json(text):
            raise LineError(f"not JSON ({error})") from None
        if event is None:
            raise LineError("half of a surrogate pair, or nested too deep") from None
    try:
        return msgspec.structs.replace(_decoder.decode(rest), event=msgspec.Raw(event))
    except (msgspec.DecodeError, RecursionError) as error:
        raise LineError(str(error)) from None


def _is_json(text: bytes) -> bool:
    """Whether a text is JSON that our decoder alone refuses: half a surrogate pair, nesting without end."""
    try:
        json.loads(text.decode(), parse_constant=_refuse)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _without_event(text: bytes) -> tuple[bytes, bytes | None]:
    """A line with null for its event, and the event's bytes: a bad event is a dead letter, never a bad line."""
    depth = 0
    start: int | None = None
    key: bytes | None = None
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark.startswith(b'"'):
            if depth == 1 and start is None:
                key = mark
            continue
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        elif mark == b":" and depth == 1 and key == b'"event"':
            start = token.end()
        if start is not None and ((mark == b"," and depth == 1) or depth == 0):
            return text[:start] + b"null" + text[token.start() :], text[start : token.start()].strip()
    return text, None


def _record(written: _Written) -> Record:
    if written.topic not in INPUTS:
        raise LineError(f"`topic` is none of {', '.join(INPUTS)}")
    headers = {name: text.encode() for name, text in written.headers.items()}
    if written.raw is not None:
        value = written.raw.encode()
    elif written.rawBase64 is not None:
        try:
            value = base64.b64decode(written.rawBase64, validate=True)
        except (binascii.Error, ValueError):
            raise LineError("`rawBase64` is not base64") from None
    else:
        value = bytes(written.event)
        headers.setdefault("content-type", STRUCTURED.encode())
    return Record(
        topic=written.topic,
        value=value,
        headers=tuple(headers.items()),
        key=None if written.key is None else written.key.encode(),
    )
