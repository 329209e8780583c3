"""Who is told what, when and where: the rules of contract 1.5 and 5 and of domain 3.9, one small story each."""

from typing import Any

import pytest

from streams.topics import NOTIFICATIONS
from tests.scene import MAIL, PHONE, Scene

NEW = "+13125550199"


def test_a_reminder_that_fell_due_while_the_membership_was_suspended_is_not_sent_later() -> None:
    story = (
        Scene()
        .traveler("2027-01-01T14:00:00Z")
        .cbp("2027-01-02T16:00:00Z", "application.approved", portalSubject="dana", validTo="2027-12-31")
        .cbp("2027-06-01T16:00:00Z", "membership.suspended")
        .cbp("2027-11-20T16:00:00Z", "membership.reinstated")
        .play(until="2027-12-31T00:00:00Z")
    )
    reminders = [when for when, kind, _ in story.emails() if kind == "EXPIRY_REMINDER"]
    assert reminders == ["2027-12-01T14:00:00Z", "2027-12-17T14:00:00Z"]


def test_a_reminder_to_book_that_fell_due_while_an_interview_was_set_is_not_planned_when_it_is_cancelled() -> None:
    interview = {"at": "2027-04-30T16:00:00Z", "timeZone": "America/Chicago", "site": "ORD", "part": "US"}
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-03-01T16:00:00Z", "application.conditionally_approved")
        .cbp("2027-03-26T16:00:00Z", "interview.scheduled", interview=interview)
        .cbp("2027-04-10T16:00:00Z", "interview.cancelled")
        .play(until="2027-06-10T00:00:00Z")
    )
    assert [end for end, _ in story.fates("COND_APPROVED", "sms")] == ["delivered", "delivered"]
    assert [when for when, kind, _ in story.texts() if kind == "COND_APPROVED"][1] == "2027-05-30T13:00:00Z"


def test_a_reminder_goes_once_when_the_traveler_moves_to_a_zone_where_its_hour_has_passed() -> None:
    story = (
        Scene()
        .traveler("2027-01-01T14:00:00Z", timeZone="America/Los_Angeles")
        .cbp("2027-01-02T16:00:00Z", "application.approved", portalSubject="dana", validTo="2027-12-31")
        .profile("2027-10-02T13:00:00Z", timeZone="America/New_York")
        .play(until="2027-11-01T00:00:00Z")
    )
    reminders = [when for when, kind, _ in story.emails() if kind == "EXPIRY_REMINDER"]
    assert reminders == ["2027-07-04T15:00:00Z", "2027-10-02T13:00:00Z"]


def _family() -> Scene:
    """Two people on one number: Dana reads English, her sister Vietnamese."""
    return (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .traveler("2027-02-01T14:00:00Z", portalSubject="linh", language="vi")
        .cbp("2027-03-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-03-01T17:00:00Z", "application.submitted", recordId="GE-2", portalSubject="linh")
    )


def test_a_shared_number_is_answered_in_the_language_of_the_last_text_sent_not_of_one_that_was_stopped() -> None:
    story = (
        _family()
        .text("2027-03-01T18:00:00Z", "STOP")
        .cbp("2027-03-02T16:00:00Z", "application.conditionally_approved")
        .cbp("2027-03-02T17:00:00Z", "application.conditionally_approved", recordId="GE-2")
        .text("2027-03-03T17:00:00Z", "START")
        .text("2027-03-03T18:00:00Z", "HELP")
        .play(until="2027-03-04T00:00:00Z")
    )
    answers = [(kind, language) for _, kind, language in story.texts() if kind in ("STOP_CONFIRM", "WELCOME", "HELP")]
    assert answers == [("STOP_CONFIRM", "vi"), ("WELCOME", "vi"), ("HELP", "vi")]


def test_who_was_texted_in_english_for_want_of_a_language_is_answered_in_english() -> None:
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", language=None)
        .cbp("2027-03-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .text("2027-03-01T18:00:00Z", "PARAR")
        .play(until="2027-03-02T00:00:00Z")
    )
    assert [(kind, language) for _, kind, language in story.texts()] == [("APP_RECEIVED", "en"), ("STOP_CONFIRM", "en")]


