"""The notices of a program (contract 5.20, S-11): shown at once, told in waves after two people approved, or dropped.

A program's travelers are spread over shards, keys of their own, so that neither a notice to millions nor their joining
ever works on one large value. 16,384 shards hold some 800 travelers each of the largest program, and two kilobytes
here say which shards have any; with 1,024 a shard of a million travelers would be rewritten for each who joins.
"""

import hashlib
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from schemas.cloudevents import canonical
from schemas.internal import Arrived, Enroll, Notice
from schemas.outputs import Audit, OverlayView, WorkItem
from schemas.source import SourceData, StaffDecision
from schemas.vocabulary import PROGRAMS
from streams import events
from streams.grammar import DeadLetter, Output, ToStage
from streams.identity import event_id
from streams.reading import Reading, read
from streams.travelers import corrections
from streams.travelers.state import Announcement, Decision, Program, Shard

PREFIX: Final = "program:"
SHARDS: Final = 16_384
WAVES: Final = 16
EVERY: Final = timedelta(minutes=1)
"""The time between two waves: what turns out wrong in one does not reach the rest."""

REVERSAL: Final = timedelta(hours=24)
"""A return to normal so soon after a notice was told takes it back (S-11); a later one is a notice of its own."""

_KEPT: Final = 200
"""Staff events remembered, so that a repeated record decides nothing twice."""


def key(program: str) -> str:
    """The key of a program's notices."""
    return f"{PREFIX}{program}"


def shard_key(program: str, traveler: str) -> str:
    """The shard of a program to which a traveler belongs."""
    return f"{PREFIX}{program}#{zlib.crc32(traveler.encode()) % SHARDS}"


def empty(key: str) -> Program | Shard:
    """A program or a shard of which nothing is known, by its key."""
    program, _, number = key.removeprefix(PREFIX).partition("#")
    return Shard(key=key, program=program) if number else Program(program=program)


