"""The records stage as a keyed stage of the pipeline: what each message does to one record."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, assert_never

import msgspec

from schemas.internal import (
    Absorbed,
    Arrived,
    ContactChanged,
    Death,
    Joined,
    Outcome,
    RecordsMessage,
    SourceGuardian,
    TravelerChanged,
)
from schemas.outputs import Audit
from schemas.source import SourceData
from schemas.vocabulary import PROGRAMS, RECORD_DECISIONS, STAFF_SOURCE
from streams import events
from streams.grammar import DeadLetter, Output, Renew, ToStage
from streams.identity import Identity
from streams.policy import Policy
from streams.reading import Reading, read, record_key
from streams.records.log import LIMIT, Entry, entry
from streams.records.outcomes import outcome
from streams.records.ownership import hand_back, identity_item, move
from streams.records.settle import settle, wake
from streams.records.state import Ended, Item, Marked, Record, Told
from streams.records.turn import Turn

_entries = msgspec.msgpack.Decoder(list[Entry])
_told = msgspec.msgpack.Decoder(list[Told])
_ended = msgspec.msgpack.Decoder(list[Ended])
_marks = msgspec.msgpack.Decoder(dict[str, Marked])
_items = msgspec.msgpack.Decoder(list[Item])

ABOUT_THE_PERSON = ("updated", "deceased", "erased")
"""Profile events that name a record in place of a portal subject: the record's traveler decides."""


OTHER_BIRTH_DATE = "the birth date differs from that of the traveler's other records"


