"""Twilio: the official package over an HTTP client of our own. The only module that imports `twilio`.

The package's own asynchronous client waits for ever and, asked to retry, posts again after a 5xx, which is a second
text to the traveler (delivery.md 1.7). Ours has explicit timeouts, never retries, never follows a redirect, never logs,
and knows whether a request may have left.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, cast

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.request_validator import SIGNATURE_HEADER as SIGNATURE_HEADER
from twilio.request_validator import SIGNATURE_SETTINGS_HEADER as SIGNATURE_SETTINGS_HEADER
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from services.attempt import Answer, Attempt, Refused
from services.settings import TwilioSettings

MESSAGE_SID: Final = re.compile(r"(SM|MM)[0-9a-f]{32}")
_CONNECT: Final = 3.0
_PAGE: Final = 100
# What the package raises over an answer that is JSON and no message.
_ODD_ANSWER: Final = (TypeError, KeyError, AttributeError)
_ODD: Final = (aiohttp.ClientError, OSError, ValueError, TwilioException, *_ODD_ANSWER)
_QUEUE_FULL: Final = 21611
_current: ContextVar["_Exchange | None"] = ContextVar("exchange", default=None)


class ListFailed(Exception):  # noqa: N818 - what happened
    """The provider's list or a message in it could not be read, which proves nothing."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the provider knows it. `created` has whole seconds."""

    sid: str
    status: str
    code: str | None
    created: datetime | None


class _Exchange:
    """What the HTTP client learns of one request that the package would not pass on."""

    def __init__(self, attempt: Attempt | None, timeout: float) -> None:
        self.attempt = attempt
        self.timeout = timeout
        self.retry_after: float | None = None


