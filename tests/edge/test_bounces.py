"""Mail that comes back: matched by the address it was sent to, believed only in its report, and hostile until read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.internal import OptedOut, Receipt
from services import bounces
from services.sandbox.inbox import Letter
from services.sandbox.mailserver import delivery_notice

KEY = "a" + "b" * 20
TOKEN = f"{KEY}-{'c' * 32}"
ADDRESS = bounces.sender(TOKEN, "example.com")

POSTFIX = """\
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

I'm sorry to have to inform you.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Wed, 25 Nov 2026 03:00:00 +0000

Final-Recipient: rfc822; rosa@example.com
Original-Recipient: rfc822;rosa@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <rosa@example.com>: user unknown

--B
Content-Type: text/rfc822-headers

Message-ID: <somebody-elses@example.com>

--B--
"""
COMPLAINT = """\
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1

--B--
"""


def _postfix(action: str, status: str) -> bytes:
    return POSTFIX.format(to=ADDRESS, action=action, status=status).replace("\n", "\r\n").encode()


def test_a_bounce_address_fits_the_64_octets_of_a_local_part_and_names_its_message() -> None:
    assert len(ADDRESS.partition("@")[0]) <= 64
    assert bounces.token(ADDRESS) == TOKEN
    assert bounces.token(ADDRESS.upper()) == TOKEN
    assert bounces.key(TOKEN) == KEY


@pytest.mark.parametrize(
    ("action", "status", "verdict", "code"),
    [
        ("failed", "5.1.1", "undelivered", "5.1.1"),
        ("failed", "5.7.1 (policy)", "undelivered", "5.7.1"),
        ("failed", "4.4.7", "undelivered", "4.4.7"),
        ("delivered", "2.0.0", "delivered", None),
        ("relayed (to mailer)", "2.0.0", "delivered", None),
        ("delayed", "4.4.1", "delayed", "4.4.1"),
    ],
)
def test_the_report_decides(action: str, status: str, verdict: str, code: str | None) -> None:
    assert bounces.read(ADDRESS, _postfix(action, status)) == bounces.Notice(TOKEN, verdict, code)


def test_a_notice_becomes_a_receipt_a_complaint_an_opt_out_and_a_delay_nothing() -> None:
    failed = bounces.read(ADDRESS, _postfix("failed", "5.1.1"))
    assert failed is not None
    assert failed.message() == Receipt(token=TOKEN, providerId=None, status="undelivered", code="5.1.1")
    delayed = bounces.read(ADDRESS, _postfix("delayed", "4.4.1"))
    assert delayed is not None
    assert delayed.message() is None
    complaint = bounces.read(ADDRESS, COMPLAINT.replace("\n", "\r\n").encode())
    assert complaint is not None
    assert complaint.message() == OptedOut(address=KEY, reason="stopped")


def test_an_automatic_answer_and_a_stranger_are_no_verdict() -> None:
    assert bounces.read(ADDRESS, b"Subject: On leave\r\nAuto-Submitted: auto-replied\r\n\r\n550 5.1.1\r\n") is None
    assert bounces.read("postmaster@example.com", _postfix("failed", "5.1.1")) is None
    assert bounces.read(ADDRESS, _postfix("failed", "5.1.1") + b"x" * bounces.MAX_SIZE) is None


@pytest.mark.parametrize(
    ("kind", "complains"),
    [("abuse", True), ("fraud", True), ("other", True), ("not-spam", False), ("auth-failure", False), ("virus", False)],
)
def test_only_a_reader_who_complains_has_opted_out(kind: str, complains: bool) -> None:
    report = COMPLAINT.replace("Feedback-Type: abuse", f"Feedback-Type: {kind.title()}").replace("\n", "\r\n")
    notice = bounces.read(ADDRESS, report.encode())
    assert (notice is not None and notice.verdict == "complained") is complains


def test_the_report_about_an_address_with_other_letters_is_read_too() -> None:
    report = _postfix("failed", "5.1.1").decode()
    report = report.replace("message/delivery-status", "message/global-delivery-status")
    report = report.replace("rfc822; rosa@", "utf-8; rosá@")
    assert bounces.read(ADDRESS, report.encode()) == bounces.Notice(TOKEN, "undelivered", "5.1.1")


@pytest.mark.parametrize("levels", [40, 3000])
def test_deep_nesting_is_cut_off(levels: int) -> None:
    opened = "".join(
        f'Content-Type: multipart/mixed; boundary="{level:x}"\r\n\r\n--{level:x}\r\n' for level in range(levels)
    )
    closed = "".join(f"\r\n--{level:x}--\r\n" for level in reversed(range(levels)))
    nested = (opened + _postfix("failed", "5.1.1").decode() + closed).encode()
    assert len(nested) <= bounces.MAX_SIZE
    assert bounces.read(ADDRESS, nested) is None


def test_the_sandboxs_own_notices_are_read() -> None:
    letter = Letter(
        id="<n1@example.com>",
        to="rosa@example.com",
        envelope_sender=ADDRESS,
        received=datetime(2026, 11, 25, tzinfo=UTC),
        content=b"",
    )
    notice = delivery_notice(letter, "failed", "5.1.1").as_bytes()
    assert bounces.read(ADDRESS, notice) == bounces.Notice(TOKEN, "undelivered", "5.1.1")


@given(st.binary(max_size=600), st.integers(0, 900))
def test_no_bytes_whatever_break_the_reader(junk: bytes, cut: int) -> None:
    bounces.read(ADDRESS, junk)
    report = _postfix("failed", "5.1.1")
    bounces.read(ADDRESS, report[:cut] + junk + report[cut:])
