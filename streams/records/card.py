"""The card of an enrollment as the traveler sees it (contract 1.4)."""

from datetime import datetime, timedelta
from typing import Final

from schemas.outputs import ApplicationView, CardView, InterviewView, MembershipView, OverlayView, ReviewView
from streams.records.picture import Case, Membership, Picture

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
        interview=_interview(case, now),
        membership=MembershipView(
            state=member.state,
            validFrom=member.validFrom,
            validTo=member.validTo,
            extendedUntil=member.extendedUntil,
            includesPrecheck=_includes_precheck(member),
            numberMasked=member.number,
        ),
        review=None
        if review.state == "NONE"
        else ReviewView(state=review.state, replyBy=review.replyBy, channel=review.channel),
        overlay=None
        if picture.overlay.state == "NORMAL"
        else OverlayView(state=picture.overlay.state, scope=picture.overlay.scope),
    )


def _includes_precheck(member: Membership) -> bool | None:
    """What the source says; no longer in an extension that leaves PreCheck out (domain 2.1)."""
    if member.state == "EXTENDED" and member.precheckExtended is False:
        return False
    return member.includesPrecheck


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


def _interview(case: Case | None, now: datetime) -> InterviewView | None:
    """The next part that is not done; one whose time and place nobody told is not shown."""
    appointment = case.next_appointment(now) if case is not None else None
    if case is None or (not case.partsDone and (appointment is None or appointment[1:4] == (None, None, None))):
        return None
    return InterviewView(
        at=appointment.at if appointment else None,
        timeZone=appointment.zone if appointment else None,
        site=appointment.site if appointment else None,
        partsDone=tuple(sorted(case.partsDone, reverse=True)),
        partsNeeded=case.parts_needed,
    )
