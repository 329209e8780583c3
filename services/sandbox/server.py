"""The sandbox as one running thing: the API and the page on one port, the mail server on another."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from schemas.cloudevents import rfc3339
from services import clock as clocks
from services import endpoints
from services.endpoints import Sandbox
from services.sandbox.api import Api
from services.sandbox.faults import Fault
from services.sandbox.ledger import LEDGER_FILE, Ledger
from services.sandbox.mailserver import MailServer
from services.sandbox.page import Page
from services.sandbox.world import World
from services.settings import Settings


class SandboxServer:
    """Start, use `addresses`, stop. `host` is loopback: the sandbox has no secrets worth the name."""

    def __init__(
        self,
        settings: Settings,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        mail_port: int = 0,
        faults: Iterable[Fault] = (),
        manages_stop: bool = False,
        receipts: bool = True,
        algorithm: str = "HMAC_SHA1",
    ) -> None:
        self._settings = settings
        self._host, self._port, self._mail_port = host, port, mail_port
        self._ledger = Ledger(settings.data_dir / LEDGER_FILE)
        self.world = World(
            settings,
            clocks.clock(settings),
            self._ledger,
            manages_stop=manages_stop,
            receipts=receipts,
            algorithm=algorithm,
        )
        for fault in faults:
            self.world.faults.add(fault)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> Sandbox:
        """Listen, and write the addresses to the data dir. Raises OSError for a port that is taken."""
        self._tasks = [asyncio.create_task(self.world.timetable.run())]
        app = web.Application(client_max_size=65_536)
        app.add_routes([*Api(self.world).routes(), *Page(self.world).routes(), web.get("/healthz", self._health)])
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._mail = await MailServer(self.world, self._returns).start(self._host, self._mail_port)
        http = f"http://{self._host}:{self._runner.addresses[0][1]}"
        smtp = f"smtp://{self._host}:{self._mail.sockets[0].getsockname()[1]}"
        self.addresses = Sandbox(twilio=http, smtp=smtp, page=http + "/")
        endpoints.announce(self._settings, self.addresses)
        return self.addresses

    async def stop(self) -> None:
        """Stop listening, and take the addresses away."""
        endpoints.withdraw(self._settings, self.addresses)
        self._mail.close()
        await self._runner.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.world.timetable.stop()
        await self.world.caller.close()
        self._ledger.close()

    def _returns(self) -> tuple[str, int] | None:
        place = endpoints.web(self._settings)
        if place is None:
            return None
        host, _, port = place.bounces.rpartition(":")
        return host, int(port)

    async def _health(self, _: web.Request) -> web.Response:
        following = self.world.timetable.next
        return web.json_response(
            {
                "open": self.world.timetable.open,
                "next": rfc3339(following) if following is not None else None,
                "texts": len(self.world.phones),
                "letters": len(self.world.inbox),
            }
        )
