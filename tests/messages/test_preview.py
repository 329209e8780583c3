"""The preview shows every wording, works without JavaScript, is accessible, and prints."""

from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from services import templates
from services.preview import command, pages, po, showcase
from streams.catalogue import KINDS, Catalogue
from streams.catalogue.values import values
from streams.catalogue.wording import terms_of
from tests.chromium import chromium

CATALOGUE = Catalogue(templates.load())
PAGES = pages.build(CATALOGUE)

FAULTS = """
axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
  .then(found => found.violations.map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html).join(' | ')))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_the_cases_shown_use_every_wording(kind: str) -> None:
    english = CATALOGUE.library.languages["en"]
    file = CATALOGUE.library.files["en", kind]
    used = set()
    for chosen, slots in (
        (showcase.texts(CATALOGUE, kind), ("sms",)),
        (showcase.emails(CATALOGUE, kind), showcase.EMAIL_SLOTS),
    ):
        for scene in chosen:
            known = values(english, scene.facts, "email")
            terms = terms_of(scene.facts.program, scene.facts.child, scene.facts.variant)
            for slot in slots:
                used.add(next((file.wordings.index(one) for one in file.of(slot) if one.fits(terms, known.keys())), -1))
    unused = [one.header for place, one in enumerate(file.wordings) if place not in used]
    assert unused == []


def test_there_is_a_page_for_each_language_and_each_kind() -> None:
    assert set(PAGES) == {f"{name}.html" for name in ("index", *CATALOGUE.languages, *KINDS)}
    for tag in CATALOGUE.languages:
        for kind in KINDS:
            text = CATALOGUE.text(kind, tag, showcase.texts(CATALOGUE, kind)[0].facts).body
            assert text in unescape(PAGES[f"{tag}.html"])
            assert f'lang="{tag}" dir=' in PAGES[f"{kind}.html"]


def test_the_pages_need_nothing_from_anywhere() -> None:
    for page in PAGES.values():
        assert "<script" not in page
        assert "src=" not in page
        assert "@import" not in page


def test_the_command_writes_the_pages_and_says_where(tmp_path: Path) -> None:
    ran = CliRunner().invoke(command, ["--out", str(tmp_path / "x"), "--language", "en", "--language", "es"])
    assert ran.exit_code == 0, ran.output
    assert str(tmp_path / "x" / "index.html") in ran.output
    assert 'href="es.po"' in (tmp_path / "x" / "es.html").read_text("utf-8")
    assert po.read((tmp_path / "x" / "es.po").read_text("utf-8"))[0] == "es"


@pytest.mark.browser
async def test_emails_are_seen_without_javascript(tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page, encoding="utf-8")
    async with chromium(tmp_path / "profile", scripts=False, width=1200) as tab:
        await tab.open((tmp_path / "es.html").as_uri())
        shown = await tab.call("DOMSnapshot.captureSnapshot", computedStyles=[], includeDOMRects=True)
        boxes = {shown["strings"][text] for text in shown["documents"][0]["layout"]["text"] if text >= 0}
        assert any("Cómo comprobar que este mensaje es auténtico" in text for text in boxes)


@pytest.mark.browser
@pytest.mark.timeout(600)
async def test_axe_finds_nothing_on_the_pages(node_modules: Path, tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page, encoding="utf-8")
    axe = (node_modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    faults: list[str] = []
    async with chromium(tmp_path / "profile", width=1200) as tab:
        for name in ("index.html", "LETTER_READY.html"):
            for scheme in ("light", "dark"):
                features = [{"name": "prefers-color-scheme", "value": scheme}]
                await tab.call("Emulation.setEmulatedMedia", features=features)
                await tab.open((tmp_path / name).as_uri())
                await tab.run(f"{axe};0")
                faults += [f"{name} {scheme} {fault}" for fault in await tab.run(FAULTS)]
    assert faults == []
