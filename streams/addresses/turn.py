"""One message or moment of one address: the state so far and what follows from it, in order."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from schemas.internal import Facts, Mail, Message, Text
from schemas.outputs import Channel, Notification
from schemas.vocabulary import NotificationState
from streams import events
from streams.addresses.state import Address, Job
from streams.catalogue import Envelope
from streams.grammar import Output, ToStage
from streams.identity import Identity
from streams.policy import Policy


class Wordings(Protocol):
    """What this stage asks of the catalogue: the words of a message, in a language, with their version."""

    def serve(self, kind: str, requested: str | None, channel: Channel) -> str: ...

    def version(self, kind: str, language: str, channel: Channel) -> str: ...

    def text(self, kind: str, language: str, facts: Facts) -> Text: ...

    def mail(self, kind: str, language: str, facts: Facts, envelope: Envelope) -> Mail: ...


class Setting(msgspec.Struct, frozen=True):
    """What does not change while the stage lives."""

    identity: Identity
    policy: Policy
    catalogue: Wordings


class Turn:
    """An address being worked on at `now`. The state is replaced, never changed in place."""

    def __init__(self, setting: Setting, address: Address, now: datetime) -> None:
        self.setting = setting
        self.address = address
        self.now = now
        self.outputs: list[Output] = []

    def emit(self, output: Output) -> None:
        self.outputs.append(output)

    def tell(self, stage: str, key: str, message: Message) -> None:
        """Send a message to a key of a stage."""
        self.outputs.append(ToStage(stage, key, message))

    def put(self, job: Job) -> Job:
        """Keep a message in its new state."""
        jobs = self.address.jobs | {job.send.notificationId: job}
        self.address = replace(self.address, jobs=jobs)
        return job

    def having(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """The messages that fit, oldest first."""
        return [job for job in self.address.jobs.values() if wanted(job)]

    def say(self, job: Job, state: NotificationState, *, step: str = "", **details: Any) -> None:
        """Write a step in the life of a message, and tell its traveler. `details` are fields of the notification."""
        send = job.send
        served = send.languageServed
        data = Notification(
            notificationId=send.notificationId,
            travelerId=send.travelerId,
            recordId=send.recordId,
            program=send.program,
            kind=send.kind,
            channel=send.channel,
            languageRequested=send.languageRequested,
            languageServed=served,
            templateVersion=self.setting.catalogue.version(send.kind, served, send.channel),
            segments=job.segments,
            encoding=job.encoding,
            plannedAt=send.plannedAt,
            releaseAt=details.pop("releaseAt", send.releaseAt),
            notAfter=send.notAfter,
            causeId=send.causeId,
            attempt=details.pop("attempt", len(job.tries) or None),
            providerId=details.pop("providerId", job.tries[-1].sid if job.tries else None),
            code=details.pop("code", None),
            reason=details.pop("reason", None),
        )
        self.emit(events.notification(state, data, self.now, f"{send.round}:{step}"))
        if job.reply or state not in events.NOTED:
            return
        claimed = job.tries[-1].at if job.tries else None
        self.tell("travelers", send.travelerId, events.outcome(state, data, send, self.now, claimed))
