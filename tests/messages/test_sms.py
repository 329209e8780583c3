"""The counter of segments, against the rules and against Twilio's own."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import sms
from tests.messages.cases import CATALOGUE, MATRIX, facts

COUNT = """
const { SegmentedMessage } = require('sms-segments-calculator');
const bodies = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(bodies.map((body) => {
  const message = new SegmentedMessage(body, 'auto', false);
  return [message.getEncodingName(), body ? message.segmentsCount : 0];
})));
"""
Count = Callable[[list[str]], list[list[object]]]
"""Texts to the encoding and number of parts that Twilio's calculator finds."""

EDGES = [
    "",
    "a" * 160,
    "a" * 161,
    "a" * 306,
    "a" * 307,
    "€" * 80,
    "€" * 81,
    "a" * 152 + "€" + "a" * 10,
    "a" * 151 + "€" + "a" * 154,
    "字" * 70,
    "字" * 71,
    "字" * 134,
    "字" * 135,
    "字" * 66 + "😀" + "字" * 10,
    "😀" * 35,
    "😀" * 36,
    "á" + "a" * 69,
    "á" + "a" * 70,
    "`",
    "ç",
    "Ç",
    "a\nb",
    "\f",
    "[]{}~|\\^€",
    "¿Qué? ¡Sí!",
    "à è ì ò ù é ñ ü",
    "Số Hành khách Đã biết",
    "👨\u200d👩\u200d👧",
    "\u00a0",
    "’",
]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", ("GSM-7", 0, 0)),
        ("a" * 160, ("GSM-7", 1, 160)),
        ("a" * 161, ("GSM-7", 2, 161)),
        ("€" * 80, ("GSM-7", 1, 160)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 3, 306)),
        ("字" * 70, ("UCS-2", 1, 70)),
        ("字" * 71, ("UCS-2", 2, 71)),
        ("字" * 66 + "😀" * 34, ("UCS-2", 3, 134)),
        ("á", ("UCS-2", 1, 1)),
        ("\u00e1" * 71, ("UCS-2", 2, 71)),
    ],
)
def test_counts_follow_the_standard(body: str, expected: tuple[str, int, int]) -> None:
    assert sms.size(body) == expected


def test_the_letters_that_make_a_text_dear_are_named() -> None:
    assert sms.outside("aprobación, año, ¿está?") == ["ó", "á"]


@given(st.text(max_size=400))
def test_more_text_never_takes_fewer_parts(body: str) -> None:
    shorter, longer = sms.size(body), sms.size(body + "a")
    assert shorter.segments <= longer.segments
    assert shorter.encoding == longer.encoding or not body


@pytest.fixture(scope="session")
def twilio_count(node_modules: Path) -> Count:
    def count(bodies: list[str]) -> list[list[object]]:
        ran = subprocess.run(
            ["node", "-e", COUNT],
            input=json.dumps(bodies),
            capture_output=True,
            text=True,
            check=True,
            cwd=node_modules.parent,
            timeout=120,
        )
        counted: list[list[object]] = json.loads(ran.stdout)
        return counted

    return count


def test_twilio_counts_the_edges_as_we_do(twilio_count: Count) -> None:
    assert twilio_count(EDGES) == [list(sms.size(body)[:2]) for body in EDGES]


def test_twilio_counts_every_message_as_we_do(twilio_count: Count) -> None:
    bodies = sorted({CATALOGUE.text(kind, language, case).body for language, kind in MATRIX for case in facts(kind)})
    assert len(bodies) > len(MATRIX)
    assert twilio_count(bodies) == [list(sms.size(body)[:2]) for body in bodies]
