"""The page: phones in a row and inboxes as a person would see them, replies, and faults to set.

Rendered here, so that it works without JavaScript (it then reloads itself); with it, only what changed is replaced.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.cloudevents import rfc3339
from services.sandbox import faults
from services.sandbox.inbox import Letter
from services.sandbox.phones import Phones, Sms
from services.sandbox.world import World
from streams import sms as counting

_HERE: Final = Path(__file__).parent / "pages"
_FILES: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_SHOWN: Final = 24
_WAIT: Final = 20.0
_LOOK: Final = 0.1
_EASTERN: Final = ZoneInfo("America/New_York")
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self';"
        " frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """The handlers over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        pages = Environment(
            loader=FileSystemLoader(_HERE),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        pages.filters |= {"clock": _clock, "day": _day}
        self._page = pages.get_template("page.html")
        self._live = pages.get_template("world.html")

    def routes(self) -> list[web.RouteDef]:
        """What the page answers to."""
        return [
            web.get("/", self._here(self._show)),
            web.get("/live", self._here(self._wait)),
            web.get("/messages.json", self._here(self._messages)),
            web.get("/{name:page[.](?:css|js)}", self._here(self._file)),
            web.post("/replies", self._here(self._reply)),
            web.post("/faults", self._here(self._fault)),
            web.post("/faults/clear", self._here(self._clear)),
            web.post("/people", self._here(self._people)),
        ]

    def _here(self, handler: Handler) -> Handler:
        """Answer this machine's own pages alone: another site in the same browser must not press our buttons."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            host = request.host.rsplit(":", 1)[0]
            if host not in ("127.0.0.1", "localhost", "[::1]"):
                raise web.HTTPForbidden
            if request.method == "POST" and request.headers.get("Sec-Fetch-Site") not in (None, "same-origin", "none"):
                raise web.HTTPForbidden
            return await handler(request)

        return guarded

    async def _show(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text=self._page.render(self._state()), content_type="text/html", headers=_HEADERS)

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        """The changing part as soon as it is newer than `seen`, or after a while anyway (the clock)."""
        seen = request.query.get("seen", "")
        with_timeout = asyncio.get_running_loop().time() + _WAIT
        while str(self._world.version) == seen and asyncio.get_running_loop().time() < with_timeout:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)
        return web.Response(text=self._live.render(self._state()), content_type="text/html", headers=_HEADERS)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        text = (_HERE / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=_FILES[name], headers=_HEADERS)

    async def _messages(self, _: web.Request) -> web.StreamResponse:
        """Everything that arrived, for tests and scripts."""
        texts = [_text_json(text) for number in self._world.phones.numbers for text in self._talk(number)]
        letters = [_letter_json(letter) for letter in self._world.inbox.letters()]
        return web.json_response({"texts": texts, "letters": letters}, dumps=_dumps)

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        number, body = str(form.get("number", "")), str(form.get("word") or form.get("body", ""))
        if number not in self._world.phones.numbers:
            raise web.HTTPNotFound
        if body.strip():
            self._world.reply(number, body[:1600])
        return _back()

    async def _fault(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        detail = str(form.get("detail", "")).strip()
        times = str(form.get("times", "")).strip()
        name = str(form.get("name", "")) + (f":{detail}" if detail else "")
        if times and not times.isdigit():
            raise web.HTTPBadRequest(text="How often is a whole number, or nothing for always.")
        try:
            fault = faults.parse(name, str(form.get("to", "")).strip().lower() or None, int(times) if times else None)
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{error}.") from None
        self._world.faults.add(fault)
        self._world.changed()
        return _back()

    async def _clear(self, _: web.Request) -> web.StreamResponse:
        self._world.faults.clear()
        self._world.changed()
        return _back()

    async def _people(self, request: web.Request) -> web.StreamResponse:
        """Who is who: a JSON object of address and name, so that a demonstration shows names."""
        try:
            named = msgspec.json.decode(await request.read(), type=dict[str, str])
        except msgspec.DecodeError:
            raise web.HTTPBadRequest(text="Expected an object of addresses and names.") from None
        self._world.people.update(named)
        self._world.changed()
        return web.Response(status=204)

    def _talk(self, number: str) -> list[Sms]:
        return self._world.phones.conversation(number)

    def _state(self) -> dict[str, Any]:
        world = self._world
        return {
            "version": world.version,
            "now": world.clock.now(),
            "stepped": world.settings.clock == "stepped",
            "people": world.people,
            "phones": [(number, _sized(self._talk(number))) for number in _latest_phones(world.phones)],
            "phones_in_all": len(world.phones.numbers),
            "inboxes": [(address, world.inbox.letters(address)[::-1]) for address in _latest_inboxes(world)],
            "inboxes_in_all": len(world.inbox.addresses),
            "opted_out": world.phones.opted_out,
            "faults": list(world.faults),
            "fault_groups": {
                "Requests": faults.REQUEST_FAULTS,
                "Receipts": faults.RECEIPT_FAULTS,
                "List": faults.LIST_FAULTS,
            },
        }


def _latest_phones(phones: Phones) -> list[str]:
    """The phones with the latest texts, in the order in which they first had one, so that none jumps about."""
    latest = sorted(phones.numbers, key=lambda number: phones.conversation(number)[-1].created)[-_SHOWN:]
    return [number for number in phones.numbers if number in latest]


def _latest_inboxes(world: World) -> list[str]:
    inbox = world.inbox
    latest = sorted(inbox.addresses, key=lambda address: inbox.letters(address)[-1].received)[-_SHOWN:]
    return [address for address in inbox.addresses if address in latest]


def _sized(texts: list[Sms]) -> list[tuple[Sms, counting.Size]]:
    return [(text, counting.size(text.body)) for text in texts]


def _clock(moment: datetime) -> str:
    return moment.astimezone(_EASTERN).strftime("%-I:%M %p ET")


def _day(moment: datetime) -> str:
    return moment.astimezone(_EASTERN).strftime("%a, %b %-d, %Y")


def _back() -> web.StreamResponse:
    return web.Response(status=303, headers={"Location": "/"})


def _text_json(text: Sms) -> dict[str, Any]:
    return {
        "sid": text.sid,
        "direction": text.direction,
        "to": text.to,
        "from": text.sender,
        "body": text.body,
        "redacted": text.redacted,
        "status": text.status,
        "code": text.code,
        "at": rfc3339(text.created),
    }


def _letter_json(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "to": letter.to,
        "subject": letter.header("Subject"),
        "language": letter.header("Content-Language"),
        "text": letter.part("plain"),
        "html": letter.part("html"),
        "status": letter.status,
        "copies": letter.copies,
        "at": rfc3339(letter.received),
    }


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
