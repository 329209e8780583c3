"""Judges the real stages: folds each stage's own inbox in offset order with the pure functions, and compares.

What a stage must have written follows from its inbox alone, and what intake must have written from the input topics.
Messages in an inbox that no stage wrote are the edges': results of the dialer, receipts, inbound texts.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.internal import Dialled, Inbound, Listed, OptedOut, Origin, Receipt
from services import wire
from services.sealing import Keys
from streams import topics
from streams.grammar import DeadLetter, Emission, Publish, Stage, ToStage, advance, step
from streams.pipeline import Pipeline
from tests.kafka.opened import Opened
from tests.kafka.rig import Row, committed, read, run

EDGE: Final = (Dialled, Inbound, Listed, OptedOut, Receipt)
_encode = msgspec.msgpack.Encoder().encode


class PipelineOracle:
    """What a whole run must have left behind."""

    def __init__(self, kafka: str, pipeline: Pipeline, keys: Keys, partitions: int) -> None:
        self._kafka = kafka
        self._pipeline = pipeline
        self._keys = keys
        self._partitions = partitions
        self._published: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
        self._letters: Counter[tuple[bytes | None, bytes]] = Counter()
        self._passed: Counter[tuple[str, bytes, bytes]] = Counter()
        self._arrivals: Counter[tuple[str, bytes, bytes]] = Counter()
        self.faults: list[str] = []
        self.events: Counter[str] = Counter()

    def judge(self) -> list[str]:
        """What is wrong; nothing, if all is well."""
        inboxes = {name: self._read(topics.inbox(name)) for name in self._pipeline.stages}
        names = [*(topics.data_keys(name) for name in self._pipeline.stages), topics.TRANSIT_KEYS]
        keys = {name: [(k, v) for rows in self._read(name).values() for _, k, v, _ in rows] for name in names}
        self._opened = Opened(self._keys, keys, Path(tempfile.mkdtemp()))
        self._intake()
        for name, stage in self._pipeline.stages.items():
            self._stage(stage, inboxes[name])
        self._judge_inboxes(inboxes)
        self._judge_outputs()
        self._judge_letters()
        self._judge_offsets(inboxes)
        return self.faults

    def _read(self, topic: str) -> dict[int, list[Row]]:
        return run(read(self._kafka, topic, self._partitions))

    def _intake(self) -> None:
        """Only the arrival is not in the input; it is left out of the comparison."""
        far = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
        for topic in topics.INPUTS:
            for partition, rows in self._read(topic).items():
                for offset, key, value, headers in rows:
                    self.events["intake"] += 1
                    origin = Origin(
                        topic=topic,
                        partition=partition,
                        offset=offset,
                        timestamp=0,
                        key=key,
                        headers=headers,
                        value=value,
                    )
                    for output in self._pipeline.intake(origin, far, False):
                        if isinstance(output, ToStage):
                            self._arrivals[output.stage, output.key.encode(), _place(origin)] += 1
                        elif isinstance(output, DeadLetter):
                            self._letters[value, output.reason.encode()] += 1

    def _stage(self, stage: Stage[Any], inbox: dict[int, list[Row]]) -> None:
        decode = msgspec.msgpack.Decoder(stage.message_type).decode
        states: dict[bytes, Any] = {}
        for rows in inbox.values():
            mine: dict[bytes, Any] = {}
            for _, key, value, headers in rows:
                named = dict(headers)
                if wire.TICK in named:
                    until = wire.moment(named[wire.TICK])
                    due = [(moment, k) for k, s in mine.items() if (moment := stage.due(s)) and moment <= until]
                    for _, name in sorted(due):
                        mine[name], emitted = advance(stage, mine[name], until)
                        self._emit(stage.name, emitted)
                    continue
                assert key is not None
                message = decode(self._opened.message(value or b""))
                state = mine.get(key)
                state = stage.empty(key.decode()) if state is None else state
                mine[key], emitted = step(stage, state, message, wire.moment(named[wire.NOW]))
                self._emit(stage.name, emitted)
                self.events[stage.name] += 1
            states |= mine
        self._judge_changelog(stage, states)

    def _emit(self, stage: str, emissions: Iterable[Emission]) -> None:
        for emission in emissions:
            match emission.output:
                case Publish(topic=topic, key=key, event=event):
                    said = b"-" if event is None else event.id.encode() + b" " + bytes(event.data)
                    self._published[topic, key.encode()].append(said)
                case ToStage(stage=to, key=key, message=message):
                    self._passed[to, key.encode(), _encode(message)] += 1
                case DeadLetter(origin=origin, reason=reason):
                    self._letters[origin.value, reason.encode()] += 1

    def _judge_changelog(self, stage: Stage[Any], states: dict[bytes, Any]) -> None:
        decode = msgspec.msgpack.Decoder(stage.state_type).decode
        states = {key: state for key, state in states.items() if state != stage.empty(key.decode())}
        newest = {
            key: value
            for rows in self._read(topics.changelog(stage.name)).values()
            for _, key, value, _ in rows
            if key is not None
        }
        held = {
            key: decode(self._opened.state(stage.name, key, value))
            for key, value in newest.items()
            if value is not None
        }
        for key in states.keys() | held.keys():
            if states.get(key) != held.get(key):
                self._fault(f"{stage.name}: the changelog differs for {key!r}")

    def _judge_inboxes(self, inboxes: dict[str, dict[int, list[Row]]]) -> None:
        for name, inbox in inboxes.items():
            stage = self._pipeline.stages[name]
            decode = msgspec.msgpack.Decoder(stage.message_type).decode
            passed: Counter[tuple[str, bytes, bytes]] = Counter()
            arrivals: Counter[tuple[str, bytes, bytes]] = Counter()
            for rows in inbox.values():
                for _, key, value, headers in rows:
                    if wire.TICK in dict(headers):
                        continue
                    clear = self._opened.message(value or b"")
                    message = decode(clear)
                    origin = getattr(message, "origin", None)
                    if (name, key, clear) in self._passed:
                        passed[name, key or b"", clear] += 1
                    elif origin is not None:
                        arrivals[name, key or b"", _place(origin)] += 1
                    elif not isinstance(message, EDGE):
                        passed[name, key or b"", clear] += 1
            self._compare(f"inbox of {name}", {k: n for k, n in self._passed.items() if k[0] == name}, passed)
            self._compare(f"arrivals at {name}", {k: n for k, n in self._arrivals.items() if k[0] == name}, arrivals)

    def _judge_outputs(self) -> None:
        for topic in topics.OUTPUTS:
            if topic == topics.DEAD_LETTER:
                continue
            written: dict[bytes, list[bytes]] = defaultdict(list)
            for rows in self._read(topic).values():
                for _, key, value, headers in rows:
                    said = b"-" if value is None else dict(headers)["ce_id"] + b" " + value
                    written[key or b""].append(said)
            wanted = {key: values for (name, key), values in self._published.items() if name == topic}
            self._compare(
                topic,
                {key: sorted(values) for key, values in wanted.items()},
                {key: sorted(values) for key, values in written.items()},
            )

    def _judge_letters(self) -> None:
        found: Counter[tuple[bytes | None, bytes]] = Counter()
        for rows in self._read(topics.DEAD_LETTER).values():
            for _, _, value, headers in rows:
                found[value, dict(headers)["dlq.reason"]] += 1
        self._compare("dead letters", self._letters, found)

    def _judge_offsets(self, inboxes: dict[str, dict[int, list[Row]]]) -> None:
        groups: list[tuple[str, str, dict[int, list[Row]]]] = [
            (f"ttn-{name}", topics.inbox(name), inbox) for name, inbox in inboxes.items()
        ]
        groups += [("ttn-intake", topic, self._read(topic)) for topic in topics.INPUTS]
        for group, topic, inbox in groups:
            offsets = run(committed(self._kafka, group, topic, self._partitions))
            for partition, rows in inbox.items():
                if rows and offsets[partition] != rows[-1][0] + 1:
                    self._fault(f"{group}: offset {offsets[partition]} of {topic}-{partition}, not {rows[-1][0] + 1}")

    def _compare(self, what: str, wanted: Any, found: Any) -> None:
        for key in wanted.keys() | found.keys():
            if wanted.get(key) != found.get(key):
                self._fault(f"{what}: {_short(found.get(key))}, not {_short(wanted.get(key))} of {str(key)[:200]}")

    def _fault(self, text: str) -> None:
        if len(self.faults) < 20:
            self.faults.append(text)


def _place(origin: Origin) -> bytes:
    return f"{origin.topic}-{origin.partition}-{origin.offset}".encode()


def _short(value: Any) -> Any:
    return len(value) if isinstance(value, Sequence) else value
