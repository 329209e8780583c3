"""The in-memory runner: every stage and an emulated provider on one clock. Processing takes no time.

The clock moves from one thing that is due to the next, over all keys, in time order; what falls due at the moment of an
arrival comes before it. The order never depends on hashes or on the machine, so the same input gives the same output.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from schemas.internal import Arrived, Claim, Lookup, Message, Origin, Redact
from streams.grammar import DeadLetter, Emission, Output, Publish, Stage, ToStage, advance, step
from streams.provider import Provider

START: Final = datetime.min.replace(tzinfo=UTC)


class Sent(msgspec.Struct, frozen=True):
    """A message that the provider accepted."""

    at: datetime
    claim: Claim


Happening = Emission | Sent
"""What is visible from outside: an event written, a dead letter, a message accepted by the provider."""


class Simulation:
    """All keys of all stages in memory. `intake` and `stages` are those of the workers.

    Every method that takes a moment first lets the clock run on to it and yields what happens on the way.
    """

    def __init__(
        self,
        intake: Callable[[Origin, datetime, bool], Sequence[Output]],
        stages: Mapping[str, Stage[Any]],
        provider: Provider,
    ) -> None:
        self._intake = intake
        self._stages = dict(stages)
        self._provider = provider
        self._states: dict[tuple[str, str], Any] = {}
        self._due: dict[tuple[str, str], datetime] = {}
        self._agenda: list[tuple[datetime, int, str, str, Message | None]] = []
        self._count = 0
        self.now = START

    def run(self, until: datetime) -> Iterator[Happening]:
        """Let the clock run to `until`, that moment included."""
        while self._agenda and self._agenda[0][0] <= until:
            moment, _, stage, key, message = heapq.heappop(self._agenda)
            if message is None and self._due.get((stage, key)) != moment:
                continue
            self.now = max(self.now, moment)
            if message is None:
                yield from self._settle(self._wake(stage, key, moment))
            else:
                yield from self._settle([Emission(moment, ToStage(stage, key, message))])
        self.now = max(self.now, until)

    def arrive(self, origin: Origin, at: datetime, backfill: bool = False) -> Iterator[Happening]:
        """A source record arrives."""
        yield from self.run(at)
        yield from self._settle([Emission(self.now, output) for output in self._intake(origin, self.now, backfill)])

    def post(self, stage: str, key: str, message: Message, at: datetime) -> Iterator[Happening]:
        """A message from an edge arrives at a key."""
        yield from self.run(at)
        yield from self._settle([Emission(self.now, ToStage(stage, key, message))])

    def state(self, stage: str, key: str) -> Any:
        """What a stage keeps of a key; None where it never had a message."""
        return self._states.get((stage, key))

    def _settle(self, emissions: Iterable[Emission]) -> Iterator[Happening]:
        """Carry outputs to where they go, and what follows from them, until nothing moves."""
        open_ = deque(emissions)
        while open_:
            emission = open_.popleft()
            match emission.output:
                case ToStage(stage=stage, key=key, message=message):
                    open_.extend(self._step(stage, key, message, emission.at))
                case Publish() | DeadLetter():
                    yield emission
                case Claim() as claim:
                    if self._provider.dial(claim, emission.at):
                        yield Sent(emission.at, claim)
                case Redact() as redact:
                    self._provider.redact(redact, emission.at)
                case Lookup() as lookup:
                    self._provider.look_up(lookup, emission.at)
            for answer in self._provider.answers():
                if answer.at > emission.at:
                    self._push(answer.at, "addresses", answer.key, answer.message)
                else:
                    open_.append(Emission(answer.at, ToStage("addresses", answer.key, answer.message)))

    def _step(self, stage: str, key: str, message: Message, now: datetime) -> list[Emission]:
        handler = self._stages[stage]
        state = self._states.get((stage, key))
        if state is None:
            state = handler.empty(key)
        try:
            state, emitted = step(handler, state, message, now)
        except Exception as error:
            if not isinstance(message, Arrived):
                raise
            # As in the workers: an event that finds a defect of ours is set aside, and its key stays as it was.
            return [Emission(now, DeadLetter(message.origin, stage, "handler-bug", type(error).__name__))]
        self._keep(handler, key, state)
        return emitted

    def _wake(self, stage: str, key: str, moment: datetime) -> list[Emission]:
        handler = self._stages[stage]
        state, emitted = advance(handler, self._states[stage, key], moment)
        self._keep(handler, key, state)
        return emitted

    def _keep(self, handler: Stage[Any], key: str, state: Any) -> None:
        place = (handler.name, key)
        self._states[place] = state
        due = handler.due(state)
        if due is None:
            self._due.pop(place, None)
        elif self._due.get(place) != due:
            self._due[place] = due
            self._push(due, handler.name, key, None)

    def _push(self, moment: datetime, stage: str, key: str, message: Message | None) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (moment, self._count, stage, key, message))
