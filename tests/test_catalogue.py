"""Which words go out for a case, and in which language."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.internal import Facts
from services import templates
from streams.catalogue import KINDS, Catalogue, CatalogueError, Envelope

SOURCES = templates.load()
CATALOGUE = Catalogue(SOURCES)
DAY = date(2032, 4, 18)


def envelope(requested: str | None = None, unsubscribe: str | None = None, interview: str | None = None) -> Envelope:
    return Envelope(
        message_id="n1@example.com",
        date=datetime(2027, 1, 5, 15, 0, tzinfo=UTC),
        sender_email="notices@example.com",
        sender_name="DHS Trusted Traveler",
        to="maya@example.com",
        requested=requested,
        unsubscribe=unsubscribe,
        interview=interview,
    )


def say(kind: str, language: str = "en", **facts: Any) -> str:
    return CATALOGUE.text(kind, language, Facts(**{"program": "GLOBAL_ENTRY", **facts})).body


def test_english_has_every_kind() -> None:
    assert all(CATALOGUE.serve(kind, "en", channel) == "en" for kind in KINDS for channel in ("sms", "email"))


@pytest.mark.parametrize(
    ("requested", "served"),
    [
        ("es", "es"),
        ("es-MX", "es"),
        ("ES_pr", "es"),
        ("en-GB", "en"),
        (None, "en"),
        ("xx", "en"),
        ("", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh_HK", "zh-Hant"),
        ("zh-Hant-US", "zh-Hant"),
        ("zh-Hans-TW", "zh-Hans"),
        ("fil", "tl"),
        ("fil-PH", "tl"),
        ("tl", "tl"),
        ("pt", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("fr-CA", "fr"),
        ("ar-EG", "ar"),
        ("ht-HT", "ht"),
    ],
)
def test_a_tag_falls_back_to_its_base_language_then_to_english(requested: str | None, served: str) -> None:
    assert CATALOGUE.serve("APPROVED", requested, "sms") == served


def test_one_chinese_never_stands_in_for_the_other() -> None:
    without = Catalogue({path: text for path, text in SOURCES.items() if not path.startswith("zh-Hant/")})
    assert without.serve("APPROVED", "zh-TW", "sms") == "en"
    assert without.serve("APPROVED", "zh-CN", "sms") == "zh-Hans"


def test_the_languages_are_those_of_both_tiers() -> None:
    assert set(CATALOGUE.languages) == {
        *("en", "es", "zh-Hans", "zh-Hant", "vi", "ko", "tl"),
        *("ar", "ht", "fr", "pt-BR", "ru"),
    }


def test_a_text_says_the_program_the_date_and_the_one_address() -> None:
    assert say("APPROVED", dates={"validTo": DAY}) == (
        "Global Entry: You are approved through Apr 18, 2032. Sign in at ttp.dhs.gov to see your number, "
        "then add it to your trips. Reply STOP to end."
    )
    assert say("APPROVED", "es", program="PRECHECK", dates={"validTo": DAY}) == (
        "TSA PreCheck: Su solicitud fue aprobada, vence el 18 abr 2032. Vea su KTN en tsa.gov/precheck "
        "y agregue ese dato a sus reservas. STOP para terminar."
    )


def test_a_missing_date_gives_another_whole_sentence() -> None:
    assert say("APPROVED").startswith("Global Entry: You are approved. Sign in at ttp.dhs.gov")
    assert say("ACTION_NEEDED").endswith("Sign in at ttp.dhs.gov to see what to do. Reply STOP to end.")


def test_a_child_is_never_addressed_as_the_reader() -> None:
    assert say("LETTER_READY", child=True).startswith(
        "Global Entry: There is a new letter about your child's application."
    )


def test_tsa_has_appointments_where_cbp_has_interviews() -> None:
    when: dict[str, Any] = {
        "appointment": datetime(2027, 2, 14, 16, 30, tzinfo=UTC),
        "appointmentZone": "America/Chicago",
    }
    assert "Your interview is set for Feb 14, 2027 at 10:30 AM." in say("INTERVIEW_BOOKED", **when)
    assert "Your appointment is set for Feb 14, 2027 at 10:30 AM." in say(
        "INTERVIEW_BOOKED", program="PRECHECK", **when
    )


def test_an_interview_in_an_unknown_zone_has_no_invented_time() -> None:
    moment = datetime(2027, 2, 14, 3, 30, tzinfo=UTC)
    for zone in (None, "Mars/Olympus", "../etc"):
        assert "See the day and time at ttp.dhs.gov" in say(
            "INTERVIEW_BOOKED", appointment=moment, appointmentZone=zone
        )


def test_the_place_of_an_interview_reaches_the_email_and_never_the_text() -> None:
    facts: dict[str, Any] = {
        "appointment": datetime(2027, 2, 14, 16, 30, tzinfo=UTC),
        "appointmentZone": "America/Chicago",
        "site": "O'Hare <b>T5</b>\u202e\r\nBcc: x",
    }
    assert "O'Hare" not in say("INTERVIEW_BOOKED", **facts)
    mail = CATALOGUE.mail("INTERVIEW_BOOKED", "en", Facts(program="GLOBAL_ENTRY", **facts), envelope())
    assert "- Place: O'Hare <b>T5</b> Bcc: x\n" in mail.text
    assert "O&#39;Hare &lt;b&gt;T5&lt;/b&gt; Bcc: x" in mail.html


def test_a_file_with_a_mistake_stops_the_start_with_its_name_and_the_reason() -> None:
    broken = {**SOURCES, "es/APPROVED.txt": SOURCES["es/APPROVED.txt"].replace("aprobada", "aprobación")}
    with pytest.raises(CatalogueError, match=r"es/APPROVED\.txt: .*takes 2 parts"):
        Catalogue(broken)


@pytest.mark.parametrize(
    ("moment", "zone", "said"),
    [
        (datetime(2027, 3, 14, 9, 59, tzinfo=UTC), "America/Los_Angeles", "Mar 14, 2027 at 1:59 AM"),
        (datetime(2027, 3, 14, 10, 0, tzinfo=UTC), "America/Los_Angeles", "Mar 14, 2027 at 3:00 AM"),
        (datetime(2027, 11, 7, 5, 30, tzinfo=UTC), "America/New_York", "Nov 7, 2027 at 1:30 AM"),
        (datetime(2027, 11, 7, 6, 30, tzinfo=UTC), "America/New_York", "Nov 7, 2027 at 1:30 AM"),
        (datetime(2027, 6, 1, 9, 0, tzinfo=UTC), "Pacific/Honolulu", "May 31, 2027 at 11:00 PM"),
        (datetime(2027, 6, 1, 16, 0, tzinfo=UTC), "America/Phoenix", "June 1, 2027 at 9:00 AM"),
        (datetime(2027, 6, 1, 4, 30, tzinfo=UTC), "America/New_York", "June 1, 2027 at 12:30 AM"),
        (datetime(2027, 6, 1, 16, 0, tzinfo=UTC), "America/New_York", "June 1, 2027 at 12:00 PM"),
    ],
)
def test_an_interview_is_told_on_the_clock_of_its_place(moment: datetime, zone: str, said: str) -> None:
    assert f"is set for {said}. Bring" in say("INTERVIEW_BOOKED", appointment=moment, appointmentZone=zone)


def test_a_time_with_an_offset_and_no_zone_is_the_clock_of_its_place() -> None:
    moment = datetime.fromisoformat("2027-02-14T10:30:00-06:00")
    assert "is set for Feb 14, 2027 at 10:30 AM." in say("INTERVIEW_BOOKED", appointment=moment)


def test_every_day_and_hour_is_written_from_the_tables_of_the_language() -> None:
    for tag in CATALOGUE.languages:
        dates = CATALOGUE.library.languages[tag].dates
        days = {dates.write(dates.sms, date(2027, month, 30 if month != 2 else 28)) for month in range(1, 13)}
        hours = {dates.hour(datetime(2027, 1, 1, hour, 5, tzinfo=UTC)) for hour in range(24)}
        assert (len(days), len(hours)) == (12, 24), tag
        assert len(set(dates.weekdays)) == 7, tag
        for written in (*days, *hours):
            assert not any(letter in written for letter in "\u202f\u00a0"), tag
