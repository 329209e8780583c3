"""What providers call: only what Twilio signed for us is believed, and only Kafka's word counts for an answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import aiosmtplib
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import REGISTRY

from schemas.internal import AddressesMessage, Inbound, OptedOut, Receipt
from services import bounces, twilio, wire
from services.sandbox.server import SandboxServer
from services.sealing import Keys
from services.settings import Settings
from services.transit import Transit
from services.web.inlet import Inlet, NotHeld
from services.web.server import WebServer
from streams import topics
from streams.hearing import without_numbers
from streams.identity import Identity
from tests.edge.conftest import NUMBER, Rig, mail, text

KEYS = Keys.built_in()
IDENTITY = Identity(KEYS.hmac)
KEY = IDENTITY.address("sms", NUMBER)
TOKEN = f"{KEY}-{IDENTITY.token('n1:1')}"
SID = "SM" + "0123456789abcdef" * 2
PUBLIC = "https://notify.example.com"


class Held(Inlet):
    """Where the web writes; here a list, that can refuse as Kafka can."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, AddressesMessage]] = []
        self.refuses = self.stopped = False

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        self.stopped = True

    async def put(self, key: str, message: AddressesMessage) -> None:
        if self.refuses:
            raise NotHeld("KafkaTimeoutError")
        self.messages.append((key, message))


