"""The acceptance stories (domain 6), each told as a file and checked for what its travelers saw and heard.

Where a story and contract 5 differ, the contract stands.
"""

import pytest

from streams import topics
from tests.story import NAMES, Story, check_endings, check_schemas, play

UNTIL = {
    "s01-first-global-entry": "2027-02-01T00:00:00Z",
    "s02-precheck-in-spanish": "2027-02-10T00:00:00Z",
    "s03-duplicates-and-disorder": "2027-03-12T00:00:00Z",
    "s04-contradiction": "2027-03-10T00:00:00Z",
    "s04b-denied-after-approval": "2027-03-10T00:00:00Z",
    "s04c-conflict-released-by-staff": "2027-03-10T00:00:00Z",
    "s05-expired-while-renewal-pending": "2027-08-01T00:00:00Z",
    "s05b-renewal-after-the-end": "2027-03-01T00:00:00Z",
    "s05c-precheck-has-no-extension": "2027-03-01T00:00:00Z",
    "s05d-renewal-denied-while-extended": "2027-07-01T00:00:00Z",
    "s06-both-programs": "2027-11-01T00:00:00Z",
    "s07-stop": "2027-06-01T00:00:00Z",
    "s08-new-phone-recycled-number": "2027-03-01T00:00:00Z",
    "s09-minor": "2027-02-20T00:00:00Z",
    "s09b-turns-eighteen": "2027-03-05T00:00:00Z",
    "s10-denial-and-reply": "2027-05-01T00:00:00Z",
    "s10b-revoked-and-reinstated": "2027-09-10T00:00:00Z",
    "s11-program-pause": "2026-03-01T00:00:00Z",
    "s11b-pause-told-and-reversed": "2026-03-01T00:00:00Z",
    "s12a-wrong-date-corrected": "2027-05-10T00:00:00Z",
    "s12b-withdrawn-by-a-stranger": "2027-05-01T00:00:00Z",
    "s12c-unknown-label": "2027-05-01T00:00:00Z",
    "s12d-told-date-corrected": "2027-05-10T00:00:00Z",
    "s13-answer-lost": "2027-05-10T00:00:00Z",
}


def tell(name: str) -> Story:
    [full] = [story for story in NAMES if story.startswith(name + "-")]
    return play(full, UNTIL[full])


# ---- true of every story


def test_every_story_file_is_told() -> None:
    assert sorted(UNTIL) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_goes_out_is_of_its_schema(name: str) -> None:
    check_schemas(play(name, UNTIL[name]))


@pytest.mark.parametrize("name", NAMES)
def test_every_planned_message_ends_in_exactly_one_way(name: str) -> None:
    check_endings(play(name, UNTIL[name]))


@pytest.mark.parametrize("name", NAMES)
def test_no_event_is_written_twice(name: str) -> None:
    story = play(name, UNTIL[name])
    for topic in topics.OUTPUTS:
        if topic != topics.DEAD_LETTER:
            ids = [event["id"] for event in story.events(topic)]
            assert len(ids) == len(set(ids)), topic


@pytest.mark.parametrize("name", NAMES)
def test_no_text_says_what_is_private(name: str) -> None:
    for sent in play(name, UNTIL[name]).sent:
        said = sent.get("body") or sent["subject"] + sent["text"] + sent["html"]
        for private in ("98", "TT1", "TT5", "TT6", "TE"):
            assert not any(
                word.startswith(private) and len(word) >= 9 and word[2:].isalnum() and any(c.isdigit() for c in word)
                for word in said.split()
            ), said
        if sent["channel"] == "sms":
            assert not any(word in sent["body"].lower() for word in ("denied", "revoked", "ineligible", "negad")), said
            assert sent["segments"] <= 2


# ---- S-01: a clean first Global Entry, English, both channels


