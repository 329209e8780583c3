"""The interview of an application: one part, or two that are booked, moved, cancelled and done apart from each other.

NEXUS is joint with Canada and asks for a U.S. and a Canadian part, maybe on different days and places (domain 2.1). An
event that does not name its part means the one that it can mean.
"""

from typing import Final

from streams.records.log import Entry
from streams.records.picture import Appointment, Case

_NEW: Final = ("interview.scheduled",)


def part_of(case: Case, event: Entry) -> str:
    """The part of the interview that an event is about."""
    needed = case.parts_needed or ("US",)
    interview = event.data.interview
    if len(needed) == 1:
        return needed[0]
    if interview is not None and interview.part is not None:
        return interview.part
    free = [part for part in needed if part not in case.partsDone and part not in case.appointments]
    if free and event.name in _NEW:
        return free[0]
    booked = case.booked
    same = [one for one in booked if interview is not None and (one.at, one.site) == (interview.at, interview.site)]
    return next((one.part for one in (*same, *booked)), needed[0])


def others_booked(case: Case, part: str) -> list[Appointment]:
    """The appointments of the other parts."""
    return [one for one in case.booked if one.part != part]


def book(case: Case, part: str, event: Entry) -> Appointment | None:
    """Book a part, or book it anew, which is then to be done again; the appointment that this one replaces."""
    earlier, interview = case.appointments.get(part), event.data.interview
    if interview is not None or earlier is None:
        case.appointments[part] = Appointment(
            part=part,
            at=interview.at if interview else None,
            zone=interview.timeZone if interview else None,
            site=interview.site if interview else None,
            knownAt=event.receivedAt,
        )
    if part in case.partsDone:
        case.partsDone.remove(part)
    return earlier


def done(case: Case, part: str) -> None:
    """A part is over; its appointment stays known."""
    if part not in case.partsDone:
        case.partsDone.append(part)
