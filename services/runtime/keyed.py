"""A keyed stage on its inbox: opens states and messages, runs the pure function, seals what comes out."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from time import perf_counter
from typing import Any, Final

import msgspec

from schemas.internal import Arrived
from services import wire
from services.keyring import Keyring, Sealing
from services.runtime.ending import RefusedError, describe
from services.runtime.job import HANDLER_BUG, Limits, Slice
from services.runtime.poison import Poison
from services.sealing import ForgottenError, SealError
from services.store import Change, Store, StoreError, blob_of, due_of, micros, pack
from services.wire import Received, Seal
from streams import topics
from streams.grammar import Command, DeadLetter, Emission, Publish, Renew, Stage, ToStage, advance, step

LARGEST_STATE: Final = (2 << 20) - (64 << 10)
"""Bytes of one key's state: what a changelog record takes, less room for the seal, the key and the framing."""

_AT_ONCE: Final = 250
"""Keys that are looked up together."""

_encode = msgspec.msgpack.Encoder().encode


class Keyed:
    """The job of a keyed stage. One for all partitions of a process: it holds no state of its own between slices.

    `seal` is for messages; states are sealed with the data keys of their partition's keyring.
    """

    def __init__(self, stage: Stage[Any], seal: Seal, partitions: int, limits: Limits) -> None:
        self.name = stage.name
        self.topics: tuple[str, ...] = (topics.inbox(stage.name),)
        self.changelog: str | None = topics.changelog(stage.name)
        self._stage = stage
        self._seal = seal
        self._partitions = partitions
        self._limits = limits
        self._message = wire.Decoder(stage.message_type)
        self._state = _StateDecoder(stage)
        self._poison = Poison(stage.name)

    def slice(self, records: Sequence[Received], store: Store | None, ring: Keyring | None) -> Slice:
        if store is None or ring is None:
            raise RefusedError(f"Stage {self.name} needs a store and a keyring.")
        return _Work(self, store, Sealing(ring, self._partitions)).run(records)

    def message(self, record: Received) -> Any:
        """The clear message of an inbox record."""
        if record.value is None:
            raise wire.WireError("no value")
        try:
            return self._message.decode(self._seal.open(record.value))
        except wire.NewerError as error:
            raise RefusedError(
                f"Stage {self.name} received a message of a newer version ({error}): run that version here too; "
                "the message waits."
            ) from None

    def state(self, clear: bytes) -> Any:
        """A state from its clear bytes."""
        return self._state.decode(clear)


class _StateDecoder:
    """Reads the states of a stage. One that cannot be read is no event's fault: another version wrote it."""

    def __init__(self, stage: Stage[Any]) -> None:
        self._name = stage.name
        self._decode = msgspec.msgpack.Decoder(stage.state_type).decode

    def decode(self, clear: bytes) -> Any:
        """The state. Raises RefusedError where it is none of this version."""
        try:
            return self._decode(clear)
        except msgspec.DecodeError:
            raise RefusedError(
                f"Stage {self._name} cannot read a state that another version wrote: run that version, or upgrade "
                f"{topics.changelog(self._name)} first."
            ) from None


