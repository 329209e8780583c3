"""The state machine as data that a domain expert can read: which event moves an application from where to where.

Source: domain 3.2. States are the contract's; `-` is an application that nothing is known of. A row with a note of
"skipped" lets a later fact stand although the source never sent the step before it; that is normal in both programs.
A pair without a row changes nothing while the application is open, and is a contradiction once it is decided.
"""

from typing import Final, NamedTuple

OPEN: Final = (
    "STARTED",
    "SUBMITTED",
    "IN_REVIEW",
    "ACTION_NEEDED",
    "CONDITIONALLY_APPROVED",
    "INTERVIEW_SCHEDULED",
    "DECISION_PENDING",
    "PRELIM_INELIGIBLE",
)
TERMINAL: Final = ("APPROVED", "DENIED", "WITHDRAWN", "CLOSED_INCOMPLETE", "VOIDED")
STATES: Final = (*OPEN, *TERMINAL)

TSA: Final = "TSA"
CBP: Final = "CBP"
BOTH: Final = "TSA CBP"

EVENTS: Final = {
    "enrollment.pre_enrolled": "APP_STARTED",
    "appointment.booked": "INTERVIEW_SET",
    "appointment.changed": "INTERVIEW_SET",
    "appointment.cancelled": "INTERVIEW_OFF",
    "appointment.missed": "INTERVIEW_OFF",
    "enrollment.completed": "APP_SUBMITTED",
    "renewal.submitted": "APP_SUBMITTED",
    "vetting.started": "REVIEW_STARTED",
    "vetting.info_requested": "INFO_REQUESTED",
    "info.received": "INFO_RECEIVED",
    "eligibility.preliminary_ineligible": "PRELIM_INELIGIBLE",
    "correction.received": "REPLY_RECEIVED",
    "eligibility.approved": "APPROVED",
    "renewal.approved": "APPROVED",
    "eligibility.denied_final": "DENIED",
    "application.submitted": "APP_SUBMITTED",
    "application.pending_review": "REVIEW_STARTED",
    "application.info_requested": "INFO_REQUESTED",
    "application.conditionally_approved": "COND_APPROVED",
    "interview.scheduled": "INTERVIEW_SET",
    "interview.rescheduled": "INTERVIEW_SET",
    "interview.cancelled": "INTERVIEW_OFF",
    "interview.no_show": "INTERVIEW_OFF",
    "interview.completed": "INTERVIEW_DONE",
    "application.approved": "APPROVED",
    "application.denied": "DENIED",
    "application.withdrawn": "WITHDRAWN",
    "application.cancelled": "CLOSED_INCOMPLETE",
    "application.closed": "CLOSED_INCOMPLETE",
    "reconsideration.received": "REPLY_RECEIVED",
    "reconsideration.decided": "DECIDED",
    "membership.extended": "EXTENDED",
    "membership.suspended": "SUSPENDED",
    "membership.revoked": "REVOKED",
    "membership.reinstated": "REINSTATED",
    "membership.expired": "EXPIRED",
    "membership.closed": "CLOSED",
    "status.reported": "STATUS_REPORTED",
}
"""The canonical event of each source event that has one; the mapping is an assumption about both sources (domain 8)."""

APPLICATION_EVENTS: Final = (
    "APP_STARTED",
    "APP_SUBMITTED",
    "REVIEW_STARTED",
    "INFO_REQUESTED",
    "INFO_RECEIVED",
    "COND_APPROVED",
    "INTERVIEW_SET",
    "INTERVIEW_OFF",
    "INTERVIEW_DONE",
    "PRELIM_INELIGIBLE",
    "APPROVED",
    "DENIED",
    "WITHDRAWN",
    "CLOSED_INCOMPLETE",
)
"""In the order of the process, which is also the order of events of the same moment (domain 3.4 rule 4)."""

