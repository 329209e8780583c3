"""Headers, calendar files and the parts of an email."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage

import pytest

from schemas.internal import Facts
from services import templates
from services.mail import compose
from streams.catalogue import KINDS, Catalogue
from tests.messages.cases import envelope

CATALOGUE = Catalogue(templates.load())
INTERVIEW = Facts(
    program="GLOBAL_ENTRY",
    appointment=datetime(2027, 2, 14, 16, 30, tzinfo=UTC),
    appointmentZone="America/Chicago",
    site="O'Hare; Terminal 5, Lower Level — Global Entry Enrollment Center, door 5E, Chicago",
)
ONE_CLICK = "https://notify.example.gov/unsubscribe/t0k"


def test_the_headers_say_who_when_and_that_nobody_reads_answers() -> None:
    mail = CATALOGUE.mail("APPROVED", "es", Facts(program="NEXUS"), envelope(requested="es-MX"))
    assert mail.headers == {
        "From": "DHS Trusted Traveler <notices@example.com>",
        "To": "maya@example.com",
        "Subject": mail.subject,
        "Date": "Tue, 05 Jan 2027 15:00:00 +0000",
        "Message-ID": "<5f0c@example.com>",
        "Content-Language": "es",
        "Auto-Submitted": "auto-generated",
    }


def test_the_headers_fit_a_real_message() -> None:
    message = EmailMessage()
    made = CATALOGUE.mail("EXPIRY_REMINDER", "es", Facts(program="ABTC"), envelope(unsubscribe=ONE_CLICK))
    for name, value in made.headers.items():
        message[name] = value
    message.set_content(made.text)
    message.add_alternative(made.html, subtype="html")
    assert message.defects == []
    assert message["Subject"] == made.subject


@pytest.mark.parametrize("kind", KINDS)
def test_one_click_unsubscribe_is_on_reminders_and_notices_alone(kind: str) -> None:
    mail = CATALOGUE.mail(kind, "en", Facts(program="PRECHECK"), envelope(unsubscribe=ONE_CLICK))
    reminders = {
        "STILL_IN_REVIEW",
        "INTERVIEW_REMINDER",
        "RENEWAL_NOT_NEEDED",
        "EXPIRY_REMINDER",
        "PROGRAM_NOTICE",
    }
    assert (mail.headers.get("List-Unsubscribe") == f"<{ONE_CLICK}>") == (kind in reminders)
    assert ("List-Unsubscribe-Post" in mail.headers) == (kind in reminders)
    assert ("unsubscribe button" in mail.text) == (kind in reminders)
    assert ONE_CLICK not in mail.text + mail.html


def test_a_booked_interview_comes_with_a_calendar_file_in_utc() -> None:
    mail = CATALOGUE.mail("INTERVIEW_BOOKED", "en", INTERVIEW, envelope(interview="i-77"))
    assert mail.calendar is not None
    lines = mail.calendar.replace("\r\n ", "").split("\r\n")
    assert "METHOD:PUBLISH" in lines
    assert "UID:i-77" in lines
    assert "DTSTART:20270214T163000Z" in lines
    assert "SUMMARY:Global Entry" in lines
    assert (
        "LOCATION:O'Hare\\; Terminal 5\\, Lower Level — Global Entry Enrollment Center\\, door 5E\\, Chicago" in lines
    )
    assert all(len(line.encode()) <= 75 for line in mail.calendar.split("\r\n"))
    assert "calendar file" in mail.text


def test_a_new_time_replaces_the_old_one_and_a_cancelled_interview_leaves_the_calendar() -> None:
    later = envelope(interview="i-77", date=datetime(2027, 1, 6, 15, 0, tzinfo=UTC))
    first, second = (
        CATALOGUE.mail("INTERVIEW_BOOKED", "en", INTERVIEW, one).calendar or ""
        for one in (envelope(interview="i-77"), later)
    )
    gone = CATALOGUE.mail("INTERVIEW_CANCELLED", "en", INTERVIEW, later).calendar or ""
    assert "METHOD:CANCEL" in gone
    assert "STATUS:CANCELLED" in gone
    sequences = [int(text.split("SEQUENCE:")[1].split("\r")[0]) for text in (first, second)]
    assert sequences[0] < sequences[1]
    assert all("UID:i-77\r\n" in text for text in (first, second, gone))


@pytest.mark.parametrize(("kind", "method"), [("INTERVIEW_BOOKED", "PUBLISH"), ("INTERVIEW_CANCELLED", "CANCEL")])
def test_a_mail_program_is_told_what_to_do_with_the_calendar_file(kind: str, method: str) -> None:
    made = message_from_bytes(compose(CATALOGUE.mail(kind, "en", INTERVIEW, envelope(interview="i-77"))))
    (part,) = [part for part in made.walk() if part.get_content_type() == "text/calendar"]
    assert part.get_param("method") == method


def test_no_calendar_file_without_a_time_or_for_anything_else() -> None:
    unknown = CATALOGUE.mail("INTERVIEW_BOOKED", "en", Facts(program="GLOBAL_ENTRY"), envelope())
    assert unknown.calendar is None
    assert "calendar file" not in unknown.text
    assert CATALOGUE.mail("INTERVIEW_CANCELLED", "en", INTERVIEW, envelope()).calendar is None
    assert CATALOGUE.mail("APPROVED", "en", INTERVIEW, envelope()).calendar is None


def test_the_same_case_gives_the_same_bytes() -> None:
    fresh = Catalogue(templates.load())
    for kind in KINDS:
        assert CATALOGUE.mail(kind, "es", INTERVIEW, envelope()) == fresh.mail(kind, "es", INTERVIEW, envelope())


def test_a_sender_name_beyond_ascii_reaches_the_header_encoded() -> None:
    mail = CATALOGUE.mail("HELP", "en", Facts(), envelope(sender_name="Viajero\r\nBcc: x Confiable é"))
    assert "\n" not in mail.headers["From"]
