"""The review axis: a window to answer, the answer, the decision (domain 3.3)."""

from datetime import datetime, timedelta
from typing import Final

from streams.records.log import Entry
from streams.records.machine import TSA, rows
from streams.records.picture import REVIEW
from streams.records.run import Run

REPLY_DAYS: Final = 60
"""Days to answer a preliminary letter of PreCheck where the source gives no date (contract 1.2)."""

ANSWERED: Final = ("RECEIVED", "UNDER_REVIEW", "GRANTED")
"""States of a review in which a decision takes the adverse one back."""


def move_review(run: Run, canonical: str, event: Entry, moment: datetime, clock: bool = False) -> None:
    """Move the review axis."""
    review = run.picture.review
    for row in rows(REVIEW, run.system, review.state, canonical):
        before, review.state = review.state, row.to
        run.step(
            event,
            row.name or canonical,
            REVIEW,
            before,
            row.to,
            moment,
            published=row.name is not None,
            clock=clock,
        )
        return


def adverse(run: Run, event: Entry, moment: datetime) -> None:
    review, data = run.picture.review, event.data
    review.replyBy = data.replyBy
    if review.replyBy is None and run.system == TSA and data.letterDate is not None:
        review.replyBy = data.letterDate + timedelta(days=REPLY_DAYS)
    review.cause, review.channel, review.receivedAt = event, None, None
    move_review(run, "ADVERSE", event, moment)


def take_back(run: Run, event: Entry, moment: datetime) -> None:
    """What was adverse is over without a reply: nothing is to be answered any more."""
    move_review(run, "TAKEN_BACK", event, moment)
    run.picture.review.replyBy = None