def test_yes_from_a_number_that_its_traveler_has_given_up_is_no_welcome() -> None:
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-02-10T16:00:00Z", "contact.updated", person={"phone": "+13125550199"})
        .text("2027-02-10T18:00:00Z", "YES")
        .text("2027-02-10T19:00:00Z", "YES", sender="+13125550199")
        .play(until="2027-02-11T00:00:00Z")
    )
    answers = [(sent["to"], sent["kind"]) for sent in story.sent if sent["kind"] in ("WELCOME", "HELP")]
    assert answers == [("+13125550100", "HELP"), ("+13125550199", "WELCOME")]


def test_what_an_event_says_of_the_person_counts_for_its_own_message() -> None:
    person = {"language": "es", "timeZone": "Pacific/Honolulu"}
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", language=None, timeZone=None)
        .cbp("2027-02-02T15:00:00Z", "application.withdrawn", portalSubject="dana", person=person)
        .play(until="2027-02-03T00:00:00Z")
    )
    assert story.texts() == [("2027-02-02T18:00:00Z", "WITHDRAWN", "es")]


def test_news_of_an_event_that_says_that_the_person_is_a_child_does_not_go_to_the_child() -> None:
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .cbp("2027-02-02T15:00:00Z", "application.withdrawn", portalSubject="dana", minor=True)
        .play(until="2027-02-03T00:00:00Z")
    )
    assert story.sent == []
    assert story.fates("WITHDRAWN", "sms") == [("suppressed", "no-guardian")]


def _notice(scene: Scene, at: str, identifier: str, state: str, *approved: str) -> Scene:
    """A notice of Global Entry, approved by two people at the given moments."""
    notice = {"state": state, "scope": "all"}
    scene.cbp(at, "program.notice", id=identifier, recordId="GLOBAL_ENTRY", notice=notice)
    for who, when in zip(("ann", "bob"), approved, strict=False):
        scene.staff(when, "approve-notice", identifier, who)
    return scene


def _paused_at_night() -> Scene:
    """Everybody's email about a pause left at 1:11 in Chicago; the texts wait for 8:00."""
    scene = Scene().traveler("2027-02-01T14:00:00Z")
    scene.cbp("2027-02-01T16:00:00Z", "application.approved", portalSubject="dana", validTo="2031-01-01")
    return _notice(scene, "2027-03-01T07:00:00Z", "n1", "PAUSED", "2027-03-01T07:10:00Z", "2027-03-01T07:11:00Z")


def test_a_notice_that_the_staff_drops_does_not_leave_after_the_night() -> None:
    story = _paused_at_night().staff("2027-03-01T11:00:00Z", "drop-notice", "n1").play(until="2027-03-02T00:00:00Z")
    assert story.fates("PROGRAM_NOTICE", "sms") == [("suppressed", "staff")]
    assert story.fates("PROGRAM_NOTICE", "email") == [("delivered", None)]


def test_a_notice_that_a_newer_one_overtakes_does_not_leave_after_the_night() -> None:
    scene = _notice(
        _paused_at_night(),
        "2027-03-01T11:00:00Z",
        "n2",
        "NORMAL",
        "2027-03-01T11:10:00Z",
        "2027-03-01T11:11:00Z",
    )
    story = scene.play(until="2027-03-02T00:00:00Z")
    assert [end for end, _ in story.fates("PROGRAM_NOTICE", "sms")] == ["superseded"]
    corrections = [sent["channel"] for sent in story.sent if sent["kind"] == "CORRECTION"]
    assert corrections == ["email"], "no text was sent that could be corrected by text"


def test_the_same_person_with_a_name_typed_otherwise_does_not_approve_twice() -> None:
    scene = Scene().traveler("2027-02-01T14:00:00Z")
    scene.cbp("2027-02-01T16:00:00Z", "application.approved", portalSubject="dana", validTo="2031-01-01")
    _notice(scene, "2027-03-01T15:00:00Z", "n1", "PAUSED", "2027-03-01T15:10:00Z")
    story = scene.staff("2027-03-01T15:11:00Z", "approve-notice", "n1", "Ann ").play(until="2027-03-02T00:00:00Z")
    assert [sent for sent in story.sent if sent["kind"] == "PROGRAM_NOTICE"] == []


def _received() -> Scene:
    return Scene().traveler("2027-02-01T14:00:00Z")


