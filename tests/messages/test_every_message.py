"""Every kind in every language on both channels, for every case: nothing missing, nothing that must not be there."""

import re
import unicodedata
from html.parser import HTMLParser

import pytest

from schemas.internal import Facts, Mail
from streams import sms
from streams.catalogue.programs import HOSTS, PROGRAMS
from streams.catalogue.wording import FORBIDDEN
from tests.messages.cases import CATALOGUE, MATRIX, envelope, facts

ADDRESS = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[\w./-]*\w)?", re.ASCII)
HOLES = re.compile(r"[{}]|\bNone\b|\bundefined\b|  |\( *\)| ,")


def host_of(case: Facts) -> str:
    return PROGRAMS[case.program].host if case.program else HOSTS[1]


@pytest.mark.parametrize(("language", "kind"), MATRIX)
def test_a_text_is_whole_in_its_budget_and_shows_one_address(language: str, kind: str) -> None:
    words = CATALOGUE.library.languages[language]
    front = CATALOGUE.library.files[language, kind].front
    for case in facts(kind):
        text = CATALOGUE.text(kind, language, case)
        assert text.segments == sms.size(text.body).segments
        if case.program:
            assert text.segments <= front.segments, text.body
        if words.encoding == "GSM-7" and front.segments == 1:
            assert text.encoding == "GSM-7", sms.outside(text.body)
        assert not HOLES.search(text.body), text.body
        assert not any(letter in text.body for letter in FORBIDDEN)
        assert unicodedata.is_normalized("NFC", text.body)
        assert set(ADDRESS.findall(text.body)) <= {host_of(case)}, text.body
        says_who = [words.sender] if case.program is None else [words.sender, PROGRAMS[case.program].short]
        assert language.startswith("qps") or any(name in text.body for name in says_who), text.body
        assert text.body.endswith(words.stop) or not CATALOGUE.library.of_kind(kind).stop


@pytest.mark.parametrize(("language", "kind"), MATRIX)
def test_an_email_is_whole_neutral_outside_and_says_the_same_in_both_parts(language: str, kind: str) -> None:
    words = CATALOGUE.library.languages[language]
    for case in facts(kind):
        mail = CATALOGUE.mail(kind, language, case, envelope())
        assert 0 < len(mail.subject) <= 60
        assert "\n" not in mail.subject
        headings = [words.email.means, words.email.next, words.email.dates, words.email.real]
        lines = mail.text.split("\n")
        assert [line for line in lines if line in headings] == headings
        assert (words.email.official in lines, words.email.courtesy in lines) == (True, True)
        assert not HOLES.search(mail.text), mail.text
        assert not any(letter in mail.text for letter in FORBIDDEN)
        assert set(ADDRESS.findall(mail.text)) == {host_of(case)}, mail.text
        page = Page(mail.html)
        assert (page.lang, page.dir) == (language, words.direction)
        assert page.links == {f"https://{host_of(case)}"}
        assert not page.tags & {"img", "script", "iframe", "form", "input", "object", "link", "video", "svg"}
        assert "url(" not in mail.html
        assert page.words[0 : len(words.sender.split())] == words.sender.split()
        spoken = " ".join(line.removeprefix("- ") for line in lines).split()
        assert page.words[len(words.sender.split()) + len(mail.subject.split()) :] == spoken


@pytest.mark.parametrize(("language", "kind"), MATRIX)
def test_the_first_line_of_an_email_has_the_date_of_the_text(language: str, kind: str) -> None:
    dates = CATALOGUE.library.languages[language].dates
    for case in facts(kind):
        day = next(iter(case.dates.values()), None)
        if day is not None and dates.write(dates.sms, day) in CATALOGUE.text(kind, language, case).body:
            first = CATALOGUE.mail(kind, language, case, envelope()).text.split("\n", 1)[0]
            assert dates.write(dates.email, day) in first


class Page(HTMLParser):
    """What a reader of the HTML part sees, hears and can follow."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lang = self.dir = ""
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.words: list[str] = []
        self._hidden = False
        self._text = ""
        self.feed(html)
        self.words = self._text.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self._hidden = tag in ("style", "title", "head") or (self._hidden and tag != "body")
        if tag == "html":
            self.lang, self.dir = given["lang"] or "", given["dir"] or ""
        if tag == "a":
            self.links.add(given["href"] or "")
        if tag in ("p", "h1", "h2", "li", "ul", "div"):
            self._text += "\n"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text += data


def test_the_reader_of_html_in_these_tests_sees_what_is_visible() -> None:
    page = Page(
        '<html lang="es" dir="ltr"><head><title>no</title></head><body><p>si <a href="x">esto</a></p></body></html>'
    )
    assert (page.lang, page.words, page.links) == ("es", ["si", "esto"], {"x"})


def test_adverse_subjects_are_the_same_whatever_happened() -> None:
    def subject(kind: str, variant: str | None) -> Mail:
        return CATALOGUE.mail(kind, "en", Facts(program="GLOBAL_ENTRY", variant=variant), envelope())

    for kind in ("MEMBERSHIP_CHANGE", "LETTER_READY"):
        variants = [None, *CATALOGUE.library.of_kind(kind).variants]
        assert len({subject(kind, variant).subject for variant in variants}) == 1
        texts = {CATALOGUE.text(kind, "en", Facts(program="GLOBAL_ENTRY", variant=one)).body for one in variants}
        assert len(texts) == 1
