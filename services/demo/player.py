"""Plays a file of what happens on the stepped clock: each thing arrives at its moment, when all before it is done."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import rfc3339
from services import wire
from services.broker import client
from services.clock import SteppedClock
from services.demo.stillness import Due, Stillness
from services.lines import InboundSms, Line, Record
from services.send import partition
from services.settings import Settings, SettingsError
from streams.desk import Decision, Desk
from streams.intake import Intake
from streams.topics import INPUTS

_SLICE: Final = 0.2
# Seconds behind its pace that a demonstration makes up for; more is let go.
_BEHIND: Final = 1.0

Check = Callable[[], None]


class Player:
    """Moves the clock. `days_per_second` is how fast at most; 0 is as fast as the machine can."""

    def __init__(
        self,
        settings: Settings,
        clock: SteppedClock,
        stillness: Stillness,
        intake: Intake,
        sandbox: str,
        days_per_second: float,
        check: Check,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stillness = stillness
        self._intake = intake
        self._sandbox = sandbox
        self._pace = 1 / (days_per_second * 86_400) if days_per_second else 0.0
        self._check = check
        self._desk = Desk()
        self._base = time.monotonic()

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(**client(self._settings), acks="all", max_request_size=2 << 20)
        await self._producer.start()
        self._partitions = {topic: len(await self._producer.partitions_for(topic)) for topic in INPUTS}
        self._http = ClientSession()

    async def stop(self) -> None:
        """Disconnect."""
        await self._http.close()
        await self._producer.stop()

    async def play(self, line: Line) -> None:
        """Let the clock run on to the moment of a line, and let it happen."""
        await self.run(line.at)
        match line.what:
            case Record() as record:
                await self._arrive(record, line.at)
            case InboundSms(sender=sender, body=body):
                await self._reply(line, sender, body)
            case Decision() as decision:
                origin = self._desk.decide(decision, line.at)
                await self._arrive(Record(origin.topic, origin.value or b"", origin.headers, None), line.at)

    async def run(self, until: datetime) -> None:
        """Let the clock run on to `until`: every due time on the way in turn, that moment included."""
        while True:
            due = await self._stillness.wait(self._check)
            following = due.next()
            moment = until if following is None or following > until else following
            if await self._pause(moment):
                continue
            self._move(max(moment, self._clock.now()))
            if following is None or following > until:
                return
            await self._tick(due, moment)

    async def idle(self) -> None:
        """After the file: the clock goes as a clock on the wall does, for replies from the page."""
        began, started, self._pace = self._clock.now(), time.monotonic(), 0.0
        while True:
            await asyncio.sleep(_SLICE)
            await self.run(began + timedelta(seconds=time.monotonic() - started))

    async def _arrive(self, record: Record, at: datetime) -> None:
        headers = [*record.headers, (wire.ARRIVED, rfc3339(at).encode())]
        place = partition(record, self._partitions[record.topic])
        written = await self._producer.send_and_wait(record.topic, record.value, record.key, place, headers=headers)
        self._desk.see(list(self._intake(record.origin(written.offset, at), at, False)))

    async def _reply(self, line: Line, sender: str, body: str) -> None:
        form = {"number": sender, "body": body}
        async with self._http.post(f"{self._sandbox}/replies", data=form, allow_redirects=False) as answer:
            if answer.status >= 400:
                raise SettingsError(f"Line {line.number}: {sender} has no text yet to reply to.")

    async def _tick(self, due: Due, moment: datetime) -> None:
        """Say in the inboxes of the stages that have something due that the clock has reached it."""
        ticks: Sequence[wire.Outgoing] = [
            wire.tick(stage, number, moment)
            for stage, its in due.stages.items()
            if its <= moment
            for number in range(self._settings.partitions)
        ]
        for tick in ticks:
            await self._producer.send(tick.topic, tick.value, tick.key, tick.partition, headers=list(tick.headers))
        await self._producer.flush()

    async def _pause(self, moment: datetime) -> bool:
        """Whether it is too early for this moment at our pace; waits a little then, for somebody may do something."""
        early = self._schedule(moment) - time.monotonic()
        if early > 0:
            await asyncio.sleep(min(early, _SLICE))
        return early > 0

    def _move(self, moment: datetime) -> None:
        self._base = max(self._schedule(moment), time.monotonic() - _BEHIND)
        self._clock.move(moment)

    def _schedule(self, moment: datetime) -> float:
        """The real time of a moment at our pace."""
        return self._base + max(0.0, (moment - self._clock.now()).total_seconds()) * self._pace
