"""Every email as axe-core sees it in Chromium, in light and in dark: WCAG 2.2 AA and axe's best practices.

Two rules of whole pages do not fit a message inside a mail program: `region` and `landmark-one-main`.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from schemas.internal import Facts
from tests.chromium import Tab, chromium
from tests.messages.cases import CATALOGUE, KNOWN, MATRIX, envelope

LAYOUTS = ("LETTER_READY", "INTERVIEW_BOOKED", "EXPIRY_REMINDER")
"""With a way to disagree, with a place and a time, with a way to unsubscribe: every part that a layout has."""

REAL_TAGS = {"qps": "en", "qps-rtl": "he"}
"""Our invented languages, for a judge who knows the list of languages."""

MUST = {"color-contrast", "html-has-lang", "html-lang-valid", "link-name"}
JOINED_LETTERS = {"ar"}
"""axe takes joined letters for icons and may then judge no contrast; colours are those of the other languages."""

AXE = """
axe.run(document, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  rules: { region: { enabled: false }, 'landmark-one-main': { enabled: false } },
}).then(found => ({
  faults: found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ')),
  judged: found.passes.map(one => one.id),
  overflow: document.documentElement.scrollWidth - window.innerWidth,
}))
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]


class Judge:
    """axe-core in one browser, on a small phone."""

    def __init__(self, tab: Tab, axe: str, frame: str) -> None:
        self._tab, self._axe, self._frame = tab, axe, frame

    @classmethod
    async def of(cls, tab: Tab, modules: Path) -> "Judge":
        tree = await tab.call("Page.getFrameTree")
        await tab.call("Emulation.setDeviceMetricsOverride", width=320, height=800, deviceScaleFactor=1, mobile=True)
        axe = (modules / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        return cls(tab, axe, tree["frameTree"]["frame"]["id"])

    async def __call__(self, html: str, dark: bool) -> dict[str, Any]:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._tab.call("Emulation.setEmulatedMedia", features=[scheme])
        await self._tab.call("Page.setDocumentContent", frameId=self._frame, html=html)
        await self._tab.run(f"{self._axe};0")
        found: dict[str, Any] = await self._tab.run(AXE)
        return found


def emails() -> list[tuple[str, str]]:
    everything = bool(os.environ.get("TTN_TEST_FULL"))
    return [(language, kind) for language, kind in MATRIX if everything or kind in LAYOUTS]


async def test_axe_finds_nothing_in_any_language_light_or_dark(node_modules: Path, tmp_path: Path) -> None:
    faults: list[str] = []
    async with chromium(tmp_path) as tab:
        judge = await Judge.of(tab, node_modules)
        for language, kind in emails():
            html = CATALOGUE.mail(
                kind,
                language,
                Facts(program="PRECHECK", **KNOWN[2]),
                envelope(requested="ur", unsubscribe="https://notify.example.gov/unsubscribe/1"),
            ).html.replace(f'lang="{language}"', f'lang="{REAL_TAGS.get(language, language)}"')
            for dark in (False, True):
                found = await judge(html, dark)
                where = f"{language} {kind} {'dark' if dark else 'light'}"
                faults += [f"{where}: {fault}" for fault in found["faults"]]
                if found["overflow"] > 0:
                    faults.append(f"{where}: {found['overflow']} pixels wider than the phone")
                must = MUST - {"color-contrast"} if language in JOINED_LETTERS else MUST
                assert must <= set(found["judged"])
    assert faults == []


async def test_axe_would_find_a_fault(node_modules: Path, tmp_path: Path) -> None:
    html = CATALOGUE.mail("HELP", "en", Facts(), envelope()).html
    async with chromium(tmp_path) as tab:
        judge = await Judge.of(tab, node_modules)
        for old, new, rule in (
            ('<html lang="en" dir="ltr">', "<html>", "html-has-lang"),
            ("color: #1b1b1b;", "color: #dddddd;", "color-contrast"),
            ("ttp.dhs.gov</a>", "</a>", "link-name"),
        ):
            assert old in html
            found = await judge(html.replace(old, new), dark=False)
            assert any(fault.startswith(rule) for fault in found["faults"])
        wide = await judge(html.replace("HELP", "H" * 400).replace("Never send", "N" * 400), dark=False)
        assert wide["overflow"] > 0