class _Work:
    """The states, outputs and commands of one slice while it grows."""

    def __init__(self, job: Keyed, store: Store, sealing: Sealing) -> None:
        self._job = job
        self._stage = job._stage
        self._store = store
        self._sealing = sealing
        self._limits = job._limits
        self._states: dict[bytes, Any] = {}
        self._was_due: dict[bytes, int | None] = {}
        self._held: dict[bytes, bytes | None] = {}
        self._touched: set[bytes] = set()
        self._parked: set[bytes] = set()
        self._renewed: set[bytes] = set()
        self._sizes: dict[bytes, int] = {}
        self._size = 0
        self.slice = Slice(taken=0, upto=0, outgoing=[], changes={}, commands=[])

    def run(self, records: Sequence[Received]) -> Slice:
        limits, slice_ = self._limits, self.slice
        stop = perf_counter() + limits.seconds
        for record in self._prefetched(records[: limits.records]):
            until = wire.header(record, wire.TICK)
            if until is None:
                self._event(record)
            elif not self._tick(wire.moment(until)):
                slice_.upto = record.offset
                break
            slice_.taken += 1
            slice_.upto = record.offset + 1
            if perf_counter() > stop or self._size > limits.output:
                break
        self._close()
        return slice_

    def _prefetched(self, records: Sequence[Received]) -> Iterator[Received]:
        """The records, after the states of the next few were looked up at once: a slice may end before they do."""
        for start in range(0, len(records), _AT_ONCE):
            ahead = records[start : start + _AT_ONCE]
            named = {record.key: None for record in ahead if record.key is not None and record.key not in self._states}
            keys = list(named)
            self._held.update(zip(keys, self._store.get_many(keys), strict=True))
            self._sealing.prefetch(keys)
            yield from ahead

    def _load(self, key: bytes) -> Any:
        state = self._states.get(key)
        if state is not None:
            return state
        value = self._held.pop(key) if key in self._held else self._store.get(key)
        self._was_due[key] = None if value is None else due_of(value)
        self._sizes[key] = 0 if value is None else len(value)
        if value is None:
            return self._stage.empty(key.decode())
        return self._job.state(self._sealing.open(key, blob_of(value)))

    def _event(self, record: Received) -> None:
        message = None
        try:
            try:
                message = self._job.message(record)
            except ForgottenError:
                self.slice.forgotten += 1
                return
            if record.key is None:
                raise wire.WireError("no key")
            state = self._load(record.key)
            state, emissions = step(self._stage, state, message, wire.now_of(record))
            outgoing, commands = self._write(record.key, emissions)
        except (StoreError, RefusedError, MemoryError):
            raise
        except SealError as error:
            raise self._locked(error) from None
        except Exception as error:  # noqa: BLE001 - a poison event goes to the dead letters, whatever it broke
            self._job._poison.failed()
            self._refuse(record, message, HANDLER_BUG, describe(error))
            self.slice.poison += 1
            return
        if not self._fits(record, state):
            self._refuse(record, message, "too-large", "the state of its key would outgrow a record of the changelog")
            return
        self._keep(record.key, state, outgoing, commands)
        self._job._poison.passed()
        self.slice.events += 1

    def _fits(self, record: Received, state: Any) -> bool:
        """Whether the state can still be written; encoded to find out only where it may have grown too far."""
        key = record.key or b""
        self._sizes[key] += 2 * len(record.value or b"")
        if self._sizes[key] > LARGEST_STATE:
            self._sizes[key] = len(_encode(state))
        return self._sizes[key] <= LARGEST_STATE

    def _refuse(self, record: Received, message: Any, reason: str, error: str) -> None:
        """Turn an event into a dead letter; the state of its key stays as it was."""
        origin = message.origin if isinstance(message, Arrived) else wire.origin_of(record)
        self._letter(DeadLetter(origin, self._job.name, reason, error), self.slice.outgoing)

    def _locked(self, error: SealError) -> RefusedError:
        return RefusedError(
            f"Stage {self._job.name} cannot open what was sealed before ({error}): TTN_SECRET_FILE must hold the key "
            f"that sealed it, and {topics.data_keys(self._job.name)} the data key."
        )

    def _letter(self, letter: DeadLetter, outgoing: list[wire.Outgoing]) -> None:
        outgoing.append(wire.dead_letter(self._job._partitions, letter))
        self.slice.letters[letter.reason] = self.slice.letters.get(letter.reason, 0) + 1

    def _tick(self, until: datetime) -> bool:
        """Run everything due up to `until`, at most `limits.wakes` keys; True when nothing is left."""
        end, limit = micros(until), self._limits.wakes
        due = self._store.due(end, limit + len(self._touched))
        ordered = [(moment, key) for moment, key in due if key not in self._touched]
        for key in self._touched - self._parked:
            moment = self._stage.due(self._states[key])
            if moment is not None and micros(moment) <= end:
                ordered.append((micros(moment), key))
        ordered.sort()
        for _, key in ordered[:limit]:
            self._wake(key, until)
        return len(ordered) <= limit and len(due) < limit + len(self._touched)

    def _wake(self, key: bytes, until: datetime) -> None:
        try:
            state, emissions = advance(self._stage, self._load(key), until)
            outgoing, commands = self._write(key, emissions)
        except (StoreError, RefusedError, MemoryError):
            raise
        except SealError as error:
            raise self._locked(error) from None
        except Exception:  # noqa: BLE001 - one key's fault must not hold up the clock of all others
            self._job._poison.failed()
            self._park(key)
            return
        self._keep(key, state, outgoing, commands)
        self.slice.wakes += 1

    def _park(self, key: bytes) -> None:
        """Wake this key again only after its next message: its own due work fails in our code."""
        self.slice.poison += 1
        if key not in self._states:
            self._states[key] = self._load(key)
        self._touched.add(key)
        self._parked.add(key)

    def _write(self, key: bytes, emissions: Iterable[Emission]) -> tuple[list[wire.Outgoing], list[Command]]:
        outgoing: list[wire.Outgoing] = []
        commands: list[Command] = []
        seal, partitions = self._job._seal, self._job._partitions
        for emission in emissions:
            output = emission.output
            if isinstance(output, ToStage):
                outgoing.append(wire.to_stage(seal, partitions, output.stage, output.key, output.message, emission.at))
            elif isinstance(output, Publish):
                outgoing.append(wire.publish(partitions, output))
            elif isinstance(output, DeadLetter):
                self._letter(output, outgoing)
            elif isinstance(output, Renew):
                self._renewed.add(key)
            else:
                commands.append(output)
        return outgoing, commands

    def _keep(self, key: bytes, state: Any, outgoing: list[wire.Outgoing], commands: list[Command]) -> None:
        self._states[key] = state
        self._touched.add(key)
        self._parked.discard(key)
        self._size += wire.size(outgoing)
        self.slice.outgoing += outgoing
        self.slice.commands += commands

    def _close(self) -> None:
        """Seal the states that the slice leaves behind; one with nothing in it any more goes, and its data key too."""
        changes, outgoing = self.slice.changes, self.slice.outgoing
        for key in sorted(self._touched):
            state = self._states[key]
            if state == self._stage.empty(key.decode()):
                changes[key] = Change(None, self._was_due[key])
                outgoing.append(self._sealing.record(key, None))
                continue
            due = None if key in self._parked else self._stage.due(state)
            sealed, new = self._sealing.seal(key, _encode(state), renew=key in self._renewed)
            changes[key] = Change(pack(due, sealed), self._was_due[key], new)
            if new is not None:
                outgoing.append(self._sealing.record(key, new))
