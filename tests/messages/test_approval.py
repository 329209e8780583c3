"""Which translations may go out: state, fingerprint of the English, switches, and the line for everybody else."""

import re

import pytest

from schemas.internal import Facts
from services import templates
from services.settings import Settings
from streams.catalogue import KINDS, Catalogue
from tests.messages.cases import envelope

SOURCES = templates.load()
FACTS = Facts(program="NEXUS")


def with_state(state: str, path: str = "es/HELP.txt") -> dict[str, str]:
    return {**SOURCES, path: re.sub(r'^state = ".*"$', f'state = "{state}"', SOURCES[path], flags=re.MULTILINE)}


def test_without_drafts_only_approved_translations_go_out() -> None:
    catalogue = Catalogue(with_state("approved"), drafts=False)
    assert catalogue.serve("HELP", "es", "sms") == "es"
    assert catalogue.serve("APPROVED", "es", "sms") == "en"
    assert Catalogue(with_state("reviewed"), drafts=False).serve("HELP", "es", "sms") == "en"
    assert Catalogue(SOURCES, drafts=True).serve("APPROVED", "es", "email") == "es"


TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_API_KEY": "SK" + "0" * 32,
    "TWILIO_API_SECRET": "s",
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32,
}


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        ({}, True),
        ({"TTN_DRAFTS": "off"}, False),
        (TWILIO, False),
        ({**TWILIO, "TTN_DRAFTS": "on"}, True),
        ({**TWILIO, "TTN_TWILIO_URL": "http://127.0.0.1:8081"}, True),
        ({"TTN_SMTP_URL": "smtp://relay.example.gov:25"}, False),
        ({"TTN_SMTP_URL": "smtp://localhost:1025"}, True),
    ],
)
def test_drafts_leave_this_machine_only_by_an_explicit_setting(environ: dict[str, str], may: bool) -> None:
    assert Settings.load(environ).may_send_drafts() is may


def test_a_change_of_the_english_ends_an_approval() -> None:
    sources = with_state("approved")
    sources["en/HELP.txt"] = sources["en/HELP.txt"].replace("Help with status messages", "Help with your messages")
    assert Catalogue(sources, drafts=False).serve("HELP", "es", "sms") == "en"


def test_notes_and_owners_do_not_end_an_approval() -> None:
    sources = with_state("approved")
    sources["en/HELP.txt"] = sources["en/HELP.txt"].replace("Program communications", "Somebody else")
    assert Catalogue(sources, drafts=False).serve("HELP", "es", "sms") == "es"


def test_every_translation_was_made_from_the_english_of_today() -> None:
    library = Catalogue(SOURCES).library
    stale = [file.path for (tag, _), file in library.files.items() if tag != "en" and not library.current(file)]
    assert stale == []


def test_every_language_has_every_kind() -> None:
    library = Catalogue(SOURCES).library
    assert [(tag, kind) for tag in library.languages for kind in KINDS if (tag, kind) not in library.files] == []


def test_a_language_a_channel_or_one_message_can_be_turned_off() -> None:
    for off, sms, email, other in (
        ('["sms", "email"]', "en", "en", "en"),
        ('["sms"]', "en", "es", "en"),
        ('["HELP"]', "en", "en", "es"),
        ('["HELP/email"]', "es", "en", "es"),
    ):
        catalogue = Catalogue({**SOURCES, "es/language.toml": f"off = {off}\n" + SOURCES["es/language.toml"]})
        assert catalogue.serve("HELP", "es-MX", "sms") == sms
        assert catalogue.serve("HELP", "es-MX", "email") == email
        assert catalogue.serve("WELCOME", "es-MX", "sms") == other


def test_an_english_email_tells_a_reader_of_another_language_so_in_one_line() -> None:
    catalogue = Catalogue(SOURCES, drafts=False)
    for requested, lang, direction, line in (
        ("es-MX", "es", "ltr", "Este mensaje está en inglés."),
        ("hi", "hi", "ltr", "यह संदेश अंग्रेज़ी में है।"),
        ("ur-PK", "ur", "rtl", "یہ پیغام انگریزی میں ہے۔"),
    ):
        mail = catalogue.mail("APPROVED", "en", FACTS, envelope(requested=requested))
        assert mail.text.startswith(line + "\n\nNEXUS: You are approved.")
        assert f'<p class="note" lang="{lang}" dir="{direction}">{line}</p>' in mail.html
        assert mail.headers["Content-Language"] == "en"


def test_nobody_is_told_about_a_language_who_asked_for_none_or_got_theirs() -> None:
    catalogue = Catalogue(SOURCES)
    for served, requested in (("en", None), ("en", "en-US"), ("es", "es-MX"), ("en", "xx-unheard-of")):
        mail = catalogue.mail("APPROVED", served, FACTS, envelope(requested=requested))
        assert 'class="note"' not in mail.html
        assert mail.text.startswith("NEXUS: ")


def test_the_version_of_a_message_changes_with_its_words_and_by_channel() -> None:
    before = Catalogue(SOURCES)
    after = Catalogue({**SOURCES, "en/HELP.txt": SOURCES["en/HELP.txt"].replace("We cannot read or", "We do not")})
    assert before.version("HELP", "en", "email") != after.version("HELP", "en", "email")
    assert before.version("HELP", "en", "sms") == after.version("HELP", "en", "sms")
    assert before.version("HELP", "es", "sms") != before.version("HELP", "en", "sms")
