"""One owned partition: its store and the loop of its actor.

Order is everything here. A slice: outputs, changelog and offset in one transaction; then one write to the store; then
the commands. Every failure on the way ends the process before anything else can commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from aiokafka import TopicPartition

from services.failpoints import Failpoints
from services.keyring import Keyring
from services.runtime.committer import Committer, Ends
from services.runtime.inlet import Inlet
from services.runtime.job import Job, Slice
from services.runtime.meters import Meters
from services.runtime.requests import Member
from services.store import Store
from streams.grammar import Command

Held = Callable[[], bool]
"""Whether the assignment under which something was committed still stands."""

HandOver = Callable[[Sequence[Command], Held], None]


class Membership(Protocol):
    """What tells whether the group can still count this process as a member."""

    def sure(self) -> bool:
        """Whether it cannot have given our partitions away without our knowing."""

    def confirm(self, asked: float) -> None:
        """The group's coordinator has taken offsets from us as a member, asked for at this moment or later."""


class Partition:
    """A partition that this process owns as this member of the group, until it is let go."""

    def __init__(
        self,
        place: TopicPartition,
        job: Job,
        member: Member,
        committer: Committer,
        meters: Meters,
        failpoints: Failpoints,
        hand_over: HandOver,
        membership: Membership,
    ) -> None:
        self.place = place
        self.inlet = Inlet()
        self.store: Store | None = None
        self.ring: Keyring | None = None
        self.next_offset: int | None = None
        self.under_way = 0
        self.at_rest = asyncio.Event()
        self.at_rest.set()
        self.working_on: int | None = None
        self.progressed = monotonic()
        self.transactions = 0
        self._job = job
        self._member = member
        self._committer = committer
        self._meters = meters
        self._failpoints = failpoints
        self._hand_over = hand_over
        self._membership = membership

    def held(self) -> bool:
        """Whether this partition is still ours."""
        return not self.inlet.closed and self._membership.sure()

    async def work(self) -> None:
        """Do all that waits, slice by slice, until nothing waits or the partition is being let go."""
        self.inlet.rung = False
        self.at_rest.clear()
        while records := self.inlet.take():
            self._failpoints.reach("after-fetch")
            while records and not self.inlet.closed:
                self.under_way, self.working_on = len(records), records[0].timestamp
                started = monotonic()
                work = self._job.slice(records, self.store, self.ring)
                handled = monotonic()
                self._failpoints.reach("after-handle")
                ends = await self._committer.commit(self.place, self._member, work)
                committed = monotonic()
                self._membership.confirm(handled)
                self._failpoints.reach("after-commit")
                self._keep(work, ends)
                self._failpoints.reach("after-store")
                self.next_offset = work.upto
                self.progressed = monotonic()
                self.transactions += 1
                if work.commands:
                    self._hand_over(work.commands, self.held)
                self._failpoints.reach("after-hand-over")
                self._meters.slice(
                    self.place, work, handled - started, committed - handled, self.progressed - committed
                )
                records = records[work.taken :]
            self.under_way, self.working_on = 0, None
        self.at_rest.set()

    def _keep(self, work: Slice, ends: Ends) -> None:
        """Write what is committed to the disk: data keys, then the states that they open."""
        number = self.place.partition
        if self.ring is not None and work.changes:
            self.ring.keep(work.changes, ends.get((self.ring.topic, number)))
        if self.store is not None and work.changes:
            self.store.write(work.changes, ends.get((self._job.changelog or "", number)))
