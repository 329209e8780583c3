"""The web server: routes, limits, health."""

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services import clock as clocks
from services import endpoints
from services.sealing import Keys
from services.settings import Settings
from services.web.forms import MAX_BODY, Forms
from services.web.hooks import Hooks
from services.web.inlet import Inlet
from services.web.limits import Limits, limited
from services.web.progress import Watcher
from services.web.returns import Returns
from services.web.state import State
from services.web.unsubscribe import Unsubscribe
from streams.identity import Identity


class WebServer:
    """Start, serve, stop. `bounces` is host and port for mail that comes back; port 0 picks one.

    Where it listens is written to the data dir, for the sandbox and for `ttn demo`.
    """

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        inlet: Inlet | None = None,
        bounces: tuple[str, int] = ("127.0.0.1", 0),
        watcher: Watcher | None = None,
    ) -> None:
        self._settings = settings
        self._bounces = bounces
        self._inlet = inlet or Inlet(settings, keys, clocks.clock(settings))
        self._watcher = watcher or Watcher(settings)
        self._identity = Identity(keys.hmac)

    async def start(self) -> str:
        """Listen; the URL where. Raises OSError for a port that is taken."""
        await self._inlet.start()
        try:
            return await self._listen()
        except OSError:
            await self._inlet.stop()
            raise

    async def _listen(self) -> str:
        hooks = Hooks(Forms(self._settings), self._identity, self._inlet)
        unsubscribe = Unsubscribe(self._identity, self._inlet)
        limits = limited(Limits(self._settings.web_rate))
        app = web.Application(client_max_size=MAX_BODY, middlewares=[limits])
        app.add_routes(
            [
                web.post("/twilio/status/{token}", hooks.status, name="status"),
                web.post("/twilio/inbound", hooks.inbound, name="inbound"),
                web.get("/unsubscribe/{token}", unsubscribe.show),
                web.post("/unsubscribe/{token}", unsubscribe.do),
                web.get("/status", State(self._watcher).show),
                web.get("/healthz", _health),
                web.get("/metrics", _metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=30, shutdown_timeout=5)
        await self._runner.setup()
        host, port = self._settings.web_listen
        await web.TCPSite(self._runner, host, port).start()
        self._returns: asyncio.Server = await Returns(self._inlet).start(*self._bounces)
        url = f"http://{host}:{self._runner.addresses[0][1]}"
        place = self._returns.sockets[0].getsockname()
        self._place = endpoints.Web(url=url, bounces=f"{place[0]}:{place[1]}")
        endpoints.announce(self._settings, self._place)
        return url

    async def stop(self) -> None:
        """Stop listening, finish what is under way, disconnect."""
        endpoints.withdraw(self._settings, self._place)
        self._returns.close()
        await self._runner.cleanup()
        await self._inlet.stop()


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