def test_an_email_that_goes_again_under_its_message_id_is_one_email() -> None:
    story = (
        _received()
        .provider("2027-02-01T15:00:00Z", "undelivered:4.2.2", MAIL)
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .provider("2027-02-01T16:20:00Z", "delivered", MAIL)
        .play(until="2027-02-02T00:00:00Z")
    )
    [life] = [life for (_, _, channel), life in story.lives().items() if channel == "email"]
    assert life.count("claimed") == 2
    assert life[-1] == "delivered"
    assert len(story.emails()) == 1


def test_a_text_whose_time_was_over_at_the_provider_expired() -> None:
    story = (
        _received()
        .provider("2027-02-01T15:00:00Z", "undelivered:30036")
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .play(until="2027-02-02T00:00:00Z")
    )
    assert [end for end, _ in story.fates("APP_RECEIVED", "sms")] == ["expired"]


def test_a_message_that_waits_to_go_again_expires_when_its_time_is_over() -> None:
    story = (
        _received()
        .text("2027-02-01T15:00:00Z", "START")
        .provider("2027-02-01T15:30:00Z", "reject:20429")
        .text("2027-02-01T16:00:00Z", "STOP")
        .play(until="2027-02-02T00:00:00Z")
    )
    [end] = [one["at"] for one in story.events(NOTIFICATIONS) if one["type"].endswith(".expired")]
    assert end == "2027-02-01T17:00:00Z"


@pytest.mark.parametrize(
    ("outcome", "address", "channel", "change"),
    [
        ("undelivered:4.2.2", MAIL, "email", {"email": {"address": "new@example.com", "verified": True}}),
        ("reject:451", MAIL, "email", {"email": {"address": "new@example.com", "verified": True}}),
        ("reject:20429", PHONE, "sms", {"phone": {"address": NEW, "verified": True}}),
    ],
)
def test_a_message_that_waits_to_go_again_goes_to_the_new_address_where_it_changes(
    outcome: str, address: str, channel: str, change: dict[str, Any]
) -> None:
    story = (
        _received()
        .profile("2027-02-01T14:30:00Z", consent={"sms": channel == "sms", "email": channel == "email"})
        .provider("2027-02-01T15:00:00Z", outcome, address)
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .profile("2027-02-01T16:02:40Z", **change)
        .provider("2027-02-01T17:00:00Z", "delivered", address)
        .cbp("2027-02-05T16:00:00Z", "application.pending_review")
        .play(until="2027-02-10T00:00:00Z")
    )
    new = next(iter(change.values()))["address"]
    assert [(sent["kind"], sent["to"]) for sent in story.sent if sent["to"] == new] == [("APP_RECEIVED", new)]
    assert story.fates("APP_RECEIVED", channel) == [("superseded", "contact-changed"), ("delivered", None)]


def test_what_is_on_its_way_to_a_new_address_is_taken_back_when_it_stands_no_more() -> None:
    story = (
        _received()
        .profile("2027-02-01T14:30:00Z", consent={"sms": True, "email": False})
        .provider("2027-02-01T15:00:00Z", "reject:20429")
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .provider("2027-02-01T16:01:00Z", "reject:20429", NEW)
        .profile("2027-02-01T16:02:40Z", phone={"address": NEW, "verified": True})
        .cbp("2027-02-01T16:03:00Z", "application.withdrawn")
        .provider("2027-02-01T17:00:00Z", "delivered", NEW)
        .play(until="2027-02-10T00:00:00Z")
    )
    assert story.fates("APP_RECEIVED", "sms") == [("superseded", "contact-changed"), ("superseded", "superseded")]
    assert [sent["kind"] for sent in story.sent] == ["WITHDRAWN"]


def test_a_suspension_is_told_by_day_in_both_channels_on_any_day() -> None:
    story = (
        _received()
        .cbp("2027-02-02T16:00:00Z", "application.approved", portalSubject="dana", validTo="2030-05-05")
        .cbp("2027-03-07T02:30:00Z", "membership.suspended")
        .play(until="2027-03-08T00:00:00Z")
    )
    told = [(sent["at"], sent["channel"]) for sent in story.sent if sent["kind"] == "MEMBERSHIP_CHANGE"]
    sunday = "2027-03-07T14:00:00Z"
    assert told == [(sunday, "sms"), (sunday, "email")]


