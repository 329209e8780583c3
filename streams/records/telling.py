"""What of a step is told now, what waits, and what is not so any more."""

import msgspec

from schemas.internal import Freeze, News, Release
from streams.records.corrections import correct, taken_back, told_wrong
from streams.records.log import Entry
from streams.records.news import DECIDED, DUTIES, Tell, news, worth_telling
from streams.records.outbox import base, plan, supersede, take_back
from streams.records.picture import Picture, Step
from streams.records.state import Item
from streams.records.turn import Turn


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
    wrong = told_wrong(turn, living, picture)
    stands = planned_news[-1][0].identity if planned_news else None
    if wrong and wrong[-1].step in living:  # it was right after all
        stands = wrong[-1].step
    if wrong and not any(one.adverse for _, one in planned_news):
        correct(turn, wrong, stands, trigger)
        return
    if wrong:
        taken_back(turn, wrong, stands, trigger)
    for step, one in planned_news:
        supersede(turn, one, step, living)
        plan(turn, one, step.identity, trigger)


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


def frozen(item: Item, contested: bool) -> bool:
    """Whether news waits because facts contradict each other (domain 3.4 rule 6)."""
    return contested and item.news.kind in DECIDED


def _freeze(turn: Turn) -> None:
    """Hold again what was released and may still wait for its hour: a letter, an approval."""
    kept = []
    for item in turn.state.items:
        if item.status == "released" and item.news.kind in DECIDED:
            one = item.news
            turn.tell_traveler(Freeze(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact))
            item = msgspec.structs.replace(item, status="held")
        kept.append(item)
    turn.state.items = kept


def _withdraw_untrue(
    turn: Turn, picture: Picture, living: dict[str, Step], planned_news: list[tuple[Step, News]]
) -> None:
    """Take back what has not left and is not so any more; a step with the same fact keeps its news."""
    state, kept = turn.state, []
    same = {base(one.name_in_record): step.identity for step, one in planned_news}
    for item in state.items:
        gone = item.step is not None and item.step not in living and item.on_its_way
        if gone and base(item.news.name_in_record) in same:
            item = msgspec.structs.replace(item, step=same[base(item.news.name_in_record)])
        elif gone and not frozen(item, bool(picture.conflicts)):
            item = take_back(turn, item)
        kept.append(item)
    state.items = kept


def _withdraw_done(turn: Turn, picture: Picture, living: dict[str, Step]) -> None:
    """Ask nobody for what is done already: a newer state replaces the message even where it has none of its own."""
    kept = []
    for item in turn.state.items:
        step = living.get(item.step or "")
        if item.on_its_way and step is not None and _done(step, item.news.kind, picture):
            item = take_back(turn, item)
        kept.append(item)
    turn.state.items = kept


def _done(step: Step, kind: str, picture: Picture) -> bool:
    """Whether a message would ask for something although its application has gone on."""
    return kind in DUTIES and any(case.key == step.case and case.state != step.after for case in picture.cases)
