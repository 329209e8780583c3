"""The news of a record on its way: planned, held, released, replaced, taken back, corrected."""

import re
from datetime import datetime
from typing import Final

import msgspec

from schemas.internal import Facts, Freeze, News, Plan, Release, ToldWrong, Withdraw
from streams.grammar import ToStage
from streams.identity import event_id
from streams.intake import program_key
from streams.records import timing
from streams.records.log import Entry
from streams.records.machine import TERMINAL
from streams.records.news import (
    BOTH,
    DECIDED,
    DUTIES,
    EMAIL,
    SILENT_AFTER,
    Tell,
    news,
    replaces,
    withheld,
    worth_telling,
)
from streams.records.picture import APPLICATION, Picture, Step
from streams.records.reminders import Reminder, planned, reminders
from streams.records.state import Item, Record, Told
from streams.records.turn import Turn

_AGAIN: Final = re.compile(r"~\d+$")
"""What is behind the fact of a notification that stands again after it was superseded."""


def tell(turn: Turn, picture: Picture, fresh: list[Step], trigger: Entry | None) -> None:
    """Plan the news of the steps that are new, and take back or correct what is not so any more."""
    state = turn.state
    living = {step.identity: step for step in picture.steps}
    waiting = [living[one] for one in state.deferred if one in living]
    fresh_tells = worth_telling([*waiting, *(step for step in fresh if not step.backfill)], picture)
    state.deferred = []
    for conflict in picture.conflicts:
        for event in conflict:
            state.contested.setdefault(event.id, turn.now)
    tells: list[tuple[Step, Tell]] = []
    for step, how in fresh_tells:
        if picture.conflicts and how.kind in DECIDED:
            state.deferred.append(step.identity)
            state.contested.setdefault(step.cause, turn.now)
        elif not _done(step, how.kind, picture):
            tells.append((step, how))
    planned_news = [(step, _news(turn, step, how, picture)) for step, how in tells]
    if not picture.conflicts:
        state.contested = {}
    else:
        _freeze(turn)
    _withdraw_untrue(turn, picture, living, planned_news)
    _withdraw_done(turn, picture, living)
    wrong = _told_wrong(turn, living, picture)
    stands = planned_news[-1][0].identity if planned_news else None
    if wrong and not any(one.adverse for _, one in planned_news):
        _correct(turn, wrong, stands, trigger)
        return
    if wrong:
        _taken_back(turn, wrong, stands)
    for step, one in planned_news:
        _supersede(turn, one, step, living)
        _plan(turn, one, step.identity, trigger)


def _news(turn: Turn, step: Step, how: Tell, picture: Picture) -> News:
    one = news(turn.key, step, how, picture, turn.now, turn.state.zones, turn.policy)
    return msgspec.structs.replace(one, queuedAt=turn.state.contested.get(step.cause))


def release(turn: Turn, contested: bool) -> None:
    """End the holds whose time has come; `contested`: facts contradict each other."""
    kept = []
    for item in turn.state.items:
        if item.status == "held" and item.news.releaseAt <= turn.now and not frozen(item, contested):
            one = item.news
            # A contradiction may have held it beyond its time: then its time begins now.
            until = one.notAfter + (turn.now - one.releaseAt)
            turn.tell_traveler(
                Release(
                    record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact, notAfter=until
                )
            )
            item = msgspec.structs.replace(item, status="released", news=msgspec.structs.replace(one, notAfter=until))
        kept.append(item)
    turn.state.items = kept


def remind(turn: Turn, picture: Picture) -> datetime | None:
    """Plan the reminders that fell due, take back those that are untrue by now; when the next falls due.

    The record is looked at in the very moment of each reminder. One whose moment is past became true only later, and is
    not sent (contract 5.11); unless the traveler has moved to a zone where its hour came earlier.
    """
    state = turn.state
    if state.deceased is not None:
        return None
    possible = reminders(picture, state.zones)
    names = {(one.applicationId, one.kind, one.fact) for one in possible}
    moved = _ahead(turn, picture) if state.zones != turn.zones_before else set()
    state.items = [
        _take_back(turn, item)
        if item.step is None
        and item.news.kind != "CORRECTION"
        and item.status in ("held", "released")
        and _base(item.news.name_in_record) not in names
        else item
        for item in state.items
    ]
    upcoming: list[datetime] = []
    for one in possible:
        if one.name in state.reminded:
            continue
        if one.moment > turn.now:
            upcoming.append(one.moment)
            continue
        if one.moment < turn.now and one.name not in moved:
            continue
        state.reminded.append(one.name)
        if not _too_many(turn, one):
            _plan(turn, planned(one, turn.key, turn.now), None, None)
    return min(upcoming, default=None)


