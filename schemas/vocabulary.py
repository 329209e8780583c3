"""The words of the contract (1.1, 1.2, 1.3): programs, sources, names of events that come in, states of a message."""

from typing import Final, Literal

PRECHECK_PROGRAMS: Final = ("PRECHECK",)
CBP_PROGRAMS: Final = ("GLOBAL_ENTRY", "NEXUS", "SENTRI", "FAST", "ABTC")
PROGRAMS: Final = PRECHECK_PROGRAMS + CBP_PROGRAMS

PRECHECK_PREFIX: Final = "gov.dhs.tsa.precheck."
CBP_PREFIX: Final = "gov.dhs.cbp.ttp."
PROFILE_PREFIX: Final = "gov.dhs.ttp.profile."

PRECHECK_NAMES: Final = (
    "enrollment.pre_enrolled",
    "appointment.booked",
    "appointment.changed",
    "appointment.cancelled",
    "appointment.missed",
    "enrollment.completed",
    "vetting.started",
    "vetting.info_requested",
    "info.received",
    "eligibility.preliminary_ineligible",
    "correction.received",
    "eligibility.approved",
    "eligibility.denied_final",
    "renewal.submitted",
    "renewal.approved",
    "membership.suspended",
    "membership.revoked",
    "membership.reinstated",
    "membership.expired",
    "application.withdrawn",
    "application.cancelled",
    "record.corrected",
    "contact.updated",
    "program.notice",
    "status.reported",
)

CBP_NAMES: Final = (
    "application.submitted",
    "application.pending_review",
    "application.info_requested",
    "info.received",
    "application.conditionally_approved",
    "interview.scheduled",
    "interview.rescheduled",
    "interview.cancelled",
    "interview.no_show",
    "interview.completed",
    "application.approved",
    "application.denied",
    "application.withdrawn",
    "application.closed",
    "membership.extended",
    "membership.suspended",
    "membership.revoked",
    "membership.reinstated",
    "membership.expired",
    "membership.closed",
    "card.mailed",
    "card.activated",
    "reconsideration.received",
    "reconsideration.decided",
    "record.corrected",
    "record.merged",
    "contact.updated",
    "program.notice",
    "status.reported",
)

LINK_NAMES: Final = ("linked", "unlinked")
PERSON_NAMES: Final = ("updated", "deceased", "erased")
NOTICE_DECISIONS: Final = ("notice.approved", "notice.dropped")
RECORD_DECISIONS: Final = ("event.voided", "conflict.released")
STAFF_NAMES: Final = NOTICE_DECISIONS + RECORD_DECISIONS
PROFILE_NAMES: Final = LINK_NAMES + PERSON_NAMES + STAFF_NAMES

APPROVALS: Final = frozenset({"eligibility.approved", "renewal.approved", "application.approved"})

STAFF_SOURCE: Final = "dhs/staff"

NotificationState = Literal[
    "planned",
    "held",
    "claimed",
    "accepted",
    "rejected",
    "in-doubt",
    "delivered",
    "failed",
    "unconfirmed",
    "suppressed",
    "expired",
    "superseded",
    "parked",
]