def test_s01_four_texts_and_four_emails_tell_the_way_to_approval() -> None:
    story = tell("s01")
    expected = [
        ("2026-12-01T15:05:00Z", "APP_RECEIVED", "en"),
        ("2026-12-15T14:02:00Z", "COND_APPROVED", "en"),
        ("2027-01-14T14:00:00Z", "COND_APPROVED", "en"),
        ("2027-01-20T21:49:00Z", "APPROVED", "en"),
    ]
    assert story.texts() == expected
    assert story.emails() == expected


def test_s01_the_clocks_run_from_submission_to_decision() -> None:
    story = tell("s01")
    assert story.value("M1") == 50.28
    assert story.value("M3") == 36.30


def test_s01_the_number_is_shown_masked_and_sent_nowhere() -> None:
    story = tell("s01")
    card = story.card("GE-1001")
    assert card["membership"]["state"] == "ACTIVE"
    assert card["membership"]["validTo"] == "2032-04-18"
    assert "980123456" not in str(story.lines)
    assert card["membership"]["numberMasked"].endswith("56")
    assert story.view("GE-1001")["headline"]["code"] == "ACTIVE"
    assert story.view("GE-1001")["tripNumber"]["program"] == "GLOBAL_ENTRY"


def test_s01_the_changes_are_told_one_by_one() -> None:
    assert tell("s01").transitions("application") == [
        "APP_SUBMITTED",
        "REVIEW_STARTED",
        "COND_APPROVED",
        "INTERVIEW_DONE",
        "APPROVED",
    ]
    assert tell("s01").transitions("membership") == ["ACTIVATED"]


# ---- S-02: PreCheck in Spanish, by text alone


def test_s02_an_approval_at_night_waits_for_the_morning() -> None:
    story = tell("s02")
    assert story.texts() == [
        ("2027-02-03T17:22:00Z", "APP_RECEIVED", "es"),
        ("2027-02-06T14:00:00Z", "APPROVED", "es"),
    ]
    assert story.emails() == []


def test_s02_spanish_texts_fit_one_segment() -> None:
    for sent in tell("s02").sent:
        assert (sent["segments"], sent["encoding"]) == (1, "GSM-7")
        assert not set(sent["body"]) & set("áíóúÁÍÓÚ")


def test_s02_the_wait_is_a_hold_and_not_our_slowness() -> None:
    story = tell("s02")
    assert story.value("M5c") == 4 * 3600 + 50 * 60
    assert story.value("M5b") == 0


def test_s02_email_without_an_address_is_planned_and_suppressed() -> None:
    assert set(tell("s02").fates("APPROVED", "email")) == {("suppressed", "no-consent")}


# ---- S-03: duplicates and disorder


def test_s03_one_approval_is_told_once_whatever_arrives_when() -> None:
    story = tell("s03")
    assert story.texts() == [("2027-03-10T13:00:00Z", "APPROVED", "en")]
    assert story.emails() == [("2027-03-10T10:03:00Z", "APPROVED", "en")]


def test_s03_the_clock_counts_facts_and_not_arrivals() -> None:
    rows = [row for row in tell("s03").timing("M1") if row["duration_value"] == 2.04]
    assert len(rows) == 1


def test_s03_an_id_with_another_body_is_a_dead_letter() -> None:
    story = tell("s03")
    assert story.dead() == [("2027-03-10T12:30:00Z", "id-reused")]
    assert story.card("PC-3001")["membership"]["validTo"] == "2032-03-09"


# ---- S-04: a contradiction


def test_s04_a_contradiction_is_held_and_goes_to_the_staff_at_once() -> None:
    story = tell("s04")
    assert ("2027-03-04T16:00:50Z", "opened", "conflict") in story.work()
    assert ("2027-03-04T16:00:50Z", "CHECKING") in story.headlines()
    assert "CONFLICT_OPENED" in story.transitions("integrity")
    assert "CONFLICT_CLOSED" in story.transitions("integrity")
    assert ("2027-03-04T18:10:00Z", "closed", "conflict") in story.work()


