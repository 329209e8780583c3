"""The partitions that this process owns, from one assignment to the next."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

from aiokafka import TopicPartition

from services import logs
from services.failpoints import Failpoints
from services.keyring import Keyrings
from services.runtime.committer import Committer
from services.runtime.job import Job
from services.runtime.meters import Meters
from services.runtime.partition import HandOver, Partition
from services.runtime.requests import Member
from services.runtime.restore import restore
from services.runtime.standby import Standby
from services.store import Shared, Store
from services.wire import Received

_log = logs.get(__name__)


class Owned:
    """The owned partitions by topic and number. `assignment` counts the assignments of this process.

    A store stays open while its partition is taken away and given back; the position in it, compared with the
    changelog after the takeover, says whether anybody wrote meanwhile. With `standby`, the number of partitions, it
    follows the changelog until then, as do the stores of all others; 0: none does.
    """

    def __init__(
        self,
        job: Job,
        committer: Committer,
        *,
        folder: Path,
        shared: Shared,
        client: Mapping[str, Any],
        meters: Meters,
        failpoints: Failpoints,
        hand_over: HandOver,
        session: float,
        standby: int,
        keyrings: Keyrings | None = None,
    ) -> None:
        self.assignment = 0
        self.ready = False
        self._job = job
        self._committer = committer
        self._folder = folder
        self._shared = shared
        self._client = client
        self._meters = meters
        self._keyrings = keyrings
        self._failpoints = failpoints
        self._hand_over = hand_over
        self._session: Final = session
        self._partitions: dict[TopicPartition, Partition] = {}
        self._expected: dict[TopicPartition, int | None] = {}
        self._stores: dict[TopicPartition, Store] = {}
        self._restore: dict[TopicPartition, tuple[int, int]] = {}
        self.standby = Standby(client, meters) if standby and job.changelog is not None else None
        self._followed: Final = standby
        self.turn = 0
        self._admitting = False
        self._progress = 0
        self._seen = monotonic()
        self._confirmed = self._suspended = 0.0

    @property
    def waiting(self) -> int:
        """Bytes that wait in all inlets."""
        return sum(partition.inlet.size for partition in self._partitions.values())

    def places(self) -> list[TopicPartition]:
        """The owned partitions."""
        return list(self._partitions)

    def all(self) -> list[Partition]:
        """The owned partitions themselves."""
        return list(self._partitions.values())

    def at(self, place: TopicPartition) -> Partition | None:
        """One owned partition."""
        return self._partitions.get(place)

    def put(self, place: TopicPartition, records: list[Received]) -> bool:
        """Let records join the waiting batch; True when its actor has to be woken."""
        partition = self._partitions.get(place)
        if partition is None or partition.inlet.closed or not self._admitting:
            return False
        partition.inlet.put(records)
        self._expected[place] = records[-1].offset + 1
        if partition.inlet.rung:
            return False
        partition.inlet.rung = True
        return True

    def start_at(self, offsets: Mapping[TopicPartition, int | None]) -> None:
        """The committed offsets, which nobody else can move any more; None where nothing was committed yet."""
        _log.info(
            "took partitions over",
            generation=self.assignment,
            partitions=[place.partition for place in self._partitions],
            offsets=[offsets[place] for place in self._partitions],
        )
        for place, partition in self._partitions.items():
            self._expected[place] = partition.next_offset = offsets[place]

    def offsets(self, places: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int | None]:
        """The next offset to read of those partitions, of all where none are named; None is the earliest."""
        wanted = self._expected if places is None else places
        return {place: self._expected[place] for place in wanted if place in self._expected}

    def admit(self, turn: int) -> None:
        """The consumer stands where the partitions go on; records fetched from here on are taken.

        Nothing is taken where partitions changed hands since `turn`: upstream may end the recovery of an assignment,
        and let records flow, when the next one has begun.
        """
        if turn == self.turn and self.ready:
            self._admitting = True
            self.turn += 1

    def admits(self, turn: int) -> bool:
        """Whether what was asked for in this turn may be taken."""
        return self._admitting and turn == self.turn

    def close(self) -> None:
        """Take nothing more: batches under way end, what waits is dropped."""
        self.ready = self._admitting = False
        self.turn += 1
        for partition in self._partitions.values():
            partition.inlet.close()

    async def rest(self) -> None:
        """Take nothing more, and return when no batch is under way."""
        self.close()
        for partition in self.all():
            await partition.at_rest.wait()

    def drop(self) -> None:
        """Let all partitions go."""
        self.close()
        self._partitions.clear()
        self._expected.clear()
        self._restore.clear()
        self._meters.forget()

    async def take(self, assigned: Iterable[TopicPartition], member: Member) -> None:
        """Own these as this member of the group, and let go of the stores of all others.

        From this assignment on, the group's coordinator refuses the offsets, and so the transactions, of whoever owned
        them before; a transaction that is open now still ends one way or the other, and offsets are read after it.
        """
        self.assignment += 1
        self.drop()
        places = sorted(TopicPartition(*place) for place in assigned)
        self._hand_stores(places)
        for place in places:
            self._partitions[place] = Partition(
                place,
                self._job,
                member,
                self._committer,
                self._meters,
                self._failpoints,
                self._hand_over,
                self,
            )
        await self._committer.start()
        for _ in places:
            self._failpoints.reach("after-fence")

    async def restore(self) -> None:
        """Open the stores and bring them up to their changelogs; the partitions are ready after it."""
        topic, assignment = self._job.changelog, self.assignment
        if topic is not None and self._partitions:
            feeds: dict[TopicPartition, Store] = {}
            for place, partition in self._partitions.items():
                partition.store = self._store(place)
                partition.ring = None if self._keyrings is None else self._keyrings.ring(place.partition)
                feeds |= self._feeds(topic, place)
            self._failpoints.reach("in-restore")
            await restore(feeds, self._client, self._told, wanted=lambda: assignment == self.assignment)
            self._failpoints.reach("after-restore")
        if assignment != self.assignment:
            return
        self.ready = True
        if self.standby is not None and topic is not None:
            places = {TopicPartition(self._job.topics[0], number) for number in range(self._followed)}
            others = [self._feeds(topic, place) for place in sorted(places - self._partitions.keys())]
            self.standby.follow({log: store for feeds in others for log, store in feeds.items()})

    def restoring(self) -> dict[str, int]:
        """Records read and offsets left of the restore under way; empty when there is none."""
        if self.ready or not self._restore:
            return {}
        return {
            "records": sum(read for read, _ in self._restore.values()),
            "left": sum(left for _, left in self._restore.values()),
        }

    def moved(self) -> int:
        """A number that changes whenever something gets on: an assignment, a restore, a transaction."""
        return self.assignment + self._progress + sum(partition.transactions for partition in self._partitions.values())

    async def release(self) -> None:
        """Close the producers and all stores: the process ends in order."""
        await self._committer.stop()
        if self.standby is not None:
            self.standby.pause()
        while self._stores:
            self._stores.popitem()[1].close()
        if self._keyrings is not None:
            self._keyrings.close()

    def beat(self) -> None:
        """The process runs; called often. A gap means that it was suspended, and then nothing is sure."""
        now = monotonic()
        if now - self._seen > self._session / 2:
            self._suspended = now
        self._seen = now

    def confirm(self, asked: float) -> None:
        """The broker has accepted us as the owner, in answer to a request of this moment (monotonic clock)."""
        self._confirmed = max(self._confirmed, asked)

    def sure(self) -> bool:
        """Whether the group cannot have given our partitions away without our knowing.

        It takes a whole session timeout for that; a process that ran all the time would have heard of it. One that was
        suspended must first be confirmed again, by an answer to something that it asked since.
        """
        return monotonic() - self._seen < self._session / 2 and self._confirmed >= self._suspended

    def _store(self, place: TopicPartition) -> Store:
        if place not in self._stores:
            self._stores[place] = Store(self._folder / str(place.partition), self._shared)
        return self._stores[place]

    def _feeds(self, changelog: str, place: TopicPartition) -> dict[TopicPartition, Store]:
        """What the owner of a partition must have read, and who stands by follows: its changelog and its data keys."""
        feeds = {TopicPartition(changelog, place.partition): self._store(place)}
        if self._keyrings is not None:
            ring = self._keyrings.ring(place.partition)
            feeds[TopicPartition(ring.topic, place.partition)] = ring.store
        return feeds

    def _hand_stores(self, places: Sequence[TopicPartition]) -> None:
        """Let go of the stores and keys of all but these; those that stand by are kept."""
        if self.standby is not None:
            self.standby.pause()
        kept = [place.partition for place in places] if self.standby is None else range(self._followed)
        if self._keyrings is not None:
            self._keyrings.hold(kept)
        for place in [place for place in self._stores if place.partition not in kept]:
            self._stores.pop(place).close()

    def _told(self, log: TopicPartition, read: int, left: int) -> None:
        self._progress += self._restore.get(log, (0, 0)) != (read, left)
        self._restore[log] = (read, left)
        self._meters.of(self._meters.restored, log).set(read)
        self._meters.of(self._meters.to_restore, log).set(left)
