"""The conditions of the transition tables, each a question with its source."""

from collections.abc import Callable
from typing import Final

from streams.calendar import end_of_day
from streams.records.interviews import others_booked, part_of
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
    """The same time and place again says nothing new; nor does the other part of it there and then."""
    if case is None:
        return True
    part, interview = part_of(case, event), event.data.interview
    known = case.appointments.get(part)
    if known is not None:
        return interview is not None and (interview.at, interview.site) != (known.at, known.site)
    here = (interview.at, interview.site) if interview is not None else (None, None)
    return all((one.at, one.site) != here for one in others_booked(case, part))


def _has_appointment(run: Run, case: Case | None, event: Entry) -> bool:
    """There is something to cancel."""
    return case is not None and part_of(case, event) in case.appointments


def _another_part_booked(run: Run, case: Case | None, event: Entry) -> bool:
    """One of two parts is cancelled; the other stays as it is (domain 2.1)."""
    if case is None:
        return False
    part = part_of(case, event)
    return part in case.appointments and bool(others_booked(case, part))


def _no_other_part_booked(run: Run, case: Case | None, event: Entry) -> bool:
    """With this part nothing is booked any more."""
    return case is not None and not others_booked(case, part_of(case, event))


def _no_part_booked(run: Run, case: Case | None, event: Entry) -> bool:
    """What is left to do is not booked yet."""
    return case is not None and not case.booked


def _all_parts_done(run: Run, case: Case | None, event: Entry) -> bool:
    """NEXUS needs the U.S. and the Canadian part (domain 2.1)."""
    return case is not None and case.all_parts_done


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
    "another_part_booked": _another_part_booked,
    "no_other_part_booked": _no_other_part_booked,
    "no_part_booked": _no_part_booked,
    "all_parts_done": _all_parts_done,
    "another_end": _another_end,
    "gives_another_end": _gives_another_end,
    "renewal_in_time_or_source_extended": _renewal_in_time,
}