class Site:
    def __init__(self, url: str, settings: Settings, held: Held, session: aiohttp.ClientSession) -> None:
        self.url, self.settings, self.held, self.session = url, settings, held, session

    def receipt(self, **changes: str) -> dict[str, str]:
        return {
            "AccountSid": self.settings.twilio.account_sid,
            "ApiVersion": "2010-04-01",
            "From": "",
            "MessageSid": SID,
            "MessageStatus": "delivered",
            "SmsSid": SID,
            "To": NUMBER,
        } | changes

    async def post(
        self,
        path: str,
        form: Mapping[str, str],
        *,
        secret: str | None = None,
        algorithm: str = "HMAC_SHA1",
        signed_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> int:
        signature = twilio.sign(secret or self.settings.twilio.auth_token, signed_url or PUBLIC + path, form, algorithm)
        sent = {twilio.SIGNATURE_HEADER: signature, "Content-Type": "application/x-www-form-urlencoded"}
        if algorithm != "HMAC_SHA1":
            sent[twilio.SIGNATURE_SETTINGS_HEADER] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
        sent |= headers or {}
        data = urlencode(form).encode() if body is None else body
        async with self.session.post(self.url + path, data=data, headers=sent) as response:
            self.answer = await response.text()
            return response.status


@asynccontextmanager
async def serving(folder: Path, **environ: str) -> AsyncIterator[Site]:
    """A site with these settings more."""
    here = {"TTN_DATA_DIR": str(folder), "TTN_WEB_LISTEN": "127.0.0.1:0", "TTN_PUBLIC_URL": PUBLIC}
    settings = Settings.load(here | environ)
    held = Held()
    server = WebServer(settings, KEYS, held)
    url = await server.start()
    async with aiohttp.ClientSession() as session:
        yield Site(url, settings, held, session)
    await server.stop()


async def test_a_site_that_cannot_listen_disconnects_from_kafka(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        held = Held()
        with pytest.raises(OSError, match="in use"):
            await WebServer(
                Settings.load({"TTN_DATA_DIR": str(tmp_path), "TTN_WEB_LISTEN": listen}), KEYS, held
            ).start()
    assert held.stopped


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, TWILIO_AUTH_TOKEN_SECONDARY="the-old-token") as running:
        yield running


async def test_a_signed_receipt_reaches_the_address_that_its_token_names(site: Site) -> None:
    status = await site.post(f"/twilio/status/{TOKEN}", site.receipt(MessageStatus="undelivered", ErrorCode="30005"))
    assert status == 204
    assert site.held.messages == [(KEY, Receipt(token=TOKEN, providerId=SID, status="undelivered", code="30005"))]


@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
@pytest.mark.parametrize("secret", ["sandbox-auth-token", "the-old-token"])
async def test_both_algorithms_and_both_secrets_of_a_rotation_are_accepted(
    site: Site, algorithm: str, secret: str
) -> None:
    status = await site.post(f"/twilio/status/{TOKEN}", site.receipt(), secret=secret, algorithm=algorithm)
    assert status == 204


async def test_new_and_blank_and_non_ascii_parameters_are_part_of_the_signature(site: Site) -> None:
    form = site.receipt(SomethingNew="", City="Ciudad Juárez", ErrorCode="")
    assert await site.post(f"/twilio/status/{TOKEN}", form) == 204


@pytest.mark.parametrize(
    "attack",
    [
        {"headers": {twilio.SIGNATURE_HEADER: ""}},
        {"headers": {twilio.SIGNATURE_HEADER: "x" * 5000}},
        {"headers": {twilio.SIGNATURE_HEADER: "gültig"}},
        {"secret": "somebody-elses-token"},
        {"algorithm": "HMAC_SHA256", "headers": {twilio.SIGNATURE_SETTINGS_HEADER: "algorithm=HMAC_SHA1"}},
        {"headers": {twilio.SIGNATURE_SETTINGS_HEADER: "algorithm=NONE"}},
        {"signed_url": "http://127.0.0.1:8080/twilio/status/" + TOKEN},
        {"signed_url": PUBLIC + "/twilio/status/" + TOKEN + "#rc=5&rp=all"},
        {"signed_url": PUBLIC + "/twilio/status/" + TOKEN + "?token=other"},
        {"headers": {"Host": "evil.example.com"}, "signed_url": "https://evil.example.com/twilio/status/" + TOKEN},
    ],
)
async def test_what_twilio_did_not_sign_for_this_url_is_refused(site: Site, attack: dict[str, Any]) -> None:
    assert await site.post(f"/twilio/status/{TOKEN}", site.receipt(), **attack) == 403
    assert site.held.messages == []


async def test_a_form_whose_names_and_values_were_shifted_signs_alike_and_is_still_refused(site: Site) -> None:
    form = site.receipt()
    shifted = {name: value for name, value in form.items() if name != "MessageStatus"}
    shifted["MessageStatusdel"] = "ivered"
    signature = twilio.sign(site.settings.twilio.auth_token, f"{PUBLIC}/twilio/status/{TOKEN}", form)
    status = await site.post(f"/twilio/status/{TOKEN}", shifted, headers={twilio.SIGNATURE_HEADER: signature})
    assert status == 400
    assert site.held.messages == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"AccountSid": "AC" + "0" * 32}, 403),
        ({"To": "+13125550101"}, 403),
        ({"MessageSid": "SM123"}, 400),
        ({"MessageStatus": "vanished"}, 400),
        ({"ErrorCode": "30005; DROP"}, 400),
    ],
)
async def test_a_signed_form_must_still_be_about_us_and_this_claim(
    site: Site, changes: dict[str, str], status: int
) -> None:
    assert await site.post(f"/twilio/status/{TOKEN}", site.receipt(**changes)) == status
    assert site.held.messages == []


@pytest.mark.parametrize(
    ("path", "changes", "what", "status"),
    [
        ("/twilio/status/not-a-token", {}, "token", 204),
        (f"/twilio/status/{TOKEN}", {"To": "+13125550101"}, "To", 403),
        (f"/twilio/status/{TOKEN}", {"AccountSid": "AC" + "0" * 32}, "AccountSid", 403),
        (f"/twilio/status/{TOKEN}", {"MessageStatus": "vanished"}, "MessageStatus", 400),
    ],
)
async def test_what_twilio_signed_and_we_cannot_use_is_counted_and_asked_for_no_more_than_it_must(
    site: Site, path: str, changes: dict[str, str], what: str, status: int
) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("ttn_web_unusable_total", {"what": what}) or 0.0

    before = count()
    assert await site.post(path, site.receipt(**changes), secret="somebody-elses-token") in (403, 404)
    assert count() == before
    assert await site.post(path, site.receipt(**changes)) == status
    assert count() == before + 1
    assert site.held.messages == []