class Desk:
    """A program being worked on at `now`."""

    def __init__(self, program: Program, now: datetime) -> None:
        self.program = program
        self.now = now
        self.outputs: list[Output] = []

    def arrived(self, message: Arrived) -> None:
        """A notice, or a decision of the staff about one."""
        reading = read(message.origin)
        if isinstance(reading.data, StaffDecision):
            self._decide(reading)
        elif isinstance(reading.data, SourceData):
            self._announce(reading, message)

    def enroll(self, message: Enroll) -> None:
        """A shard has its first traveler: remember it, and let it know what holds."""
        number = int(message.travelerId.partition("#")[2])
        bits = bytearray(self.program.shards or bytes(SHARDS // 8))
        bits[number // 8] |= 1 << number % 8
        self.program = replace(self.program, shards=bytes(bits))
        newest = self._newest()
        if newest is not None:
            self._send(number, self._notice(newest))

    def wake(self) -> None:
        """The next wave of each broadcast that is under way."""
        for name, held in self.program.notices.items():
            if held.next is not None and held.next <= self.now:
                self._wave(name, held)

    def _announce(self, reading: Reading, message: Arrived) -> None:
        event, data = reading.event, reading.data
        if not isinstance(data, SourceData) or data.notice is None:
            return
        digest = hashlib.sha256(canonical(event.data)).hexdigest()[:16]
        known = self.program.notices.get(event.id)
        if known is not None:
            if known.digest != digest:
                error = "a notice of this id is known with another body"
                self.outputs.append(DeadLetter(message.origin, "travelers", "id-reused", error))
            return
        notice = data.notice
        overlay = OverlayView(state=notice.state, scope=notice.scope, from_=notice.from_, until=notice.until)
        made = Announcement(event.time, message.at, overlay, digest, data.corrects, message.backfill)
        made = replace(made, correction=self._takes_back(made))
        self._put(event.id, made)
        if self._newest() == event.id:
            self._overtake(event.id)
            for number in self._occupied():
                self._send(number, self._notice(event.id))
        else:
            self._put(event.id, replace(made, state="dropped"))
        if self.program.notices[event.id].state == "waiting" and made.correction:
            self._work("opened", event.id)
        for decision in self.program.early.get(event.id, ()):
            self._apply(event.id, decision)
        early = {name: kept for name, kept in self.program.early.items() if name != event.id}
        self.program = replace(self.program, early=early)

    def _takes_back(self, made: Announcement) -> bool:
        told = {name: held for name, held in self.program.notices.items() if held.toldAt is not None}
        if made.corrects is not None:
            return made.corrects in told
        times = [held.toldAt for held in told.values() if held.toldAt is not None and held.overlay.state != "NORMAL"]
        return made.overlay.state == "NORMAL" and any(self.now <= at + REVERSAL for at in times)

    def _overtake(self, newest: str) -> None:
        """What a newer notice overtakes is not told any more."""
        for name, held in list(self.program.notices.items()):
            if name == newest or held.state not in ("waiting", "telling"):
                continue
            self._put(name, replace(held, state="told" if held.toldAt else "dropped", next=None))
            self._close(name)

    def _decide(self, reading: Reading) -> None:
        event, data = reading.event, reading.data
        if not isinstance(data, StaffDecision) or event.id in self.program.decided:
            return
        decided = dict(list(self.program.decided.items())[1 - _KEPT :])
        self.program = replace(self.program, decided=decided | {event.id: True})
        name = data.eventId or ""
        decision = Decision(reading.name, data.by or "")
        if name in self.program.notices:
            result = "done" if self._apply(name, decision) else "no-effect"
        else:
            result = "unknown-event"
            early = self.program.early.get(name, ())
            self.program = replace(self.program, early=self.program.early | {name: (*early, decision)})
        self._audit(reading, data, decision, result)

    def _audit(self, reading: Reading, data: StaffDecision, decision: Decision, result: str) -> None:
        """A decision that names no program comes to all of them, and is written down once: by the first."""
        subject = reading.event.subject if reading.event.subject in PROGRAMS else None
        named = reading.program or subject
        if self.program.program != (named or PROGRAMS[0]):
            return
        if data.eventId in self.program.notices:
            named = self.program.program
        entry = Audit(
            action=reading.name,
            by=decision.by,
            eventId=data.eventId,
            program=named,
            reason=data.reason,
            result=result if named else None,
        )
        self.outputs.append(events.audit(entry, reading.event.id, self.now))

    def _apply(self, name: str, decision: Decision) -> bool:
        """Whether the decision changes anything."""
        held = self.program.notices[name]
        if held.silent or held.state == "dropped":
            return False
        if decision.name == "notice.dropped":
            self._drop(name, held)
            return True
        same = {_person(by) for by in held.approvals}
        if held.state != "waiting" or _person(decision.by) in same:
            return False
        held = replace(held, approvals=(*held.approvals, decision.by))
        self._put(name, held)
        if len(held.approvals) == 2:
            self._close(name)
            self._wave(name, replace(held, state="telling", toldAt=self.now))
        return True

    def _drop(self, name: str, held: Announcement) -> None:
        """Tell nobody any more. What waits for its hour is taken back; who was told already may need a correction."""
        self._put(name, replace(held, state="dropped", next=None))
        self._close(name)
        if held.toldAt is not None:
            for number in self._occupied():
                self._send(number, replace(self._notice(name), dropped=True))

    def _wave(self, name: str, held: Announcement) -> None:
        """Tell the next wave that has any traveler, and plan the one after it."""
        waves = sorted({number % WAVES for number in self._occupied()})
        left = [wave for wave in waves if wave >= held.wave]
        for number in self._occupied():
            if left and number % WAVES == left[0]:
                self._send(number, replace(self._notice(name), wave=True, correction=held.correction))
        if len(left) > 1:
            self._put(name, replace(held, wave=left[1], next=self.now + EVERY))
        else:
            self._put(name, replace(held, state="told", next=None))

    def _newest(self) -> str | None:
        notices = self.program.notices
        return max(notices, key=lambda name: (notices[name].occurredAt, name), default=None)

    def _notice(self, name: str) -> Notice:
        held = self.program.notices[name]
        return Notice(
            program=self.program.program,
            eventId=name,
            occurredAt=held.occurredAt,
            receivedAt=held.receivedAt,
            overlay=held.overlay,
        )

    def _occupied(self) -> Iterator[int]:
        for index, byte in enumerate(self.program.shards):
            if byte:
                yield from (index * 8 + bit for bit in range(8) if byte >> bit & 1)

    def _send(self, number: int, notice: Notice) -> None:
        self.outputs.append(ToStage("travelers", f"{PREFIX}{self.program.program}#{number}", notice))

    def _put(self, name: str, held: Announcement) -> None:
        self.program = replace(self.program, notices=self.program.notices | {name: held})

    def _close(self, name: str) -> None:
        if self.program.notices[name].correction:
            self._work("closed", name)

    def _work(self, action: events.WorkAction, name: str) -> None:
        item = WorkItem(
            itemId=event_id(name, corrections.REASON, self.program.program),
            reason=corrections.REASON,
            program=self.program.program,
            recordId=None,
        )
        self.outputs.append(events.work(action, item, key(self.program.program), name, self.now))


def _person(name: str) -> str:
    """A member of the staff, however the name was typed."""
    return name.strip().casefold()


def shard(state: Shard, message: Enroll | Notice) -> tuple[Shard, list[Output]]:
    """A traveler joins or leaves a shard, or a notice passes through it to its travelers."""
    if isinstance(message, Notice):
        if not message.wave and not message.dropped:
            state = replace(state, current=message)
        return state, [ToStage("travelers", traveler, message) for traveler in state.members]
    others = {name: True for name in state.members if name != message.travelerId}
    if message.leave:
        return replace(state, members=others), []
    outputs: list[Output] = []
    if not state.members and state.current is None:
        outputs.append(ToStage("travelers", f"{PREFIX}{state.program}", replace(message, travelerId=state.key)))
    if state.current is not None:
        outputs.append(ToStage("travelers", message.travelerId, state.current))
    return replace(state, members=others | {message.travelerId: True}), outputs