OPENING: Final = ("APP_STARTED", "APP_SUBMITTED")
DECISIONS: Final = ("PRELIM_INELIGIBLE", "APPROVED", "DENIED", "WITHDRAWN", "CLOSED_INCOMPLETE")
ENDINGS: Final = ("APPROVED", "DENIED", "WITHDRAWN", "CLOSED_INCOMPLETE")

LABELS: Final = {
    ("CBP", "pending review"): "REVIEW_STARTED",
    ("CBP", "conditionally approved"): "COND_APPROVED",
    ("CBP", "interview scheduled"): "INTERVIEW_SET",
    ("TSA", "pending"): "REVIEW_STARTED",
}
"""Labels of status pages that we trust (domain 1.1, 2.1). A decision is never taken from a label."""


class Row(NamedTuple):
    """One line of the transition table. `name` is the published transition, `guard` a function of guards.py."""

    states: str
    event: str
    to: str
    systems: str = BOTH
    name: str | None = None
    guard: str | None = None
    note: str = ""


APPLICATION: Final = (
    Row("-", "APP_STARTED", "STARTED", TSA, note="a draft: no message"),
    Row("- STARTED", "APP_SUBMITTED", "SUBMITTED", note="a walk-in starts from nothing; starts clock M1"),
    Row("SUBMITTED", "REVIEW_STARTED", "IN_REVIEW", note="silent"),
    Row("- STARTED", "REVIEW_STARTED", "IN_REVIEW", note="skipped"),
    Row("SUBMITTED IN_REVIEW CONDITIONALLY_APPROVED DECISION_PENDING", "INFO_REQUESTED", "ACTION_NEEDED"),
    Row("- STARTED INTERVIEW_SCHEDULED", "INFO_REQUESTED", "ACTION_NEEDED", note="skipped"),
    Row("ACTION_NEEDED", "INFO_REQUESTED", "ACTION_NEEDED", guard="another_due_date", note="asked again"),
    Row("ACTION_NEEDED", "INFO_RECEIVED", "IN_REVIEW", note="ends M6"),
    Row("SUBMITTED IN_REVIEW", "COND_APPROVED", "CONDITIONALLY_APPROVED", CBP),
    Row("- STARTED ACTION_NEEDED", "COND_APPROVED", "CONDITIONALLY_APPROVED", CBP, note="skipped"),
    Row("CONDITIONALLY_APPROVED", "INTERVIEW_SET", "INTERVIEW_SCHEDULED", CBP),
    Row("INTERVIEW_SCHEDULED", "INTERVIEW_SET", "INTERVIEW_SCHEDULED", CBP, guard="another_appointment"),
    Row("- STARTED SUBMITTED IN_REVIEW", "INTERVIEW_SET", "INTERVIEW_SCHEDULED", CBP, note="skipped"),
    Row("- STARTED", "INTERVIEW_SET", "STARTED", TSA, guard="another_appointment", note="an appointment to enroll"),
    Row(
        "INTERVIEW_SCHEDULED",
        "INTERVIEW_OFF",
        "INTERVIEW_SCHEDULED",
        CBP,
        guard="another_part_booked",
        note="one of two parts",
    ),
    Row(
        "INTERVIEW_SCHEDULED",
        "INTERVIEW_OFF",
        "CONDITIONALLY_APPROVED",
        CBP,
        guard="no_other_part_booked",
        note="not a denial",
    ),
    Row("STARTED", "INTERVIEW_OFF", "STARTED", TSA, guard="has_appointment", note="not a denial"),
    Row(
        "CONDITIONALLY_APPROVED INTERVIEW_SCHEDULED",
        "INTERVIEW_DONE",
        "DECISION_PENDING",
        CBP,
        guard="all_parts_done",
        note="enrollment on arrival needs no appointment; NEXUS needs two parts",
    ),
    Row(
        "INTERVIEW_SCHEDULED",
        "INTERVIEW_DONE",
        "CONDITIONALLY_APPROVED",
        CBP,
        guard="no_part_booked",
        note="the other part is still to be booked",
    ),
    Row(
        "- STARTED SUBMITTED IN_REVIEW",
        "INTERVIEW_DONE",
        "DECISION_PENDING",
        CBP,
        guard="all_parts_done",
        note="skipped",
    ),
    Row(
        "IN_REVIEW ACTION_NEEDED DECISION_PENDING", "PRELIM_INELIGIBLE", "PRELIM_INELIGIBLE", TSA, note="opens a review"
    ),
    Row("- STARTED SUBMITTED", "PRELIM_INELIGIBLE", "PRELIM_INELIGIBLE", TSA, note="skipped"),
    Row("PRELIM_INELIGIBLE", "APPROVED", "APPROVED", TSA, name="CLEARED"),
    Row("PRELIM_INELIGIBLE", "DENIED", "DENIED", TSA, name="DENIED_FINAL", note="only when the source says so"),
    Row(
        "SUBMITTED IN_REVIEW CONDITIONALLY_APPROVED INTERVIEW_SCHEDULED DECISION_PENDING ACTION_NEEDED",
        "APPROVED",
        "APPROVED",
        note="creates or extends the membership; skipped steps are normal",
    ),
    Row("- STARTED", "APPROVED", "APPROVED", note="skipped"),
    Row(
        "- STARTED SUBMITTED IN_REVIEW ACTION_NEEDED CONDITIONALLY_APPROVED", "DENIED", "DENIED", note="opens a review"
    ),
    Row("INTERVIEW_SCHEDULED DECISION_PENDING", "DENIED", "DENIED", note="opens a review"),
    Row("- STARTED SUBMITTED IN_REVIEW ACTION_NEEDED CONDITIONALLY_APPROVED", "WITHDRAWN", "WITHDRAWN"),
    Row("INTERVIEW_SCHEDULED DECISION_PENDING PRELIM_INELIGIBLE", "WITHDRAWN", "WITHDRAWN"),
    Row(
        "STARTED CONDITIONALLY_APPROVED INTERVIEW_SCHEDULED ACTION_NEEDED",
        "CLOSED_INCOMPLETE",
        "CLOSED_INCOMPLETE",
        note="a step was not finished in time",
    ),
    Row("- SUBMITTED IN_REVIEW DECISION_PENDING", "CLOSED_INCOMPLETE", "CLOSED_INCOMPLETE", note="skipped"),
)