async def test_a_field_given_twice_is_refused(site: Site) -> None:
    form = site.receipt()
    body = (urlencode(form) + "&" + urlencode({"MessageStatus": form["MessageStatus"]})).encode()
    assert await site.post(f"/twilio/status/{TOKEN}", form, body=body) == 400


async def test_limits_come_before_the_signature(site: Site) -> None:
    path = f"/twilio/status/{TOKEN}"
    assert await site.post(path, site.receipt(Padding="x" * 17_000)) == 413
    assert await site.post(path, site.receipt(**{f"P{n}": "" for n in range(70)})) == 400
    assert await site.post(path, site.receipt(), body=b"\xff\xfe=1") == 400
    assert await site.post(path, site.receipt(), headers={"Content-Type": "application/json"}) == 415
    assert await site.post("/twilio/status/not-a-token", site.receipt(), secret="somebody-elses-token") == 404
    async with site.session.get(site.url + path) as response:
        assert response.status == 405


async def test_nothing_is_acknowledged_that_kafka_does_not_hold(site: Site) -> None:
    site.held.refuses = True
    assert await site.post(f"/twilio/status/{TOKEN}", site.receipt()) == 503
    inbound = {"AccountSid": site.settings.twilio.account_sid, "MessageSid": SID, "From": NUMBER, "Body": "STOP"}
    assert await site.post("/twilio/inbound", inbound) == 503


async def test_an_inbound_text_is_answered_with_nothing_and_goes_to_its_number(site: Site) -> None:
    form = {"AccountSid": site.settings.twilio.account_sid, "MessageSid": SID, "From": NUMBER, "Body": "Stop "}
    assert await site.post("/twilio/inbound", form) == 200
    assert "<Message" not in site.answer
    assert "<Response>" in site.answer
    assert await site.post("/twilio/inbound", form | {"OptOutType": "STOP"}) == 200
    plain = Inbound(sender=NUMBER, body="Stop ", providerId=SID)
    assert site.held.messages == [(KEY, plain), (KEY, msgspec.structs.replace(plain, answered=True, heard="stop"))]


@pytest.mark.parametrize(("named", "heard"), [("STOP", "stop"), ("START", "start"), ("HELP", "help"), ("PAUSE", None)])
async def test_what_the_provider_took_a_text_for_is_passed_on_and_a_new_name_for_it_loses_no_text(
    site: Site, named: str, heard: str | None
) -> None:
    form = {"AccountSid": site.settings.twilio.account_sid, "MessageSid": SID, "From": NUMBER, "Body": "basta ya"}
    assert await site.post("/twilio/inbound", form | {"OptOutType": named}) == 200
    [(_, message)] = site.held.messages
    assert isinstance(message, Inbound)
    assert (message.body, message.answered, message.heard) == ("basta ya", True, heard)


async def test_a_short_code_that_writes_to_us_is_forgotten(site: Site) -> None:
    form = {"AccountSid": site.settings.twilio.account_sid, "MessageSid": SID, "From": "12345", "Body": "hi"}
    assert await site.post("/twilio/inbound", form) == 200
    assert site.held.messages == []


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("my ssn is 123-45-6789 ok", "my ssn is  ok"),
        ("born 1980", "born "),
        ("room 12 at 911", "room 12 at 911"),
        ("رقمي ١٢٣٤٥٦", "رقمي "),
        ("x" * 300, "x" * 160),
        ("STOP", "STOP"),
    ],
)
def test_long_runs_of_digits_never_enter(body: str, kept: str) -> None:
    assert without_numbers(body) == kept


