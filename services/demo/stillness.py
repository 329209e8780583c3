"""Tells when nothing moves any more: every record written is handled, and nobody owes an answer.

The proof: the ends of all topics that the stages read are taken, everything before them is handled, then every worker
says that it is idle and has no claim open, and the sandbox that it has nothing under way; and the ends are still the
same. A claim is handed over before a worker is idle, and closed only after its result is written, so none is missed.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.cloudevents import parse_time
from services.broker import client
from services.clock import Clock
from services.demo.parts import STAGES
from services.positions import READS
from services.settings import Settings

_LOOK: Final = 0.01


class Due(msgspec.Struct, frozen=True):
    """What the system will do by itself: when a stage has due work next, and when the sandbox has."""

    stages: Mapping[str, datetime]
    sandbox: datetime | None

    def next(self) -> datetime | None:
        """The earliest of them."""
        return min([*self.stages.values(), *([self.sandbox] if self.sandbox else [])], default=None)


class Stillness:
    """Watches the topics and the parts. Start, wait as often as needed, stop."""

    def __init__(self, settings: Settings, clock: Clock, health: Callable[[], Mapping[str, str]], sandbox: str) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._sandbox = sandbox
        self._last: dict[TopicPartition, int] = {}
        self._coordinators: dict[str, int] = {}

    async def start(self) -> None:
        """Begin to read along."""
        options = client(self._settings)
        reader = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
        self._consumer = AIOKafkaConsumer(isolation_level="read_committed", **reader, **options)
        await self._consumer.start()
        # A connection of its own: on the reader's, a question waits until the fetch before it is answered. It asks for
        # the ends of the logs: a transaction that has ended is not yet readable until its markers are in them.
        self._asker = AIOKafkaConsumer(isolation_level="read_uncommitted", **reader, **options)
        await self._asker.start()
        self._admin = AIOKafkaAdminClient(**options)
        await self._admin.start()
        names = [topic for topics in READS.values() for topic in topics]
        found = await self._admin.describe_topics(names)
        self._places = [TopicPartition(t["topic"], p["partition"]) for t in found for p in t["partitions"]]
        self._consumer.assign(self._places)
        self._http = ClientSession(timeout=ClientTimeout(total=5))

    async def stop(self) -> None:
        """Read no more."""
        await self._http.close()
        await self._admin.close()
        await self._asker.stop()
        await self._consumer.stop()

    async def wait(self, check: Callable[[], None]) -> Due:
        """Return when nothing moves, with what falls due next. `check` is called meanwhile and may raise."""
        while True:
            check()
            due = await self._still()
            if due is not None:
                return due
            await asyncio.sleep(_LOOK)

    async def _still(self) -> Due | None:
        ends = await self._asker.end_offsets(self._places)
        for place, records in (await self._consumer.getmany(timeout_ms=0)).items():
            self._last[place] = records[-1].offset
        for place in self._places:
            if await self._consumer.position(place) < ends[place]:
                return None
        if not await self._handled():
            return None
        due = await self._idle()
        if due is None or await self._asker.end_offsets(self._places) != ends:
            return None
        return due

    async def _handled(self) -> bool:
        """Whether the stages have committed all that was read of their topics."""
        for stage, topics in READS.items():
            waiting = {place: offset for place, offset in self._last.items() if place.topic in topics}
            if not waiting:
                continue
            group = f"ttn-{stage}"
            if group not in self._coordinators:
                self._coordinators[group] = await self._admin.find_coordinator(group)
            committed = await self._admin.list_consumer_group_offsets(group, self._coordinators[group])
            for place, offset in waiting.items():
                if place not in committed or committed[place].offset <= offset:
                    return False
        return True

    async def _idle(self) -> Due | None:
        places = self._health()
        if len(places) < len(STAGES):
            return None
        try:
            *stages, sandbox = await asyncio.gather(
                *(self._ask(f"http://{places[stage]}/healthz") for stage in STAGES),
                self._ask(f"{self._sandbox}/healthz"),
            )
        except (ClientError, TimeoutError):
            return None
        if any(said["state"] != "running" or said["busy"] or said.get("openClaims") for said in stages):
            return None
        following = parse_time(sandbox["next"]) if sandbox["next"] else None
        if sandbox["open"] or (following is not None and following <= self._clock.now()):
            return None
        dues = {name: said["nextDue"] for name, said in zip(STAGES, stages, strict=True)}
        return Due({name: parse_time(due) for name, due in dues.items() if due}, following)

    async def _ask(self, url: str) -> dict[str, Any]:
        async with self._http.get(url) as answer:
            said: dict[str, Any] = await answer.json()
            return said
