"""The dialer and the real clients of both providers, against the sandbox over loopback."""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec
import pytest

from schemas.internal import Dialled, Listed, Lookup, Receipt, Trouble, Withhold
from services.failpoints import Failpoints
from services.sandbox.server import SandboxServer
from services.settings import Settings
from services.twilio import classify
from tests.edge.conftest import KEY, MAILBOX, NUMBER, Rig, mail, text

Fault = Callable[..., None]
DIRTY_REQUESTS = [("500-before", 0), ("500-after", 1), ("drop", 1), ("hang", 1), ("lose", 0)]


async def test_an_accepted_text_is_on_the_ledger_with_its_token_before_its_sid_is_reported(rig: Rig) -> None:
    claim = text()
    result = await rig.dialled(claim)
    assert rig.reports[0][0] == KEY
    (entry,) = rig.taken
    assert result == Dialled(claimId=claim.claimId, result="accepted", providerId=entry.id)
    assert entry.token == claim.token
    assert entry.to == NUMBER
    assert entry.validity == 3600
    assert entry.callback == f"http://127.0.0.1:9/twilio/status/{claim.token}#rc=5&rp=all"


@pytest.mark.parametrize(("fault_name", "taken"), DIRTY_REQUESTS)
async def test_whatever_happens_after_bytes_may_have_left_is_doubt_and_is_never_posted_again(
    rig: Rig, fault: Fault, fault_name: str, taken: int
) -> None:
    fault(fault_name, times=1)
    result = await rig.dialled(text())
    assert result.result == "doubt"
    await rig.takes(taken)


async def test_a_connection_that_cannot_be_made_is_certainly_not_sent(rig: Rig) -> None:
    await rig.sandbox.stop()
    try:
        result = await rig.dialled(text())
        assert (result.result, result.code) == ("not-sent", "connect")
        result = await rig.dialled(mail())
        assert (result.result, result.code) == ("not-sent", "connect")
    finally:
        await rig.sandbox.start()


async def test_429_was_not_processed_and_brings_its_retry_after(rig: Rig, fault: Fault) -> None:
    fault("429", times=1)
    result = await rig.dialled(text())
    assert (result.result, result.code, result.retryAfter) == ("not-sent", "20429", 1.0)


async def test_a_refusal_brings_twilios_own_code(rig: Rig, fault: Fault) -> None:
    fault("reject:21614", to=NUMBER)
    assert (await rig.dialled(text())).code == "21614"
    other = await rig.dialled(text(to="+13125550101"))
    assert other.result == "accepted"