def test_the_warning_about_a_new_number_is_planned_on_a_channel_that_is_closed_too() -> None:
    story = (
        _received()
        .profile("2027-02-01T14:30:00Z", consent={"sms": False})
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-02-10T16:00:00Z", "contact.updated", person={"phone": "+13125550199"})
        .play(until="2027-02-11T00:00:00Z")
    )
    assert story.fates("CONTACT_CHANGED", "sms") == [("suppressed", "no-consent")]
    assert story.fates("CONTACT_CHANGED", "email") == [("delivered", None)]


def _approved_and_told() -> Scene:
    return (
        _received()
        .cbp("2027-02-20T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-03-01T16:00:00Z", "application.approved", id="approved", validTo="2031-05-01")
    )


def test_a_correction_that_was_wrong_itself_is_corrected() -> None:
    story = (
        _approved_and_told()
        .cbp("2027-03-01T17:00:00Z", "record.corrected", id="first", corrects="approved", validTo="2032-05-01")
        .cbp("2027-03-01T18:00:00Z", "record.corrected", corrects="first", validTo="2033-05-01")
        .play(until="2027-03-02T00:00:00Z")
    )
    told = [(when, kind) for when, kind, _ in story.texts() if kind != "APP_RECEIVED"]
    assert told == [
        ("2027-03-01T16:02:00Z", "APPROVED"),
        ("2027-03-01T17:00:00Z", "CORRECTION"),
        ("2027-03-01T18:00:00Z", "CORRECTION"),
    ]
    assert len(story.timing("M12")) == 2, "each message counts once"


def test_a_correction_that_comes_in_late_goes_by_email_and_later_still_to_the_staff_alone() -> None:
    correction = {"time": "2027-03-01T18:00:00Z", "corrects": "approved", "validTo": "2032-05-01"}
    story = (
        _approved_and_told().cbp("2027-03-10T17:00:00Z", "record.corrected", **correction).play("2027-03-12T00:00:00Z")
    )
    assert story.fates("CORRECTION", "sms") == [("suppressed", "not-news")]
    assert story.fates("CORRECTION", "email") == [("delivered", None)]
    story = (
        _approved_and_told().cbp("2027-04-10T17:00:00Z", "record.corrected", **correction).play("2027-04-12T00:00:00Z")
    )
    assert story.fates("CORRECTION", "email") == [("suppressed", "not-news")]
    assert [reason for _, _, reason in story.work()] == ["late adverse news"]


def test_a_text_that_waits_for_the_morning_leaves_in_the_morning_of_the_zone_that_its_traveler_moves_to() -> None:
    def text_after(zone: str, other: str) -> str:
        story = (
            Scene()
            .traveler("2027-01-01T14:00:00Z", timeZone=zone)
            .cbp("2027-01-14T09:30:00Z", "application.submitted", portalSubject="dana")
            .profile("2027-01-14T10:00:00Z", timeZone=other)
            .play(until="2027-01-15T00:00:00Z")
        )
        [(when, _, _)] = story.texts()
        return when

    assert text_after("America/Los_Angeles", "America/New_York") == "2027-01-14T13:00:00Z"
    assert text_after("America/New_York", "America/Los_Angeles") == "2027-01-14T16:00:00Z"
    assert text_after("America/Los_Angeles", "Asia/Tokyo") == "2027-01-14T10:00:00Z"


def test_the_warning_about_a_new_number_is_sent_once_though_the_old_number_is_dead() -> None:
    story = (
        _received()
        .cbp("2027-02-01T16:00:00Z", "application.submitted", portalSubject="dana")
        .provider("2027-02-09T16:00:00Z", "undelivered:30005")
        .provider("2027-02-09T16:00:00Z", "reject:21614", "+13125550199")
        .cbp("2027-02-10T09:00:00Z", "contact.updated", person={"phone": "+13125550199"})
        .play(until="2027-02-11T00:00:00Z")
    )
    emails = [(when, kind) for when, kind, _ in story.emails() if kind != "APP_RECEIVED"]
    assert emails == [("2027-02-10T09:00:00Z", "CONTACT_CHANGED")]
    assert story.fates("OPT_IN_REQUEST", "email") == []


