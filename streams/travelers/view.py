"""The unified view of a traveler: the cards, the one headline over them, and the number to use for trips."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, NamedTuple

from msgspec.structs import replace

from schemas.cloudevents import parse_time
from schemas.outputs import CardView, Headline, OverlayView, TravelerStatus, TripNumber
from schemas.vocabulary import CBP_PROGRAMS
from streams.calendar import end_of_day
from streams.travelers.people import held_language
from streams.travelers.state import Traveler

HEADLINES: Final = (
    "MEMBERSHIP_CHANGE",
    "ACTION_NEEDED",
    "REPLY_NEEDED",
    "CHECKING",
    "INTERVIEW_SCHEDULED",
    "CONDITIONALLY_APPROVED",
    "DENIED",
    "EXTENDED",
    "ACTIVE",
    "ACTIVE_RENEWAL_IN_REVIEW",
    "IN_REVIEW",
    "EXPIRED",
    "CLOSED",
    "NONE",
)
"""Headline codes (contract 1.4) in the order of domain 3.8."""

_INTEGRITY: Final = ("OK", "UNKNOWN", "CONFLICT")
_VALID: Final = ("ACTIVE", "EXTENDED")
_REVIEWED: Final = ("SUBMITTED", "IN_REVIEW", "DECISION_PENDING", "PRELIM_INELIGIBLE")
_RANK: Final = {code: rank for rank, code in enumerate(HEADLINES)} | {
    # One tier each: the nearer due date decides, or the membership that lasts longer.
    "REPLY_NEEDED": HEADLINES.index("ACTION_NEEDED"),
    "ACTIVE_RENEWAL_IN_REVIEW": HEADLINES.index("ACTIVE"),
}


class _Claim(NamedTuple):
    """What a card would put on top, ordered: rank of the code, urgency inside it, then the card itself."""

    rank: int
    day: int
    program: str
    record: str
    code: str


def view(traveler: Traveler, now: datetime) -> TravelerStatus:
    """The view as it stands at `now`."""
    cards = tuple(shown(traveler, name) for name in sorted(traveler.cards))
    return TravelerStatus(
        travelerId=traveler.id,
        asOf=max((card.asOf for card in cards), default=None),
        language=traveler.profile.language or held_language(traveler, None) or "en",
        headline=headline(cards, now),
        cards=cards,
        tripNumber=trip_number(cards),
        integrity=max((card.integrity for card in cards), key=_INTEGRITY.index, default="OK"),
    )


def shown(traveler: Traveler, record: str) -> CardView:
    """One card with the notice that holds for its program; what the program itself announced counts before the rest."""
    card = traveler.cards[record].card
    notice = traveler.notices.get(card.program)
    return card if notice is None else replace(card, overlay=notice.overlay)


def headline(cards: Iterable[CardView], now: datetime) -> Headline:
    """The one sentence on top: the card with the most pressing claim (domain 3.8)."""
    claims = [claim for card in cards for claim in _claims(card, now)]
    if not claims:
        return Headline(code="NONE")
    top = min(claims)
    return Headline(code=top.code, program=top.program, recordId=top.record)


def next_look(cards: Iterable[CardView], now: datetime) -> datetime | None:
    """When the view changes by the clock alone: an interview that lies ahead begins, a pause of a program ends."""
    shown = list(cards)
    moments = [card.interview.at for card in shown if card.interview is not None]
    moments += [overlay_end(card.overlay) for card in shown if card.overlay is not None]
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def overlay_end(overlay: OverlayView) -> datetime | None:
    """When a notice ends by its own word: a moment, or the end of a day, U.S. Eastern; None where it does not say."""
    if overlay.until is None or overlay.state == "NORMAL":
        return None
    try:
        return parse_time(overlay.until)
    except (ValueError, OverflowError):
        pass
    try:
        return end_of_day(date.fromisoformat(overlay.until))
    except (ValueError, OverflowError):
        return None


def _claims(card: CardView, now: datetime) -> Iterable[_Claim]:
    def claim(code: str, day: date | None = None, latest: bool = False) -> _Claim:
        ordinal = day.toordinal() if day is not None else date.max.toordinal()
        return _Claim(_RANK[code], -ordinal if latest and day else ordinal, card.program, card.recordId, code)

    state = card.application.state if card.application is not None else None
    membership = card.membership.state
    if membership in ("SUSPENDED", "REVOKED"):
        yield claim("MEMBERSHIP_CHANGE")
    if card.application is not None and state == "ACTION_NEEDED":
        yield claim("ACTION_NEEDED", card.application.dueDate)
    if card.review is not None and card.review.state == "WINDOW_OPEN" and card.review.replyBy is not None:
        yield claim("REPLY_NEEDED", card.review.replyBy)
    if card.integrity == "CONFLICT":
        yield claim("CHECKING")
    if _appointed(card, state, now):
        yield claim("INTERVIEW_SCHEDULED")
    if state == "CONDITIONALLY_APPROVED":
        yield claim("CONDITIONALLY_APPROVED")
    if state == "DENIED" and membership not in _VALID:
        yield claim("DENIED")
    if membership == "EXTENDED":
        yield claim("EXTENDED", card.membership.extendedUntil, latest=True)
    in_review = state in _REVIEWED or state == "INTERVIEW_SCHEDULED"
    if membership == "ACTIVE":
        yield claim("ACTIVE_RENEWAL_IN_REVIEW" if in_review else "ACTIVE", card.membership.validTo, latest=True)
    if in_review or _unreadable(card, state):
        yield claim("IN_REVIEW")
    if membership == "EXPIRED":
        yield claim("EXPIRED")
    if membership == "CLOSED" or state in ("WITHDRAWN", "CLOSED_INCOMPLETE"):
        yield claim("CLOSED")


def _unreadable(card: CardView, state: str | None) -> bool:
    """Whether all that a source says is a label that we do not know: the page says "in review" (S-12)."""
    return card.integrity == "UNKNOWN" and state in (None, "STARTED") and card.membership.state == "NONE"


def _appointed(card: CardView, state: str | None, now: datetime) -> bool:
    """Whether an interview (CBP) or an appointment (TSA, where the application stays STARTED) lies ahead."""
    if state not in ("INTERVIEW_SCHEDULED", "STARTED") or card.interview is None:
        return False
    return card.interview.at is not None and card.interview.at > now


def trip_number(cards: Iterable[CardView]) -> TripNumber | None:
    """The number to use for trips: of the memberships that include PreCheck, a CBP one first, then the longest.

    Domain 3.7: what CBP does not say is not inferred; a PreCheck membership includes itself.
    """
    useful = [card for card in cards if _for_trips(card)]
    if not useful:
        return None
    best = max(useful, key=lambda card: (card.program in CBP_PROGRAMS, ends(card), card.program, card.recordId))
    return TripNumber(program=best.program, masked=best.membership.numberMasked)


def _for_trips(card: CardView) -> bool:
    if card.membership.state not in _VALID:
        return False
    return card.membership.includesPrecheck is True or card.program == "PRECHECK"


def ends(card: CardView) -> date:
    """The last day of a membership as far as it is known."""
    return card.membership.extendedUntil or card.membership.validTo or date.min
