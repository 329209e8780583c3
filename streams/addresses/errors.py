"""What a provider's code means for a message and its address: delivery.md 1.3 as data.

The codes may change without notice, so an unknown one never drops a number and never sends again.
"""

from typing import Final, Literal, NamedTuple

Meaning = Literal["number", "consent", "ours", "again", "bug", "final", "late"]


class Verdict(NamedTuple):
    """number: the address is no good, for `days` or for good. consent: its owner opted out. ours: something of ours is
    wrong, the message may go later. again: not processed, the message may go later. bug: a person must look.
    final: this message is lost on this channel, which says nothing of the address. late: its time was over before it
    could be delivered.
    """

    meaning: Meaning
    days: int | None = None


_NUMBER = Verdict("number")
_CONSENT = Verdict("consent")
_OURS = Verdict("ours")
_AGAIN = Verdict("again")
_BUG = Verdict("bug")
_FINAL = Verdict("final")
_LATE = Verdict("late")

REFUSED: Final = {
    "20003": _OURS,
    "20404": _OURS,
    "20429": _AGAIN,
    "429": _AGAIN,
    "401": _OURS,
    "403": _OURS,
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
    "21611": _AGAIN,
    "21612": _FINAL,
    "21614": _NUMBER,
    "21617": _BUG,
    "21619": _BUG,
    "21635": _NUMBER,
    "21703": _OURS,
    "21704": _OURS,
    "21705": _OURS,
}
"""A text that the provider refused in its answer."""

UNDELIVERED: Final = {
    "21610": _CONSENT,
    "30001": _AGAIN,
    "30003": _FINAL,
    "30004": Verdict("number", 30),
    "30005": _NUMBER,
    "30006": _NUMBER,
    "30017": _AGAIN,
    "30022": _AGAIN,
    "30036": _LATE,
    "30453": _AGAIN,
    "30450": _AGAIN,
    "30500": _AGAIN,
}
"""A text that the provider had accepted and could not deliver. `again` means one late retry (delivery.md 6)."""


def refused(code: str | None, channel: str) -> Verdict:
    """What a refusal in the provider's answer means."""
    if channel == "email":
        return _mail(code, unknown=_FINAL)
    return REFUSED.get(code or "", UNDELIVERED.get(code or "", _BUG))


def undelivered(code: str | None, channel: str) -> Verdict:
    """What a failure after acceptance means."""
    if channel == "email":
        return _mail(code, unknown=_FINAL)
    return UNDELIVERED.get(code or "", REFUSED.get(code or "", _FINAL))


def _mail(code: str | None, unknown: Verdict) -> Verdict:
    """SMTP reply codes (550) and enhanced status codes (5.1.1, RFC 3463): 5.1.x means that there is no such mailbox."""
    text = (code or "").strip()
    if text.startswith("5.1.") or text in ("550", "551", "553"):
        return _NUMBER
    return _AGAIN if text.startswith("4") else unknown
