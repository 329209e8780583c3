"""The card of an enrollment as the traveler sees it (contract 1.4)."""

from datetime import datetime, timedelta
from typing import Final

from schemas.outputs import ApplicationView, CardView, InterviewView, MembershipView, OverlayView, ReviewView
from streams.records.picture import Case, Picture

STALE_AFTER: Final = timedelta(hours=72)
"""Past this age a card makes no claims (domain 3.7)."""


def card(picture: Picture, reference: str, now: datetime) -> CardView:
    """The picture as a card; `reference` is the program's own record id."""
    as_of = picture.asOf or now
    member, review, case = picture.membership, picture.review, picture.current
    return CardView(
        program=picture.program,
        recordId=reference,
        asOf=as_of,
        stale=now - as_of >= STALE_AFTER,
        integrity=picture.integrity,
        application=_application(case),
        interview=_interview(case),
        membership=MembershipView(
            state=member.state,
            validFrom=member.validFrom,
            validTo=member.validTo,
            extendedUntil=member.extendedUntil,
            includesPrecheck=member.includesPrecheck,
            numberMasked=member.number,
        ),
        review=None
        if review.state == "NONE"
        else ReviewView(state=review.state, replyBy=review.replyBy, channel=review.channel),
        overlay=None
        if picture.overlay.state == "NORMAL"
        else OverlayView(state=picture.overlay.state, scope=picture.overlay.scope),
    )


def _application(case: Case | None) -> ApplicationView | None:
    if case is None:
        return None
    return ApplicationView(
        applicationId=case.applicationId,
        state=case.state,
        kind=case.kind,
        submittedAt=case.submittedAt,
        decidedAt=case.decidedAt,
        dueDate=case.dueDate,
    )


def _interview(case: Case | None) -> InterviewView | None:
    if case is None or (case.appointment is None and not case.partsDone):
        return None
    return InterviewView(
        at=case.appointment,
        timeZone=case.appointmentZone,
        site=case.site,
        partsDone=tuple(sorted(case.partsDone, reverse=True)),
        partsNeeded=case.parts_needed,
    )
