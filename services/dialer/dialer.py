"""The dialer's loops: what may leave leaves, one request each, and the result goes back to the stage."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from schemas.internal import AddressesMessage, Claim, Dialled, Lookup, Redact, Settled, Stray, Trouble, Withhold
from services import logs
from services.attempt import Answer, Attempt
from services.clock import Clock
from services.dialer import measures
from services.dialer.backlog import Backlog
from services.dialer.dailycap import DailyCap, midnight
from services.dialer.guard import Guard, Job
from services.dialer.lease import Lease
from services.dialer.line import Line
from services.dialer.providers import Providers
from services.dialer.tally import segments_since
from services.dialer.tasks import Tasks
from services.failpoints import Failpoints
from services.settings import Settings
from streams.addresses import errors
from streams.grammar import Command

Report = Callable[[str, AddressesMessage], Awaitable[None]]

_MAILS: Final = 4
_LOOKUPS: Final = 4
_UNPACED: Final = 1e6
_COME_BACK: Final = 1.0
_FULL: Final = 5.0
"""Seconds after which a claim may come back that the provider had no room for."""

_DAY_REACHED: Final = "30023"

_log = logs.get(__name__)


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
        # On the stepped clock a wait here would be for a moment that cannot come before the dialer is done.
        self._stepped = settings.clock == "stepped"
        rate = _UNPACED if self._stepped else settings.sender_rate
        self._lines: dict[str, Line[Job]] = {
            "sms": Line(rate, min(32, connections), connections),
            "email": Line(_UNPACED, _MAILS, _MAILS),
        }
        self._backlog = Backlog(rate)
        self._cap = DailyCap(None if self._stepped else settings.daily_segments)
        self._tally = tally
        self._counted: dict[str, int] = {}
        self._guard = Guard(clock, settings.send_timeout)
        self._changed = {channel: asyncio.Event() for channel in self._lines}
        self._asking = asyncio.Semaphore(_LOOKUPS)
        self._loops: list[asyncio.Task[None]] = []
        self._tasks = Tasks(surprise or _end_process)
        self._stopping = False
        self._open = 0

    async def start(self) -> None:
        """Get ready to dial. Raises SettingsError where there is no provider."""
        await self._count_day()
        self._providers = Providers(self._settings, self._connections + _LOOKUPS)
        self._loops = [self._tasks.spawn(self._run(channel)) for channel in self._lines]

    async def stop(self) -> None:
        """Turn back what waits, let requests under way finish within their time, and report all results."""
        self._stopping = True
        for loop in self._loops:
            loop.cancel()
        for line in self._lines.values():
            for job in line.drain():
                self._tasks.spawn(self._turn_back(job, "stopping", None))
        await self._tasks.finish(self._settings.send_timeout + 1)
        await self._providers.close()

    def share(self, owned: int) -> None:
        """This process has so many of the partitions, and so much of the sender's rate."""
        part = owned / self._settings.partitions
        self._lines["sms"].pacer.share = self._backlog.share = part
        if part != self._cap.share:
            self._cap.share = part
            self._tasks.spawn(self._count_day())

    @property
    def open(self) -> int:
        """Commands that have no reported result yet."""
        return self._open

    def health(self) -> dict[str, Any]:
        """For `/healthz`: open commands, segments that wait at the provider, and the state of each channel."""
        return {
            "open": self._open,
            "unsent": self._backlog.segments,
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
            case Settled():
                self._left_provider(command.claimId)
            case Stray():
                self._note(command)
            case Lookup() | Redact():
                self._count(1)
                self._tasks.spawn(self._ask(command, lease))
            case Claim():
                self._count(1)
                self._take(Job(command, lease))

    def _take(self, job: Job) -> None:
        command = job.claim
        self._guard.enter(job)
        if self._stopping:
            self._tasks.spawn(self._turn_back(job, "stopping", None))
            return
        reason = self._guard.why_not(job)
        if reason is not None:
            self._tasks.spawn(self._turn_back(job, reason, _COME_BACK))
            return
        if command.channel == "sms":
            tomorrow = self._cap.wait(command.lane, job.segments, self._clock.now())
            if tomorrow is not None:
                self._tasks.spawn(self._turn_back(job, "daily-cap", tomorrow))
                return
            if not self._backlog.has_room(job, self._now()):
                self._tasks.spawn(self._turn_back(job, "provider-full", _FULL + random.uniform(0, _FULL)))
                return
        line = self._lines[command.channel]
        if (again := self._retry_in(line, job)) > 0:
            self._tasks.spawn(self._turn_back(job, "retry-budget", again))
            return
        patience = 0.0 if self._stepped else self._guard.patience(job)
        refusal = line.offer(
            job,
            name=command.notificationId,
            lane=command.lane,
            segments=job.segments,
            at=command.at.timestamp(),
            patience=patience,
            now=self._now(),
        )
        if refusal is not None:
            self._tasks.spawn(self._turn_back(job, *refusal))
        else:
            if command.channel == "sms":
                self._backlog.enter(job, self._now())
                measures.UNSENT.set(self._backlog.segments)
                self._cap.spend(job.segments, self._clock.now())
                self._counted[command.claimId] = job.segments
            self._changed[command.channel].set()

    def _note(self, stray: Stray) -> None:
        why = "contradiction" if stray.contradicts else "unknown"
        _log.warning("a receipt that changes nothing", why=why, status=stray.status, provider_id=stray.providerId)
        measures.STRAY.labels(why, stray.status).inc()

    def _left_provider(self, claim_id: str) -> None:
        self._backlog.leave(claim_id)
        measures.UNSENT.set(self._backlog.segments)

    def _now(self) -> float:
        return self._clock.now().timestamp() if self._stepped else time.monotonic()

    def _withhold(self, command: Withhold) -> None:
        """A claim that waits comes back at once; one on its way is asked once more before its first byte."""
        if not self._guard.withhold(command.claimId):
            return
        for line in self._lines.values():
            for job in line.withdraw(lambda job: job.claim.claimId == command.claimId):
                self._tasks.spawn(self._turn_back(job, "withheld", None))

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
            self._cap.spend(sum(self._counted.values()), now)

    async def _run(self, channel: str) -> None:
        line, changed = self._lines[channel], self._changed[channel]
        while True:
            changed.clear()
            step = line.next(self._now())
            if isinstance(step, Job):
                self._tasks.spawn(self._dial(line, step))
                continue
            try:
                async with asyncio.timeout(step):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _dial(self, line: Line[Job], job: Job) -> None:
        claim = job.claim
        answer: Answer | None = None
        try:
            self._failpoints.reach("before-dial")
            reason, wait = self._why_not(line, job)
            if reason is None:
                line.breaker.begin()
                line.retries.leave(claim.notificationId, claim.lane, self._now())
                answer = await self._request(job)
        finally:
            line.done(answer, self._now())
            measures.BREAKER.labels(claim.channel).set(line.breaker.is_open)
            self._changed[claim.channel].set()
        if answer is None:
            await self._turn_back(job, reason or "breaker", wait)
            return
        measures.REQUESTS.labels(claim.channel, answer.result).inc()
        if answer.result == "rejected" and errors.needs_a_person(answer.code, claim.channel):
            _log.error("the provider refuses what only a person can put right", channel=claim.channel, code=answer.code)
            measures.TROUBLE.labels(claim.channel, answer.code or "").inc()
        self._failpoints.reach("before-result")
        await self._finish(job, answer)
        self._failpoints.reach("after-result")

    def _why_not(self, line: Line[Job], job: Job) -> tuple[str | None, float]:
        """Why a job whose turn has come may not leave, and after how many seconds it may come back."""
        reason = self._guard.why_not(job) or ("breaker" if line.breaker.wait(self._now()) > 0 else None)
        if reason is not None:
            return reason, _COME_BACK
        again = self._retry_in(line, job)
        return ("retry-budget", again) if again > 0 else (None, 0.0)

    def _retry_in(self, line: Line[Job], job: Job) -> float:
        return 0.0 if self._stepped else line.retries.wait(job.claim.notificationId, job.claim.lane, self._now())

    async def _request(self, job: Job) -> Answer:
        return await self._providers.send(
            job.claim,
            Attempt(lambda: self._guard.why_not(job), self._failpoints),
            min(self._settings.send_timeout, max(self._guard.time_left(job), 0.1)),
            lambda answer: self._say_later(job.claim, answer),
        )

    def _say_later(self, claim: Claim, answer: Answer) -> None:
        self._tasks.spawn(self._say(claim, answer))

    async def _turn_back(self, job: Job, reason: str, seconds: float | None) -> None:
        measures.TURNED_BACK.labels(reason).inc()
        await self._finish(job, Answer(result="not-sent", code=reason, retryAfter=seconds))

    async def _finish(self, job: Job, answer: Answer) -> None:
        segments = self._counted.pop(job.claim.claimId, 0)
        if answer.result not in ("accepted", "doubt"):
            self._cap.give_back(segments)
            self._left_provider(job.claim.claimId)
        try:
            await self._say(job.claim, answer)
        finally:
            self._guard.leave(job)
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
                if not lease.held() or self._stopping or time.monotonic() > lease.until:
                    return
                answer = await self._providers.ask(command, self._clock.now())
                if answer is not None:
                    await self._report(command.key, answer)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._open += change
        measures.OPEN.set(self._open)


def _end_process(error: BaseException) -> None:
    _log.critical("the dialer met an error that it does not know; the process ends", exc_info=error)
    os._exit(70)