def test_s04_the_correction_lets_the_approval_out_once() -> None:
    story = tell("s04")
    after = [text for text in story.texts() if text[0] > "2027-03-04T16:00:00Z"]
    assert after == [("2027-03-04T18:10:00Z", "APPROVED", "en")], "its own hold was long over"
    assert story.card("GE-4001")["integrity"] == "OK"


def test_s04c_what_a_contradiction_holds_is_a_hold_and_not_our_slowness() -> None:
    story = tell("s04c")
    assert story.value("M5b") == 0
    assert story.value("M5c") == 89 * 60 + 10


def test_s04b_a_later_denial_after_a_told_approval_is_a_neutral_letter() -> None:
    story = tell("s04b")
    after = [text for text in story.texts() if text[0] > "2027-03-04T16:00:00Z"]
    assert after == [
        ("2027-03-04T16:02:10Z", "APPROVED", "en"),
        ("2027-03-05T16:30:10Z", "LETTER_READY", "en"),
    ]
    assert story.card("GE-4001")["application"]["state"] == "DENIED"


def test_s04c_the_staff_names_the_event_that_stands() -> None:
    story = tell("s04c")
    assert story.card("GE-4001")["application"]["state"] == "DENIED"
    assert story.card("GE-4001")["integrity"] == "OK"
    after = [text for text in story.texts() if text[0] > "2027-03-04T16:00:00Z"]
    assert [kind for _, kind, _ in after] == ["LETTER_READY"]
    [audit] = story.events(topics.AUDIT)
    assert (audit["data"]["action"], audit["data"]["by"]) == ("conflict.released", "agent-7")


# ---- S-05: the end of a membership while a renewal is open


def test_s05_reminders_go_at_eight_where_the_traveler_lives() -> None:
    story = tell("s05")
    reminders = [when for when, kind, _ in story.emails() if kind == "EXPIRY_REMINDER"]
    assert reminders == [
        "2026-08-04T15:00:00Z",
        "2026-11-02T16:00:00Z",
        "2027-01-01T16:00:00Z",
        "2027-01-17T16:00:00Z",
    ]
    assert [when for when, kind, _ in story.texts() if kind == "EXPIRY_REMINDER"] == reminders[2:]


def test_s05_a_renewal_filed_minutes_before_the_end_extends() -> None:
    story = tell("s05")
    after = [(kind, language) for when, kind, language in story.texts() if when > "2027-01-31T00:00:00Z"]
    assert after == [("APP_RECEIVED", "zh-Hans"), ("EXTENDED", "zh-Hans"), ("RENEWED", "zh-Hans")] or after == [
        ("EXTENDED", "zh-Hans"),
        ("RENEWED", "zh-Hans"),
    ]
    assert "EXPIRED" not in story.transitions()
    assert "EXTENDED" in story.transitions("membership")
    views = [event["data"]["cards"][0]["membership"] for event in story.events(topics.STATUS)]
    assert {view["extendedUntil"] for view in views} >= {"2029-01-31"}
    assert story.card("GE-5001")["application"]["kind"] == "RENEWAL"
    assert story.card("GE-5001")["membership"]["state"] == "ACTIVE"
    assert story.card("GE-5001")["membership"]["validTo"] == "2032-03-15"


def test_s05_the_extension_fits_two_chinese_segments() -> None:
    [sent] = [sent for sent in tell("s05").sent if sent["kind"] == "EXTENDED" and sent["channel"] == "sms"]
    assert sent["encoding"] == "UCS-2"
    assert sent["segments"] <= 2


def test_s05_the_lead_of_the_renewal_is_counted_from_the_end_of_the_last_day() -> None:
    assert tell("s05").value("M9") == 0.01
    assert tell("s05b").value("M9") == -0.01


