"""The intake stage on the three input topics: stamps arrivals, routes records, keeps no state."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import perf_counter

from schemas.internal import Origin
from services import wire
from services.clock import Clock
from services.keyring import Keyring
from services.runtime.ending import describe
from services.runtime.job import HANDLER_BUG, Limits, Slice
from services.runtime.poison import Poison
from services.store import Store
from services.wire import Received, Seal
from streams import topics
from streams.grammar import DeadLetter, Output, Publish, ToStage

Route = Callable[[Origin, datetime, bool], Sequence[Output]]


class Arrivals:
    """The job of intake. `stepped`: in a demonstration the sender says when a record arrives."""

    name = "intake"
    topics: tuple[str, ...] = topics.INPUTS
    changelog: str | None = None

    def __init__(
        self, route: Route, seal: Seal, partitions: int, limits: Limits, clock: Clock, *, stepped: bool
    ) -> None:
        self._route = route
        self._seal = seal
        self._partitions = partitions
        self._limits = limits
        self._clock = clock
        self._stepped = stepped
        self._poison = Poison(self.name)

    def slice(self, records: Sequence[Received], store: Store | None, ring: Keyring | None) -> Slice:
        stop = perf_counter() + self._limits.seconds
        slice_ = Slice(taken=0, upto=0, outgoing=[], changes={}, commands=[])
        size = 0
        for record in records[: self._limits.records]:
            before = len(slice_.outgoing)
            self._event(record, slice_)
            slice_.taken += 1
            slice_.upto = record.offset + 1
            size += wire.size(slice_.outgoing[before:])
            if perf_counter() > stop or size > self._limits.output:
                break
        return slice_

    def _event(self, record: Received, slice_: Slice) -> None:
        origin = wire.origin_of(record)
        at = self._arrival(record)
        backfill = wire.header(record, wire.BACKFILL) == b"1"
        try:
            outputs = self._route(origin, at, backfill)
            written = [self._written(output, at, slice_) for output in outputs]
        except Exception as error:  # noqa: BLE001 - a poison event goes to the dead letters, whatever it broke
            outputs = [DeadLetter(origin, self.name, HANDLER_BUG, describe(error))]
            written = [self._written(outputs[0], at, slice_)]
        if any(isinstance(output, DeadLetter) and output.reason == HANDLER_BUG for output in outputs):
            self._poison.failed()
            slice_.poison += 1
        else:
            self._poison.passed()
        slice_.outgoing += written
        slice_.events += 1

    def _arrival(self, record: Received) -> datetime:
        said = wire.header(record, wire.ARRIVED) if self._stepped else None
        if said is not None:
            with suppress(wire.WireError):
                return wire.moment(said)
        return self._clock.now()

    def _written(self, output: Output, at: datetime, slice_: Slice) -> wire.Outgoing:
        if isinstance(output, ToStage):
            return wire.to_stage(self._seal, self._partitions, output.stage, output.key, output.message, at)
        if isinstance(output, Publish):
            return wire.publish(self._partitions, output)
        if isinstance(output, DeadLetter):
            slice_.letters[output.reason] = slice_.letters.get(output.reason, 0) + 1
            return wire.dead_letter(self._partitions, output)
        raise TypeError("intake commands nothing")
