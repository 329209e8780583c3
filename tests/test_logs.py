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


def _line(text: str, *args: object, level: int = logging.ERROR, name: str = "aiokafka") -> logging.LogRecord:
    return logging.LogRecord(name, level, "client.py", 1, text, args, None)


def test_what_a_library_says_over_and_over_is_said_at_once_and_then_every_few_seconds_with_a_count() -> None:
    now = 100.0
    repeats = logs.Repeats(lambda: now)
    said = []
    for number in range(2000):
        now = 100.0 + number / 100
        line = repeats.passed(_line("Unable connect to node with id %s: port %s", 1, 40000 + number))
        if line is not None:
            said.append((now, line.getMessage()))
    assert said == [
        (100.0, "Unable connect to node with id 1: port 40000"),
        (105.0, "Unable connect to node with id 1: port 40500 (499 more like it in 5 s)"),
        (110.0, "Unable connect to node with id 1: port 41000 (499 more like it in 5 s)"),
        (115.0, "Unable connect to node with id 1: port 41500 (499 more like it in 5 s)"),
    ]


def test_what_differs_in_more_than_numbers_is_said_and_so_is_what_comes_seldom() -> None:
    now = 100.0
    repeats = logs.Repeats(lambda: now)
    lines = [
        _line("no route"),
        _line("no broker"),
        _line("no route", level=logging.WARNING),
        _line("no route", name="x"),
    ]
    assert [repeats.passed(line) for line in lines] == lines
    now += logs.EVERY
    assert [repeats.passed(line) for line in lines] == lines


def test_no_line_of_our_own_is_kept_back(lines: Lines) -> None:
    for _ in range(100):
        logs.get("services.x").error("claimed", attempt=1)
        logging.getLogger("aiokafka").error("Unable to update metadata from %s", [1])
    said = [line["event"] for line in lines()]
    assert said.count("claimed") == 100
    assert said.count("Unable to update metadata from [1]") == 1


def test_however_much_libraries_say_little_of_it_is_remembered() -> None:
    repeats = logs.Repeats()
    for number in range(5000):
        words = "".join("abcdefghij"[int(digit)] for digit in str(number))
        assert repeats.passed(_line(words)) is not None
    assert len(repeats._said) == 500