async def test_a_claim_whose_lease_is_lost_while_a_connection_is_made_does_not_leave(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(settings, sandbox)

    def lose() -> None:
        rig.held = False

    await rig.start(Failpoints({"after-connect": lose}))
    try:
        for claim in (text(), mail()):
            rig.held = True
            result = await rig.dialled(claim)
            assert (result.result, result.code) == ("not-sent", "lease-lost")
    finally:
        await rig.dialer.stop()
    assert rig.taken == []


async def test_a_process_that_was_paused_past_the_deadline_between_connection_and_write_does_not_write(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(settings, sandbox)
    pauses: list[float] = []

    def pause() -> None:
        import time

        pauses.append(3.1)
        time.sleep(3.1)

    await rig.start(Failpoints({"after-connect": pause}))
    try:
        for claim in (text, mail):
            # A claim needs 2 s for its answer: 3 s are left to begin with it, and none after the pause.
            result = await rig.dialled(claim(seconds=5), seconds=5)
            assert (result.result, result.code) == ("not-sent", "too-late")
    finally:
        await rig.dialer.stop()
    assert len(pauses) == 2
    assert rig.taken == []


async def test_a_stale_claim_is_never_dialled_even_with_a_fresh_lease(rig: Rig) -> None:
    stale = text(at=datetime.now(UTC) - timedelta(minutes=5))
    result = await rig.dialled(stale)
    assert result.result == "not-sent"
    assert rig.taken == []


async def test_stop_lets_a_request_finish_and_turns_back_what_waits(settings: Settings, sandbox: SandboxServer) -> None:
    slow = msgspec.structs.replace(settings, sender_rate=0.1)
    rig = Rig(slow, sandbox)
    await rig.start()
    for number in range(2):
        rig.submit(text(to=f"+1312555010{number}", seconds=60), seconds=60)
    await rig.takes(1)
    await rig.dialer.stop()
    results = [message.result for _, message in rig.reports if isinstance(message, Dialled)]
    assert sorted(results) == ["accepted", "not-sent"]
    assert len(rig.taken) == 1


async def test_claims_beyond_the_pace_come_back_with_the_moment_of_their_turn(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(msgspec.structs.replace(settings, sender_rate=2.0), sandbox)
    await rig.start()
    try:
        for number in range(60):
            rig.submit(text(to=f"+13125550{100 + number}", seconds=4), seconds=4)

        def waits() -> list[float]:
            back = [message for _, message in rig.reports if isinstance(message, Dialled) and message.code == "paced"]
            return sorted(message.retryAfter or 0 for message in back)

        async with asyncio.timeout(20):
            while len(waits()) < 50:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        # Each as seen from its own moment: one that was turned back later has less to wait.
        gaps = [later - earlier for earlier, later in pairwise(waits())]
        assert abs(median(gaps) - 0.5) < 0.05
    finally:
        await rig.dialer.stop()


async def test_a_full_day_turns_status_back_to_tomorrow_and_lets_deadlines_through(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(msgspec.structs.replace(settings, daily_segments=2), sandbox)
    await rig.start()
    try:
        assert (await rig.dialled(text(to="+13125550100"))).result == "accepted"
        back = await rig.dialled(text(to="+13125550101"))
        assert (back.result, back.code) == ("not-sent", "daily-cap")
        assert 0 < (back.retryAfter or 0) <= 25 * 3600
        assert (await rig.dialled(text(to="+13125550102", lane=1))).result == "accepted"
        assert (await rig.dialled(text(to="+13125550103", lane=1))).code == "daily-cap"
    finally:
        await rig.dialer.stop()


async def test_what_was_used_of_the_day_before_a_restart_counts_after_it(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(msgspec.structs.replace(settings, daily_segments=10), sandbox)
    rig.used_today = 9
    await rig.start()
    try:
        assert (await rig.dialled(text(to="+13125550100"))).code == "daily-cap"
        assert (await rig.dialled(text(to="+13125550101", lane=1))).result == "accepted"
        assert (await rig.dialled(text(to="+13125550102", lane=1))).code == "daily-cap"
    finally:
        await rig.dialer.stop()


async def test_texts_that_leave_together_do_not_go_over_the_day_and_one_refused_does_not_count(
    settings: Settings, sandbox: SandboxServer, fault: Fault
) -> None:
    rig = Rig(msgspec.structs.replace(settings, daily_segments=5), sandbox)
    await rig.start()
    try:
        fault("reject:21614", to="+13125550100")
        assert (await rig.dialled(text(to="+13125550100", lane=1))).result == "rejected"
        for number in range(1, 20):
            rig.submit(text(to=f"+131255501{number:02d}", lane=1))
        results = [message.code for message in await rig.settle() if isinstance(message, Dialled)]
    finally:
        await rig.dialer.stop()
    assert len(rig.taken) == 5
    assert results.count("daily-cap") == 14


async def test_a_claim_that_waits_for_its_turn_comes_back_at_once_after_a_stop(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(msgspec.structs.replace(settings, sender_rate=0.1), sandbox)
    await rig.start()
    try:
        rig.submit(text(seconds=60), seconds=60)
        last = text(to="+13125550109", seconds=60)
        rig.submit(last, seconds=60)
        rig.submit(Withhold(key=KEY, claimId=last.claimId))
        async with asyncio.timeout(8):  # its turn is in 9 s
            while not any(isinstance(m, Dialled) and m.claimId == last.claimId for _, m in rig.reports):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        rig.submit(Withhold(key=KEY, claimId="n0:1"))
    finally:
        await rig.dialer.stop()
    [back] = [m for _, m in rig.reports if isinstance(m, Dialled) and m.claimId == last.claimId]
    assert (back.result, back.code) == ("not-sent", "withheld")
    assert last.to not in [entry.to for entry in rig.taken]


async def test_a_stop_that_comes_while_a_connection_is_made_still_holds_the_text_back(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(settings, sandbox)
    claim = text()
    await rig.start(Failpoints({"after-connect": lambda: rig.submit(Withhold(key=KEY, claimId=claim.claimId))}))
    try:
        assert (await rig.dialled(claim)).code == "withheld"
    finally:
        await rig.dialer.stop()
    assert rig.taken == []


async def test_a_code_that_stops_everything_after_acceptance_gives_the_provider_a_rest(rig: Rig) -> None:
    assert (await rig.dialled(text())).result == "accepted"
    rig.submit(Trouble(key=KEY, channel="sms", code="30023"))
    assert (await rig.dialled(text(to="+13125550101"))).code == "daily-cap"
    assert (await rig.dialled(text(to="+13125550102", lane=1))).result == "accepted"
    rig.submit(Trouble(key=KEY, channel="sms", code="30034"))
    back = await rig.dialled(text(to="+13125550103", lane=1))
    assert back.code == "breaker"
    assert 290 < (back.retryAfter or 0) < 310
    assert (await rig.dialled(mail())).result == "accepted"


async def test_the_list_proves_a_text_by_number_body_and_time(rig: Rig) -> None:
    began = datetime.now(UTC)
    claim = text()
    sid = (await rig.dialled(claim)).providerId
    await rig.dialled(text(body="Another text."))
    await rig.dialled(text(to="+13125550101"))

    def lookup(**changes: Any) -> Lookup:
        asked = Lookup(
            claimId=claim.claimId,
            key=KEY,
            to=NUMBER,
            body="TSA PreCheck: approved. Reply STOP to end.",
            since=began - timedelta(seconds=120),
            until=began + timedelta(seconds=120),
        )
        return msgspec.structs.replace(asked, **changes)

    found = await rig.dial(lookup())
    assert isinstance(found, Listed)
    assert found.startedAt >= began
    assert [match[:2] for match in found.matches] == [(sid, "accepted")]
    for nothing in (
        lookup(taken=(str(sid),)),
        lookup(body="TSA PreCheck: approved. Reply STOP to end. "),
        lookup(since=began - timedelta(hours=2), until=began - timedelta(hours=1)),
        lookup(since=began + timedelta(hours=1), until=began + timedelta(hours=2)),
    ):
        answer = await rig.dial(nothing)
        assert isinstance(answer, Listed)
        assert (answer.matches, answer.failed) == ((), False)


async def test_the_list_is_read_past_its_first_page(rig: Rig) -> None:
    began = datetime.now(UTC)
    first = await rig.dialled(text(body="The oldest of all."))
    for number in range(130):
        rig.submit(text(body=f"Text {number}"))
    await rig.settle()
    lookup = Lookup(
        claimId="c",
        key=KEY,
        to=NUMBER,
        body="The oldest of all.",
        since=began - timedelta(seconds=5),
        until=began + timedelta(seconds=60),
    )
    found = await rig.dial(lookup)
    assert isinstance(found, Listed)
    assert [match[0] for match in found.matches] == [first.providerId]


async def test_a_list_that_lags_or_fails_is_no_proof_of_the_other_kind(rig: Rig, fault: Fault) -> None:
    began = datetime.now(UTC)
    claim = text()
    await rig.dialled(claim)
    lookup = Lookup(
        claimId=claim.claimId,
        key=KEY,
        to=NUMBER,
        body="TSA PreCheck: approved. Reply STOP to end.",
        since=began - timedelta(seconds=5),
        until=began + timedelta(seconds=60),
    )
    fault("lag:60")
    empty = await rig.dial(lookup)
    assert isinstance(empty, Listed)
    assert (empty.matches, empty.failed) == ((), False)
    fault("list-down", times=1)
    failed = await rig.dial(lookup)
    assert isinstance(failed, Listed)
    assert failed.failed


async def test_a_straggler_is_asked_for_by_its_sid(rig: Rig, fault: Fault) -> None:
    sid = (await rig.dialled(text())).providerId
    lookup = Lookup(
        claimId="c",
        key=KEY,
        to=NUMBER,
        body="",
        since=datetime.now(UTC),
        until=datetime.now(UTC),
        providerId=sid,
    )
    assert await rig.dial(lookup) == Receipt(token=None, providerId=sid, status="accepted", code=None)
    fault("list-down", times=1)
    failed = await rig.dial(lookup)
    assert isinstance(failed, Listed)
    assert failed.failed


async def test_a_mail_arrives_whole_with_its_bounce_address_and_its_message_id(rig: Rig) -> None:
    claim = mail()
    result = await rig.dialled(claim)
    assert result == Dialled(claimId=claim.claimId, result="accepted", providerId="<n1@example.com>")
    (letter,) = rig.sandbox.world.inbox.letters(MAILBOX)
    assert letter.envelope_sender == f"bounce+{claim.token}@example.com"
    assert letter.part("plain") == "Aprobado: señal\n.\nfin\n"
    assert "Aprobado" in letter.part("html")
    assert letter.header("Content-Language") == "es"
    assert letter.header("Date") == "Wed, 25 Nov 2026 03:00:00 +0000"


@pytest.mark.parametrize(
    ("fault_name", "result", "code", "stored"),
    [
        ("reject:5.1.1", "rejected", "5.1.1", 0),
        ("429", "not-sent", "4.2.1", 0),
        ("500-before", "not-sent", "4.3.0", 0),
        ("500-after", "doubt", "4.3.0", 1),
        ("drop", "doubt", "no-answer", 1),
        ("hang", "doubt", "no-answer", 1),
        ("lose", "doubt", "no-answer", 0),
    ],
)
async def test_mail_errors_before_the_final_dot_are_definite_and_after_it_are_doubt(
    rig: Rig, fault: Fault, fault_name: str, result: str, code: str, stored: int
) -> None:
    fault(fault_name, times=1)
    answer = await rig.dialled(mail())
    assert (answer.result, answer.code) == (result, code)
    await rig.takes(stored)


async def test_a_mail_sent_again_after_doubt_is_the_same_letter_to_its_reader(rig: Rig, fault: Fault) -> None:
    fault("drop", times=1)
    assert (await rig.dialled(mail())).result == "doubt"
    assert (await rig.dialled(mail())).result == "accepted"
    (letter,) = rig.sandbox.world.inbox.letters(MAILBOX)
    assert letter.copies == 2


@pytest.mark.parametrize(
    ("greeting", "mail_from", "code"),
    [
        ("554 5.3.2 closed", "", "5.3.2"),
        ("220 ready", "550 you are on our list", "550"),
        ("421 busy", "", "421"),
    ],
)
async def test_a_relay_that_refuses_us_says_nothing_of_the_message(
    settings: Settings, sandbox: SandboxServer, greeting: str, mail_from: str, code: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{greeting}\r\n".encode())
        while line := await reader.readline():
            writer.write(b"250 ok\r\n" if line.upper().startswith((b"EHLO", b"RSET")) else f"{mail_from}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rig = Rig(msgspec.structs.replace(settings, smtp_url=f"smtp://127.0.0.1:{port}"), sandbox)
    await rig.start()
    try:
        back = await rig.dialled(mail())
        assert (back.result, back.code) == ("not-sent", code)
        if mail_from:
            refused = await rig.dialled(mail(to="rosá@example.com"))
            assert (refused.result, refused.code) == ("rejected", "5.6.7"), "this relay takes no such letters"
    finally:
        await rig.dialer.stop()
        server.close()


def test_a_refusal_without_a_code_of_twilios_own_is_trouble_on_the_way() -> None:
    assert classify(404, 404, None).trouble
    assert classify(400, None, None).trouble
    assert not classify(400, 21614, None).trouble
    assert classify(403, 403, None).trouble


async def test_a_relay_that_closed_an_idle_connection_costs_no_message(rig: Rig) -> None:
    assert (await rig.dialled(mail())).result == "accepted"
    mailer: Any = rig.dialer._providers._mailer
    for _, relay in mailer._idle:
        relay.transport.abort()
        await asyncio.sleep(0.05)
    assert (await rig.dialled(mail(subject="Second"))).result == "accepted"
    assert len(rig.taken) == 2


def test_a_failpoint_that_does_not_exist_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="TTN_FAILPOINT"):
        Failpoints.load({"TTN_FAILPOINT": "after-lunch:kill"})


def test_a_failpoint_signals_at_the_pass_that_was_asked_for() -> None:
    points = Failpoints.load({"TTN_FAILPOINT": "before-dial:stop:3"})
    child = os.fork()
    if child == 0:
        for _ in range(3):
            points.reach("before-dial")
        os._exit(0)
    _, status = os.waitpid(child, os.WUNTRACED)
    try:
        assert os.WIFSTOPPED(status)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