def test_s05b_a_renewal_filed_minutes_late_is_a_new_application() -> None:
    story = tell("s05b")
    assert story.card("GE-5001")["application"]["kind"] == "REAPPLICATION"
    assert story.card("GE-5001")["membership"]["state"] == "EXPIRED"
    after = [kind for when, kind, _ in story.texts() if when > "2027-01-31T00:00:00Z"]
    assert "EXPIRED" in after
    assert "EXTENDED" not in after


def test_s05c_precheck_ends_even_with_a_renewal_open() -> None:
    story = tell("s05c")
    assert story.card("PC-5001")["membership"]["state"] == "EXPIRED"
    assert "EXTENDED" not in story.transitions()
    assert "EXPIRED" in [kind for _, kind, _ in story.texts()]


def test_s05d_a_denied_renewal_ends_the_extension_with_one_letter() -> None:
    story = tell("s05d")
    after = [kind for when, kind, _ in story.texts() if when > "2027-06-01T00:00:00Z"]
    assert after == ["LETTER_READY"]
    assert story.card("GE-5001")["membership"]["state"] == "EXPIRED"


# ---- S-06: both programs


def test_s06_the_precheck_reminder_becomes_one_email_that_it_may_not_be_needed() -> None:
    story = tell("s06")
    needed = [
        (when, channel["channel"])
        for channel in story.sent
        if (when := channel["at"]) and channel["kind"] == "RENEWAL_NOT_NEEDED"
    ]
    assert needed == [("2027-04-03T12:00:00Z", "email")]


def test_s06_a_suspension_of_one_program_says_nothing_of_the_other() -> None:
    story = tell("s06")
    told = [
        (sent["at"], sent["channel"], sent["program"]) for sent in story.sent if sent["kind"] == "MEMBERSHIP_CHANGE"
    ]
    assert told == [
        ("2027-05-02T15:30:00Z", "sms", "GLOBAL_ENTRY"),
        ("2027-05-02T15:30:00Z", "email", "GLOBAL_ENTRY"),
    ] or told == [
        ("2027-05-02T15:30:00Z", "email", "GLOBAL_ENTRY"),
        ("2027-05-02T15:30:00Z", "sms", "GLOBAL_ENTRY"),
    ]
    before = [event["data"] for event in story.events(topics.STATUS) if event["at"] == "2027-05-02T15:00:00Z"]
    assert {card["recordId"]: card["membership"]["state"] for card in before[-1]["cards"]} == {
        "PC-6001": "ACTIVE",
        "GE-6001": "SUSPENDED",
    }
    assert before[-1]["headline"] == {"code": "MEMBERSHIP_CHANGE", "program": "GLOBAL_ENTRY", "recordId": "GE-6001"}


def test_s06_the_number_for_trips_is_the_one_that_lasts_and_flips_back() -> None:
    numbers = [(event["data"]["tripNumber"] or {}).get("program") for event in tell("s06").events(topics.STATUS)]
    flips = [program for position, program in enumerate(numbers) if position == 0 or numbers[position - 1] != program]
    assert flips[-4:] == ["PRECHECK", "GLOBAL_ENTRY", "PRECHECK", None]


def test_s06_precheck_reminders_resume_after_the_suspension() -> None:
    story = tell("s06")
    reminders = [(sent["at"], sent["channel"]) for sent in story.sent if sent["kind"] == "EXPIRY_REMINDER"]
    assert ("2027-07-02T12:00:00Z", "email") in reminders
    assert ("2027-08-31T12:00:00Z", "sms") in reminders
    assert ("2027-09-16T12:00:00Z", "sms") in reminders


# ---- S-07: STOP


def test_s07_nothing_leaves_after_stop_but_one_confirmation() -> None:
    story = tell("s07")
    april = [text for text in story.texts() if "2027-04-01" <= text[0] < "2027-05-02"]
    assert april == [("2027-04-01T13:00:00Z", "STOP_CONFIRM", "es")]
    assert ("suppressed", "stopped") in story.fates("COND_APPROVED", "sms")


