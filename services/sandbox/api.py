"""Twilio's Messages API, as far as the product uses it: create, fetch, list with paging, redact, delete.

Refusals carry Twilio's own codes (delivery.md 1.3). Faults strike here: before or after the message is taken.
"""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from aiohttp import web

from services.sandbox import faults
from services.sandbox.phones import Sms
from services.sandbox.world import World

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_MAX_BODY: Final = 1600
_FINAL: Final = frozenset({"delivered", "undelivered", "failed", "canceled"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """An error answer of Twilio: HTTP status, code, text, and Retry-After in seconds where one is given."""

    def __init__(self, status: int, code: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.retry_after = status, code, text, retry_after

    def response(self) -> web.Response:
        """As Twilio answers."""
        body = {"code": self.code, "message": self.text, "more_info": "", "status": self.status}
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else None
        return web.json_response(body, status=self.status, headers=headers)


class Api:
    """The handlers over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        settings = world.settings.twilio
        pairs = ((settings.api_key, settings.api_secret), (settings.account_sid, settings.auth_token))
        self._credentials = {"Basic " + base64.b64encode(f"{u}:{p}".encode()).decode() for u, p in pairs}

    def routes(self) -> list[web.RouteDef]:
        """What the API answers to."""
        base = "/2010-04-01/Accounts/{account}/Messages"
        return [
            web.post(base + ".json", self._guarded(self._create)),
            web.get(base + ".json", self._guarded(self._list), allow_head=False),
            web.get(base + "/{sid}.json", self._guarded(self._fetch), allow_head=False),
            web.post(base + "/{sid}.json", self._guarded(self._update)),
            web.delete(base + "/{sid}.json", self._guarded(self._delete)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                if request.headers.get("Authorization") not in self._credentials:
                    raise ApiError(401, 20003, "Authenticate")
                if request.match_info["account"] != self._world.settings.twilio.account_sid:
                    raise _missing(request.path)
                return await handler(request)
            except ApiError as error:
                return error.response()

        return guarded

    async def _create(self, request: web.Request) -> web.StreamResponse:
        to, body, callback, validity = self._checked(dict(parse_qsl((await request.read()).decode())))
        fault = self._world.faults.take(faults.REQUEST_FAULTS, to)
        name = fault.name if fault is not None else ""
        if name == "reject" and fault is not None:
            raise ApiError(400, int(fault.detail), "refused by a fault of the sandbox")
        if name == "429":
            raise ApiError(429, 20429, "Too Many Requests", retry_after=1)
        if name == "500-before":
            raise ApiError(500, 20500, "Internal Server Error")
        if name == "lose":
            return _cut(request)
        text = await self._world.take_text(to, body, callback, validity)
        if name == "drop":
            return _cut(request)
        if name == "hang":
            await asyncio.sleep(3600)
        if name == "500-after":
            raise ApiError(500, 20500, "Internal Server Error")
        return _json(self._world.phones.resource(text), status=201)

    def _checked(self, form: dict[str, str]) -> tuple[str, str, str | None, int | None]:
        to, body, callback = form.get("To", ""), form.get("Body", ""), form.get("StatusCallback")
        if not to:
            raise ApiError(400, 21604, "A 'To' phone number is required.")
        if not _NUMBER.fullmatch(to):
            raise ApiError(400, 21211, "Invalid 'To' Phone Number")
        if not body:
            raise ApiError(400, 21602, "Message body is required.")
        if len(body) > _MAX_BODY:
            raise ApiError(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        if form.get("MessagingServiceSid") != self._world.settings.twilio.messaging_service_sid:
            raise ApiError(400, 21703, "The Messaging Service does not exist or has no sender.")
        if callback is not None and not _is_callback(callback):
            raise ApiError(400, 21609, "The 'StatusCallback' URL is not a valid URL.")
        validity = form.get("ValidityPeriod")
        if validity is not None and not (validity.isdigit() and 1 <= int(validity) <= 36_000):
            raise ApiError(400, 21601, "ValidityPeriod is not between 1 and 36000.")
        if to in self._world.phones.opted_out:
            raise ApiError(400, 21610, "Attempt to send to unsubscribed recipient")
        return to, body, callback, int(validity) if validity is not None else None

    async def _list(self, request: web.Request) -> web.StreamResponse:
        to = request.query.get("To")
        self._list_fault(to or "")
        size = min(max(_whole(request.query.get("PageSize"), 50), 1), 1000)
        page = max(_whole(request.query.get("Page"), 0), 0)
        lag = timedelta(seconds=self._world.faults.seconds("lag", to or ""))
        texts = self._world.phones.outbound(to, self._world.clock.now(), lag)
        first = page * size
        shown = texts[first : first + size]

        def uri(number: int) -> str:
            query = {**dict(request.query), "PageSize": str(size), "Page": str(number)}
            if number:
                query["PageToken"] = f"PA{texts[number * size - 1].sid}"
            return f"{request.path}?{urlencode(query)}"

        body: dict[str, Any] = {
            "end": first + len(shown) - 1 if shown else first,
            "first_page_uri": uri(0),
            "messages": [self._world.phones.resource(text) for text in shown],
            "next_page_uri": uri(page + 1) if first + size < len(texts) else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": uri(page - 1) if page else None,
            "start": first,
            "uri": uri(page),
        }
        return _json(body)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        text = self._text(request)
        self._list_fault(text.to)
        return _json(self._world.phones.resource(text))

    async def _update(self, request: web.Request) -> web.StreamResponse:
        text = self._text(request)
        form = await request.post()
        if form.get("Body") == "":
            if text.status not in _FINAL:
                raise ApiError(400, 20009, "Cannot redact a message that is still in progress.")
            text.redacted = True
            text.updated = self._world.clock.now()
            self._world.changed()
        elif form.get("Status") == "canceled":
            raise ApiError(400, 30409, "Cannot cancel this message.")
        return _json(self._world.phones.resource(text))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        self._world.phones.remove(self._text(request))
        self._world.changed()
        return web.Response(status=204)

    def _text(self, request: web.Request) -> Sms:
        text = self._world.phones.find(request.match_info["sid"])
        if text is None:
            raise _missing(request.path)
        return text

    def _list_fault(self, to: str) -> None:
        fault = self._world.faults.take({"list-down": ""}, to)
        if fault is not None:
            raise ApiError(503, 20503, "Service unavailable")


def _json(resource: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(resource), status=status, content_type="application/json")


def _missing(path: str) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {path} was not found")


def _cut(request: web.Request) -> web.StreamResponse:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _is_callback(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else default
