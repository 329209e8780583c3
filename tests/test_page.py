"""The page of phones and inboxes, in a real browser on the real system: a text comes, STOP goes, no text comes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import chromium
from tests.chromium import Chromium
from tests.demonstration import Demonstration

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.browser,
    pytest.mark.skipif(chromium.BINARY is None, reason=chromium.MISSING),
]

NUMBER = "+13125550160"
PRECHECK = {"recordId": "PC-1", "applicationId": "A-1"}
_PATIENCE = 60.0


def _line(at: str, topic: str, source: str, kind: str, subject: str, data: dict[str, Any]) -> str:
    event = {"specversion": "1.0", "id": kind, "source": source, "type": kind, "time": at, "subject": subject}
    return json.dumps({"at": at, "topic": topic, "event": event | {"data": data}}) + "\n"


@pytest.fixture
def demo(kafka_libs: Path, tmp_path: Path) -> Iterator[Demonstration]:
    """One traveler: an enrollment, and the approval a real half minute later."""
    profile = {
        "portalSubject": "p-1",
        "language": "en",
        "timeZone": "America/Chicago",
        "consent": {"sms": True, "email": True},
        "phone": {"address": NUMBER, "verified": True},
        "email": {"address": "page@example.com", "verified": True},
    }
    enrolled = PRECHECK | {"portalSubject": "p-1", "person": {"givenName": "Pat", "familyName": "Page"}}
    approved = PRECHECK | {"ktn": "TT00000001A", "validFrom": "2026-01-15", "validTo": "2031-01-14"}
    tsa = ("ttp.precheck.events.v1", "tsa/precheck/idemia")
    story = tmp_path / "story.jsonl"
    story.write_text(
        _line(
            "2026-01-05T15:00:00Z", "ttp.profile.events.v1", "dhs/portal", "gov.dhs.ttp.profile.updated", "p-1", profile
        )
        + _line("2026-01-05T15:10:00Z", *tsa, "gov.dhs.tsa.precheck.enrollment.completed", "PC-1", enrolled)
        + _line("2026-01-15T15:00:00Z", *tsa, "gov.dhs.tsa.precheck.eligibility.approved", "PC-1", approved)
    )
    running = Demonstration(
        tmp_path / "data", "--days-per-second", "0.33", "--until", "2026-01-15T18:00:00Z", str(story)
    )
    yield running
    running.end()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    started = Chromium(tmp_path / "profile")
    yield started
    started.close()


def _until(browser: Chromium, script: str) -> Any:
    until = time.monotonic() + _PATIENCE
    while not (value := browser.run(script)):
        assert time.monotonic() < until, f"never true: {script}"
        time.sleep(0.1)
    return value


def _bubbles(browser: Chromium, kind: str) -> list[str]:
    found: list[str] = browser.run(f"[...document.querySelectorAll('.talk .{kind} .bubble')].map(e => e.textContent)")
    return found


def test_a_text_appears_stop_is_sent_and_the_next_text_does_not_come(
    demo: Demonstration, browser: Chromium, tmp_path: Path
) -> None:
    demo.wait_for("2 of 3")
    browser.screen(1280, 900)
    browser.visit(demo.page)
    _until(browser, "document.querySelector('.talk .theirs .status.delivered') !== null")
    (first,) = _bubbles(browser, "theirs")
    assert "PreCheck" in first
    assert browser.run("document.querySelector('.phone .who').textContent") == "Pat Page"
    browser.picture(tmp_path / "text.png")

    browser.run("document.querySelector('.reply button[value=STOP]').click()")
    _until(browser, "document.querySelectorAll('.talk .theirs').length == 2")
    assert _bubbles(browser, "own") == ["STOP"]
    confirmation = _bubbles(browser, "theirs")[1]
    browser.picture(tmp_path / "stop.png")

    letters = len(demo.messages()["letters"])
    demo.wait_for("The story is over")
    _until(browser, f"document.querySelectorAll('.letter').length > {letters}")
    assert _bubbles(browser, "theirs") == [first, confirmation]
    browser.picture(tmp_path / "after.png")
