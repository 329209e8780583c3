"""What says too much about a case does not stay at the provider: asked for a day after the end, until it is done."""

from datetime import timedelta
from typing import Any

import msgspec

from schemas.internal import Claim, Dialled, Receipt, Redact, Redacted, Send
from services.sandbox.server import SandboxServer
from streams.addresses import Addresses
from streams.addresses.state import Address
from streams.grammar import advance, step
from tests.edge.conftest import NUMBER, Rig, text
from tests.protocol import IDENTITY, POLICY, START, Words

SID = "SM" + "0123456789abcdef" * 2
DAY = timedelta(days=1)


def _ended(kind: str) -> tuple[Addresses, Address]:
    """A text of this kind that was delivered at the start."""
    stage = Addresses(IDENTITY, POLICY, Words())
    state = stage.empty(IDENTITY.address("sms", NUMBER))
    send = Send(
        notificationId="n1",
        travelerId="t1",
        kind=kind,
        fact="f",
        channel="sms",
        to=NUMBER,
        record="PRECHECK:R-1",
        recordId="R-1",
        program="PRECHECK",
        causeId="c1",
        languageServed="en",
        occurredAt=START,
        plannedAt=START,
        releaseAt=START,
        notAfter=START + 3 * DAY,
        zones=("America/Chicago",),
        exempt=True,
    )
    state, emitted = step(stage, state, send, START)
    (claim,) = [e.output for e in emitted if isinstance(e.output, Claim)]
    accepted = Dialled(claimId=claim.claimId, result="accepted", providerId=SID)
    state, _ = step(stage, state, accepted, START)
    state, _ = step(stage, state, Receipt(token=claim.token, providerId=SID, status="delivered"), START)
    return stage, state


def _asked(emitted: Any) -> list[Any]:
    return [(e.at - START, e.output.providerId) for e in emitted if isinstance(e.output, Redact)]


def test_a_letter_is_redacted_a_day_after_its_end_and_again_until_it_is_done() -> None:
    stage, state = _ended("LETTER_READY")
    state, emitted = advance(stage, state, START + DAY)
    assert _asked(emitted) == [(DAY, SID)]
    state, emitted = advance(stage, state, START + 1.5 * DAY)
    assert _asked(emitted) == [(1.5 * DAY, SID)]
    state, _ = step(stage, state, Redacted(providerId=SID), START + 1.5 * DAY)
    state, emitted = advance(stage, state, START + 30 * DAY)
    assert _asked(emitted) == []
    assert stage.due(state) is None


def test_a_provider_that_never_does_it_is_not_asked_for_ever() -> None:
    stage, state = _ended("MEMBERSHIP_CHANGE")
    state, emitted = advance(stage, state, START + 30 * DAY)
    assert len(_asked(emitted)) == 6
    assert stage.due(state) is None


def test_good_news_stays() -> None:
    stage, state = _ended("APPROVED")
    state, emitted = advance(stage, state, START + 30 * DAY)
    assert _asked(emitted) == []


async def test_the_dialer_removes_the_body_at_the_provider_and_says_so(rig: Rig, sandbox: SandboxServer) -> None:
    sid = str((await rig.dialled(text())).providerId)
    sms = sandbox.world.phones.find(sid)
    assert sms is not None
    redact = Redact(key="a" + "b" * 20, providerId=sid)
    rig.submit(redact)
    await rig.settle()
    assert len(rig.reports) == 1
    assert not sms.redacted
    sms.advance("delivered", sms.created)
    assert await rig.dial(redact) == Redacted(providerId=sid)
    assert sms.redacted
    assert sandbox.world.phones.resource(sms)["body"] == ""


def test_the_messages_of_redaction_survive_the_wire() -> None:
    for message in (Redacted(providerId=SID), Redact(key="a", providerId=SID)):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message)) == message
