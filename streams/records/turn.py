"""One turn of a record: what follows from its picture as it stands now, compared with what was said before."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from schemas.internal import (
    CardGone,
    CardSnapshot,
    Facts,
    Join,
    Message,
    News,
    Outcome,
    Plan,
    Release,
    Withdraw,
)
from schemas.outputs import Transition, WorkItem
from streams import events
from streams.calendar import earliest
from streams.grammar import Output, ToStage
from streams.identity import Identity, event_id
from streams.policy import Policy
from streams.records import timing
from streams.records.card import STALE_AFTER, card
from streams.records.fold import fold
from streams.records.log import Entry, effective
from streams.records.machine import TERMINAL
from streams.records.news import BOTH, DECIDED, SILENT_AFTER, Tell, news, replaces, worth_telling
from streams.records.picture import APPLICATION, INTEGRITY, Picture, Step
from streams.records.reminders import Reminder, planned, reminders
from streams.records.state import Item, Record, Told

_UNSAID = {APPLICATION: "-", INTEGRITY: "OK", "overlay": "NORMAL"}
_RESTATED = {
    "SUBMITTED": "APP_SUBMITTED",
    "STARTED": "APP_STARTED",
    "IN_REVIEW": "REVIEW_STARTED",
    "ACTION_NEEDED": "INFO_REQUESTED",
    "CONDITIONALLY_APPROVED": "COND_APPROVED",
    "INTERVIEW_SCHEDULED": "INTERVIEW_SET",
    "DECISION_PENDING": "INTERVIEW_DONE",
    "ACTIVE": "REINSTATED",
    "NONE": "CLOSED",
    "-": "VOIDED",
    "WINDOW_OPEN": "REVIEW_OPENED",
    "RECEIVED": "REPLY_RECEIVED",
    "GRANTED": "REVIEW_DECIDED",
    "NOT_GRANTED": "REVIEW_DECIDED",
    "WINDOW_CLOSED": "REVIEW_WINDOW_CLOSED",
    "NORMAL": "PROGRAM_NORMAL",
    "PAUSED": "PROGRAM_PAUSED",
}
"""The transition by which an axis comes back to a state when a correction takes a step away."""


class Turn:
    """The working copy of one record at one moment, and what it puts out. `cause` is the id of the event at hand."""

    def __init__(self, key: str, state: Record, now: datetime, identity: Identity, policy: Policy) -> None:
        self.key = key
        self.program, _, self.reference = key.partition(":")
        self.state = copy(state)
        self.now = now
        self.identity = identity
        self.policy = policy
        self.out: list[Output] = []

    def tell_traveler(self, message: Message, traveler: str | None = None) -> None:
        """Send a message to the record's traveler, or to a given one."""
        self.out.append(ToStage("travelers", traveler or self.state.owner or "", message))

    # ---- the whole turn

    def settle(self, trigger: Entry | None) -> None:
        """Fold, find the traveler, and say what is new; `trigger` is the event that just came, None for the clock."""
        state = self.state
        state.dueAt = None
        if not state.entries or state.mergedInto is not None:
            return
        self._belong()
        if state.owner is None:
            return
        picture = fold(state.entries, self.program, self.now, state.deceased)
        suffix, vanished = self._publish(picture, trigger)
        self._integrity(picture, trigger)
        self._tell(picture, suffix, vanished, trigger)
        upcoming = self._remind(picture)
        self._release(picture)
        self._card(picture, trigger)
        timing.rows(self, picture)
        held = [one.news.releaseAt for one in state.items if one.status == "held" and not self._frozen(one, picture)]
        state.dueAt = earliest([*held, picture.nextClock, upcoming, state.staleAt])

    # ---- whose it is

    def _belong(self) -> None:
        """Ask the traveler whom the newest link or sign-in names, unless the record is there (contract 5.13)."""
        state = self.state
        events_left = sorted(effective(state.entries).events, key=lambda one: (one.at, one.id))
        birth = _last(events_left, lambda one: one.birthDate)
        wanted, cause = self.identity.traveler_of_record(self.key), state.entries[0].id
        own = wanted
        for one in events_left:
            named = one.data.portalSubject
            traveler = self.identity.traveler_of_subject(named) if named else own
            if one.name == "unlinked" and wanted == traveler:
                wanted, cause = own, one.id
            elif named and one.name != "unlinked" and f"{traveler}|{birth}" not in state.refused:
                wanted, cause = traveler, one.id
        proof = f"{wanted}|{birth}"
        if (wanted == state.owner and proof == state.joinedAs) or proof == state.asked:
            return
        state.asked = proof
        self.tell_traveler(Join(record=self.key, eventId=cause, birthDate=birth), wanted)

    def move(self, traveler: str) -> None:
        """Leave the old traveler for a new one; what has not left goes along (design 1)."""
        state, old = self.state, self.state.owner
        if old == traveler:
            return
        state.owner = traveler
        state.card = None
        if old is None:
            for message in state.waiting:
                self.tell_traveler(message)
            state.waiting = []
            return
        state.version += 1
        self.tell_traveler(CardGone(record=self.key, version=state.version), old)
        moving = [one for one in state.items if one.status in ("held", "released")]
        for one in moving:
            self.tell_traveler(_withdraw(one.news, "moved"), old)
        state.items = [msgspec.structs.replace(one, status="moving") if one in moving else one for one in state.items]

    # ---- transitions

    def take_back_all(self) -> None:
        """Take back whatever has not left."""
        self.state.items = [
            self._take_back(item) if item.status in ("held", "released") else item for item in self.state.items
        ]

    def _publish(self, picture: Picture, trigger: Entry | None) -> tuple[list[Step], set[str]]:
        """Write the transitions that are new; steps that belong before known ones are history and stay unsaid."""
        state = self.state
        by_axis: dict[str, list[Step]] = {}
        for step in picture.steps:
            by_axis.setdefault(step.axis, []).append(step)
        known = set(state.steps)
        vanished = known - {step.identity for step in picture.steps}
        fresh: list[Step] = []
        for steps in by_axis.values():
            last = max((index for index, step in enumerate(steps) if step.identity in known), default=-1)
            fresh += steps[last + 1 :]
        for step in fresh:
            before = step.before if step.before == "-" else state.shown.get(step.axis, step.before)
            state.shown[step.axis] = step.after
            if step.published:
                self._transition(step.name, step.axis, before, step.after, step.cause, step.at, step.case, picture)
        touched = {step.axis for step in fresh}
        for axis in sorted({identity.split("\x1f")[1] for identity in vanished} - touched):
            after = by_axis[axis][-1].after if axis in by_axis else _UNSAID.get(axis, "NONE")
            before = state.shown.get(axis, after)
            if before != after and trigger is not None:
                name = _RESTATED.get(after, after)
                self._transition(name, axis, before, after, trigger.id, trigger.at, "", picture)
            state.shown[axis] = after
        state.steps = [step.identity for step in picture.steps]
        return fresh, vanished

    def _transition(
        self, name: str, axis: str, before: str, after: str, cause: str, at: datetime, case: str, picture: Picture
    ) -> None:
        named = next((one.applicationId for one in picture.cases if one.key == case), None)
        if not case and picture.current is not None and axis == APPLICATION:
            named = picture.current.applicationId
        data = Transition(
            recordId=self.reference,
            program=self.program,
            applicationId=named,
            axis=axis,  # type: ignore[arg-type]
            from_=None if before == "-" else before,
            to=after,
            causeId=cause,
        )
        self.out.append(events.transition(name, self.state.owner or "", data, cause, at))

    def _integrity(self, picture: Picture, trigger: Entry | None) -> None:
        """CONFLICT_OPENED, CONFLICT_CLOSED and STATUS_UNKNOWN, and the work that they make for the staff."""
        state = self.state
        before, after = state.shown.get(INTEGRITY, "OK"), picture.integrity
        if before != after:
            name = {"CONFLICT": "CONFLICT_OPENED", "UNKNOWN": "STATUS_UNKNOWN"}.get(after)
            if before == "CONFLICT":
                self._mark("CONFLICT_CLOSED", before, "OK" if name else after, trigger, picture)
                before = "OK"
            if name is not None:
                self._mark(name, before, after, trigger, picture)
            state.shown[INTEGRITY] = after
        wanted: dict[str, str] = {}
        for conflict in picture.conflicts:
            names = sorted((conflict.standing.id, conflict.against.id))
            wanted[event_id(self.key, "conflict", "|".join(names))] = "conflict"
        if picture.unknown is not None:
            wanted[event_id(self.key, "unknown label", picture.unknown.id)] = "unknown label"
        for item, reason in wanted.items():
            if item not in state.work:
                self.open_work(item, reason, trigger)
        for item, reason in list(state.work.items()):
            if reason in ("conflict", "unknown label") and item not in wanted:
                self.close_work(item, trigger)

    def _mark(self, name: str, before: str, after: str, trigger: Entry | None, picture: Picture) -> None:
        cause = trigger.id if trigger else self.state.entries[-1].id
        at = trigger.at if trigger else self.now
        self._transition(name, INTEGRITY, before, after, cause, at, "", picture)

    def open_work(self, item: str, reason: str, trigger: Entry | None) -> None:
        """Put something before the staff, once."""
        self.state.work[item] = reason
        self._work("opened", item, reason, trigger)

    def close_work(self, item: str, trigger: Entry | None) -> None:
        """Take it away again."""
        self._work("closed", item, self.state.work.pop(item), trigger)

    def _work(self, action: str, item: str, reason: str, trigger: Entry | None) -> None:
        data = WorkItem(itemId=item, reason=reason, program=self.program, recordId=self.reference)
        cause = trigger.id if trigger else item
        self.out.append(events.work(action, data, self.key, f"{item}|{cause}", self.now))  # type: ignore[arg-type]

    # ---- news

    def _frozen(self, item: Item, picture: Picture) -> bool:
        """Whether news waits because facts contradict each other (domain 3.4 rule 6)."""
        return bool(picture.conflicts) and item.news.kind in DECIDED

    def _tell(self, picture: Picture, fresh: list[Step], vanished: set[str], trigger: Entry | None) -> None:
        state = self.state
        living = {step.identity: step for step in picture.steps}
        waiting = [living[one] for one in state.deferred if one in living]
        fresh_tells = worth_telling([*waiting, *(step for step in fresh if not step.backfill)], picture)
        state.deferred = []
        tells: list[tuple[Step, Tell]] = []
        for step, tell in fresh_tells:
            if picture.conflicts and tell.kind in DECIDED:
                state.deferred.append(step.identity)
            else:
                tells.append((step, tell))
        planned_news = [
            (step, news(self.key, step, tell, picture, self.now, state.zones, self.policy)) for step, tell in tells
        ]
        self._withdraw_untrue(picture, living, planned_news)
        wrong = self._told_wrong(living, picture, vanished)
        if wrong and not any(one.adverse for _, one in planned_news):
            self._correct(wrong, picture, trigger)
            return
        for told in wrong:
            self._mark_corrected(told)
        for step, one in planned_news:
            self._supersede(one, step, living)
            self._plan(one, step.identity, trigger)

    def _withdraw_untrue(
        self, picture: Picture, living: dict[str, Step], planned_news: list[tuple[Step, News]]
    ) -> None:
        """Take back what has not left and is not so any more; a step with the same fact keeps its news."""
        state, kept = self.state, []
        same = {one.name: step.identity for step, one in planned_news}
        for item in state.items:
            gone = item.step is not None and item.step not in living and item.status in ("held", "released")
            if gone and item.news.name in same:
                item = msgspec.structs.replace(item, step=same[item.news.name])
            elif gone and not self._frozen(item, picture):
                item = self._take_back(item)
            kept.append(item)
        state.items = kept

    def _take_back(self, item: Item) -> Item:
        self.tell_traveler(_withdraw(item.news, "superseded"))
        return msgspec.structs.replace(item, status="withdrawn")

    def _supersede(self, newer: News, step: Step | None, living: dict[str, Step]) -> None:
        """A newer state replaces the older messages about the same thing that have not left (contract 5.5)."""
        kept = []
        for item in self.state.items:
            waits = item.status in ("held", "released") and item.step is not None and item.news.name != newer.name
            if waits and replaces(newer.kind, item.news.kind) and not _beside(living.get(item.step or ""), step, newer):
                item = self._take_back(item)
            kept.append(item)
        self.state.items = kept

    def _plan(self, one: News, step: str | None, trigger: Entry | None) -> None:
        state = self.state
        if any(item.news.name == one.name and item.status in ("held", "released") for item in state.items):
            return
        if any((told.applicationId, told.kind, told.fact) == one.name_in_record for told in state.told):
            return
        state.items.append(Item(news=one, status="held", step=step, open=one.channels))
        self.tell_traveler(Plan(news=one))
        if one.receivedAt - one.occurredAt > SILENT_AFTER and step is not None:
            item = event_id(self.key, "late adverse news", one.causeId)
            if item not in state.work:
                self.open_work(item, "late adverse news", trigger)

    def _told_wrong(self, living: dict[str, Step], picture: Picture, vanished: set[str]) -> list[Told]:
        """The last thing that the traveler was told, where a correction took its fact away."""
        state = self.state
        told = [one for one in state.told if one.step is not None]
        if not told or picture.conflicts:
            return []
        last = max(told, key=lambda one: one.at)
        if last.corrected or last.step in living:
            return []
        for step, tell in worth_telling(picture.steps, picture):
            again = news(self.key, step, tell, picture, self.now, state.zones, self.policy)
            if again.name_in_record == (last.applicationId, last.kind, last.fact):
                return []
        return [one for one in told if one.step == last.step]

    def _correct(self, wrong: list[Told], picture: Picture, trigger: Entry | None) -> None:
        """Say that the last message was wrong: the same channel, and email (domain 3.9)."""
        last = wrong[-1]
        for told in wrong:
            self._mark_corrected(told)
        if trigger is None:
            return
        channels = BOTH if any(one.channel == "sms" for one in wrong) else BOTH[1:]
        one = News(
            record=self.key,
            program=self.program,
            recordId=self.reference,
            applicationId=last.applicationId,
            kind="CORRECTION",
            fact=f"{last.notificationId}|{trigger.id}",
            causeId=trigger.id,
            occurredAt=trigger.at,
            receivedAt=trigger.receivedAt,
            plannedAt=self.now,
            releaseAt=self.now,
            notAfter=self.now + SILENT_AFTER / 10,
            channels=channels,
            exempt=True,
            facts=Facts(program=self.program),
        )
        self._supersede(one, None, {})
        self._plan(one, None, trigger)

    def _mark_corrected(self, told: Told) -> None:
        self.state.told = [
            msgspec.structs.replace(one, corrected=True) if one is told else one for one in self.state.told
        ]
        timing.corrected(self, told)

    def _release(self, picture: Picture) -> None:
        """End the holds whose time has come."""
        kept = []
        for item in self.state.items:
            if item.status == "held" and item.news.releaseAt <= self.now and not self._frozen(item, picture):
                one = item.news
                self.tell_traveler(
                    Release(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact)
                )
                item = msgspec.structs.replace(item, status="released")
            kept.append(item)
        self.state.items = kept

    def _remind(self, picture: Picture) -> datetime | None:
        """Plan the reminders that fell due, take back those that are untrue by now; when the next falls due."""
        state = self.state
        if state.deceased is not None:
            return None
        possible = reminders(picture, state.zones)
        names = {(one.applicationId, one.kind, one.fact) for one in possible}
        state.items = [
            self._take_back(item)
            if item.step is None
            and item.news.kind != "CORRECTION"
            and item.status in ("held", "released")
            and item.news.name_in_record not in names
            else item
            for item in state.items
        ]
        upcoming: list[datetime] = []
        for one in possible:
            if one.name in state.reminded:
                continue
            if one.moment > self.now:
                upcoming.append(one.moment)
                continue
            state.reminded.append(one.name)
            if not self._too_many(one):
                self._plan(planned(one, self.key, self.now), None, None)
        return min(upcoming, default=None)

    def _too_many(self, one: Reminder) -> bool:
        """Long silence is broken three times for one application, not more (domain 3.9)."""
        if one.kind != "STILL_IN_REVIEW":
            return False
        prefix = f"{one.applicationId or ''}|STILL_IN_REVIEW|"
        return sum(name.startswith(prefix) for name in self.state.reminded) > 3

    # ---- the card

    def _card(self, picture: Picture, trigger: Entry | None) -> None:
        state = self.state
        view = card(picture, self.reference, self.now)
        stale_at = view.asOf + STALE_AFTER
        state.staleAt = None if view.stale else stale_at
        snapshot = CardSnapshot(
            record=self.key,
            version=state.version + 1,
            card=view,
            birthDate=_last(state.entries, lambda one: one.birthDate),
            language=_last(state.entries, lambda one: one.language),
            timeZone=_last(state.entries, lambda one: one.timeZone),
            state=_last(state.entries, lambda one: one.state),
            minor=_last(state.entries, lambda one: one.data.minor),
            sourceHasPhone=any(one.hasPhone for one in state.entries),
            sourceHasEmail=any(one.hasEmail for one in state.entries),
            causeId=trigger.id if trigger else None,
        )
        said = msgspec.msgpack.encode(msgspec.structs.replace(snapshot, version=0, causeId=None))
        digest = hashlib.sha256(said).hexdigest()[:32]
        if digest == state.card:
            return
        state.card = digest
        state.version += 1
        self.tell_traveler(snapshot)

    # ---- what came of a message

    def outcome(self, message: Outcome) -> bool:
        """Note how far a message came; whether the record must be looked at again."""
        state = self.state
        name = (message.applicationId, message.kind, message.fact)
        item = next(
            (one for one in state.items if one.news.name_in_record == name and message.channel in one.open),
            None,
        )
        again = False
        if message.state == "accepted":
            state.told.append(
                Told(
                    notificationId=message.notificationId,
                    kind=message.kind,
                    fact=message.fact,
                    applicationId=message.applicationId,
                    channel=message.channel,
                    at=message.at,
                    cause=item.news.causeId if item else "",
                    step=item.step if item else None,
                )
            )
            again = item is None or item.status == "withdrawn"
        timing.outcome(self, message, item)
        if item is None or message.state not in events.FINAL:
            return again
        moved = item.status == "moving" and message.state == "superseded"
        left = tuple(channel for channel in item.open if channel != message.channel)
        changed = msgspec.structs.replace(item, open=left)
        if moved:
            changed = msgspec.structs.replace(changed, back=(*item.back, message.channel))
        state.items = [changed if one is item else one for one in state.items if one is not item or left or moved]
        if moved and not left:
            self._issue_again(changed)
            return True
        return again

    def _issue_again(self, item: Item) -> None:
        """The old traveler has let go: tell the new one."""
        self.state.items = [one for one in self.state.items if one is not item]
        one = msgspec.structs.replace(item.news, channels=item.back, plannedAt=self.now)
        self.state.items.append(Item(news=one, status="held", step=item.step, open=item.back))
        self.tell_traveler(Plan(news=one))


def copy(state: Record) -> Record:
    """A copy that may be changed: the fields that are containers are new."""
    changed: dict[str, Any] = {}
    for name in state.__struct_fields__:
        value = getattr(state, name)
        if isinstance(value, list | dict):
            changed[name] = value.copy()
    return msgspec.structs.replace(state, **changed)


def _withdraw(one: News, reason: str) -> Withdraw:
    return Withdraw(record=one.record, applicationId=one.applicationId, kind=one.kind, fact=one.fact, reason=reason)


T = TypeVar("T")


def _last(entries: Iterable[Entry], said: Callable[[Entry], T | None]) -> T | None:
    """The newest of what the events say, by their own time."""
    newest: T | None = None
    for one in sorted(entries, key=lambda one: (one.at, one.id)):
        value = said(one)
        newest = newest if value is None else value
    return newest


def _beside(older: Step | None, newer: Step | None, news_of_newer: News) -> bool:
    """Whether the end of an older application still wants to be told: progress of another one does not replace it."""
    if older is None or newer is None or news_of_newer.kind in DECIDED or older.axis != APPLICATION:
        return False
    return older.case != newer.case and older.after in TERMINAL
