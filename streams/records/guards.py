"""The conditions of the transition tables, each a question with its source."""

from collections.abc import Callable
from typing import Final

from streams.calendar import end_of_day
from streams.records.log import Entry
from streams.records.machine import CBP, OPEN
from streams.records.picture import Case
from streams.records.run import Run


def renews(case: Case) -> bool:
    """Whether an open renewal keeps a CBP membership going."""
    return case.state in OPEN and case.kind == "RENEWAL" and case.submittedAt is not None


def _another_due_date(run: Run, case: Case | None, event: Entry) -> bool:
    """The same request again says nothing new."""
    return case is not None and event.data.dueDate != case.dueDate


def _another_appointment(run: Run, case: Case | None, event: Entry) -> bool:
    """The same time and place again says nothing new."""
    interview = event.data.interview
    return case is None or interview is None or (interview.at, interview.site) != (case.appointment, case.site)


def _has_appointment(run: Run, case: Case | None, event: Entry) -> bool:
    """There is something to cancel."""
    return case is not None and case.appointment is not None


def _all_parts_done(run: Run, case: Case | None, event: Entry) -> bool:
    """NEXUS needs the U.S. and the Canadian part (domain 2.1)."""
    return case is not None and set(case.parts_needed) <= set(case.partsDone)


def _another_end(run: Run, case: Case | None, event: Entry) -> bool:
    """An approval that gives the end that is known already renews nothing."""
    return event.data.validTo is None or event.data.validTo != run.picture.membership.validTo


def _gives_another_end(run: Run, case: Case | None, event: Entry) -> bool:
    """A restoration may lengthen a membership that is active again already (contract 5.6)."""
    return event.data.validTo is not None and event.data.validTo != run.picture.membership.validTo


def _renewal_in_time(run: Run, case: Case | None, event: Entry) -> bool:
    """8 CFR 235.12 practice (domain 2.1): the renewal was submitted by the end of `validTo`, U.S. Eastern."""
    member = run.picture.membership
    if run.system != CBP or member.validTo is None:
        return False
    end = end_of_day(member.validTo)
    if member.sourceUntil is not None and member.sourceUntil > member.validTo:
        return True
    return any(renews(one) and one.submittedAt is not None and one.submittedAt < end for one in run.picture.cases)


GUARDS: Final[dict[str, Callable[[Run, Case | None, Entry], bool]]] = {
    "another_due_date": _another_due_date,
    "another_appointment": _another_appointment,
    "has_appointment": _has_appointment,
    "all_parts_done": _all_parts_done,
    "another_end": _another_end,
    "gives_another_end": _gives_another_end,
    "renewal_in_time_or_source_extended": _renewal_in_time,
}
