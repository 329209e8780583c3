"""The emulated provider of texts and mail: it accepts, refuses, delivers or falls silent, as told for each address.

Unlike a real one it never lies, and it answers at once or after an exact time.
"""

import hashlib
import re
from collections import defaultdict, deque
from datetime import datetime, timedelta
from typing import Final

import msgspec

from schemas.internal import Claim, Dialled, Listed, Lookup, Mail, Message, Receipt, Redact, Redacted

DELIVERY: Final = timedelta(seconds=3)
"""From acceptance to the receipt (contract 2.1)."""

OUTCOMES: Final = "delivered, undelivered:CODE, reject:CODE, timeout-accepted, timeout-lost"
_OUTCOME: Final = re.compile(r"delivered|undelivered:[\w.]{1,16}|reject:[\w.]{1,16}|timeout-accepted|timeout-lost")
_MEMORY: Final = timedelta(days=1)


class Answer(msgspec.Struct, frozen=True):
    """Something that the provider says at a moment, to the key of an address."""

    at: datetime
    key: str
    message: Message


class _Kept(msgspec.Struct):
    """A message in the provider's list."""

    provider_id: str
    body: str
    created: datetime
    token: str
    status: str
    code: str | None = None


class Provider:
    """`timeout` is how long a request waits for the answer before it gives up."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._outcomes: dict[str, str] = {}
        self._list: defaultdict[str, deque[_Kept]] = defaultdict(deque)
        self._mails: set[str] = set()
        self._answers: list[Answer] = []

    def expect(self, to: str, outcome: str) -> None:
        """From now on messages to this address end so. Raises ValueError for an outcome that is none."""
        if not _OUTCOME.fullmatch(outcome):
            raise ValueError(
                "outcome is none of delivered, undelivered:CODE, reject:CODE, timeout-accepted, timeout-lost"
            )
        self._outcomes[to.strip().lower()] = outcome

    def answers(self) -> list[Answer]:
        """What the provider has to say since the last call."""
        said, self._answers = self._answers, []
        return said

    def dial(self, claim: Claim, at: datetime) -> bool:
        """Take one request; whether it brings a message that the provider did not have yet and accepts."""
        outcome, _, code = self._outcomes.get(claim.to.lower(), "delivered").partition(":")
        if outcome == "reject":
            self._answer(at, claim.key, Dialled(claimId=claim.claimId, result="rejected", code=code))
            return False
        doubt = Dialled(claimId=claim.claimId, result="doubt", code="no-answer")
        if outcome == "timeout-lost":
            self._answer(at + self._timeout, claim.key, doubt)
            return False
        kept, fresh = self._take(claim, at)
        if outcome == "timeout-accepted":
            self._mails.add(kept.provider_id)
            # Its receipts come after the request has given up: it is the slowness that loses the answer.
            self._answer(at + self._timeout, claim.key, doubt)
            self._deliver(claim.key, kept, "delivered", at + self._timeout + DELIVERY)
            return fresh
        if outcome == "undelivered" and isinstance(claim.message, Mail):
            self._mails.add(kept.provider_id)
        accepted = Dialled(claimId=claim.claimId, result="accepted", providerId=kept.provider_id)
        self._answer(at, claim.key, accepted)
        self._deliver(claim.key, kept, outcome, at + DELIVERY, code or None)
        return fresh

    def look_up(self, lookup: Lookup, at: datetime) -> None:
        """Answer from the list of messages, or with the receipt of one."""
        listed = self._list[lookup.to]
        if lookup.providerId is not None:
            for kept in listed:
                if kept.provider_id == lookup.providerId:
                    status, code = kept.status, kept.code
                    self._answer(
                        at, lookup.key, Receipt(token=None, providerId=kept.provider_id, status=status, code=code)
                    )
            return
        matches = tuple(
            (kept.provider_id, kept.status, kept.code)
            for kept in listed
            if kept.body == lookup.body
            and lookup.since <= kept.created <= lookup.until
            and kept.provider_id not in lookup.taken
        )
        self._answer(at, lookup.key, Listed(claimId=lookup.claimId, startedAt=at, matches=matches))

    def redact(self, redact: Redact, at: datetime) -> None:
        """Forget the body of a text."""
        for kept in (kept for listed in self._list.values() for kept in listed):
            if kept.provider_id == redact.providerId:
                kept.body = ""
        self._answer(at, redact.key, Redacted(providerId=redact.providerId))

    def _take(self, claim: Claim, at: datetime) -> tuple[_Kept, bool]:
        if isinstance(claim.message, Mail):
            message_id = claim.message.headers["Message-ID"]
            return _Kept(message_id, "", at, claim.token, "sent"), message_id not in self._mails
        provider_id = "SM" + hashlib.sha256(claim.claimId.encode()).hexdigest()[:32]
        kept = _Kept(provider_id, claim.message.body, at, claim.token, "sent")
        listed = self._list[claim.to]
        while listed and listed[0].created < at - _MEMORY:
            listed.popleft()
        listed.append(kept)
        return kept, True

    def _deliver(self, key: str, kept: _Kept, status: str, at: datetime, code: str | None = None) -> None:
        kept.status, kept.code = status, code
        self._answer(at, key, _receipt(kept, kept.token))

    def _answer(self, at: datetime, key: str, message: Message) -> None:
        self._answers.append(Answer(at, key, message))


def _receipt(kept: _Kept, token: str | None) -> Receipt:
    return Receipt(token=token, providerId=kept.provider_id, status=kept.status, code=kept.code)