def test_s07_email_goes_on() -> None:
    april = [(when, kind) for when, kind, _ in tell("s07").emails() if "2027-04-01" <= when < "2027-05-01"]
    assert ("2027-04-01T13:01:58Z", "COND_APPROVED") in april
    assert "ACTION_NEEDED" in [kind for _, kind in april]


def test_s07_a_sister_on_the_same_number_is_stopped_too() -> None:
    story = tell("s07")
    sisters = [sent for sent in story.sent if sent["channel"] == "sms" and sent["kind"] == "APP_RECEIVED"]
    assert [sent["at"] for sent in sisters] == ["2027-03-02T15:02:00Z"]
    assert ("suppressed", "stopped") in story.fates("APP_RECEIVED", "sms")


def test_s07_start_is_welcomed_and_brings_no_old_news() -> None:
    may = [text for text in tell("s07").texts() if text[0] >= "2027-05-02"]
    assert [kind for _, kind, _ in may] == ["WELCOME", "APPROVED"]


def test_s07_the_stop_is_kept_by_address_and_lifted() -> None:
    rows = [line["event"] and line["event"]["data"]["reason"] for line in tell("s07").written(topics.SUPPRESSIONS)]
    assert rows == ["stopped", None]


# ---- S-08: a new phone, and the old number in strange hands

OLD, NEW = "+13135550108", "+13135550118"


def test_s08_the_change_is_told_to_the_old_number_and_by_email() -> None:
    story = tell("s08")
    told = {(sent["channel"], sent["to"]) for sent in story.sent if sent["kind"] == "CONTACT_CHANGED"}
    assert told == {("sms", OLD), ("email", "aisha@example.com")}
    assert [sent["to"] for sent in story.sent if sent["kind"] == "OPT_IN_REQUEST"] == [NEW]


def test_s08_the_interview_reminder_goes_by_email_and_not_to_the_old_number() -> None:
    story = tell("s08")
    day_before = [sent for sent in story.sent if sent["kind"] == "INTERVIEW_REMINDER" and sent["at"] >= "2027-02-10T15"]
    assert [sent["channel"] for sent in day_before] == ["email"]
    assert 'dir="rtl"' in day_before[0]["html"]


def test_s08_a_wrong_person_blocks_the_number_and_learns_nothing() -> None:
    story = tell("s08")
    rows = [event["data"]["reason"] for event in story.events(topics.SUPPRESSIONS)]
    assert rows == ["wrong-person"]
    assert [sent for sent in story.sent if sent.get("to") == OLD and sent["at"] >= "2027-02-12T15"] == []


def test_s08_after_yes_the_new_number_gets_the_news() -> None:
    later = [
        (sent["to"], sent["kind"])
        for sent in tell("s08").sent
        if sent["channel"] == "sms" and sent["at"] >= "2027-02-14"
    ]
    assert later == [(NEW, "WELCOME"), (NEW, "APPROVED")]


# ---- S-09: a minor

FATHER, MOTHER = "+12815550109", "+12815550119"


def test_s09_messages_go_to_the_guardian_of_the_day() -> None:
    sent = [(message["to"], message["kind"]) for message in tell("s09").sent if message["channel"] == "sms"]
    assert sent[0] == (FATHER, "APP_RECEIVED")
    assert {to for to, _ in sent[1:]} == {MOTHER}
    assert [kind for _, kind in sent[1:]] == ["COND_APPROVED", "INTERVIEW_BOOKED", "INTERVIEW_REMINDER"]


def test_s09_no_name_and_vietnamese() -> None:
    for sent in tell("s09").sent:
        assert sent["language"] == "vi"
        assert "Linh" not in str(sent)


