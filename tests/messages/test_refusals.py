"""What a catalogue refuses to load: each mistake that an author can make, named with its file and reason."""

import pytest

from services import templates
from streams.catalogue import Catalogue, CatalogueError

SOURCES = templates.load()


def load(path: str, old: str, new: str) -> Catalogue:
    assert old in SOURCES[path]
    return Catalogue({**SOURCES, path: SOURCES[path].replace(old, new)})


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("en/HELP.txt", "Status texts.", "Click here.", r"must not say 'Click'"),
        ("es/HELP.txt", "Nunca pedimos", "URGENTE pedimos", r"must not say 'URGENTE'"),
        ("es/HELP.txt", "Nunca pedimos", "Urgent pedimos", r"must not say 'Urgent'"),
        ("en/LETTER_READY.txt", "a new letter for you", "you were denied", r"\[subject\]: must not say 'denied'"),
        ("en/HELP.txt", "Status texts.", "See bit.ly/x.", r"holds an address: 'bit\.ly'"),
        ("en/HELP.txt", "Status texts.", "Call 202-555-0143.", r"holds a telephone number"),
        ("en/HELP.txt", "Status texts.", "Hello!", r"holds a shout"),
        ("en/HELP.txt", "Status texts.", "Status texts 😀", r"parts|picture"),
        ("es/HELP.txt", "Avisos de", "Información de", r"ó is not in GSM-7"),
        ("es/HELP.txt", "Avisos de", "Avisos a\u0301 de", r"NFC"),
        ("es/HELP.txt", "Avisos de", "Avisos\u00a0de", r"no-break space"),
        ("es/HELP.txt", "Avisos de", "Avisos\u202ede", r"direction control"),
        ("es/HELP.txt", "Avisos de", "Avisos\tde", r"tab"),
        ("es/HELP.txt", "Avisos de", "Avisos  de", r"two spaces"),
        ("es/HELP.txt", "STOP para terminar.", "STOP.", r"must end with 'STOP para terminar\.'"),
        ("es/APPROVED.txt", "{{ validTo }}", "{{ vence }}", r"no placeholder vence"),
        ("es/APPROVED.txt", "{{ validTo }}", "{{ until }}", r"uses .*until.*English uses .*validTo"),
        ("es/APPROVED.txt", "{{ validTo }}", "{validTo}", r"nothing else may use braces"),
        ("es/APPROVED.txt", "{{ validTo }}", "{{ validTo|upper }}", r"nothing else may use braces"),
        ("es/APPROVED.txt", "{{ validTo }}", "{% if x %}", r"nothing else may use braces"),
        ("es/APPROVED.txt", "[sms: FAST]", "[sms: NEXUS]", r"blocks must be those of the English file"),
        ("es/APPROVED.txt", "[means: FAST]", "[body]", r"'\[body\]' is not a block header"),
        ("es/APPROVED.txt", 'state = "draft"', 'state = "done"', r"front matter: .*done"),
        ("es/APPROVED.txt", 'state = "draft"', 'state = "draft"\nabout = "x"', r"about stands in the English file"),
        ("es/APPROVED.txt", "+++\n[", "[", r"must begin with TOML front matter"),
        ("es/INTERVIEW_BOOKED.txt", "Su cita es el {{ day }}", "{{ site }} {{ day }}", r"no placeholder site here"),
        ("en/APPROVED.txt", "[means: FAST]", "[means: FASTER]", r"FASTER is no program, child or variant"),
        ("en/APPROVED.txt", "You are approved. Sign", "You are approved {{ on }}. Sign", r"must fit every case"),
        ("en/APPROVED.txt", "[dates]\nYour account shows the last day of the membership.", "", r"must fit every case"),
        (
            "en/APPROVED.txt",
            "you are approved",
            "you are approved, and here is a very long subject",
            r"letters, 60 allowed",
        ),
        ("es/language.toml", '"enero", ', "", r"longMonths has 11 names"),
        ("es/language.toml", 'eastern = "hora del Este"\n', "", r"dates\.zones must name exactly"),
        ("es/language.toml", "{day} {month} {year}", "{day} {mes} {year}", r"mes"),
        ("es/language.toml", 'am = "am"', 'am = ""', r"needs dates\.am"),
        ("es/language.toml", "Nunca pedimos", "Haga clic. Nunca pedimos", r"email\.realText.*must not say 'Haga clic'"),
        ("es/language.toml", "{{ host }} directamente", "{{ url }} directamente", r"realText: knows only"),
        ("fallback-lines.toml", 'dir = "rtl"', 'dir = "up"', r"fallback-lines\.toml"),
    ],
)
def test_a_mistake_stops_the_start_with_the_file_and_the_reason(path: str, old: str, new: str, reason: str) -> None:
    with pytest.raises(CatalogueError, match=reason) as caught:
        load(path, old, new)
    assert caught.value.path == path


@pytest.mark.parametrize("path", ["en/HELP.txt", "en/language.toml", "email.html.j2", "fallback-lines.toml"])
def test_a_missing_file_is_named(path: str) -> None:
    with pytest.raises(CatalogueError, match="is missing") as caught:
        Catalogue({name: text for name, text in SOURCES.items() if name != path})
    assert caught.value.path == path


@pytest.mark.parametrize("path", ["es/APROVED.txt", "xx/HELP.txt"])
def test_a_file_that_nothing_would_read_is_named(path: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        Catalogue({**SOURCES, path: SOURCES["es/HELP.txt"]})
    assert caught.value.path == path


def test_a_date_on_the_seam_of_two_parts_is_refused() -> None:
    table = SOURCES["es/language.toml"].replace('encoding = "GSM-7"', 'encoding = "UCS-2"')
    message = SOURCES["es/EXPIRED.txt"].replace("segments = 1", "segments = 3")
    first = "{{ program }}: Sus beneficios terminaron el {{ validTo }}. "
    assert first in message
    sources = {**SOURCES, "es/language.toml": table, "es/EXPIRED.txt": message}
    Catalogue(sources)
    shifted = message.replace(first, "{{ program }}: á" + "a" * 45 + " {{ validTo }}. ").replace("presente una", "una")
    with pytest.raises(CatalogueError, match="falls on the end of a part"):
        Catalogue({**sources, "es/EXPIRED.txt": shifted})


def test_a_right_to_left_text_that_a_phone_would_show_left_to_right_is_refused() -> None:
    with pytest.raises(CatalogueError, match="must begin with a word of the language's own script"):
        load("es/language.toml", 'direction = "ltr"', 'direction = "rtl"')
