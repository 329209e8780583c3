"""The card on its way to the traveler: a new version whenever it says something else."""

import hashlib

import msgspec

from schemas.internal import CardGone, CardSnapshot
from streams.records.card import STALE_AFTER, card
from streams.records.log import Entry
from streams.records.picture import Picture
from streams.records.turn import Turn


def show(turn: Turn, picture: Picture, trigger: Entry | None) -> None:
    """Send the card where it changed, and take away the cards of records that were merged into this one."""
    state = turn.state
    view = card(picture, turn.reference, turn.now)
    stale_at = view.asOf + STALE_AFTER
    state.staleAt = None if view.stale else stale_at
    snapshot = CardSnapshot(
        record=turn.key,
        version=state.version + 1,
        card=view,
        birthDate=turn.birth_date(),
        language=turn.said(lambda one: one.language),
        timeZone=turn.said(lambda one: one.timeZone),
        state=turn.said(lambda one: one.state),
        minor=turn.said(lambda one: one.data.minor),
        sourceHasPhone=any(one.hasPhone for one in state.entries),
        sourceHasEmail=any(one.hasEmail for one in state.entries),
        causeId=trigger.id if trigger else None,
    )
    said = msgspec.msgpack.encode(msgspec.structs.replace(snapshot, version=0, causeId=None))
    digest = hashlib.sha256(said).hexdigest()[:32]
    if digest != state.card:
        state.card = digest
        state.version += 1
        turn.tell_traveler(snapshot)
    for record, traveler, version in state.absorbed:
        turn.tell_traveler(CardGone(record=record, version=version), traveler)
    state.absorbed = []