async def test_a_scanner_that_opens_the_unsubscribe_link_changes_nothing(site: Site) -> None:
    key = IDENTITY.address("email", "rosa@example.com")
    path = f"/unsubscribe/{key}-{IDENTITY.token(f'unsubscribe:{key}')}"
    for method in ("GET", "HEAD"):
        async with site.session.request(method, site.url + path) as response:
            assert response.status == 200
    assert site.held.messages == []
    async with site.session.post(site.url + path, data={"List-Unsubscribe": "One-Click"}) as response:
        assert response.status == 200
        assert "unsubscribed" in await response.text()
    assert site.held.messages == [(key, OptedOut(address=key, reason="stopped"))]


@pytest.mark.parametrize("token", [f"{KEY}-{'a' * 32}", TOKEN, "x", "%2e%2e"])
async def test_a_made_up_unsubscribe_link_is_not_found(site: Site, token: str) -> None:
    async with site.session.post(f"{site.url}/unsubscribe/{token}") as response:
        assert response.status == 404
    assert site.held.messages == []


async def test_failures_are_counted_by_code_so_that_their_rate_can_raise_an_alarm(site: Site) -> None:
    form = site.receipt(MessageStatus="undelivered", ErrorCode="30007")
    assert await site.post(f"/twilio/status/{TOKEN}", form) == 204
    async with site.session.get(site.url + "/metrics") as response:
        counts = await response.text()
    assert 'ttn_web_receipts_total{channel="sms",code="30007",status="undelivered"}' in counts


async def test_health_and_metrics_answer(site: Site) -> None:
    async with site.session.get(site.url + "/healthz") as response:
        assert response.status == 200
    async with site.session.get(site.url + "/metrics") as response:
        assert "ttn_dialer_requests" in await response.text()


async def _settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes' terms
            await asyncio.sleep(0.02)


@pytest.fixture
async def loop_of_three(site: Site) -> AsyncIterator[tuple[Rig, Site]]:
    """A dialer, the sandbox and the web, each calling the next."""
    settings = msgspec.structs.replace(site.settings, public_url=site.url, send_timeout=5.0, sender_rate=1000.0)
    server = WebServer(settings, KEYS, site.held)
    url = await server.start()
    settings = msgspec.structs.replace(settings, public_url=url)
    await server.stop()
    host, port = url.removeprefix("http://").split(":")
    settings = msgspec.structs.replace(settings, web_listen=(host, int(port)))
    server = WebServer(settings, KEYS, site.held)
    await server.start()
    sandbox = SandboxServer(settings, algorithm="HMAC_SHA256")
    await sandbox.start()
    rig = Rig(settings, sandbox)
    await rig.start()
    yield rig, site
    await rig.dialer.stop()
    await sandbox.stop()
    await server.stop()


async def test_what_is_dialled_comes_back_as_signed_receipts_and_notices(loop_of_three: tuple[Rig, Site]) -> None:
    rig, site = loop_of_three
    claim = msgspec.structs.replace(text(), key=KEY, token=TOKEN)
    letter = mail()
    bad = mail(to="gone@example.com")
    from services.sandbox import faults

    rig.sandbox.world.faults.add(faults.parse("undelivered:5.1.1", "gone@example.com"))
    for sent in (claim, letter, bad):
        rig.submit(sent)
    await rig.settle()
    await _settled(lambda: len(site.held.messages) >= 4)
    receipts = [message for _, message in site.held.messages if isinstance(message, Receipt)]
    assert [(r.status, r.code) for r in receipts if r.token == TOKEN] == [("sent", None), ("delivered", None)]
    assert [(r.status, r.code) for r in receipts if r.token == letter.token] == [("delivered", None)]
    assert [(r.status, r.code) for r in receipts if r.token == bad.token] == [("undelivered", "5.1.1")]


