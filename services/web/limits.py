"""How much one source address may ask of the web that gets it nowhere (delivery.md 8).

What is refused counts, and what is only looked at. Who has asked for too much gets 429 at once, without any work,
unless the request brings a proof with it: a provider's signature or the token of an unsubscribe link. Those are looked
at always, and served if they are right, so that nobody can lock the provider out, nor the readers behind one proxy.
"""

import ipaddress
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from services.twilio import SIGNATURE_HEADER
from services.web import measures

_SOURCES: Final = 10_000
_BURST: Final = 20.0
"""Seconds' worth of requests that may come at once."""

_EXEMPT: Final = frozenset({"/healthz", "/metrics"})
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/]{27}=|[A-Za-z0-9+/]{43}=")
"""HMAC-SHA1 or HMAC-SHA256 in base64."""


class Limits:
    """Requests per second for each source: a generic cell rate algorithm over the latest 10,000 sources.

    An IPv6 source is its /64, which one person has whole. Times are seconds of a clock that never goes back.
    """

    def __init__(self, rate: float, most: int = _SOURCES) -> None:
        self._each = 1.0 / rate
        self._most = most
        self._ends: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends)

    def wait(self, source: str, now: float) -> float:
        """Seconds until this source may ask again; 0 when it may now."""
        return max(0.0, self._ends.get(source, now) - now - _BURST)

    def spend(self, source: str, now: float) -> None:
        """One request of this source counts."""
        self._ends[source] = max(self._ends.pop(source, now), now) + self._each
        if len(self._ends) > self._most:
            self._ends.popitem(last=False)


def limited(limits: Limits, clock: Callable[[], float] = time.monotonic) -> Middleware:
    """The middleware that asks before every request, and counts what it came to."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _EXEMPT:
            return await handler(request)
        source, proof = _source(request.remote), _brings_proof(request)
        wait = limits.wait(source, clock())
        if wait > 0 and not proof:
            raise _too_many(wait)
        try:
            response = await handler(request)
        except web.HTTPClientError:
            limits.spend(source, clock())
            if wait > 0:
                raise _too_many(wait) from None
            raise
        if not proof:
            limits.spend(source, clock())
        return response

    return middleware


def _brings_proof(request: web.Request) -> bool:
    if request.path.startswith("/twilio/"):
        return _SIGNATURE.fullmatch(request.headers.get(SIGNATURE_HEADER, "")) is not None
    return request.path.startswith("/unsubscribe/")


def _too_many(wait: float) -> web.HTTPTooManyRequests:
    measures.LIMITED.inc()
    return web.HTTPTooManyRequests(headers={"Retry-After": str(math.ceil(wait))})


def _source(remote: str | None) -> str:
    """The source as it is counted."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
