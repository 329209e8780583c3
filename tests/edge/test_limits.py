"""A source that asks for too much gets 429, and can lock out neither the provider nor a reader who unsubscribes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services import twilio
from services.web.limits import Limits, _source
from tests.edge.test_web import IDENTITY, TOKEN, Site, serving

LINK = IDENTITY.address("email", "rosa@example.com")
PATH = f"/unsubscribe/{LINK}-{IDENTITY.token(f'unsubscribe:{LINK}')}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose limit is reached after three refusals, and that forgets one of them in ten seconds."""
    async with serving(tmp_path, TTN_WEB_RATE="0.1") as running:
        yield running


async def _exhaust(site: Site) -> None:
    for _ in range(40):
        async with site.session.get(site.url + "/nothing-here") as response:
            if response.status == 429:
                assert 1 <= int(response.headers["Retry-After"]) <= 10
                return
            assert response.status == 404
    raise AssertionError("the limit was never reached")


async def test_a_source_that_asks_for_too_much_is_told_when_to_come_again(site: Site) -> None:
    await _exhaust(site)
    for path in ("/status", "/unsubscribe/made-up", "/twilio/inbound"):
        async with site.session.post(site.url + path) as response:
            assert response.status == 429
            assert "Retry-After" in response.headers


async def test_what_the_provider_signed_is_served_although_its_address_is_over_the_limit(site: Site) -> None:
    await _exhaust(site)
    for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
        assert await site.post(f"/twilio/status/{TOKEN}", site.receipt(), algorithm=algorithm) == 204
    assert len(site.held.messages) == 2
    assert await site.post(f"/twilio/status/{TOKEN}", site.receipt(), secret="somebody-elses") == 429
    bare = {twilio.SIGNATURE_HEADER: "not-a-signature"}
    assert await site.post(f"/twilio/status/{TOKEN}", site.receipt(), headers=bare) == 429


async def test_many_signed_webhooks_of_one_address_never_reach_the_limit(site: Site) -> None:
    for _ in range(60):
        assert await site.post(f"/twilio/status/{TOKEN}", site.receipt()) == 204
    async with site.session.get(site.url + "/nothing-here") as response:
        assert response.status == 404


async def test_a_reader_behind_the_same_address_can_still_unsubscribe(site: Site) -> None:
    await _exhaust(site)
    async with site.session.get(site.url + PATH) as response:
        assert response.status == 200
    for _ in range(30):
        async with site.session.post(site.url + PATH) as response:
            assert response.status == 200
    assert len(site.held.messages) == 1, "the same link over and over is written down once"


async def test_an_unsubscribe_that_kafka_did_not_hold_is_not_taken_for_done(site: Site) -> None:
    site.held.refuses = True
    async with site.session.post(site.url + PATH) as response:
        assert response.status == 503
    site.held.refuses = False
    async with site.session.post(site.url + PATH) as response:
        assert response.status == 200
    assert len(site.held.messages) == 1


async def test_health_is_never_limited(site: Site) -> None:
    await _exhaust(site)
    for path in ("/healthz", "/metrics"):
        async with site.session.get(site.url + path) as response:
            assert response.status == 200


def test_the_rate_is_kept_over_time_and_for_each_source() -> None:
    limits = Limits(2.0)
    for _ in range(40):
        assert limits.wait("a", 0.0) == 0.0
        limits.spend("a", 0.0)
    limits.spend("a", 0.0)
    assert limits.wait("a", 0.0) == 0.5
    assert limits.wait("b", 0.0) == 0.0
    assert limits.wait("a", 0.5) == 0.0
    assert limits.wait("a", 1000.0) == 0.0


def test_however_many_sources_there_are_the_latest_alone_are_remembered() -> None:
    limits = Limits(1.0, most=100)
    for number in range(10_000):
        limits.spend(f"{number}", 0.0)
    assert len(limits) == 100


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
    ],
)
def test_an_ipv6_source_is_its_network(remote: str | None, source: str) -> None:
    assert _source(remote) == source
