"""A webhook's form, read with limits and believed only when Twilio signed it (delivery.md 8).

The scheme joins names and values without separators, so that `A=BC` and `AB=C` sign alike: after the signature every
field that counts must be there exactly once and have its form. The URL is our own public one, never that of the
request's Host. Unknown parameters are part of the signature and otherwise ignored.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict

from services import logs
from services.settings import Settings
from services.twilio import Signatures
from services.web import measures

MAX_BODY: Final = 16_384
_MAX_FIELDS: Final = 64
_READ: Final = 5.0
_FORM: Final = "application/x-www-form-urlencoded"

_log = logs.get(__name__)


class Forms:
    """Reads the forms of one account."""

    def __init__(self, settings: Settings) -> None:
        twilio = settings.twilio
        secrets = (twilio.auth_token, twilio.auth_token_secondary)
        self._signatures = Signatures(tuple(secret for secret in secrets if secret))
        self._account = twilio.account_sid
        self._base = settings.public_url

    async def read(self, request: web.Request, wanted: Mapping[str, re.Pattern[str]]) -> dict[str, str]:
        """The wanted fields of a signed form; optional are those whose pattern matches an empty text.

        Raises the HTTP error to answer with: 403 with nothing said for all that Twilio did not sign for us.
        """
        if request.content_type != _FORM:
            raise web.HTTPUnsupportedMediaType
        if request.content_length is not None and request.content_length > MAX_BODY:
            raise web.HTTPRequestEntityTooLarge(max_size=MAX_BODY, actual_size=request.content_length)
        try:
            # Blank values count in the signature.
            async with asyncio.timeout(_READ):
                content = await request.read()
            pairs = parse_qsl(
                content.decode("utf-8"),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=_MAX_FIELDS,
                errors="strict",
            )
        except ValueError:
            raise web.HTTPBadRequest from None
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        form = MultiDict(pairs)
        age = self._signatures.match(self._base + request.raw_path, form, request.headers)
        if age is None:
            raise web.HTTPForbidden
        if age > 0:
            measures.SECONDARY.inc()
            _log.warning("a webhook was signed with the secondary secret", path=request.match_info.route.name)
        fields = {name: _single(form, name) for name in wanted}
        if _single(form, "AccountSid") != self._account:
            unusable("AccountSid")
            raise web.HTTPForbidden
        for name, pattern in wanted.items():
            if not pattern.fullmatch(fields[name]):
                unusable(name)
                raise web.HTTPBadRequest
        return fields


def unusable(what: str) -> None:
    """Let staff see that the provider said something that we do not understand; `what` names the field."""
    measures.UNUSABLE.labels(what).inc()
    _log.warning("a signed webhook that we cannot use", field=what)


def _single(form: "MultiDict[str]", name: str) -> str:
    values = form.getall(name, [])
    if len(values) > 1:
        unusable(name)
        raise web.HTTPBadRequest
    return values[0] if values else ""
