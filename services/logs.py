"""The logs: JSON on standard error, a readable form on a terminal; personal data removed by key and by pattern.

What may be said is a list of keys; a value under any other key is replaced. Every text is scrubbed too, as a backstop,
because libraries put addresses into their messages. The libraries' own log lines pass through the same steps, and what
a library says over and over, as Kafka's client does while a broker is away, is said once every few seconds.
"""

import copy
import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, Processor

REMOVED: Final = "[removed]"

# In groups: the line itself; what it is about; what happened; how much and how long.
_KEYS: Final = """
event level timestamp logger component exception stack_info pid host port url path method status
stage stages topic topics partition partitions offset offsets event_id cause_id record record_id program application_id
traveler_id notification_id claim_id provider_id item_id kind channel language template_version metric_id
state reason code error result attempt attempts exit_code signal restarts generation version
count size bytes records events messages batch seconds milliseconds lag rate segments at due until since now
"""
ALLOWED: Final = frozenset(_KEYS.split())

_PATTERNS: Final = (
    # callback and unsubscribe tokens are capabilities
    re.compile(r"(?<=/twilio/status/)[^\s?#\"']+|(?<=/unsubscribe/)[^\s?#\"']+"),
    re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.IGNORECASE),
    re.compile(r"(?:\+|%2B)[1-9](?:[ .()-]{0,2}\d){6,14}", re.IGNORECASE),
    re.compile(r"(?<![\w-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"),
    re.compile(r"(?<![\w.:-])1?\d{10}(?![\w-])"),
)


EVERY: Final = 5.0
"""Seconds in which a library says the same thing once."""

_DIGITS: Final = re.compile(r"\d+")
_LIKE: Final = 200
_REMEMBERED: Final = 500


def scrub(text: str) -> str:
    """`text` without phone numbers, email addresses and callback tokens."""
    for pattern in _PATTERNS:
        text = pattern.sub(REMOVED, text)
    return text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        # No count, offset or time in seconds of ours is a phone number's length; milliseconds are longer.
        return REMOVED if 1_000_000_000 <= abs(value) <= 99_999_999_999 else value
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _clean(item) if key in ALLOWED else REMOVED for key, item in value.items()}
    return scrub(str(value))


def without_personal_data(_: Any, __: str, line: MutableMapping[str, Any]) -> EventDict:
    """A processor that keeps allowed keys alone, and scrubs what they hold."""
    kept: EventDict = {}
    for key, value in line.items():
        if key.startswith("_"):
            kept[key] = value
        else:
            kept[key] = _clean(value) if key in ALLOWED else REMOVED
    return kept


def _named(component: str) -> Processor:
    def add(_: Any, __: str, line: EventDict) -> EventDict:
        return {"component": component, **line}

    return add


class Repeats:
    """Which lines of libraries are said: of those that differ in numbers alone, one in so many seconds.

    The next that is said tells how many were not. Lines of our own are always said.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def passed(self, record: logging.LogRecord) -> logging.LogRecord | None:
        """The line as it is to be said, if it is."""
        if isinstance(record.msg, dict):  # structlog's, and so our own
            return record
        text, now = record.getMessage(), self._clock()
        like = f"{record.name} {record.levelno} {_DIGITS.sub('#', text[:_LIKE])}"
        last, kept_back = self._said.pop(like, (now - EVERY, 0))
        if now - last < EVERY:
            self._said[like] = (last, kept_back + 1)
            return None
        self._said[like] = (now, 0)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        if not kept_back:
            return record
        said = copy.copy(record)
        said.msg, said.args = f"{text} ({kept_back} more like it in {now - last:.0f} s)", None
        return said


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what is to be said."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = self._repeats.passed(record)
        except Exception:  # noqa: BLE001 - as the class above: a line that cannot be formatted is no reason to end
            self.handleError(record)
            return
        if said is not None:
            super().emit(said)


def configure(component: str, *, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send all logs of this process, libraries included, to `stream` (standard error); readable on a terminal."""
    out = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _named(component),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_personal_data,
    ]
    last: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if out.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def quiet(component: str) -> None:
    """The logs of a command whose output is an answer for a person: a failure is said as a sentence, not logged."""
    configure(component, level=logging.CRITICAL)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of one module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