def _ahead(turn: Turn, picture: Picture) -> set[str]:
    """The reminders that lay ahead where the traveler lived before."""
    return {one.name for one in reminders(picture, turn.zones_before) if one.moment > turn.now}


def take_back_all(turn: Turn) -> None:
    """Take back whatever has not left."""
    turn.state.items = [
        _take_back(turn, item) if item.status in ("held", "released") else item for item in turn.state.items
    ]


def frozen(item: Item, contested: bool) -> bool:
    """Whether news waits because facts contradict each other (domain 3.4 rule 6)."""
    return contested and item.news.kind in DECIDED


def _freeze(turn: Turn) -> None:
    """Hold again what was released and may still wait for its hour: a letter, an approval."""
    kept = []
    for item in turn.state.items:
        if item.status == "released" and item.news.kind in DECIDED:
            one = item.news
            turn.tell_traveler(
                Freeze(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact)
            )
            item = msgspec.structs.replace(item, status="held")
        kept.append(item)
    turn.state.items = kept


def _withdraw_untrue(
    turn: Turn, picture: Picture, living: dict[str, Step], planned_news: list[tuple[Step, News]]
) -> None:
    """Take back what has not left and is not so any more; a step with the same fact keeps its news."""
    state, kept = turn.state, []
    same = {_base(one.name_in_record): step.identity for step, one in planned_news}
    for item in state.items:
        gone = item.step is not None and item.step not in living and item.status in ("held", "released")
        if gone and _base(item.news.name_in_record) in same:
            item = msgspec.structs.replace(item, step=same[_base(item.news.name_in_record)])
        elif gone and not frozen(item, bool(picture.conflicts)):
            item = _take_back(turn, item)
        kept.append(item)
    state.items = kept


def _withdraw_done(turn: Turn, picture: Picture, living: dict[str, Step]) -> None:
    """Ask nobody for what is done already: a newer state replaces the message even where it has none of its own."""
    kept = []
    for item in turn.state.items:
        step = living.get(item.step or "")
        if item.status in ("held", "released") and step is not None and _done(step, item.news.kind, picture):
            item = _take_back(turn, item)
        kept.append(item)
    turn.state.items = kept


def _done(step: Step, kind: str, picture: Picture) -> bool:
    """Whether a message would ask for something although its application has gone on."""
    return kind in DUTIES and any(case.key == step.case and case.state != step.after for case in picture.cases)


def _take_back(turn: Turn, item: Item) -> Item:
    turn.tell_traveler(withdraw(item.news, "superseded"))
    return msgspec.structs.replace(item, status="withdrawn")


def _supersede(turn: Turn, newer: News, step: Step | None, living: dict[str, Step]) -> None:
    """A newer state replaces the older messages about the same thing that have not left (contract 5.5)."""
    kept = []
    for item in turn.state.items:
        waits = item.status in ("held", "released") and item.step is not None and not _same(item.news, newer)
        if waits and replaces(newer.kind, item.news.kind) and not _beside(living.get(item.step or ""), step, newer):
            item = _take_back(turn, item)
        kept.append(item)
    turn.state.items = kept


def _plan(turn: Turn, one: News, step: str | None, trigger: Entry | None) -> None:
    state = turn.state
    if any(_same(item.news, one) and item.status in ("held", "released") for item in state.items):
        return
    fresh = _fresh(state, one)
    if fresh is None:
        return
    state.items.append(Item(news=fresh, status="held", step=step, open=fresh.channels))
    turn.tell_traveler(Plan(news=fresh))
    if one.receivedAt - one.occurredAt > SILENT_AFTER and (step is not None or one.kind == "CORRECTION"):
        item = event_id(turn.key, "late adverse news", one.causeId)
        if item not in state.work:
            turn.open_work(item, "late adverse news", trigger)