class _Request(aiohttp.ClientRequest):
    """A request that asks its Attempt once a connection is at hand, right before the first byte."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        exchange = _current.get()
        if exchange is not None and exchange.attempt is not None:
            exchange.attempt.leave()
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        await super().write_bytes(writer, conn, content_length)
        exchange = _current.get()
        if exchange is not None and exchange.attempt is not None:
            exchange.attempt.written()


class _HttpClient(AsyncHttpClient):  # type: ignore[misc] # the package has no types
    """The package's seam for another HTTP client."""

    def __init__(self, connections: int) -> None:
        super().__init__(logger=None, is_async=True)
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, limit_per_host=self._connections, keepalive_timeout=30
                ),
                request_class=_Request,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the package's signature; ours comes with the exchange
        allow_redirects: bool = False,
    ) -> Response:
        exchange = _current.get()
        if exchange is None:
            raise RuntimeError("a request outside an exchange has no timeout")
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = aiohttp.encode_basic_auth(*auth)
        async with self._open().request(
            method,
            uri,
            params=params,
            data=data or None,
            headers=sent,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=exchange.timeout, connect=min(_CONNECT, exchange.timeout)),
        ) as response:
            text = await response.text(encoding="utf-8", errors="replace")
        if exchange.attempt is not None:
            exchange.attempt.answered()
        exchange.retry_after = _seconds(response.headers.get("Retry-After"))
        return Response(response.status, text, response.headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class Twilio:
    """The messages of one account. `timeout` in seconds for one request; `connections` at the same time."""

    def __init__(self, settings: TwilioSettings, url: str, timeout: float, connections: int = 64) -> None:
        self._settings = settings
        self._timeout = timeout
        self._http = _HttpClient(connections)
        self._client = Client(
            settings.api_key,
            settings.api_secret,
            account_sid=settings.account_sid,
            http_client=self._http,
            # An empty mapping would make the package read the environment, and its region and edge with it.
            environment={"TWILIO_REGION": ""},
        )
        self._client.api.base_url = url.rstrip("/")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def create(
        self, attempt: Attempt, *, to: str, body: str, validity: int, callback: str, within: float
    ) -> Answer:
        """Post one message, once. `validity` and `within` in seconds; `callback` is the whole URL with its fragment."""
        exchange = _Exchange(attempt, min(within, self._timeout))
        token = _current.set(exchange)
        try:
            message = await self._client.messages.create_async(
                to=to,
                body=body,
                messaging_service_sid=self._settings.messaging_service_sid,
                validity_period=validity,
                status_callback=callback,
            )
        except Refused as refused:
            return Answer(result="not-sent", code=str(refused))
        except (TwilioRestException, TwilioServiceException) as error:
            return classify(error.status, error.code, exchange.retry_after)
        except _ODD as error:
            if not attempt.left and isinstance(error, _ODD_ANSWER):
                raise  # there was no answer yet: it is a fault of ours
            return attempt.broken()
        finally:
            _current.reset(token)
        if not isinstance(message.sid, str) or not MESSAGE_SID.fullmatch(message.sid):
            return Answer(result="doubt", code="no-sid", trouble=True)
        return Answer(result="accepted", providerId=message.sid)

    async def find(self, *, to: str, body: str, since: datetime, until: datetime) -> tuple[Found, ...]:
        """The outbound messages to `to` with exactly this body, created from `since` to `until`; newest first.

        Filters by recipient alone: sent date and sender are null until late (delivery.md 1.8). Raises ListFailed.
        """
        first = since.replace(microsecond=0)
        found: list[Found] = []
        token = _current.set(_Exchange(None, self._timeout))
        try:
            page = await self._client.messages.page_async(to=to, page_size=_PAGE)
            while page is not None:
                oldest: datetime | None = None
                for message in page:
                    seen = _found(message)
                    oldest = seen.created or oldest
                    inside = seen.created is None or first <= seen.created <= until
                    if inside and message.to == to and message.direction == "outbound-api" and message.body == body:
                        found.append(seen)
                if oldest is not None and oldest < first:
                    break
                page = await page.next_page_async()
        except _ODD as error:
            raise ListFailed(type(error).__name__) from None
        finally:
            _current.reset(token)
        return tuple(found)

    async def fetch(self, sid: str) -> Found:
        """What has become of one message. Raises ListFailed."""
        token = _current.set(_Exchange(None, self._timeout))
        try:
            return _found(await self._client.messages(sid).fetch_async())
        except _ODD as error:
            raise ListFailed(type(error).__name__) from None
        finally:
            _current.reset(token)

    async def redact(self, sid: str) -> None:
        """Remove the text of a message at the provider, which keeps it otherwise (delivery.md 8). Raises ListFailed."""
        token = _current.set(_Exchange(None, self._timeout))
        try:
            await self._client.messages(sid).update_async(body="")
        except _ODD as error:
            raise ListFailed(type(error).__name__) from None
        finally:
            _current.reset(token)


def classify(status: int, code: int | None, retry_after: float | None) -> Answer:
    """What an error answer to a POST means for the message. `status` of HTTP, `code` of Twilio.

    429 was never processed; a 5xx may have been (Twilio's own pages disagree), and so may whatever is neither a
    success nor a client error; 408 says that a proxy stopped waiting. Every other 4xx is a definite no; without a code
    of Twilio's own (the package then gives the status) something on the way said it, which is no fault of the message.
    """
    name = str(code) if code is not None else str(status)
    # A full queue is known by its code, which says how long to wait.
    if status == 429 and code != _QUEUE_FULL:
        return Answer(result="not-sent", code=name, retryAfter=retry_after)
    if 400 <= status < 500 and status != 408:
        return Answer(result="rejected", code=name, trouble=status in (401, 403) or name == str(status))
    return Answer(result="doubt", code=name, trouble=True)


def _found(message: Any) -> Found:
    """Raises ValueError for what is no message."""
    if not isinstance(message.sid, str) or not MESSAGE_SID.fullmatch(message.sid):
        raise ValueError("no sid")
    return Found(
        sid=message.sid,
        status=str(message.status),
        code=None if message.error_code is None else str(message.error_code),
        created=None if message.date_created is None else message.date_created.astimezone(UTC),
    )


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by Twilio and is ignored."""
    return float(header) if header is not None and re.fullmatch(r"\d{1,5}(\.\d{1,3})?", header) else None


class Signatures:
    """Checks that Twilio sent a webhook: any of the secrets, either algorithm, over our own public URL.

    The header that names the algorithm is not itself signed; that is harmless, because both are HMACs with the same
    secrets. `age` of a match says which secret it was: 0 is the newest.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._validators = tuple(RequestValidator(secret) for secret in secrets)

    def match(self, url: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> int | None:
        """The age of the secret that signed this request, or None. `parameters`: all of the form, blanks too."""
        signature = headers.get(SIGNATURE_HEADER)
        if not signature or len(signature) > 100:
            return None
        algorithm = get_signature_algorithm(headers.get(SIGNATURE_SETTINGS_HEADER))
        for age, validator in enumerate(self._validators):
            if validator.validate(url, parameters, signature, algorithm):
                return age
        return None


def sign(secret: str, url: str, parameters: Mapping[str, str], algorithm: str = "HMAC_SHA1") -> str:
    """The signature that Twilio would send with this form; used by the sandbox."""
    return cast("str", RequestValidator(secret).compute_signature(url, parameters, algorithm))
