"""Webhooks as Twilio makes them: signed, retried as the URL's fragment says, for at most fifteen seconds.

The requests are written by hand, because only the status of the answer counts: two webhooks a text through a whole HTTP
client cost more than all else that the sandbox does, and six attempts each where nobody answers cost much more.
"""

import asyncio
import re
import ssl
from collections import defaultdict
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urldefrag, urlencode, urlsplit

from services import twilio
from services.settings import TwilioSettings

_TOTAL: Final = 15.0
_READ: Final = 5.0
_IDLE: Final = 10.0
_MOST: Final = 65_536
_FIRST: Final = re.compile(r"http/1\.[01] (\d{3})\b")

_Place = tuple[str, int, bool]
_Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Caller:
    """Posts forms to the product. `algorithm` HMAC_SHA1 as with an auth token, HMAC_SHA256 as with a shared key."""

    def __init__(self, settings: TwilioSettings, algorithm: str = "HMAC_SHA1") -> None:
        self._settings = settings
        self._algorithm = algorithm
        self._idle: dict[_Place, list[tuple[float, _Line]]] = defaultdict(list)

    async def close(self) -> None:
        """Close the connections."""
        for lines in self._idle.values():
            for _, (_, writer) in lines:
                writer.close()
        self._idle.clear()

    async def post(self, url: str, form: Mapping[str, str]) -> bool:
        """Call a webhook. Whether it answered 2xx in the end."""
        bare, fragment = urldefrag(url)
        retries = int(parse_qs(fragment).get("rc", ["1"])[0])
        place, request = self._request(bare, form)
        try:
            async with asyncio.timeout(_TOTAL):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(min(0.2 * 2**attempt, 4.0))
                    if await self._once(place, request):
                        return True
        except TimeoutError:
            return False
        return False

    def _request(self, url: str, form: Mapping[str, str]) -> tuple[_Place, bytes]:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        content = urlencode(form).encode()
        headers = {
            "Host": parts.netloc,
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Content-Length": str(len(content)),
            "User-Agent": "TwilioProxy/1.1",
            twilio.SIGNATURE_HEADER: twilio.sign(self._settings.auth_token, url, form, self._algorithm),
        }
        if self._algorithm != "HMAC_SHA1":
            headers[twilio.SIGNATURE_SETTINGS_HEADER] = f"key=sandbox,algorithm={self._algorithm}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        place = (parts.hostname or "", parts.port or (443 if secure else 80), secure)
        return place, "\r\n".join(lines).encode() + content

    async def _once(self, place: _Place, request: bytes) -> bool:
        line: _Line | None = None
        try:
            async with asyncio.timeout(_READ):
                line = self._kept(place) or await _connect(place)
                reader, writer = line
                writer.write(request)
                status, reusable = await _answer(reader)
        except (TimeoutError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            if line is not None:
                line[1].close()
            return False
        if reusable:
            self._idle[place].append((asyncio.get_running_loop().time(), line))
        else:
            writer.close()
        return 200 <= status < 300

    def _kept(self, place: _Place) -> _Line | None:
        lines, now = self._idle[place], asyncio.get_running_loop().time()
        while lines:
            since, line = lines.pop()
            if now - since < _IDLE and not line[0].at_eof() and not line[1].is_closing():
                return line
            line[1].close()
        return None


async def _connect(place: _Place) -> _Line:
    host, port, secure = place
    return await asyncio.open_connection(host, port, ssl=ssl.create_default_context() if secure else None)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of an answer, and whether its connection serves again: only where its end is certain."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    found = _FIRST.match(first)
    if found is None:
        raise ValueError("no answer of HTTP")
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    length = fields.get("content-length", "0" if found[1] == "204" else "")
    if not length.isdigit() or int(length) > _MOST or fields.get("connection") == "close":
        return int(found[1]), False
    await reader.readexactly(int(length))
    return int(found[1]), True