def test_a_letter_that_waits_for_monday_does_not_leave_while_the_facts_contradict_each_other() -> None:
    story = (
        _received()
        .cbp("2027-03-05T23:50:00Z", "application.denied", portalSubject="dana")
        .cbp("2027-03-06T12:00:00Z", "application.approved", id="approved", validTo="2031-01-31")
        .cbp("2027-03-09T18:00:00Z", "record.corrected", corrects="approved", void=True)
        .play(until="2027-03-10T00:00:00Z")
    )
    assert ("2027-03-06T12:00:00Z", "CHECKING") in story.headlines()
    assert story.texts() == [("2027-03-09T18:00:00Z", "LETTER_READY", "en")]
    [life] = [life for (_, _, channel), life in story.lives().items() if channel == "sms"]
    assert life == ["planned", "held", "held", "held", "claimed", "accepted", "delivered"]


def test_an_approval_is_told_however_long_its_contradiction_lasted() -> None:
    story = (
        _received()
        .cbp("2027-03-01T16:00:00Z", "application.approved", id="approved", portalSubject="dana", validTo="2031-01-31")
        .cbp("2027-03-01T16:00:40Z", "application.denied")
        .staff("2027-03-10T18:00:00Z", "release-conflict", "approved")
        .play(until="2027-03-11T00:00:00Z")
    )
    assert story.texts() == [("2027-03-10T18:00:00Z", "APPROVED", "en")]
    assert story.emails() == [("2027-03-10T18:00:00Z", "APPROVED", "en")]


def test_nobody_is_asked_for_what_has_been_done_in_the_meantime() -> None:
    story = (
        _received()
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-03-01T05:00:00Z", "application.info_requested", dueDate="2027-04-01")
        .cbp("2027-03-01T12:01:00Z", "info.received")
        .play(until="2027-03-02T00:00:00Z")
    )
    assert [end for end, _ in story.fates("ACTION_NEEDED", "sms")] == ["superseded"]
    assert [end for end, _ in story.fates("ACTION_NEEDED", "email")] == ["delivered"]


def test_a_request_that_comes_in_after_its_answer_asks_nobody() -> None:
    story = (
        _received()
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-03-01T15:01:00Z", "info.received", time="2027-03-01T15:00:00Z")
        .cbp("2027-03-01T15:02:00Z", "application.info_requested", time="2027-03-01T14:59:00Z", dueDate="2027-04-01")
        .play(until="2027-03-02T00:00:00Z")
    )
    assert "ACTION_NEEDED" not in {kind for _, kind, _ in story.texts()}
    assert story.fates("ACTION_NEEDED", "sms") == []


def test_nobody_is_told_to_book_an_interview_that_is_over() -> None:
    interview = {"at": "2027-03-01T15:00:30Z", "part": "US", "mode": "EOA"}
    story = (
        _received()
        .cbp("2027-03-01T15:00:00Z", "application.conditionally_approved", portalSubject="dana")
        .cbp("2027-03-01T15:01:00Z", "interview.completed", interview=interview)
        .play(until="2027-03-02T00:00:00Z")
    )
    assert [end for end, _ in story.fates("COND_APPROVED", "sms")] == ["superseded"]


def test_a_number_is_asked_for_a_yes_whether_it_or_the_consent_comes_first() -> None:
    phone = {"phone": {"address": "+13125550199", "verified": False}}
    consent = {"consent": {"sms": True}}
    for first, second in ((phone, consent), (consent, phone)):
        scene = Scene().profile("2027-02-01T16:00:00Z", **first).profile("2027-02-01T17:00:00Z", **second)
        story = scene.profile("2027-02-01T18:00:00Z", language="es").play(until="2027-02-02T00:00:00Z")
        assert story.texts() == [("2027-02-01T17:00:00Z", "OPT_IN_REQUEST", "en")]


