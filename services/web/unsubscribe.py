"""One-click unsubscribe (RFC 8058). GET shows a page and changes nothing, because scanners follow links."""

import hmac
import time
from collections import OrderedDict
from typing import Final

from aiohttp import web

from schemas.internal import OptedOut
from services import bounces, logs
from services.web.html import headers, pages
from services.web.inlet import Inlet, NotHeld
from streams.identity import Identity

_HEADERS: Final = headers("form-action 'self'")

_AGAIN: Final = 60.0
_REMEMBERED: Final = 1000
"""A link that is pressed over and over is written down once a minute; so many mailboxes are remembered for it."""

_log = logs.get(__name__)


class Unsubscribe:
    """The page and the deed. The token names the mailbox and is proof enough: it was only ever in mail to it."""

    def __init__(self, identity: Identity, inlet: Inlet) -> None:
        self._identity = identity
        self._inlet = inlet
        self._done: OrderedDict[str, float] = OrderedDict()
        self._page = pages().get_template("unsubscribe.html")

    async def show(self, request: web.Request) -> web.Response:
        """Ask whether it is meant."""
        self._key(request)
        return self._answer(done=False)

    async def do(self, request: web.Request) -> web.Response:
        """No more email to this mailbox. Again is as good as once."""
        key = self._key(request)
        now = time.monotonic()
        if now - self._done.get(key, float("-inf")) > _AGAIN:
            try:
                await self._inlet.put(key, OptedOut(address=key, reason="stopped"))
            except NotHeld as error:
                _log.error("not held by Kafka", reason=str(error))
                raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}) from None
            _log.info("unsubscribed", channel="email")
            self._remember(key, now)
        return self._answer(done=True)

    def _remember(self, key: str, now: float) -> None:
        self._done[key] = now
        self._done.move_to_end(key)
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)

    def _key(self, request: web.Request) -> str:
        token = request.match_info["token"]
        key = bounces.key(token)
        if key is None or not hmac.compare_digest(token, f"{key}-{self._identity.token(f'unsubscribe:{key}')}"):
            raise web.HTTPNotFound
        return key

    def _answer(self, *, done: bool) -> web.Response:
        return web.Response(text=self._page.render(done=done), content_type="text/html", headers=_HEADERS)
