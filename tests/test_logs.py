"""The logs: ids and counts, never an address, a name or a token, whoever writes the line."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from services import logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    out = io.StringIO()
    logs.configure("test", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_the_ids_that_it_was_given(lines: Lines) -> None:
    logs.get("services.x").info("claimed", notification_id="6b1f4f4e-6f0a-5c3e-9a51-201416107110", attempt=1)
    (line,) = lines()
    assert line["event"] == "claimed"
    assert line["component"] == "test"
    assert line["notification_id"] == "6b1f4f4e-6f0a-5c3e-9a51-201416107110"
    assert line["attempt"] == 1


def test_a_value_under_a_key_that_is_not_on_the_list_is_removed(lines: Lines) -> None:
    logs.get("services.x").info("profile", given_name="Jane", to="x", body="Your card", record={"phone": "x"})
    (line,) = lines()
    assert "Jane" not in json.dumps(line)
    assert "Your card" not in json.dumps(line)
    assert line["record"] == {"phone": logs.REMOVED}


@pytest.mark.parametrize(
    "leak",
    [
        "+13125550100",
        "+1 312 555 0100",
        "(312) 555-0100",
        "312-555-0100",
        "3125550100",
        "13125550100",
        "To=%2B13125550100&PageSize=50",
        "jane.roe@example.com",
        "to=jane%40example.com",
        "POST /twilio/status/aabcdefgh-secrettoken",
        "GET /unsubscribe/aabcdefgh-secrettoken HTTP/1.1",
    ],
)
def test_addresses_and_tokens_are_scrubbed_from_every_text(lines: Lines, leak: str) -> None:
    logging.getLogger("aiohttp").info("library says %s", leak)
    logs.get("services.x").info(leak, error=f"failed: {leak}", count=3125550100)
    try:
        raise ValueError(leak)
    except ValueError:
        logs.get("services.x").exception("failed")
    text = json.dumps(lines())
    for part in ("5550100", "555-0100", "555 0100", "jane", "secrettoken"):
        assert part not in text


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T03:22:06.599328Z",
        "6b1f4f4e-6f0a-5c3e-9a51-201416107110",
        "PRECHECK:UE-20261125-0001",
        "127.0.0.1:9092",
    ],
)
def test_times_ids_and_hosts_are_left_alone(text: str) -> None:
    assert logs.scrub(text) == text