@pytest.mark.parametrize(
    ("change", "asked", "warned"),
    [
        ({"consent": {"sms": False}}, ("suppressed", "no-consent"), ("suppressed", "no-consent")),
        ({"phone": {"address": NEW, "verified": True}}, ("superseded", "contact-changed"), ("delivered", None)),
        ({"phone": None}, ("superseded", "contact-changed"), ("delivered", None)),
        (
            {"phone": {"address": PHONE, "verified": True}},
            ("superseded", "contact-changed"),
            ("superseded", "contact-changed"),
        ),
        ({"minor": True}, ("superseded", "contact-changed"), ("superseded", "contact-changed")),
    ],
)
def test_a_question_or_warning_about_a_number_that_waits_for_the_morning_leaves_only_if_it_still_stands(
    change: dict[str, Any], asked: tuple[str, str | None], warned: tuple[str, str | None]
) -> None:
    story = (
        _received()
        .profile("2027-02-03T06:00:00Z", phone={"address": NEW, "verified": False})
        .profile("2027-02-03T07:00:00Z", **change)
        .play(until="2027-02-04T00:00:00Z")
    )
    assert story.fates("OPT_IN_REQUEST", "sms") == [asked]
    assert story.fates("CONTACT_CHANGED", "sms") == [warned]
    assert story.fates("CONTACT_CHANGED", "email") == [("delivered", None)]


@pytest.mark.parametrize(
    ("time", "texts", "emails"),
    [
        ("2027-02-14T16:00:00Z", ["delivered"], ["delivered"]),
        ("2027-02-10T16:00:00Z", ["suppressed"], ["delivered"]),
        ("2027-01-10T16:00:00Z", ["suppressed"], ["suppressed"]),
    ],
)
def test_a_notice_or_a_change_of_number_that_is_old_when_it_comes_in_is_told_as_old_news_is(
    time: str, texts: list[str], emails: list[str]
) -> None:
    story = (
        Scene()
        .traveler("2027-01-01T14:00:00Z")
        .cbp("2027-01-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .notice("2027-02-20T16:00:00Z", "old", time, state="PAUSED")
        .staff("2027-02-20T16:01:00Z", "approve-notice", "old", "pat")
        .staff("2027-02-20T16:02:00Z", "approve-notice", "old", "kim")
        .cbp("2027-02-20T17:00:00Z", "contact.updated", time=time, person={"phone": NEW})
        .play(until="2027-02-21T00:00:00Z")
    )
    for kind in ("PROGRAM_NOTICE", "CONTACT_CHANGED"):
        assert [end for end, _ in story.fates(kind, "sms")] == texts
        assert [end for end, _ in story.fates(kind, "email")] == emails
    assert [end for end, _ in story.fates("OPT_IN_REQUEST", "sms")] == texts


def test_a_yes_from_a_number_that_was_asked_and_given_up_since_is_no_welcome() -> None:
    story = (
        _received()
        .profile("2027-02-03T16:00:00Z", phone={"address": NEW, "verified": False})
        .profile("2027-02-03T17:00:00Z", phone={"address": PHONE, "verified": True})
        .text("2027-02-03T18:00:00Z", "YES", NEW)
        .play(until="2027-02-04T00:00:00Z")
    )
    answers = [sent["kind"] for sent in story.sent if sent["to"] == NEW]
    assert answers == ["OPT_IN_REQUEST", "HELP"]


def test_once_the_child_is_of_age_the_guardians_number_is_given_up() -> None:
    guardian = {"relation": "mother", "phone": NEW, "email": "tran@example.com", "language": "vi"}
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", minor=True, dateOfBirth="2009-02-10", guardian=guardian)
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .text("2027-02-11T16:00:00Z", "START", NEW)
        .text("2027-02-11T17:00:00Z", "START", PHONE)
        .play(until="2027-02-12T00:00:00Z")
    )
    texts = [(sent["to"], sent["kind"], sent["language"]) for sent in story.sent if sent["channel"] == "sms"]
    assert texts == [(NEW, "APP_RECEIVED", "vi"), (NEW, "HELP", "vi"), (PHONE, "WELCOME", "en")]


def test_a_childs_own_number_is_neither_asked_nor_warned() -> None:
    guardian = {"relation": "mother", "phone": "+13125550150", "email": "tran@example.com"}
    story = (
        Scene()
        .traveler("2027-02-01T14:00:00Z", minor=True, guardian=guardian)
        .cbp("2027-02-02T16:00:00Z", "application.submitted", portalSubject="dana")
        .cbp("2027-02-03T16:00:00Z", "contact.updated", person={"phone": "+13125550199"})
        .play(until="2027-02-05T00:00:00Z")
    )
    assert {sent["to"] for sent in story.sent} == {"+13125550150", "tran@example.com"}
    assert {sent["kind"] for sent in story.sent} == {"APP_RECEIVED"}