def _fresh(state: Record, one: News) -> News | None:
    """The news as it may be planned: for the channels on which it has not ended, under a name that was not used up.

    A notification ends once (contract 1.5): what was told, failed or was suppressed is over; what was superseded and
    stands again is another notification of the same fact.
    """
    name = _base(one.name_in_record)
    if any(_base((told.applicationId, told.kind, told.fact)) == name for told in state.told):
        return None
    ended = [end for end in state.ended if _base(end.name) == name]
    over = {end.channel for end in ended if not end.superseded}
    channels = tuple(channel for channel in one.channels if channel not in over)
    if not channels:
        return None
    used = {end.name for end in ended if end.superseded}
    used |= {item.news.name_in_record for item in state.items if _same(item.news, one)}
    fact = f"{one.fact}~{len(used) + 1}" if used else one.fact
    return msgspec.structs.replace(one, channels=channels, fact=fact)


def _base(name: tuple[str | None, str, str]) -> tuple[str | None, str, str]:
    return (name[0], name[1], _AGAIN.sub("", name[2]))


def _same(one: News, other: News) -> bool:
    return _base(one.name_in_record) == _base(other.name_in_record)


def _told_wrong(turn: Turn, living: dict[str, Step], picture: Picture) -> list[Told]:
    """The last thing that the traveler was told, where a correction took its fact away, or what stood in its place."""
    state = turn.state
    told = [one for one in state.told if one.step is not None]
    if not told or picture.conflicts:
        return []
    last = max(told, key=lambda one: one.at)
    if (last.stands if last.corrected else last.step) in (None, *living):
        return []
    for step, tell in worth_telling(picture.steps, picture):
        again = news(turn.key, step, tell, picture, turn.now, state.zones, turn.policy)
        if again.name_in_record == _base((last.applicationId, last.kind, last.fact)):
            return []
    return [
        one for one in told if one.step == last.step and (one.corrected, one.stands) == (last.corrected, last.stands)
    ]


def _correct(turn: Turn, wrong: list[Told], stands: str | None, trigger: Entry | None) -> None:
    """Say that the last message was wrong: the same channel, and email (domain 3.9)."""
    last, before = wrong[-1], turn.state.told
    corrector = _taken_back(turn, wrong, stands)
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
    _supersede(turn, one, None, {})
    _plan(turn, one, None, trigger)


def _taken_back(turn: Turn, wrong: list[Told], stands: str | None) -> Entry | None:
    """Note that these messages were wrong; the event that corrects their fact, where there is one.

    The program counts the people whom a source corrects; a later decision that outranks the told one corrects nobody.
    """
    state = turn.state
    now_said = {one.notificationId: msgspec.structs.replace(one, corrected=True, stands=stands) for one in wrong}
    state.told = [now_said.get(one.notificationId, one) for one in state.told]
    for told in wrong:
        if not told.corrected:
            timing.corrected(turn, told)
    cause = (wrong[-1].step or "").partition("\x1f")[0]
    about = {cause, *(one.data.corrects for one in state.entries if one.id == cause and one.data.corrects)}
    corrections = [
        one
        for one in state.entries
        if one.data.corrects in about and one.id != cause and one.name != "conflict.released"
    ]
    corrector = max(corrections, key=lambda one: (one.receivedAt, one.id), default=None)
    if corrector is not None and not corrector.backfill:
        message = ToldWrong(travelerId=state.owner or "", source=corrector.source, eventId=corrector.id)
        turn.out.append(ToStage("travelers", program_key(turn.program), message))
    return corrector


def _too_many(turn: Turn, one: Reminder) -> bool:
    """Long silence is broken three times for one application, not more (domain 3.9)."""
    if one.kind != "STILL_IN_REVIEW":
        return False
    prefix = f"{one.applicationId or ''}|STILL_IN_REVIEW|"
    return sum(name.startswith(prefix) for name in turn.state.reminded) > 3


def withdraw(one: News, reason: str) -> Withdraw:
    return Withdraw(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact, reason=reason)


def _beside(older: Step | None, newer: Step | None, news_of_newer: News) -> bool:
    """Whether older news still wants to be told beside newer ones.

    So does the end of an older application, which progress of another one does not replace; and so does one part of an
    interview beside another.
    """
    if older is None or newer is None or older.axis != APPLICATION:
        return False
    if older.part and newer.part:
        return older.part != newer.part
    if news_of_newer.kind in DECIDED:
        return False
    return older.case != newer.case and older.after in TERMINAL
