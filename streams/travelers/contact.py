"""A new phone number: whom we warn, whom we ask, and what the answer opens (contract 5.3, S-08).

Only numbers matter here: the wording of CONTACT_CHANGED is about a phone. A mailbox that a program reports stays
unverified and unused, and one that the portal changes is the traveler's own act.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.internal import Answered, ContactChanged, Facts, News, Owned
from streams import contacts
from streams.channels import BOTH, SMS, withheld
from streams.identity import event_id
from streams.travelers import messages
from streams.travelers.people import is_child, recipient
from streams.travelers.profile import amend
from streams.travelers.state import Address, Profile, Stamp, Traveler
from streams.travelers.turn import Turn
from streams.travelers.view import view

NOT_AFTER: Final = timedelta(hours=72)
"""How long a warning or a question about a number is worth sending."""


def reported(turn: Turn, message: ContactChanged) -> None:
    """A program says that the person has another number: set the old one aside until the new one answers."""
    number = contacts.phone(message.phone)
    before = turn.traveler.profile
    if number is None or before.phone is None or before.phone.address == number:
        return
    stamp = Stamp(message.occurredAt, message.causeId)
    turn.traveler = replace(turn.traveler, profile=amend(before, {"phone": Address(number)}, stamp))
    changed(turn, before, message.causeId, message.occurredAt, message)


def changed(turn: Turn, before: Profile, cause: str, occurred: datetime, source: ContactChanged | None = None) -> None:
    """Warn the old number and the mailbox of a new number; ask the new one, unless it is verified already.

    Asked is only who had agreed to texts; an unverified number gets nothing else, and the number of a child nothing at
    all (domain 3.6).
    """
    old, new = before.phone, turn.traveler.profile.phone
    silent = turn.traveler.deceased or turn.traveler.erased or is_child(turn.traveler, turn.now)
    if new is None or silent:
        return
    moved = old is not None and old.address != new.address
    if moved and old is not None and old.verified:
        news = _news(turn, "CONTACT_CHANGED", cause, occurred, source)
        closed = {} if before.consentSms is True else {"sms": "no-consent"}
        news = replace(news, channels=BOTH, withheld=closed | news.withheld)
        messages.start(turn, news, to={"sms": old.address})
    asked = old is None or moved or before.consentSms is not True
    if asked and not new.verified and turn.traveler.profile.consentSms is True:
        news = _news(turn, "OPT_IN_REQUEST", cause, occurred, source)
        messages.start(turn, replace(news, channels=SMS), to={"sms": new.address})


def register(turn: Turn) -> None:
    """Let the number know whose it is, before any text goes to it. Who comes of age gives up the guardian's."""
    of_age, now = turn.before.adultAt, turn.now
    then = of_age - timedelta(seconds=1) if of_age is not None and of_age <= now else now
    before, after = _number(turn.before, then), _number(turn.traveler, now)
    if before == after:
        return
    program = next(iter(sorted(card.card.program for card in turn.traveler.cards.values())), None)
    for (number, language), leave in ((before, True), (after, False)):
        if number is not None and (not leave or number != after[0]):
            key = turn.setting.identity.address("sms", number)
            owned = Owned(travelerId=turn.traveler.id, to=number, language=language, program=program, leave=leave)
            turn.tell("addresses", key, owned)


def _number(traveler: Traveler, now: datetime) -> tuple[str | None, str | None]:
    """The number to which texts would go, and their language."""
    person = recipient(traveler, now)
    return (person.phone.address, person.language) if person.phone is not None else (None, None)


def answered(turn: Turn, message: Answered) -> None:
    """YES or START from the traveler's own unverified number proves it, and is consent."""
    profile = turn.traveler.profile
    if message.word not in ("yes", "start") or profile.phone is None or profile.phone.address != message.address:
        return
    if profile.phone.verified:
        return
    asked = [held.time for held in profile.stamps.values()]
    # A source's clock may be ahead of ours: the answer is later than what it answers, whatever the clocks say.
    stamp = Stamp(max([turn.now, *asked]), "~answered")
    given = {"phone": Address(message.address, verified=True), "consentSms": True}
    turn.traveler = replace(turn.traveler, profile=amend(profile, given, stamp))


def _news(turn: Turn, kind: str, cause: str, occurred: datetime, source: ContactChanged | None) -> News:
    """A message about the traveler's own contact; it names a program only so that it can name a host."""
    about = view(turn.traveler, turn.now)
    first = about.cards[0].program if about.cards else None
    program = source.program if source is not None else about.headline.program or first
    return News(
        record=source.record if source is not None else turn.traveler.id,
        program=program or "",
        recordId=source.recordId if source is not None else "",
        applicationId=None,
        kind=kind,
        fact=event_id(cause, kind, turn.traveler.id),
        causeId=cause,
        occurredAt=occurred,
        receivedAt=turn.now,
        plannedAt=turn.now,
        releaseAt=turn.now,
        notAfter=turn.now + NOT_AFTER,
        channels=(),
        exempt=True,
        facts=Facts(program=program),
        withheld=withheld(occurred, turn.now),
    )
