"""What a provider's code means for a message and its address: delivery.md 1.3 as data.

The codes may change without notice, so an unknown one never drops a number and never sends again.
"""

import re
from typing import Final, Literal, NamedTuple

Meaning = Literal["number", "consent", "ours", "again", "bug", "final", "late"]


class Verdict(NamedTuple):
    """number: the address is no good, for `days` or for good. consent: its owner opted out. ours: something of ours is
    wrong, nothing goes through until a person has acted, the message may go later. again: not processed, the message
    may go later. bug: a person must look. final: this message is lost on this channel, which says nothing of the
    address. late: its time was over before it could be delivered. `wait`: seconds before it may go again, at least.
    """

    meaning: Meaning
    days: int | None = None
    wait: float = 0.0


_NUMBER = Verdict("number")
_CONSENT = Verdict("consent")
_OURS = Verdict("ours")
_AGAIN = Verdict("again")
_BUG = Verdict("bug")
_FINAL = Verdict("final")
_LATE = Verdict("late")
_HTTP = re.compile(r"4\d\d")

REFUSED: Final = {
    "20003": _OURS,
    "20404": _OURS,
    "20429": _AGAIN,
    "21211": _NUMBER,
    "21212": _OURS,
    "21268": _NUMBER,
    "21408": _NUMBER,
    "21601": _BUG,
    "21602": _BUG,
    "21604": _BUG,
    "21606": _OURS,
    "21608": _OURS,
    "21609": _BUG,
    "21610": _CONSENT,
    "21611": Verdict("again", wait=1800.0),
    "21612": _FINAL,
    "21614": _NUMBER,
    "21617": _BUG,
    "21619": _BUG,
    "21635": _NUMBER,
    "21703": _OURS,
    "21704": _OURS,
    "21705": _OURS,
}
"""A text that the provider refused in its answer.

An answer that does not say why in Twilio's words has the HTTP status for a code: it comes from something on the way, a
proxy or a gateway, that stopped the request. That says nothing of the message.
"""

UNDELIVERED: Final = {
    "21610": _CONSENT,
    "30001": _AGAIN,
    "30002": _OURS,
    "30003": _FINAL,
    "30004": Verdict("number", 30),
    "30005": _NUMBER,
    "30006": _NUMBER,
    "30017": _AGAIN,
    "30018": _OURS,
    "30022": _AGAIN,
    "30023": Verdict("ours", wait=21_600.0),
    "30024": _OURS,
    "30032": _OURS,
    "30033": _OURS,
    "30034": _OURS,
    "30035": _OURS,
    "30036": _LATE,
    "30450": _AGAIN,
    "30453": _AGAIN,
    "30500": _AGAIN,
    "30610": _AGAIN,
}
"""A text that the provider had accepted and could not deliver. `again` and `ours` mean one late retry (delivery.md 6);
30023 is a carrier's limit for the day.
"""


ALARMS: Final = frozenset({"21408", "21611"})
"""Refusals that concern one message, and that staff must see all the same: a region is not enabled; the provider's
queue is full, so that our pacing is broken.
"""


def needs_a_person(code: str | None, channel: str) -> bool:
    """Whether a refusal says that something of ours is wrong."""
    return code in ALARMS or refused(code, channel).meaning in ("ours", "bug")


def refused(code: str | None, channel: str) -> Verdict:
    """What a refusal in the provider's answer means."""
    if channel == "email":
        return _mail(code, unknown=_FINAL)
    if code is not None and _HTTP.fullmatch(code):
        return _OURS
    return REFUSED.get(code or "", UNDELIVERED.get(code or "", _BUG))


def undelivered(code: str | None, channel: str) -> Verdict:
    """What a failure after acceptance means."""
    if channel == "email":
        return _mail(code, unknown=_FINAL)
    return UNDELIVERED.get(code or "", REFUSED.get(code or "", _FINAL))


def _mail(code: str | None, unknown: Verdict) -> Verdict:
    """SMTP reply codes (550) and enhanced status codes (5.1.1, RFC 3463).

    5.1.x means that there is no such mailbox, 5.1.7 and 5.1.8 that the sender's address is wrong. A bare reply code is
    also how servers refuse what they take for spam, so it counts for a month.
    """
    text = (code or "").strip()
    if text in ("5.1.7", "5.1.8"):
        return unknown
    if text.startswith("5.1."):
        return _NUMBER
    if text == "5.2.1" or text in ("550", "551", "553"):
        return Verdict("number", 30)
    return _AGAIN if text.startswith("4") else unknown