async def test_a_person_who_answers_on_the_sandbox_is_heard(loop_of_three: tuple[Rig, Site]) -> None:
    rig, site = loop_of_three
    rig.sandbox.world.reply(NUMBER, "¡Alto!")
    await _settled(lambda: bool(site.held.messages))
    (key, message) = site.held.messages[0]
    assert key == KEY
    assert isinstance(message, Inbound)
    assert message.body == "¡Alto!"


async def test_the_bounce_door_takes_mail_to_bounce_addresses_alone(site: Site) -> None:
    from services import endpoints

    place = endpoints.web(site.settings)
    assert place is not None
    host, _, port = place.bounces.rpartition(":")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await aiosmtplib.send(
            b"Subject: hi\r\n\r\n", sender="a@example.com", recipients=["b@example.com"], hostname=host, port=int(port)
        )
    away = b"Subject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am on leave.\r\n"
    await aiosmtplib.send(
        away,
        sender="a@example.com",
        recipients=[bounces.sender(TOKEN, "example.com")],
        hostname=host,
        port=int(port),
    )
    assert site.held.messages == []


async def test_a_notice_to_many_bounce_addresses_at_once_is_work_that_nobody_needs(site: Site) -> None:
    from services import endpoints

    place = endpoints.web(site.settings)
    assert place is not None
    host, _, port = place.bounces.rpartition(":")
    async with aiosmtplib.SMTP(hostname=host, port=int(port)) as relay:
        await relay.mail("")
        codes = []
        for _ in range(6):
            try:
                codes.append((await relay.rcpt(bounces.sender(TOKEN, "example.com"))).code)
            except aiosmtplib.SMTPRecipientRefused as error:
                codes.append(error.code)
    assert codes == [250, 250, 250, 250, 452, 452]


async def test_the_use_of_the_secondary_secret_can_raise_an_alarm(site: Site) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("ttn_web_secondary_secret_total") or 0.0

    before = count()
    path = f"/twilio/status/{TOKEN}"
    assert await site.post(path, site.receipt()) == 204
    assert count() == before
    assert await site.post(path, site.receipt(), secret="the-old-token") == 204
    assert count() == before + 1


@pytest.mark.kafka
async def test_a_receipt_is_sealed_in_the_partition_of_its_address_before_it_is_acknowledged(
    kafka: str, tmp_path: Path
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    topic = topics.inbox("addresses")
    wanted = {topic, topics.TRANSIT_KEYS} - set(await admin.list_topics())
    await admin.create_topics([NewTopic(name, 4, 1) for name in sorted(wanted)])
    await admin.close()
    settings = Settings.load(
        {
            "TTN_DATA_DIR": str(tmp_path),
            "TTN_KAFKA": kafka,
            "TTN_PARTITIONS": "4",
            "TTN_WEB_LISTEN": "127.0.0.1:0",
            "TTN_PUBLIC_URL": PUBLIC,
        }
    )
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="latest", group_id=None)
    await consumer.start()
    for partition in consumer.assignment():
        await consumer.position(partition)
    server = WebServer(settings, KEYS)
    url = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            site = Site(url, settings, Held(), session)
            assert await site.post(f"/twilio/status/{TOKEN}", site.receipt()) == 204
        record = await asyncio.wait_for(consumer.getone(), 60)
        assert record.key == KEY.encode()
        assert record.partition == wire.partition_of(KEY.encode(), 4)
        assert NUMBER.encode() not in record.value
        assert wire.now_of(record).tzinfo is not None
        reader = Transit(KEYS, {"bootstrap_servers": kafka})
        await asyncio.to_thread(reader.start)
        message = wire.Decoder(AddressesMessage).decode(reader.open(record.value))
        await asyncio.to_thread(reader.stop)
        assert message == Receipt(token=TOKEN, providerId=SID, status="delivered")
    finally:
        await server.stop()
        await consumer.stop()
