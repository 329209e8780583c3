"""The dialer's loops: what may leave leaves, one request each, and the result goes back to the stage."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Final

import msgspec

from schemas.internal import AddressesMessage, Claim, Dialled, Lookup, Redact, Text, Trouble, Withhold
from services import logs
from services.attempt import Answer, Attempt
from services.clock import Clock
from services.dialer import measures
from services.dialer.dailycap import DailyCap, midnight
from services.dialer.lease import Lease, seconds_left
from services.dialer.line import Line
from services.dialer.providers import Providers
from services.dialer.tally import segments_since
from services.failpoints import Failpoints
from services.settings import Settings
from streams.grammar import Command

Report = Callable[[str, AddressesMessage], Awaitable[None]]

_MARGIN: Final = 5.0
_MAILS: Final = 4
_LOOKUPS: Final = 4
_UNPACED: Final = 1e6
_COME_BACK: Final = 1.0
_DAY_REACHED: Final = "30023"

_log = logs.get(__name__)


class _Job(msgspec.Struct, frozen=True):
    claim: Claim
    lease: Lease

    @property
    def segments(self) -> int:
        return self.claim.message.segments if isinstance(self.claim.message, Text) else 1


class Dialer:
    """Sends what it is given, paced, and reports what it came to.

    `report(key, message)` writes to the inbox of the addresses stage and returns when Kafka holds it. An error that
    nothing here expects goes to `surprise`, which ends the process: what it was about is then in doubt.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        report: Report,
        *,
        failpoints: Failpoints | None = None,
        connections: int = 64,
        surprise: Callable[[BaseException], None] | None = None,
        tally: Callable[[Settings, datetime], Awaitable[int]] = segments_since,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._report = report
        self._failpoints = Failpoints.load(os.environ) if failpoints is None else failpoints
        self._connections = connections
        self._surprise = surprise or _end_process
        # On the stepped clock a wait here would be for a moment that cannot come before the dialer is done.
        self._stepped = settings.clock == "stepped"
        rate = _UNPACED if self._stepped else settings.sender_rate
        self._lines: dict[str, Line[_Job]] = {
            "sms": Line(rate, min(32, connections), connections),
            "email": Line(_UNPACED, _MAILS, _MAILS),
        }
        self._cap = DailyCap(None if self._stepped else settings.daily_segments)
        self._tally = tally
        self._live: set[str] = set()
        self._withheld: set[str] = set()
        self._changed = {channel: asyncio.Event() for channel in self._lines}
        self._asking = asyncio.Semaphore(_LOOKUPS)
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._open = 0

    async def start(self) -> None:
        """Get ready to dial. Raises SettingsError where there is no provider."""
        await self._count_day()
        self._providers = Providers(self._settings, self._connections + _LOOKUPS)
        self._loops = [asyncio.create_task(self._run(channel)) for channel in self._lines]
        for loop in self._loops:
            loop.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Turn back what waits, let requests under way finish within their time, and report all results."""
        self._stopping = True
        for loop in self._loops:
            loop.cancel()
        for line in self._lines.values():
            for job in line.drain():
                self._spawn(self._turn_back(job, "stopping", None))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.send_timeout + 1)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._providers.close()

    def share(self, owned: int) -> None:
        """This process has so many of the partitions, and so much of the sender's rate."""
        part = owned / self._settings.partitions
        self._lines["sms"].pacer.share = part
        if part != self._cap.share:
            self._cap.share = part
            self._spawn(self._count_day())

    @property
    def open(self) -> int:
        """Commands that have no reported result yet."""
        return self._open

    def health(self) -> dict[str, Any]:
        """For `/healthz`: open commands, and per channel what waits, what is under way, and the circuit breaker."""
        return {
            "open": self._open,
            "channels": {
                channel: {"waiting": line.waiting, "busy": line.window.busy, "breakerOpen": line.breaker.is_open}
                for channel, line in self._lines.items()
            },
        }

    def submit(self, command: Command, lease: Lease) -> None:
        """Take a command whose transaction has committed. Returns at once."""
        match command:
            case Withhold():
                self._withhold(command)
            case Trouble():
                self._rest(command)
            case Lookup() | Redact():
                self._count(1)
                self._spawn(self._ask(command, lease))
            case Claim():
                self._count(1)
                self._live.add(command.claimId)
                self._take(_Job(command, lease))

    def _take(self, job: _Job) -> None:
        command = job.claim
        if self._stopping:
            self._spawn(self._turn_back(job, "stopping", None))
            return
        reason = self._why_not(job)
        if reason is not None:
            self._spawn(self._turn_back(job, reason, _COME_BACK))
            return
        if command.channel == "sms":
            tomorrow = self._cap.wait(command.lane, job.segments, self._clock.now())
            if tomorrow is not None:
                self._spawn(self._turn_back(job, "daily-cap", tomorrow))
                return
        patience = 0.0 if self._stepped else self._time_left(job) - self._margin
        refusal = self._lines[command.channel].offer(
            job,
            name=command.notificationId,
            lane=command.lane,
            segments=job.segments,
            at=command.at.timestamp(),
            patience=patience,
            now=self._now(),
        )
        if refusal is not None:
            self._spawn(self._turn_back(job, *refusal))
        else:
            self._changed[command.channel].set()

    @property
    def _margin(self) -> float:
        return min(_MARGIN, self._settings.send_timeout)

    def _now(self) -> float:
        return self._clock.now().timestamp() if self._stepped else time.monotonic()

    def _time_left(self, job: _Job) -> float:
        return seconds_left(job.lease, job.claim.deadline, self._clock)

    def _why_not(self, job: _Job) -> str | None:
        """Why a claim may not be dialled at this moment; None when it may."""
        if not job.lease.held():
            return "lease-lost"
        if job.claim.claimId in self._withheld:
            return "withheld"
        return "too-late" if self._time_left(job) < self._margin else None

    def _withhold(self, command: Withhold) -> None:
        """A claim that waits comes back at once; one on its way is asked once more before its first byte."""
        if command.claimId not in self._live:
            return
        self._withheld.add(command.claimId)
        for line in self._lines.values():
            for job in line.withdraw(lambda job: job.claim.claimId == command.claimId):
                self._spawn(self._turn_back(job, "withheld", None))

    def _rest(self, trouble: Trouble) -> None:
        _log.error("the provider delivers nothing until a person has acted", channel=trouble.channel, code=trouble.code)
        measures.TROUBLE.labels(trouble.channel, trouble.code).inc()
        if trouble.code == _DAY_REACHED:
            self._cap.reached(self._clock.now())
            return
        self._lines[trouble.channel].breaker.rest(self._now())
        measures.BREAKER.labels(trouble.channel).set(1)

    async def _count_day(self) -> None:
        if self._settings.daily_segments is not None and not self._stepped:
            now = self._clock.now()
            self._cap.begin(await self._tally(self._settings, midnight(now)), now)

    async def _run(self, channel: str) -> None:
        line, changed = self._lines[channel], self._changed[channel]
        while True:
            changed.clear()
            step = line.next(self._now())
            if isinstance(step, _Job):
                self._spawn(self._dial(line, step))
                continue
            try:
                async with asyncio.timeout(step):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _dial(self, line: Line[_Job], job: _Job) -> None:
        claim = job.claim
        answer: Answer | None = None
        try:
            self._failpoints.reach("before-dial")
            reason = self._why_not(job) or ("breaker" if line.breaker.wait(self._now()) > 0 else None)
            if reason is None:
                line.breaker.begin()
                answer = await self._request(job)
        finally:
            line.done(answer, self._now())
            measures.BREAKER.labels(claim.channel).set(line.breaker.is_open)
            self._changed[claim.channel].set()
        if answer is None:
            await self._turn_back(job, reason or "breaker", _COME_BACK)
            return
        measures.REQUESTS.labels(claim.channel, answer.result).inc()
        if claim.channel == "sms" and answer.result in ("accepted", "doubt"):
            self._cap.spend(job.segments, self._clock.now())
        self._failpoints.reach("before-result")
        await self._finish(claim, answer)
        self._failpoints.reach("after-result")

    async def _request(self, job: _Job) -> Answer:
        return await self._providers.send(
            job.claim,
            Attempt(lambda: self._why_not(job), self._failpoints),
            min(self._settings.send_timeout, max(self._time_left(job), 0.1)),
            lambda answer: self._spawn(self._say(job.claim, answer)),
        )

    async def _turn_back(self, job: _Job, reason: str, seconds: float | None) -> None:
        measures.TURNED_BACK.labels(reason).inc()
        await self._finish(job.claim, Answer(result="not-sent", code=reason, retryAfter=seconds))

    async def _finish(self, claim: Claim, answer: Answer) -> None:
        try:
            await self._say(claim, answer)
        finally:
            self._live.discard(claim.claimId)
            self._withheld.discard(claim.claimId)
            self._count(-1)

    async def _say(self, claim: Claim, answer: Answer) -> None:
        _log.info(
            "dialled",
            notification_id=claim.notificationId,
            claim_id=claim.claimId,
            channel=claim.channel,
            kind=claim.kind,
            language=claim.language,
            result=answer.result,
            provider_id=answer.providerId,
            code=answer.code,
        )
        await self._report(
            claim.key,
            Dialled(
                claimId=claim.claimId,
                result=answer.result,
                providerId=answer.providerId,
                code=answer.code,
                retryAfter=answer.retryAfter,
            ),
        )

    async def _ask(self, command: Lookup | Redact, lease: Lease) -> None:
        try:
            async with self._asking:
                if not lease.held() or self._stopping:
                    return
                answer = await self._providers.ask(command, self._clock.now())
                if answer is not None:
                    await self._report(command.key, answer)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._open += change
        measures.OPEN.set(self._open)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._surprise(error)


def _end_process(error: BaseException) -> None:
    _log.critical("the dialer met an error that it does not know; the process ends", exc_info=error)
    os._exit(70)