def test_s09_the_reminder_comes_the_day_before_at_eight_and_names_the_local_hour() -> None:
    [reminder] = [
        sent for sent in tell("s09").sent if sent["kind"] == "INTERVIEW_REMINDER" and sent["channel"] == "sms"
    ]
    assert reminder["at"] == "2027-02-13T14:00:00Z"
    assert "10:30" in reminder["body"]


def test_s09b_at_eighteen_the_guardian_hears_no_more() -> None:
    story = tell("s09b")
    assert [kind for _, kind, _ in story.texts()] == ["APP_RECEIVED", "COND_APPROVED"]
    assert {state for state, _ in story.fates("APPROVED", "sms")} == {"suppressed"}


# ---- S-10: a denial and a reply


def test_s10_the_letter_waits_for_a_weekday_hour() -> None:
    story = tell("s10")
    letters = [when for when, kind, _ in story.texts() if kind == "LETTER_READY"]
    assert letters == ["2027-01-12T14:00:00Z"]


def test_s10_the_reply_is_due_sixty_days_after_the_letter_and_reminded_until_it_comes() -> None:
    story = tell("s10")
    views = [event["data"]["cards"][0]["review"] for event in story.events(topics.STATUS)]
    assert "2027-03-12" in {review["replyBy"] for review in views if review}
    due = [when[:10] for when, kind, _ in story.texts() if kind == "REPLY_DUE"]
    assert due == ["2027-02-10", "2027-02-26"]
    assert "REVIEW_RECEIVED" in [kind for _, kind, _ in story.texts()]


def test_s10_the_approval_after_the_reply_is_one_message() -> None:
    april = [kind for when, kind, _ in tell("s10").texts() if when >= "2027-04-01"]
    assert april == ["APPROVED"]


def test_s10_the_clocks_stop_where_the_definitions_say() -> None:
    story = tell("s10")
    assert story.value("M8") == 34.0
    [first] = story.timing("M1")
    assert first["stop_at"] == "2027-01-11T23:10:00Z"


def test_s10b_a_revocation_is_neutral_and_the_email_names_the_ways_back() -> None:
    story = tell("s10b")
    change = [sent for sent in story.sent if sent["kind"] == "MEMBERSHIP_CHANGE" and sent["at"] < "2027-07-01"]
    assert {sent["at"] for sent in change} == {"2027-06-01T15:30:00Z"}
    [email] = [sent for sent in change if sent["channel"] == "email"]
    for words in ("ttp.dhs.gov", "English", "DHS TRIP", "Ombudsman"):
        assert words in email["text"], words
    assert "Jul" in email["text"]


def test_s10b_a_reinstatement_with_a_later_end_is_told_as_a_change() -> None:
    story = tell("s10b")
    august = [kind for when, kind, _ in story.texts() if when >= "2027-08-01"]
    assert august == ["MEMBERSHIP_CHANGE"]
    assert story.card("GE-1011")["membership"]["state"] == "ACTIVE"
    assert story.card("GE-1011")["membership"]["validTo"] == "2032-06-30"


# ---- S-11: a program pauses


def test_s11_a_pause_changes_nobodys_membership() -> None:
    story = tell("s11")
    assert story.card("GE-1101")["membership"]["state"] == "ACTIVE"
    assert story.card("GE-1101")["overlay"]["state"] == "PAUSED"
    assert story.card("PC-1102")["membership"]["state"] == "ACTIVE"
    assert (story.card("PC-1102")["overlay"] or {"state": "NORMAL"})["state"] == "NORMAL"
    assert "SUSPENDED" not in story.transitions("membership")


def test_s11_a_notice_goes_out_when_two_different_people_have_approved_it() -> None:
    notices = [(sent["at"], sent["to"]) for sent in tell("s11").sent if sent["kind"] == "PROGRAM_NOTICE"]
    assert {when[:16] for when, _ in notices} == {"2026-02-22T13:30"}
    assert {to for _, to in notices} == {"+13055550111", "gus@example.com"}


