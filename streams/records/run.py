"""One pass over the log of a record: the picture so far, and what every rule may ask and write."""

from datetime import datetime

from streams.calendar import earliest, end_of_day
from streams.records.log import Effective, Entry
from streams.records.machine import system_of
from streams.records.picture import Picture, Step


class Run:
    """One pass over the log. `outranked` collects decisions that a later one with a higher sequence replaces."""

    def __init__(self, program: str, left: Effective) -> None:
        self.picture = Picture(program)
        self.system = system_of(program)
        self.stands = left.stands
        self.outranked: set[str] = set()

    def next_moment(self) -> datetime | None:
        """When the clock alone will next change something."""
        return earliest((self.membership_end(), self.window_end()))

    def membership_end(self) -> datetime | None:
        member = self.picture.membership
        day = {"ACTIVE": member.validTo, "EXTENDED": member.extendedUntil}.get(member.state)
        return None if day is None else end_of_day(day)

    def window_end(self) -> datetime | None:
        review = self.picture.review
        if review.state != "WINDOW_OPEN" or review.replyBy is None:
            return None
        return end_of_day(review.replyBy)

    def step(
        self,
        event: Entry,
        name: str,
        axis: str,
        before: str,
        after: str,
        moment: datetime,
        case: str = "",
        published: bool = True,
        clock: bool = False,
    ) -> None:
        known = max(event.receivedAt, moment) if clock else event.receivedAt
        same = [one for one in self.picture.steps if (one.cause, one.axis, one.name) == (event.id, axis, name)]
        self.picture.steps.append(
            Step(
                cause=event.id,
                name=name,
                axis=axis,
                before=before,
                after=after,
                at=moment if clock else event.at,
                receivedAt=known,
                data=event.data,
                case=case,
                backfill=event.backfill and not (clock and moment > event.receivedAt),
                published=published,
                clock=clock,
                event=event.canonical,
                again=len(same) if clock else 0,
            )
        )
