"""Manners towards the mail relay: how many connections, how many messages on each, and what its 421 means."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.internal import Mail
from services import mail as mailing
from services.attempt import Answer, Attempt
from services.failpoints import Failpoints
from services.mail import Mailer
from tests.edge.conftest import MAILBOX, Rig, mail


class Relay:
    """A relay that takes at most `patience` messages on a connection, or never answers the final dot."""

    def __init__(self, patience: int = 1000, silent: bool = False) -> None:
        self.patience, self.silent = patience, silent
        self.messages: list[int] = []
        self.goodbyes = 0
        self.open = 0
        self.most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, taken = len(self.messages), 0
        self.messages.append(0)
        self.open += 1
        self.most = max(self.most, self.open)
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            verb = line.upper()[:4]
            if verb == b"MAIL" and taken == self.patience:
                writer.write(b"421 4.7.0 too many messages on this connection\r\n")
                break
            if verb == b"QUIT":
                self.goodbyes += 1
                writer.write(b"221 bye\r\n")
                break
            if verb != b"DATA":
                writer.write(b"250 ok\r\n")
                continue
            writer.write(b"354 go on\r\n")
            await reader.readuntil(b"\r\n.\r\n")
            taken += 1
            self.messages[number] = taken
            if not self.silent:
                writer.write(b"250 taken\r\n")
        self.open -= 1
        writer.close()


@asynccontextmanager
async def talking(relay: Relay) -> AsyncIterator[Mailer]:
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mailer = Mailer(f"smtp://127.0.0.1:{port}", None, "notices@example.com")
    try:
        yield mailer
    finally:
        await mailer.close()
        server.close()


async def send(mailer: Mailer, within: float = 5.0) -> Answer:
    claim = mail()
    assert isinstance(claim.message, Mail)
    attempt = Attempt(lambda: None, Failpoints())
    return await mailer.send(
        attempt, to=MAILBOX, token=claim.token, mail=claim.message, within=within, late=lambda _: None
    )


async def test_a_connection_that_the_relay_has_had_enough_of_costs_no_message() -> None:
    relay = Relay(patience=2)
    async with talking(relay) as mailer:
        answers = [await send(mailer) for _ in range(5)]
    assert [answer.result for answer in answers] == ["accepted"] * 5
    assert relay.messages == [2, 2, 1]


async def test_an_address_with_other_letters_stands_in_the_header_as_it_is(rig: Rig) -> None:
    assert (await rig.dialled(mail(to="rosá@example.com"))).result == "accepted"
    [letter] = rig.sandbox.world.inbox.letters()
    assert "\r\nTo: rosá@example.com\r\n".encode() in letter.content
    assert letter.part("plain") == "Aprobado: señal\n.\nfin\n"


async def test_a_connection_carries_so_many_messages_and_is_ended_with_a_goodbye(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailing, "_MESSAGES", 3)
    relay = Relay()
    async with talking(relay) as mailer:
        for _ in range(7):
            assert (await send(mailer)).result == "accepted"
        assert relay.messages == [3, 3, 1]
        async with asyncio.timeout(5):
            while relay.goodbyes < 2:  # noqa: ASYNC110 - what is waited for happens at the other end
                await asyncio.sleep(0.01)


async def test_a_relay_that_never_answers_is_not_given_ever_more_connections() -> None:
    relay = Relay(silent=True)
    async with talking(relay) as mailer:
        answers = [await send(mailer, within=0.05) for _ in range(25)]
    results = [(answer.result, answer.code, answer.trouble) for answer in answers]
    assert [(name, len(list(same))) for name, same in itertools.groupby(results)] == [
        (("doubt", "no-answer", True), 16),
        (("not-sent", "relay-busy", True), 9),
    ]
    assert relay.most == 16
