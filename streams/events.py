"""The events that go out, each made in one place: its type, its schema, its key and an id that the same input repeats.

Types and keys are of contract 1.3. The id is uuid5 of the cause, the step and whom it concerns.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from schemas.cloudevents import CloudEvent
from schemas.documents import address
from schemas.internal import News, Outcome, Send
from schemas.outputs import Audit, Notification, Suppression, Timing, Transition, TravelerStatus, WorkItem
from schemas.vocabulary import NotificationState
from streams import topics
from streams.grammar import Publish
from streams.identity import event_id

SOURCE: Final = "ttp/notifier"
WorkAction = Literal["opened", "closed"]
FINAL: Final = frozenset({"delivered", "failed", "unconfirmed", "suppressed", "expired", "superseded", "parked"})
"""The states in which a notification ends (contract 1.5)."""

NOTED: Final = FINAL | {"accepted"}
"""The states that a traveler and a record want to hear of; the steps before them are only written down."""


def _event(
    *, name: str, kind: str, cause: str, step: str, subject: str, at: datetime, data: msgspec.Struct
) -> CloudEvent:
    return CloudEvent(
        id=event_id(cause, f"{kind}:{step}", subject),
        source=SOURCE,
        type=f"gov.dhs.ttp.{kind}",
        time=at,
        subject=subject,
        dataschema=address(name),
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


def status(view: TravelerStatus, cause: str, at: datetime, step: str = "") -> Publish:
    """The unified view of a traveler as it stands after `cause`."""
    event = _event(
        name="traveler-status",
        kind="traveler.status",
        cause=cause,
        step=step,
        subject=view.travelerId,
        at=at,
        data=view,
    )
    return Publish(topics.STATUS, view.travelerId, event)


def no_status(traveler: str) -> Publish:
    """The tombstone of a traveler: erased, or without any enrollment left."""
    return Publish(topics.STATUS, traveler, None)


def transition(
    name: str, traveler: str, data: Transition, cause: str, occurred: datetime, occasion: str = ""
) -> Publish:
    """One change that the traveler could notice; `name` is of domain 3.2 or 3.3.

    `occasion` is the event that brings it about anew where it was published before and then taken back.
    """
    event = _event(
        name="transition",
        kind=f"transition.{name}",
        cause=cause,
        step=f"{data.program}:{data.axis}:{data.from_}:{data.to}:{traveler}:{occasion}",
        subject=data.recordId,
        at=occurred,
        data=data,
    )
    return Publish(topics.TRANSITIONS, traveler, event)


def notification(state: NotificationState, data: Notification, at: datetime, step: str = "") -> Publish:
    """One step in the life of a message. `step` tells apart steps of the same state and attempt."""
    event = _event(
        name="notification",
        kind=f"notification.{state}",
        cause=data.notificationId,
        step=f"{data.attempt or 0}:{step}",
        subject=data.travelerId,
        at=at,
        data=data,
    )
    return Publish(topics.NOTIFICATIONS, data.travelerId, event)


def outcome(
    state: NotificationState, data: Notification, about: News | Send, at: datetime, claimed: datetime | None = None
) -> Outcome:
    """The same step as those hear of it who sent the message."""
    return Outcome(
        notificationId=data.notificationId,
        travelerId=data.travelerId,
        record=about.record or "",
        applicationId=about.applicationId,
        kind=data.kind,
        fact=about.fact,
        channel=data.channel,
        state=state,
        at=at,
        plannedAt=data.plannedAt,
        claimedAt=claimed,
        languageRequested=data.languageRequested,
        languageServed=data.languageServed,
        templateVersion=data.templateVersion,
        code=data.code,
        reason=data.reason,
    )


def timing(row: Timing, at: datetime) -> Publish:
    """One CX timing row; its id is the row's own."""
    event = _event(
        name="timing",
        kind="cx.timing",
        cause=row.metric_event_id,
        step=row.metric_id,
        subject=row.enrollment_pseudonym,
        at=at,
        data=row,
    )
    return Publish(topics.TIMING, row.enrollment_pseudonym, event)


def suppression(address: str, data: Suppression, step: str) -> Publish:
    """Why an address, named by its key, is not written to; `step` counts the changes of this address."""
    event = _event(
        name="suppression", kind="suppression", cause=address, step=step, subject=address, at=data.since, data=data
    )
    return Publish(topics.SUPPRESSIONS, address, event)


def no_suppression(address: str) -> Publish:
    """The tombstone of a suppression that was lifted."""
    return Publish(topics.SUPPRESSIONS, address, None)


def work(action: WorkAction, item: WorkItem, key: str, cause: str, at: datetime) -> Publish:
    """Something that a person must look at, or no longer must; `key` is the record or traveler that it is about."""
    event = _event(name="work", kind=f"work.{action}", cause=cause, step=item.itemId, subject=key, at=at, data=item)
    return Publish(topics.WORK, key, event)


def audit(entry: Audit, cause: str, at: datetime) -> Publish:
    """One action of the staff, by its actor; one that waits is written again when it is done."""
    step = f"{entry.action}:waits" if entry.result == "unknown-record" else entry.action
    event = _event(name="audit", kind="audit", cause=cause, step=step, subject=entry.by, at=at, data=entry)
    return Publish(topics.AUDIT, entry.by, event)
