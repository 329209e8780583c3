"""A dead letter on its topic: the original bytes and headers untouched, and why it is here in headers of our own."""

import hashlib
from typing import Final

from schemas.cloudevents import Headers
from streams.grammar import DeadLetter

REASONS: Final = (
    "undecodable",
    "not-a-cloudevent",
    "unknown-type",
    "unknown-program",
    "missing-field",
    "invalid-field",
    "too-large",
    "id-reused",
    "future-dated",
    "identity-conflict",
    "handler-bug",
)
"""Every `dlq.reason` (contract 1.3)."""


def headers(letter: DeadLetter, version: str) -> Headers:
    """The headers of a dead letter (contract 1.3); `version` is that of the program that wrote it."""
    origin = letter.origin
    added = {
        "dlq.topic": origin.topic,
        "dlq.partition": str(origin.partition),
        "dlq.offset": str(origin.offset),
        "dlq.timestamp": str(origin.timestamp),
        "dlq.stage": letter.stage,
        "dlq.reason": letter.reason,
        "dlq.error": letter.error,
        "dlq.fingerprint": fingerprint(letter),
        "dlq.app_version": version,
    }
    return origin.headers + tuple((name, value.encode()) for name, value in added.items())


def fingerprint(letter: DeadLetter) -> str:
    """What groups dead letters with one cause: equal for equal stage, reason and error."""
    return hashlib.sha256("\x00".join((letter.stage, letter.reason, letter.error)).encode()).hexdigest()[:16]
