"""What the traveler was told and is not so: who hears of it, how, and who counts it."""

import msgspec

from schemas.internal import Facts, News, ToldWrong
from streams.channels import BOTH, EMAIL, SILENT_AFTER, withheld
from streams.grammar import ToStage
from streams.intake import program_key
from streams.records import timing
from streams.records.log import Entry
from streams.records.news import news, worth_telling
from streams.records.outbox import base, plan, supersede
from streams.records.picture import Picture, Step
from streams.records.state import Told
from streams.records.turn import Turn


def told_wrong(turn: Turn, living: dict[str, Step], picture: Picture) -> list[Told]:
    """The last thing that the traveler was told, where a correction took its fact away, or what stood in its place."""
    state = turn.state
    told = [one for one in state.told if one.step is not None]
    if not told or picture.conflicts:
        return []
    last = max(told, key=lambda one: one.at)
    if last.corrected:
        back = last.stands is None and last.step in living
        if not back and last.stands in (None, *living):
            return []
    elif last.step in living or _said_otherwise(turn, last, picture):
        return []
    return [
        one for one in told if one.step == last.step and (one.corrected, one.stands) == (last.corrected, last.stands)
    ]


def _said_otherwise(turn: Turn, told: Told, picture: Picture) -> bool:
    """Whether another step gives the fact that was told."""
    name = base((told.applicationId, told.kind, told.fact))
    steps = worth_telling(picture.steps, picture)
    return any(
        news(turn.key, step, tell, picture, turn.now, turn.state.zones, turn.policy).name_in_record == name
        for step, tell in steps
    )


def correct(turn: Turn, wrong: list[Told], stands: str | None, trigger: Entry | None) -> None:
    """Say that the last message was wrong: the same channel, and email (domain 3.9)."""
    last, before = wrong[-1], turn.state.told
    corrector = taken_back(turn, wrong, stands, trigger)
    trigger = trigger or corrector
    if trigger is None or trigger.backfill:
        return
    channels = BOTH if any(one.channel == "sms" for one in wrong) else EMAIL
    if any(one.step == last.step and one not in wrong for one in before):  # another channel was corrected already
        channels = tuple(channel for channel in BOTH if any(one.channel == channel for one in wrong))
    one = News(
        record=turn.key,
        program=turn.program,
        recordId=turn.reference,
        applicationId=last.applicationId,
        kind="CORRECTION",
        fact=f"{last.notificationId}|{trigger.id}",
        causeId=trigger.id,
        occurredAt=trigger.at,
        receivedAt=trigger.receivedAt,
        plannedAt=turn.now,
        releaseAt=turn.now,
        notAfter=turn.now + SILENT_AFTER / 10,
        channels=channels,
        exempt=True,
        facts=Facts(program=turn.program),
        withheld=withheld(trigger.at, trigger.receivedAt),
    )
    supersede(turn, one, None, {})
    plan(turn, one, None, trigger)


def taken_back(turn: Turn, wrong: list[Told], stands: str | None, trigger: Entry | None) -> Entry | None:
    """Note that these messages were wrong; the event that corrects their fact, where there is one.

    The program counts the people whom a source corrects; a later decision that outranks the told one corrects nobody,
    and history counts no message as wrong.
    """
    state = turn.state
    now_said = {one.notificationId: msgspec.structs.replace(one, corrected=True, stands=stands) for one in wrong}
    state.told = [now_said.get(one.notificationId, one) for one in state.told]
    cause = (wrong[-1].step or "").partition("\x1f")[0]
    about = {cause, *(one.data.corrects for one in state.entries if one.id == cause and one.data.corrects)}
    corrections = [
        one
        for one in state.entries
        if one.data.corrects in about and one.id != cause and one.name != "conflict.released"
    ]
    corrector = max(corrections, key=lambda one: (one.receivedAt, one.id), default=None)
    why = trigger or corrector
    for told in wrong:
        if not told.corrected and why is not None and not why.backfill:
            timing.corrected(turn, told)
    if corrector is not None and not corrector.backfill:
        message = ToldWrong(travelerId=state.owner or "", source=corrector.source, eventId=corrector.id)
        turn.out.append(ToStage("travelers", program_key(turn.program), message))
    return corrector
