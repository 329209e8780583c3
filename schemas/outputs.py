"""The data of the events that go out (contract 1.3 to 1.5). Writers are closed: nothing leaves that is not named."""

from datetime import date, datetime
from typing import Literal

import msgspec

Channel = Literal["sms", "email"]
Reason = Literal[
    "no-consent",
    "unverified",
    "no-address",
    "stopped",
    "wrong-person",
    "hard-bounce",
    "cap",
    "covered-by-other-program",
    "not-news",
    "no-guardian",
    "deceased",
    "staff",
]
"""Why a notification is suppressed (contract 1.5)."""


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A struct that says all its fields, absent ones as null."""


class Headline(_Closed, frozen=True, kw_only=True):
    code: str
    program: str | None = None
    recordId: str | None = None


class TripNumber(_Closed, frozen=True, kw_only=True):
    """The number to use for trips, masked; null while the program has not told us the number."""

    program: str
    masked: str | None


class ApplicationView(_Closed, frozen=True, kw_only=True):
    applicationId: str | None
    state: str
    kind: str
    submittedAt: datetime | None = None
    decidedAt: datetime | None = None
    dueDate: date | None = None


class InterviewView(_Closed, frozen=True, kw_only=True):
    at: datetime | None = None
    timeZone: str | None = None
    site: str | None = None
    partsDone: tuple[str, ...] = ()
    partsNeeded: tuple[str, ...] = ()


class MembershipView(_Closed, frozen=True, kw_only=True):
    state: str = "NONE"
    validFrom: date | None = None
    validTo: date | None = None
    extendedUntil: date | None = None
    includesPrecheck: bool | None = None
    numberMasked: str | None = None


class ReviewView(_Closed, frozen=True, kw_only=True):
    state: str
    replyBy: date | None = None
    channel: str | None = None


class OverlayView(_Closed, frozen=True, kw_only=True):
    state: str
    scope: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


class CardView(_Closed, frozen=True, kw_only=True):
    """One enrollment as the traveler sees it."""

    program: str
    recordId: str
    asOf: datetime
    stale: bool = False
    integrity: str = "OK"
    application: ApplicationView | None = None
    interview: InterviewView | None = None
    membership: MembershipView = MembershipView()
    review: ReviewView | None = None
    overlay: OverlayView | None = None


class TravelerStatus(_Closed, frozen=True, kw_only=True):
    """The one view of a traveler: a card for each enrollment and a headline over all."""

    travelerId: str
    asOf: datetime | None
    language: str
    headline: Headline
    cards: tuple[CardView, ...]
    tripNumber: TripNumber | None = None
    integrity: str = "OK"


class Transition(_Closed, frozen=True, kw_only=True):
    """One change that a traveler could notice."""

    recordId: str
    program: str
    applicationId: str | None
    axis: Literal["application", "membership", "review", "overlay", "integrity"]
    from_: str | None = msgspec.field(name="from")
    to: str
    causeId: str | None


class Notification(_Closed, frozen=True, kw_only=True):
    """One step in the life of one message on one channel. Holds no address and no body."""

    notificationId: str
    travelerId: str
    recordId: str | None
    program: str | None
    kind: str
    channel: Channel
    languageRequested: str | None = None
    languageServed: str | None = None
    templateVersion: str | None = None
    segments: int | None = None
    encoding: str | None = None
    plannedAt: datetime | None = None
    releaseAt: datetime | None = None
    notAfter: datetime | None = None
    causeId: str | None = None
    attempt: int | None = None
    providerId: str | None = None
    code: str | None = None
    reason: str | None = None


class Timing(_Closed, frozen=True, kw_only=True):
    """One CX timing row (domain 5.3). Holds nothing that identifies."""

    schema_version: str = "1"
    metric_event_id: str
    metric_id: str
    program: str
    program_component: Literal["TSA", "CBP"]
    provider: str | None = None
    application_kind: str | None = None
    enrollment_pseudonym: str
    cohort_date: date | None = None
    start_type: str
    start_at: datetime
    stop_type: str
    stop_at: datetime
    duration_value: float
    duration_unit: Literal["days", "hours", "seconds"]
    waiting_on: Literal["traveler", "agency", "system"] | None = None
    state_from: str | None = None
    state_to: str | None = None
    channel: str | None = None
    language_requested: str | None = None
    language_served: str | None = None
    template_id: str | None = None
    template_version: str | None = None
    interview_mode: str | None = None
    interview_part: str | None = None
    is_minor_band: bool | None = None
    censored: bool = False
    corrected: bool = False
    supersedes_id: str | None = None
    data_quality: tuple[str, ...] = ()
    source_lag_s: float | None = None
    fiscal_year: int
    fiscal_quarter: int
    transaction_point: str | None = None
    service_stage: str | None = None
    omb_control_number: str | None = None
    produced_at: datetime


class Suppression(_Closed, frozen=True, kw_only=True):
    """Why one address is not written to on one channel."""

    channel: Channel
    reason: Literal["stopped", "wrong-person", "hard-bounce"]
    since: datetime


class WorkItem(_Closed, frozen=True, kw_only=True):
    """Something that a person must look at."""

    itemId: str
    reason: str
    program: str | None
    recordId: str | None


class Audit(_Closed, frozen=True, kw_only=True):
    """One action of the staff.

    `result`: done; no-effect, where it changes nothing; unknown-event or unknown-record, where what it names has not
    come in, so that it waits; refused, where it would join two birth dates; null, where nobody can tell.
    """

    action: str
    by: str
    eventId: str | None = None
    recordId: str | None = None
    program: str | None = None
    reason: str | None = None
    result: str | None = None
