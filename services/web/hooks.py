"""What Twilio calls: status of our texts, and texts that people write to us. Answered when Kafka holds it."""

import re
from typing import Final, Literal

from aiohttp import web

from schemas.internal import Inbound, Receipt
from services import bounces, logs
from services.twilio import MESSAGE_SID
from services.web import measures
from services.web.forms import Forms, unusable
from services.web.inlet import Inlet, NotHeld
from streams.hearing import without_numbers
from streams.identity import Identity

_ANY: Final = re.compile(r"[\s\S]*")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_STATUS: Final = re.compile(
    r"accepted|scheduled|queued|sending|sent|delivered|undelivered|failed|canceled|read|partially_delivered"
)
_RECEIPT: Final = {
    "MessageSid": MESSAGE_SID,
    "MessageStatus": _STATUS,
    "To": _NUMBER,
    "ErrorCode": re.compile(r"\d{0,6}"),
}
_INBOUND: Final = {
    "MessageSid": MESSAGE_SID,
    # A short code or a name is nobody whom we write to; it is answered and forgotten.
    "From": _ANY,
    "Body": _ANY,
    # A name that is new to us says that the provider has answered; the text itself must not be lost for it.
    "OptOutType": _ANY,
}
_HEARD: Final[dict[str, Literal["stop", "start", "help"]]] = {"STOP": "stop", "START": "start", "HELP": "help"}
_NOTHING: Final = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'

_log = logs.get(__name__)


class Hooks:
    """The handlers."""

    def __init__(self, forms: Forms, identity: Identity, inlet: Inlet) -> None:
        self._forms = forms
        self._identity = identity
        self._inlet = inlet

    async def status(self, request: web.Request) -> web.Response:
        """A receipt of the text whose claim has the token in the path."""
        token = request.match_info["token"]
        key = bounces.key(token)
        try:
            form = await self._forms.read(request, _RECEIPT)
        except web.HTTPForbidden:
            if key is None:
                raise web.HTTPNotFound from None
            raise
        if key is None:
            # It is the provider's word, but about no message of ours: taken, so that it is not said again and again.
            unusable("token")
            return web.Response(status=204)
        if self._identity.address("sms", form["To"]) != key:
            unusable("To")
            raise web.HTTPForbidden
        receipt = Receipt(
            token=token,
            providerId=form["MessageSid"],
            status=form["MessageStatus"],
            code=form["ErrorCode"].lstrip("0") or None,
        )
        await held(self._inlet, key, receipt)
        measures.RECEIPTS.labels("sms", receipt.status, receipt.code or "").inc()
        _log.info("receipt", provider_id=receipt.providerId, status=receipt.status, code=receipt.code)
        return web.Response(status=204)

    async def inbound(self, request: web.Request) -> web.Response:
        """A text from a person. Our own reply comes from the addresses stage, so the answer here is empty TwiML."""
        form = await self._forms.read(request, _INBOUND)
        if _NUMBER.fullmatch(form["From"]):
            message = Inbound(
                sender=form["From"],
                body=without_numbers(form["Body"]),
                answered=bool(form["OptOutType"]),
                heard=_HEARD.get(form["OptOutType"].upper()),
                providerId=form["MessageSid"],
            )
            await held(self._inlet, self._identity.address("sms", form["From"]), message)
        _log.info("inbound text", provider_id=form["MessageSid"])
        return web.Response(text=_NOTHING, content_type="text/xml")


async def held(inlet: Inlet, key: str, message: Receipt | Inbound) -> None:
    """Write to Kafka, or ask the caller to come again."""
    try:
        await inlet.put(key, message)
    except NotHeld as error:
        _log.error("not held by Kafka", reason=str(error))
        raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"}) from None