MEMBERSHIP_STATES: Final = ("NONE", "ACTIVE", "EXTENDED", "EXPIRED", "SUSPENDED", "REVOKED", "CLOSED")

MEMBERSHIP: Final = (
    Row("NONE EXPIRED REVOKED CLOSED", "APPROVED", "ACTIVE", name="ACTIVATED", note="first or regained"),
    Row("ACTIVE EXTENDED", "APPROVED", "ACTIVE", name="RENEWED", guard="another_end", note="no gap"),
    Row("ACTIVE", "END_PASSED", "EXTENDED", CBP, name="EXTENDED", guard="renewal_in_time_or_source_extended"),
    Row("ACTIVE", "END_PASSED", "EXPIRED", name="EXPIRED"),
    Row("EXTENDED", "EXTENSION_OVER", "EXPIRED", CBP, name="EXPIRED", note="renewal ended otherwise, or limit reached"),
    Row("EXPIRED", "EXTENDED", "EXTENDED", CBP, name="EXTENDED", note="the source knows of a renewal that we do not"),
    Row("NONE", "EXTENDED", "EXTENDED", CBP, name="EXTENDED", note="skipped"),
    Row("ACTIVE EXTENDED", "SUSPENDED", "SUSPENDED", name="SUSPENDED", note="temporary; neutral message"),
    Row("NONE", "SUSPENDED", "SUSPENDED", name="SUSPENDED", note="skipped"),
    Row("ACTIVE EXTENDED SUSPENDED", "REVOKED", "REVOKED", name="REVOKED", note="opens a review"),
    Row("NONE EXPIRED", "REVOKED", "REVOKED", name="REVOKED", note="skipped"),
    Row("SUSPENDED REVOKED", "REINSTATED", "ACTIVE", name="REINSTATED", note="maybe with a later end"),
    Row("ACTIVE EXTENDED", "REINSTATED", "ACTIVE", name="REINSTATED", guard="gives_another_end", note="restored"),
    Row("NONE EXPIRED CLOSED", "REINSTATED", "ACTIVE", name="REINSTATED", note="skipped"),
    Row("NONE ACTIVE EXTENDED SUSPENDED", "EXPIRED", "EXPIRED", name="EXPIRED", note="the source says so"),
    Row("NONE ACTIVE EXTENDED EXPIRED SUSPENDED REVOKED", "CLOSED", "CLOSED", name="CLOSED", note="surrendered"),
    Row("NONE ACTIVE EXTENDED EXPIRED SUSPENDED REVOKED", "DECEASED", "CLOSED", name="CLOSED"),
)

