"""What a worker measures of itself, for Prometheus. No key, no name, no address: stages and partitions alone."""

from typing import Any, Final

from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.runtime.job import Slice

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_EVENTS: Final = (1, 3, 10, 30, 100, 300, 1000, 3000)
_PARTS: Final = (1, 2, 3, 4, 6, 8, 12, 24)


class Meters:
    """The metrics of one stage's process."""

    def __init__(self, stage: str) -> None:
        self.registry: Final = CollectorRegistry()
        named: dict[str, Any] = {"registry": self.registry, "labelnames": ["stage"]}
        self._stage = stage
        self._events = Counter("ttn_events_total", "Records handled.", **named).labels(stage)
        self._wakes = Counter("ttn_wakes_total", "Keys whose due work was run by a tick.", **named).labels(stage)
        self._poison = Counter("ttn_poison_total", "Records that our own code failed on.", **named).labels(stage)
        self._forgotten = Counter(
            "ttn_forgotten_total", "Records passed over: the key that sealed them was deleted.", **named
        ).labels(stage)
        self._outputs = Counter("ttn_outputs_total", "Records written, states not counted.", **named).labels(stage)
        self._letters = Counter(
            "ttn_dead_letters_total", "Dead letters by reason.", ["stage", "reason"], registry=self.registry
        )
        self._batch = Histogram(
            "ttn_batch_events", "Records of one partition in one transaction.", buckets=_EVENTS, **named
        ).labels(stage)
        self._parts = Histogram(
            "ttn_transaction_partitions", "Partitions in one transaction.", buckets=_PARTS, **named
        ).labels(stage)
        self._handle = self._timer("ttn_handle_seconds", "Time of the stage's own code for one transaction.", named)
        self._commit = self._timer("ttn_commit_seconds", "Time from first send to committed, one transaction.", named)
        self._store = self._timer("ttn_store_seconds", "Time of the store's write after a transaction.", named)
        self._places = ["stage", "topic", "partition"]
        self.lag = self._gauge("ttn_lag_events", "Records not yet handled.")
        self.age = self._gauge("ttn_lag_age_seconds", "Age of the oldest record not yet handled.")
        self.commit_age = self._gauge("ttn_commit_age_seconds", "Time since this partition last made progress.")
        self.due = self._gauge("ttn_next_due_seconds", "Seconds until the next due work; negative when late.")
        self.restored = self._gauge("ttn_restored_records", "Changelog records read in the restore of a partition.")
        self.to_restore = self._gauge("ttn_restore_left_records", "Changelog offsets left to read in a restore.")
        self.standby_left = self._gauge("ttn_standby_left_records", "Changelog offsets that a standby store lacks.")
        self.clock_jumps = Counter(
            "ttn_clock_jumps_total", "Jumps of the wall clock that were noticed.", **named
        ).labels(stage)

    def slice(self, place: TopicPartition, work: Slice, handle: float, commit: float, store: float) -> None:
        """The work of one partition is through; times in seconds."""
        self._events.inc(work.events)
        self._wakes.inc(work.wakes)
        self._poison.inc(work.poison)
        self._forgotten.inc(work.forgotten)
        self._outputs.inc(len(work.outgoing))
        for reason, count in work.letters.items():
            self._letters.labels(self._stage, reason).inc(count)
        self._batch.observe(work.taken)
        self._handle.observe(handle)
        self._commit.observe(commit)
        self._store.observe(store)

    def transaction(self, parts: int) -> None:
        """A transaction is through, with the work of so many partitions."""
        self._parts.observe(parts)

    def of(self, gauge: Gauge, place: TopicPartition) -> Gauge:
        """The gauge of one partition."""
        return gauge.labels(self._stage, place.topic, str(place.partition))

    def forget(self) -> None:
        """Drop the values of partitions: the assignment has changed."""
        for gauge in (
            self.lag, self.age, self.commit_age, self.due, self.restored, self.to_restore, self.standby_left,
        ):  # fmt: skip
            gauge.clear()

    def text(self) -> bytes:
        """All of it in Prometheus' text form."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, said: str) -> Gauge:
        return Gauge(name, said, self._places, registry=self.registry)

    def _timer(self, name: str, said: str, named: dict[str, Any]) -> Histogram:
        return Histogram(name, said, buckets=_SECONDS, **named).labels(self._stage)
