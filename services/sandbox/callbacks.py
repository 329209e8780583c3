"""Webhooks as Twilio makes them: signed, retried as the URL's fragment says, for at most fifteen seconds."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urldefrag

import aiohttp

from services import twilio
from services.settings import TwilioSettings

_TOTAL: Final = 15.0
_READ: Final = 5.0


class Caller:
    """Posts forms to the product. `algorithm` HMAC_SHA1 as with an auth token, HMAC_SHA256 as with a shared key."""

    def __init__(self, settings: TwilioSettings, algorithm: str = "HMAC_SHA1") -> None:
        self._settings = settings
        self._algorithm = algorithm
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, form: Mapping[str, str]) -> bool:
        """Call a webhook. Whether it answered 2xx in the end."""
        bare, fragment = urldefrag(url)
        override = parse_qs(fragment)
        retries = int(override.get("rc", ["1"])[0])
        try:
            async with asyncio.timeout(_TOTAL):
                for attempt in range(retries + 1):
                    if attempt:
                        await asyncio.sleep(min(0.2 * 2**attempt, 4.0))
                    if await self._once(bare, form):
                        return True
        except TimeoutError:
            return False
        return False

    async def _once(self, url: str, form: Mapping[str, str]) -> bool:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=_READ))
        headers = {twilio.SIGNATURE_HEADER: twilio.sign(self._settings.auth_token, url, form, self._algorithm)}
        if self._algorithm != "HMAC_SHA1":
            headers[twilio.SIGNATURE_SETTINGS_HEADER] = f"key=sandbox,algorithm={self._algorithm}"
        try:
            async with self._session.post(url, data=form, headers=headers, allow_redirects=False) as response:
                return 200 <= response.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