REVIEW_STATES: Final = (
    "NONE",
    "WINDOW_OPEN",
    "RECEIVED",
    "UNDER_REVIEW",
    "GRANTED",
    "NOT_GRANTED",
    "WINDOW_CLOSED",
)

REVIEW: Final = (
    Row(
        "NONE WINDOW_OPEN RECEIVED UNDER_REVIEW GRANTED NOT_GRANTED WINDOW_CLOSED",
        "ADVERSE",
        "WINDOW_OPEN",
        name="REVIEW_OPENED",
        note="preliminary ineligibility, denial, revocation",
    ),
    Row(
        "NONE WINDOW_OPEN WINDOW_CLOSED NOT_GRANTED",
        "REPLY_RECEIVED",
        "RECEIVED",
        name="REPLY_RECEIVED",
        note="late, or once more: the source decides",
    ),
    Row("RECEIVED", "REVIEW_STARTED", "UNDER_REVIEW", name=None, note="silent"),
    Row(
        "NONE WINDOW_OPEN WINDOW_CLOSED RECEIVED UNDER_REVIEW NOT_GRANTED", "GRANTED", "GRANTED", name="REVIEW_DECIDED"
    ),
    Row("NONE WINDOW_OPEN WINDOW_CLOSED RECEIVED UNDER_REVIEW", "NOT_GRANTED", "NOT_GRANTED", name="REVIEW_DECIDED"),
    Row("WINDOW_OPEN", "WINDOW_PASSED", "WINDOW_CLOSED", name="REVIEW_WINDOW_CLOSED"),
    Row("WINDOW_OPEN", "TAKEN_BACK", "NONE", name="REVIEW_WINDOW_CLOSED", note="approved, or given back"),
    Row("WINDOW_CLOSED NOT_GRANTED", "TAKEN_BACK", "NONE", name=None, note="silent: approved after all"),
)


def _index(table: tuple[Row, ...]) -> dict[tuple[str, str, str], tuple[Row, ...]]:
    found: dict[tuple[str, str, str], tuple[Row, ...]] = {}
    for row in table:
        for system in row.systems.split():
            for state in row.states.split():
                pair = (system, state, row.event)
                found[pair] = (*found.get(pair, ()), row)
    return found


_TABLES: Final = {"application": _index(APPLICATION), "membership": _index(MEMBERSHIP), "review": _index(REVIEW)}


def rows(axis: str, system: str, state: str, event: str) -> tuple[Row, ...]:
    """The rows for an event in a state, in the order in which their guards are asked; none: no change."""
    return _TABLES[axis].get((system, state, event), ())


def system_of(program: str) -> str:
    """The agency whose rules a program follows."""
    return TSA if program == "PRECHECK" else CBP