def test_s11_every_decision_of_the_staff_is_audited() -> None:
    actions = [event["data"]["action"] for event in tell("s11").events(topics.AUDIT)]
    assert actions == ["notice.approved"] * 4 + ["notice.dropped"]


def test_s11b_who_heard_of_the_pause_hears_of_its_reversal() -> None:
    notices = [
        (sent["at"][:16], sent["channel"], sent["kind"]) for sent in tell("s11b").sent if sent["at"] > "2026-02-22"
    ]
    assert sorted(notices) == [
        ("2026-02-22T13:20", "email", "PROGRAM_NOTICE"),
        ("2026-02-22T13:20", "sms", "PROGRAM_NOTICE"),
        ("2026-02-22T17:50", "email", "CORRECTION"),
        ("2026-02-22T17:50", "sms", "CORRECTION"),
    ]


# ---- S-12: a wrong date, a stranger's withdrawal, an unknown label


def test_s12a_an_impossible_end_tells_nobody_and_its_correction_is_the_approval() -> None:
    story = tell("s12a")
    assert story.dead() == [("2027-05-03T15:00:00Z", "invalid-field")]
    may = [text for text in story.texts() if text[0] >= "2027-05-01"]
    assert may == [("2027-05-03T15:22:00Z", "APPROVED", "en")]
    assert story.card("GE-1201")["membership"]["validTo"] == "2032-05-01"


def test_s12b_a_withdrawal_is_told_because_it_may_be_an_alarm() -> None:
    story = tell("s12b")
    assert ("2027-04-10T15:00:00Z", "WITHDRAWN", "en") in story.texts()
    assert "WITHDRAWN" in [kind for _, kind, _ in story.emails()]
    assert story.card("GE-1202")["application"]["state"] == "WITHDRAWN"


def test_s12c_an_unknown_label_is_no_news_but_work_for_the_staff() -> None:
    story = tell("s12c")
    assert ("2027-04-10T15:00:00Z", "opened", "unknown label") in story.work()
    assert [kind for when, kind, _ in story.texts() if when >= "2027-04-10"] == []
    assert story.card("PC-1203")["application"]["state"] == "IN_REVIEW"
    assert story.card("PC-1203")["integrity"] == "UNKNOWN"
    assert "STATUS_UNKNOWN" in story.transitions("integrity")


def test_s12d_a_told_date_that_was_wrong_is_corrected_on_the_same_channels() -> None:
    story = tell("s12d")
    may = [kind for when, kind, _ in story.texts() if when >= "2027-05-04"]
    assert may == ["CORRECTION"]
    assert story.card("GE-1204")["membership"]["validTo"] == "2032-05-01"


# ---- answers that are lost on the way (delivery 7.3)


def test_s13_an_accepted_text_whose_answer_was_lost_is_not_sent_again() -> None:
    story = tell("s13")
    assert [sent["kind"] for sent in story.sent][:1] == ["APP_RECEIVED"]
    [states] = [
        states for (_, kind, channel), states in story.lives().items() if (kind, channel) == ("APP_RECEIVED", "sms")
    ]
    assert states == ["planned", "held", "claimed", "in-doubt", "accepted", "delivered"]


def test_s13_a_lost_text_is_sent_again_once_it_is_sure_that_it_never_arrived() -> None:
    story = tell("s13")
    [states] = [
        states for (_, kind, channel), states in story.lives().items() if (kind, channel) == ("COND_APPROVED", "sms")
    ][:1]
    assert states[:4] == ["planned", "held", "claimed", "in-doubt"]
    assert states[-4:] == ["rejected", "claimed", "accepted", "delivered"]


def test_s13_an_undelivered_text_was_sent_and_failed() -> None:
    story = tell("s13")
    assert "APPROVED" in [kind for _, kind, _ in story.texts()]
    assert story.fates("APPROVED", "sms")[0][0] == "failed"
