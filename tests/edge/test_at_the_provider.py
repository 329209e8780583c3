"""What the dialer holds back for the provider's sake: a queue that is long enough there, and too many second tries."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from schemas.internal import Claim, Listed, Lookup, Settled, Stray, Text
from services.sandbox.server import SandboxServer
from services.settings import Settings
from services.twilio import Found, Twilio, classify
from tests.edge.conftest import KEY, Rig, text

Fault = Callable[..., None]


def long(segments: int, to: str, **more: object) -> Claim:
    claim = text(to=to, **more)
    words = claim.message
    assert isinstance(words, Text)
    return msgspec.structs.replace(claim, message=msgspec.structs.replace(words, segments=segments))


async def test_a_text_comes_back_while_the_provider_has_half_a_minute_of_segments_to_send(
    settings: Settings, sandbox: SandboxServer
) -> None:
    rig = Rig(msgspec.structs.replace(settings, sender_rate=100.0), sandbox)
    await rig.start()
    try:
        first = long(2400, "+13125550100")
        assert (await rig.dialled(first)).result == "accepted"
        assert rig.dialer.health()["unsent"] == 2400
        back = await rig.dialled(text(to="+13125550101"))
        assert (back.result, back.code) == ("not-sent", "provider-full")
        assert 5 <= (back.retryAfter or 0) <= 10
        rig.submit(Settled(key=KEY, claimId=first.claimId))
        assert rig.dialer.health()["unsent"] == 0
        assert (await rig.dialled(text(to="+13125550102"))).code != "provider-full"
    finally:
        await rig.dialer.stop()


@pytest.mark.parametrize(("fault_name", "left"), [("reject:21614", 0), ("429", 0), ("drop", 1), ("500-before", 1)])
async def test_what_the_provider_certainly_does_not_have_is_not_waited_for(
    rig: Rig, fault: Fault, fault_name: str, left: int
) -> None:
    fault(fault_name, times=1)
    await rig.dialled(text())
    assert rig.dialer.health()["unsent"] == left


async def test_second_tries_beyond_a_tenth_wait_and_first_ones_do_not(rig: Rig) -> None:
    for _ in range(2):
        for number in range(15):
            rig.submit(text(to=f"+131255501{number:02d}", notification=f"m{number}"))
        results = await rig.settle()
    codes = [getattr(result, "code", None) for result in results[15:]]
    assert codes.count("retry-budget") == 5
    waits = [getattr(result, "retryAfter", 0) for result in results[15:]]
    assert all(50 < wait <= 60 for wait in waits if wait)
    assert (await rig.dialled(text(to="+13125550120"))).result == "accepted"
    assert len(rig.taken) == 15 + 10 + 1


async def test_texts_without_a_receipt_are_asked_about_in_the_order_given_however_many_there_are(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str | None] = []
    fetch = Twilio.fetch

    async def noted(self: Twilio, sid: str) -> Found:
        began.append(sid)
        return await fetch(self, sid)

    monkeypatch.setattr(Twilio, "fetch", noted)
    sids = [(await rig.dialled(text(to=f"+131255501{number:02d}"))).providerId for number in range(20)]
    now = datetime.now(UTC)
    for sid in sids:
        rig.submit(Lookup(claimId="c", key=KEY, to="", body="", since=now, until=now, providerId=sid))
    await rig.settle()
    assert began == sids


@pytest.mark.parametrize("code", ["20003", "20404", "21212", "21703", "21704", "21705"])
async def test_a_refusal_that_every_text_would_get_stops_the_line_at_once(rig: Rig, fault: Fault, code: str) -> None:
    fault(f"reject:{code}", times=1)
    assert (await rig.dialled(text())).code == code
    assert (await rig.dialled(text(to="+13125550101"))).code == "breaker"


@pytest.mark.parametrize(
    ("code", "counted"),
    [("21703", 1), ("21606", 1), ("21619", 1), ("21408", 1), ("21611", 1), ("21614", 0), ("21610", 0)],
)
async def test_a_refusal_that_only_a_person_can_put_right_raises_an_alarm(
    rig: Rig, fault: Fault, code: str, counted: int
) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("ttn_dialer_trouble_total", {"channel": "sms", "code": code}) or 0.0

    before = count()
    fault(f"reject:{code}", times=1)
    assert (await rig.dialled(text())).code == code
    assert count() == before + counted


@pytest.mark.parametrize(
    "body", ["null", "[]", "{}", "7", '"queued"', "", "<html>", '{"sid": 7}', '{"messages": [null]}']
)
async def test_a_good_answer_without_a_message_in_it_is_a_doubt_or_no_proof_and_no_surprise(
    settings: Settings, sandbox: SandboxServer, body: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=201 if request.method == "POST" else 200, text=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    twilio = msgspec.structs.replace(settings.twilio, url=url)
    rig = Rig(msgspec.structs.replace(settings, twilio=twilio), sandbox)
    await rig.start()
    try:
        claim = text()
        assert (await rig.dialled(claim)).result == "doubt"
        now = datetime.now(UTC)
        asked = Lookup(claimId=claim.claimId, key=KEY, to=claim.to, body="x", since=now, until=now)
        answered = [await rig.dial(asked), await rig.dial(msgspec.structs.replace(asked, providerId="SM" + "0" * 32))]
        assert all(isinstance(one, Listed) and one.failed for one in answered)
    finally:
        await rig.dialer.stop()
        await runner.cleanup()


async def test_a_question_that_waited_too_long_for_its_turn_is_dropped_and_will_be_asked_again(rig: Rig) -> None:
    now = datetime.now(UTC)
    rig.submit(Lookup(claimId="c", key=KEY, to="", body="", since=now, until=now, providerId="SM1"), seconds=-1)
    assert await rig.settle() == []


def test_a_full_queue_at_the_provider_is_known_by_its_code_whatever_the_status() -> None:
    assert [classify(status, 21611, None).result for status in (400, 429)] == ["rejected", "rejected"]


async def test_a_receipt_of_no_message_of_ours_is_counted_for_staff_to_see(rig: Rig) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("ttn_stray_receipts_total", {"why": "unknown", "status": "failed"}) or 0.0

    before = count()
    rig.submit(Stray(key=KEY, status="failed", providerId="SM1"))
    assert count() == before + 1