class Records:
    """One enrollment: its log, its card, its news, its clocks, and whose it is."""

    name = "records"
    state_type = Record
    message_type: Any = RecordsMessage

    def __init__(self, identity: Identity, policy: Policy) -> None:
        self._identity = identity
        self._policy = policy

    def empty(self, key: str) -> Record:
        """A record that nothing is known of."""
        return Record(key=key)

    def due(self, state: Record) -> datetime | None:
        """When a hold ends, a reminder falls due, a membership ends or a card grows stale."""
        return state.dueAt

    def wake(self, state: Record, now: datetime) -> tuple[Record, Sequence[Output]]:
        """The record after what the clock alone does to it."""
        turn = Turn(state.key, state, now, self._identity, self._policy)
        wake(turn)
        return turn.state, turn.out

    def receive(self, state: Record, message: RecordsMessage, now: datetime) -> tuple[Record, Sequence[Output]]:
        """The record after a message."""
        turn = Turn(state.key, state, now, self._identity, self._policy)
        match message:
            case Arrived():
                self._arrived(turn, message)
            case Absorbed():
                self._absorbed(turn, message)
            case Joined():
                self._joined(turn, message)
            case TravelerChanged():
                self._traveler_changed(turn, message)
            case Outcome():
                if state.mergedInto is not None:
                    turn.out.append(ToStage("records", state.mergedInto, message))
                elif outcome(turn, message):
                    settle(turn, None)
            case _:
                assert_never(message)
        return turn.state, turn.out

    def _arrived(self, turn: Turn, message: Arrived) -> None:
        state, reading = turn.state, read(message.origin)
        if state.mergedInto is not None and reading.name != "record.merged":
            turn.out.append(ToStage("records", state.mergedInto, message))
            return
        if reading.name in ABOUT_THE_PERSON:
            self._about_the_person(turn, message, reading)
            return
        new = entry(reading, message.at, message.backfill)
        for one in state.entries:
            if (one.source, one.id) == (new.source, new.id):
                if one.digest != new.digest:
                    text = "this id came before with another body"
                    turn.out.append(DeadLetter(message.origin, self.name, "id-reused", text))
                return
        if len(state.entries) >= LIMIT:
            text = f"the record has {LIMIT} events already"
            turn.out.append(DeadLetter(message.origin, self.name, "too-large", text))
            return
        refused = new.name == "linked" and turn.refuses(
            self._identity.traveler_of_subject(new.data.portalSubject or "")
        )
        if new.source == STAFF_SOURCE and not self._decision(turn, new, message, "refused" if refused else None):
            return
        if refused:
            turn.out.append(DeadLetter(message.origin, self.name, "identity-conflict", OTHER_BIRTH_DATE))
            return
        state.entries.append(new)
        self._contact(turn, reading, message)
        if reading.name == "record.merged" and new.data.mergedInto is not None:
            self._merge(turn, record_key(turn.program, new.data.mergedInto))
            return
        asked, turn.origin = state.asked, message.origin
        settle(turn, new)
        if state.asked != asked:
            state.askedBy = message.origin

    def _about_the_person(self, turn: Turn, message: Arrived, reading: Reading) -> None:
        """Pass it on to the traveler, who writes down what the staff did; a record without one does so itself."""
        new = entry(reading, message.at, message.backfill)
        if turn.state.owner is None:
            others = [one for one in turn.state.waiting if isinstance(one, Arrived)]
            if any(entry(read(one.origin), one.at, one.backfill).digest == new.digest for one in others):
                return
            if new.source == STAFF_SOURCE:
                self._audit(turn, new, "unknown-record")
        self._pass_on(turn, message)

    def _decision(self, turn: Turn, new: Entry, message: Arrived, result: str | None) -> bool:
        """Audit what a member of the staff decided; False where another record is asked in place of this one.

        Who names no program means the first one whose record of this name knows the event.
        """
        named = new.name not in RECORD_DECISIONS or read(message.origin).program is not None
        known = new.name not in RECORD_DECISIONS or any(one.id == new.data.corrects for one in turn.state.entries)
        if not named and not known and turn.program != PROGRAMS[-1]:
            following = PROGRAMS[PROGRAMS.index(turn.program) + 1]
            turn.out.append(ToStage("records", record_key(following, turn.reference), message))
            return False
        self._audit(turn, new, result or ("done" if known else "unknown-event"), named or known)
        return True

    def _audit(self, turn: Turn, new: Entry, result: str, named: bool = True) -> None:
        audit = Audit(
            action=new.name,
            by=new.by or "unnamed",
            eventId=new.data.corrects,
            recordId=turn.reference if named else None,
            program=turn.program if named else None,
            reason=new.data.reason,
            result=result,
        )
        turn.out.append(events.audit(audit, new.id, turn.now))

    def _pass_on(self, turn: Turn, message: Arrived | ContactChanged | SourceGuardian) -> None:
        if turn.state.owner is None:
            turn.state.waiting.append(message)
        else:
            turn.tell_traveler(message)

    def _contact(self, turn: Turn, reading: Reading, message: Arrived) -> None:
        """Tell the traveler of another address or guardian that the program holds (contract 5.3)."""
        data = reading.data
        if not isinstance(data, SourceData):
            return
        person = data.person
        if reading.name == "contact.updated" and person and (person.phone or person.email) and not message.backfill:
            self._pass_on(
                turn,
                ContactChanged(
                    record=turn.key,
                    program=turn.program,
                    recordId=turn.reference,
                    causeId=reading.event.id,
                    occurredAt=reading.event.time,
                    phone=person.phone,
                    email=person.email,
                ),
            )
        if data.guardian is not msgspec.UNSET:
            self._pass_on(
                turn,
                SourceGuardian(
                    record=turn.key,
                    causeId=reading.event.id,
                    occurredAt=reading.event.time,
                    guardian=data.guardian,
                ),
            )

    def _joined(self, turn: Turn, message: Joined) -> None:
        state = turn.state
        if state.asked is None or state.asked.partition("|")[0] != message.travelerId:
            return
        own = self._identity.traveler_of_record(turn.key)
        if message.erased and message.travelerId == own:  # who was forgotten stays so, whatever comes later
            self._forget(turn)
            return
        if message.erased:
            state.refused.append(state.asked)
        elif message.accepted or message.travelerId == own:
            state.joinedAs, state.zones = state.asked, message.zones
            if message.travelerId != own:
                for item, reason in list(state.work.items()):
                    if reason == "identity conflict" and item not in state.disputes:
                        turn.close_work(item, None)
            move(turn, message.travelerId)
        else:
            self._refused(turn, message)
        state.asked = state.askedBy = None
        if message.accepted:
            self._die(turn, message.deceased)
        settle(turn, state.entries[-1])

    def _refused(self, turn: Turn, message: Joined) -> None:
        """The traveler was born on another day: one person's letter must not reach another (domain 3.5)."""
        state = turn.state
        state.refused.append(state.asked or message.travelerId)
        if state.askedBy is not None:
            turn.out.append(DeadLetter(state.askedBy, self.name, "identity-conflict", OTHER_BIRTH_DATE))
        turn.open_work(identity_item(turn, message.travelerId), "identity conflict", None)

    def _traveler_changed(self, turn: Turn, message: TravelerChanged) -> None:
        state = turn.state
        if message.travelerId != state.owner:
            return
        if message.erased:
            self._forget(turn)
            return
        before = (state.zones, state.deceased)
        state.zones = message.zones
        self._die(turn, message.deceased)
        if (state.zones, state.deceased) != before:
            settle(turn, None)

    @staticmethod
    def _forget(turn: Turn) -> None:
        """Keep nothing but where the record went; also not in what was written of it before, nor for the staff."""
        for item in list(turn.state.work):
            turn.close_work(item, None)
        turn.state = Record(key=turn.key, mergedInto=turn.state.mergedInto)
        turn.out.append(Renew())

    @staticmethod
    def _die(turn: Turn, death: Death | None) -> None:
        """The death of the record's traveler; that of a former one does not count, unless told of this record."""
        known = turn.state.deceased
        if known is not None and (known.data.recordId is not None or (death and death.eventId == known.id)):
            return
        if death is None:
            turn.state.deceased = None
            return
        turn.state.deceased = Entry(
            id=death.eventId,
            source="dhs/portal",
            name="deceased",
            at=death.at,
            receivedAt=turn.now,
            digest="",
            material="",
            data=SourceData(recordId=turn.reference if death.record == turn.key else None),
        )

    def _merge(self, turn: Turn, target: str) -> None:
        """The whole log goes to another record, and so does what comes later (contract 5.17).

        What was told, or was not to be told, is told to nobody again; news on its way is told from there.
        """
        state = turn.state
        hand_back(turn, state.owner or "")
        moved = [msgspec.structs.replace(one, backfill=True) for one in state.entries if one.name != "record.merged"]
        turn.out.append(
            ToStage(
                "records",
                target,
                Absorbed(
                    record=turn.key,
                    entries=msgspec.msgpack.encode(moved),
                    told=msgspec.msgpack.encode(state.told),
                    ended=msgspec.msgpack.encode(state.ended),
                    steps=tuple(state.steps),
                    shown=state.shown,
                    marks=msgspec.msgpack.encode(state.marks),
                    items=msgspec.msgpack.encode(state.items),
                    deferred=tuple(state.deferred),
                    reminded=tuple(state.reminded),
                    owner=state.owner,
                    version=state.version + 1,
                    path=(turn.key,),
                ),
            )
        )
        for one in state.waiting:
            if isinstance(one, Arrived):
                turn.out.append(ToStage("records", target, one))
        for item in list(state.work):
            turn.close_work(item, state.entries[-1])
        turn.state = Record(key=turn.key, mergedInto=target, owner=state.owner, version=state.version + 1)
        turn.out.append(Renew())

    def _absorbed(self, turn: Turn, message: Absorbed) -> None:
        """The log of another record joins this one: its story counts, what it told is told."""
        state = turn.state
        if state.mergedInto is not None and turn.key not in message.path:
            onward = msgspec.structs.replace(message, path=(*message.path, turn.key))
            turn.out.append(ToStage("records", state.mergedInto, onward))
            return
        state.mergedInto = None
        known = {(one.source, one.id) for one in state.entries}
        new = [one for one in _entries.decode(message.entries) if (one.source, one.id) not in known]
        if message.owner is not None:
            state.absorbed.append((message.record, message.owner, message.version))
        state.steps += [one for one in message.steps if one not in state.steps]
        state.shown = message.shown | state.shown
        state.marks = _marks.decode(message.marks) | state.marks
        state.deferred += message.deferred
        state.reminded += [one for one in message.reminded if one not in state.reminded]
        for item in _items.decode(message.items):
            here = msgspec.structs.replace(item.news, record=turn.key, recordId=turn.reference)
            state.items.append(msgspec.structs.replace(item, news=here))
        state.entries += new
        state.told += _told.decode(message.told)
        state.ended += _ended.decode(message.ended)
        settle(turn, new[-1] if new else None)
