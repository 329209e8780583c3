"""Faust's transport with our consumer, producer and transaction manager; see the table in services/runtime."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError, NotCoordinatorForGroupError, for_code
from faust.transport.consumer import TransactionManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage, ack_lock
from mode.utils.futures import notify

from services.runtime.inlet import BOUND
from services.runtime.lane import TIMEOUT, Lane
from services.runtime.owned import Owned
from services.runtime.requests import Member, StableOffsets

_RETRY_MS = 5
_FETCH_WAIT_MS = 500
_FULL_PAUSE = 0.005
_LOOK = 0.25
_UNSTABLE = 88  # UNSTABLE_OFFSET_COMMIT, unknown to aiokafka
_UNSTABLE_WAIT = 0.02


def _owned(app: Any) -> Owned:
    owned: Owned = app.owned
    return owned


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches and heartbeats."""

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        """Upstream's consumer, with what it gives no setting for: the assignor and the waits."""
        consumer = super()._create_worker_consumer(transport)
        consumer._partition_assignment_strategy = (StickyPartitionAssignor,)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._retry_backoff_ms = _RETRY_MS
        return consumer

    def reach(self, place: TopicPartition) -> tuple[int, int] | None:
        """The offset to fetch next and the last stable one; None where one of them is unknown."""
        state = self._state(place)
        known = state is not None and state.has_valid_position and state.lso is not None
        return (state.position, state.lso) if known else None

    def heard(self, place: TopicPartition) -> float:
        """The time of day at which a broker last answered a fetch of this partition; 0 where none has."""
        state = self._state(place)
        return 0.0 if state is None else (state.timestamp or 0) / 1000

    def _state(self, place: TopicPartition) -> Any:
        """What the client knows of a partition; None where it does not have it."""
        consumer = self._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        return None if assignment is None or place not in assignment.tps else assignment.state_value(place)

    def member(self) -> Member:
        """Who we are in the group, as of its last assignment. Raises RuntimeError where it has dropped us since."""
        coordinator = self._ensure_consumer()._coordinator
        found = Member(
            coordinator.group_id, coordinator.generation, coordinator.member_id, coordinator._group_instance_id
        )
        if found.generation < 0 or not found.id:
            # Its offsets would be taken as those of nobody in particular, and never refused.
            raise RuntimeError("the group dropped this member while it took partitions over")
        return found

    async def committed(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int | None] | None:
        """The committed offsets, asked of the broker now; None while an open transaction may change one of them."""
        found: dict[TopicPartition, int | None] | None = await self.call_thread(self._committed, tuple(places))
        return found

    async def _committed(self, places: tuple[TopicPartition, ...]) -> dict[TopicPartition, int | None] | None:
        coordinator = self._ensure_consumer()._coordinator
        await coordinator.ensure_coordinator_known()
        try:
            answer = await coordinator._send_req(StableOffsets(coordinator.group_id, places))
        except KafkaError as error:
            if error.retriable:
                return None
            raise
        codes = {answer.error_code, *(row[4] for _, rows, _ in answer.topics for row in rows)} - {0}
        for kind in map(for_code, codes - {_UNSTABLE}):
            if issubclass(kind, NotCoordinatorForGroupError):
                coordinator.coordinator_dead()
            elif not kind.retriable:
                raise kind
        if codes:
            return None
        return {
            TopicPartition(topic, partition): offset if offset >= 0 else None
            for topic, rows, _ in answer.topics
            for partition, offset, *_ in rows
        }

    async def seek_all(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Set the place to fetch from; None is the earliest record."""
        await self.call_thread(self._seek_all, dict(offsets))

    async def _seek_all(self, offsets: dict[TopicPartition, int | None]) -> None:
        consumer = self._ensure_consumer()
        first = [place for place, offset in offsets.items() if offset is None]
        earliest = await consumer.beginning_offsets(first) if first else {}
        for place, offset in offsets.items():
            consumer.seek(place, earliest[place] if offset is None else offset)


class Consumer(driver.Consumer):
    """Delivers waiting batches, and leaves offsets to the transactions."""

    _thread: ConsumerThread
    _delivered: Mapping[TopicPartition, int] = {}
    _delivered_in: int | None = None

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def owned(self) -> Owned:
        """The partitions of this process."""
        return _owned(self.app)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Until the fetcher is stopped, deliver what comes."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._deliver()
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not (self.app.should_stop or fetcher.should_stop):
                raise

    async def _deliver(self) -> None:
        """Put what is fetched into the inlets, and ring for the actor of each partition that is not at work."""
        while self.owned.waiting > BOUND and self.flow_active:  # noqa: ASYNC110 - actors empty the inlets
            await asyncio.sleep(_FULL_PAUSE)
        turn = self.owned.turn
        self._note_delivered(turn)
        records, _ = await self._wait_next_records(_LOOK)
        if not records:
            await asyncio.sleep(0)
        elif not self.owned.admits(turn) or not self.flow_active:
            # Asked for under an earlier assignment, or before the seek: ask again from where the owner of today stands.
            await self._thread.seek_all(self.owned.offsets(records))
            await asyncio.sleep(_FULL_PAUSE)
        else:
            # All at once: while one of them rings, the assignment may change.
            woken = [place for place, fetched in records.items() if self.owned.put(place, fetched)]
            self._note_delivered(turn)
            for place in woken:
                await self._ring(TP(*place), records[place][0].offset)

    async def _ring(self, place: TP, offset: int) -> None:
        """Wake the actor of a partition through the conductor: an empty message, the records wait in the inlet."""
        message = ConsumerMessage(
            place.topic, place.partition, offset, 0.0, 0, None, None, b"", None, 0, 0, place,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def ack(self, message: Message) -> bool:
        """A batch is through; its offset is already committed."""
        with ack_lock:
            message.acked = True
            self._unacked_messages.discard(message)
            notify(self._waiting_for_ack)
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Nothing: offsets are committed by the transaction of their batch, and by nothing else."""
        return False

    async def perform_seek(self) -> None:
        """Go to the offsets that were read after the takeover, whatever the consumer fetched before."""
        turn = self.owned.turn
        await self._thread.seek_all(self.owned.offsets())
        self.owned.admit(turn)

    def unread(self, place: TopicPartition) -> int | None:
        """Offsets between what has come to the inlets and the last stable one; None where one of them is unknown.

        Not from the client's own position, which moves on in its thread while the records are still on their way here.
        """
        reach, delivered = self._thread.reach(place), self._delivered.get(place)
        if reach is None or delivered is None or self._delivered_in != self.owned.turn:
            return None
        return max(0, reach[1] - delivered)

    def silence(self, place: TopicPartition) -> float:
        """Seconds since a broker last answered a fetch of this partition, which it does every half second at least."""
        return time.time() - self._thread.heard(place)

    def _note_delivered(self, turn: int) -> None:
        """Nothing is on its way from the client's thread: what it has moved past, markers too, has been delivered."""
        reached = {place: self._thread.reach(place) for place in self.owned.places()}
        self._delivered = {place: reach[0] for place, reach in reached.items() if reach is not None}
        self._delivered_in = turn

    async def read_committed_offsets(self) -> None:
        """Read the offsets at which our partitions go on, once no transaction of an earlier owner is open on them."""
        places, assignment = self.owned.places(), self.owned.assignment
        found: dict[TopicPartition, int | None] | None = {} if not places else None
        while found is None:
            found = await self._thread.committed(places)
            if found is None:
                await asyncio.sleep(_UNSTABLE_WAIT)
        if assignment == self.owned.assignment:
            self.owned.start_at(found)

    def member(self) -> Member:
        """Who this process is in the group."""
        return self._thread.member()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let batches under way end before the group goes on; upstream waits for them too, unless it is stopping."""
        await self.owned.rest()
        await super().on_partitions_revoked(revoked)

    def stop_flow(self) -> None:
        """Deliver nothing more; what waits is read again by the next owner."""
        self.owned.close()
        super().stop_flow()

    async def verify_all_partitions_active(self) -> None:
        """Nothing: upstream's check compares two different clocks; ours is the watchdog."""


class Producer(driver.Producer):
    """Makes the transactional producers, and is itself idempotent."""

    def _settings_default(self) -> Mapping[str, Any]:
        return {**super()._settings_default(), "retry_backoff_ms": _RETRY_MS}

    def lane(self, name: str) -> Lane:
        """A transactional producer that, once started, is the only one under this name."""
        options = {**self._settings_default(), **self._settings_auth(), **self._settings_extra()}
        return Lane(**options, transactional_id=name, transaction_timeout_ms=int(TIMEOUT * 1000))


class Transactions(TransactionManager):
    """Ties the partitions to the membership that they were assigned to."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """No batch is under way any more: let all go."""
        _owned(self.app).drop()

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP]) -> None:
        """Take over all that is ours now, before an offset or a changelog is read."""
        await _owned(self.app).take(assigned, cast("Consumer", self.consumer).member())


class Transport(driver.Transport):
    """The classes above, where upstream asks for them."""

    Consumer = Consumer
    Producer = Producer
    TransactionManager = Transactions
