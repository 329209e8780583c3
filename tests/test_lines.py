"""The line format: what is read, and how a wrong line is named."""

import json

import pytest

from schemas.cloudevents import parse_time
from services.lines import Expectation, InboundSms, Line, LineError, Record, read_lines
from streams.desk import Decision
from streams.topics import PRECHECK

AT = "2027-01-01T00:00:00Z"
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def one(text: bytes) -> Line:
    [line] = read_lines([text])
    return line


def written(**fields: object) -> bytes:
    return json.dumps({"at": AT} | fields).encode()


def test_an_event_keeps_its_bytes_as_they_are_in_the_file() -> None:
    line = one(b'{"at":"%s","topic":"%s","event":{"id" : "1"}}' % (AT.encode(), PRECHECK.encode()))
    assert line == Line(1, parse_time(AT), Record(PRECHECK, b'{"id" : "1"}', STRUCTURED, None))


def test_raw_bytes_come_with_their_headers_and_key() -> None:
    line = one(written(topic=PRECHECK, raw="{}", headers={"ce_id": "1"}, key="k"))
    assert line.what == Record(PRECHECK, b"{}", (("ce_id", b"1"),), b"k")
    assert one(written(topic=PRECHECK, rawBase64="/w==")).what == Record(PRECHECK, b"\xff", (), None)
    assert one(written(topic=PRECHECK, raw="")).what == Record(PRECHECK, b"", (), None)


def test_texts_providers_and_staff_are_read() -> None:
    sms = one(written(inboundSms={"from": "+13125550100", "body": "STOP"}))
    assert sms.what == InboundSms("+13125550100", "STOP")
    provider = one(written(provider={"to": "ana@example.com", "outcome": "reject:550"}))
    assert provider.what == Expectation("ana@example.com", "reject:550")
    staff = one(written(staff={"action": "void-event", "eventId": "e", "by": "ana", "reason": "typo"}))
    assert staff.what == Decision(action="void-event", eventId="e", by="ana", reason="typo")


def test_lines_end_at_a_line_feed_alone() -> None:
    text = written(topic=PRECHECK, raw="a\u2028b").replace(b"\\u2028", "\u2028".encode())
    assert one(text + b"\r\n").what == Record(PRECHECK, "a\u2028b".encode(), (), None)


@pytest.mark.parametrize(
    "event", [b'"\\ud800"', b"1e999", b"[" * 3000 + b"]" * 3000, b'{"a": "\\udfff", "b": [1,"}"]}']
)
def test_a_bad_event_is_no_bad_line(event: bytes) -> None:
    line = one(b'{"at":"%s","event":%s,"topic":"%s"}' % (AT.encode(), event, PRECHECK.encode()))
    assert line.what == Record(PRECHECK, event, STRUCTURED, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not JSON"),
        (b"\n", "not JSON"),
        (b"{", "not JSON"),
        (b'{"at":"' + AT.encode() + b'","topic":"' + PRECHECK.encode() + b'","event":NaN}', "not JSON"),
        (b"[]", "object"),
        (b'{"event":{}}', "missing required field `at`"),
        (b'{"at":7}', r"\$\.at"),
        (b'{"at":"2027-01-01"}', "RFC 3339"),
        (b'{"at":"2027-01-01T00:00:00"}', "RFC 3339"),
        (b'{"at":"9999-12-31T23:59:59Z"}', "within the years 1900 to 9000"),
        (b'{"at":"0001-01-01T00:00:00Z"}', "within the years 1900 to 9000"),
        (b'{"at":"' + AT.encode() + b'","topic":"' + PRECHECK.encode() + b'","raw":"\\ud800"}', "surrogate"),
        (written(), "exactly one of"),
        (written(topic=PRECHECK, raw="", event={}), "exactly one of"),
        (written(topic="ttp.unknown.v1", event={}), "`topic` is none of"),
        (written(event={}), "`topic` is none of"),
        (written(topic=PRECHECK, rawBase64="%"), "not base64"),
        (written(staff={"action": "dance", "eventId": "e", "by": "ana"}), r"\$\.staff\.action"),
        (written(inboundSms={"from": "+13125550100"}), "body"),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(text: bytes, why: str) -> None:
    with pytest.raises(LineError, match=rf"^line 2: .*{why}"):
        list(read_lines([written(topic=PRECHECK, event={}), text]))
