"""A CloudEvents 1.0 event and its Kafka protocol binding: binary and structured mode in, binary mode out.

Source: CloudEvents 1.0.2, "Kafka Protocol Binding" sections 3.1 to 3.3. A binary event without data is a tombstone in
a compacted topic, which a structured one cannot be; that is why only binary mode is emitted.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

Headers = tuple[tuple[str, bytes], ...]

BINARY = "application/json"
STRUCTURED = "application/cloudevents+json"
_DEPTH = 64
_ATTRIBUTES = ("id", "source", "type", "time", "subject", "dataschema", "traceparent")


class NotACloudEvent(ValueError):  # noqa: N818 - says what the record is
    """The record lacks a CloudEvents attribute that we need, or has a bad one. The text names it."""


class Undecodable(ValueError):  # noqa: N818 - says what the record is
    """The bytes are not the JSON that their content type promises."""


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event: attributes of CloudEvents 1.0 and its data as undecoded JSON.

    `time` is when the fact happened ("occurredAt"), never when it arrived.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    subject: str | None = None
    dataschema: str | None = None
    traceparent: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")

    def headers(self) -> Headers:
        """The Kafka headers of this event in binary mode."""
        values = {name: getattr(self, name) for name in _ATTRIBUTES}
        values["time"] = rfc3339(self.time)
        pairs = [("ce_specversion", self.specversion)]
        pairs += [(f"ce_{name}", value) for name, value in values.items() if value is not None]
        pairs.append(("content-type", BINARY))
        return tuple((name, value.encode()) for name, value in pairs)

    def structured(self) -> dict[str, Any]:
        """This event as one JSON object, data included, in a fixed order of fields."""
        event: dict[str, Any] = {"specversion": self.specversion}
        for name in _ATTRIBUTES:
            value = getattr(self, name)
            if value is not None:
                event[name] = rfc3339(value) if name == "time" else value
        event["datacontenttype"] = BINARY
        event["data"] = self.data
        return event


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC with `Z`; fractions only where there are any."""
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The moment that an RFC 3339 text with offset names, in UTC.

    Raises ValueError where the text is no such time or has no offset.
    """
    moment = msgspec.convert(text, datetime)
    # msgspec also reads ISO 8601's basic form of an offset, +0500, which RFC 3339 does not have.
    if moment.tzinfo is None or (text[-1] not in "Zz" and text[-3] != ":"):
        raise ValueError("a time needs an offset")
    return moment.astimezone(UTC)


def read(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> CloudEvent:
    """The event in a Kafka record of either mode.

    Raises Undecodable for bytes that are not JSON, NotACloudEvent for a missing or bad attribute.
    """
    named: dict[str, bytes] = {name.lower(): raw or b"" for name, raw in headers}
    media = named.get("content-type", b"").decode("utf-8", "replace").split(";")[0].strip().lower()
    if media == STRUCTURED:
        return _read_structured(value)
    data = _json(value)
    if media not in (BINARY, "") or "ce_specversion" not in named:
        raise NotACloudEvent("neither the headers of binary mode nor the content type of structured mode")
    return _event(_binary_attributes(named), data)


def _binary_attributes(named: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        return {name[3:]: raw.decode("utf-8") for name, raw in named.items() if name.startswith("ce_")}
    except UnicodeDecodeError as error:
        raise NotACloudEvent("an attribute is not UTF-8") from error


def _read_structured(value: bytes | None) -> CloudEvent:
    data = _json(value)
    try:
        attributes = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise NotACloudEvent("a structured event is a JSON object") from error
    body = attributes.pop("data", None) or _base64(attributes.pop("data_base64", None))
    return _event({name: msgspec.json.decode(raw) for name, raw in attributes.items()}, body)


def _base64(encoded: msgspec.Raw | None) -> msgspec.Raw:
    """Data that a producer wrote as bytes (CloudEvents JSON format 3.1.1)."""
    if encoded is None:
        return msgspec.Raw(b"null")
    try:
        return _json(msgspec.json.decode(encoded, type=bytes))
    except msgspec.DecodeError as error:
        raise NotACloudEvent("data_base64 is not base64") from error


def _json(value: bytes | None) -> msgspec.Raw:
    if value is None:
        raise Undecodable("no value")
    try:
        content = msgspec.json.decode(value)
        value.decode("utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable("the value is not JSON") from error
    if value.count(b"[") + value.count(b"{") > _DEPTH and _deeper(content, _DEPTH):
        raise Undecodable("the value is nested too deeply")
    return msgspec.Raw(value)


def _deeper(content: Any, limit: int) -> bool:
    """Whether JSON is nested deeper than `limit`; level by level, because recursion is what it guards against."""
    level = [content]
    for _ in range(limit):
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in nested for part in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return False
    return True


def _event(attributes: Mapping[str, Any], data: msgspec.Raw) -> CloudEvent:
    if attributes.get("specversion") != "1.0":
        raise NotACloudEvent("specversion is not 1.0")
    fields: dict[str, str] = {}
    for name in (*_ATTRIBUTES, "datacontenttype"):
        text = attributes.get(name)
        if text is None and name in ("id", "source", "type", "time", "subject"):
            raise NotACloudEvent(f"attribute {name} is missing")
        if text is None:
            continue
        if not isinstance(text, str) or not text.strip() or len(text) > 1024 or not text.isprintable():
            raise NotACloudEvent(f"attribute {name} is not a short text")
        fields[name] = text
    try:
        moment = parse_time(fields.pop("time"))
    except (ValueError, OverflowError) as error:
        raise NotACloudEvent("attribute time is not RFC 3339 with an offset") from error
    return CloudEvent(**fields, time=moment, data=data)


def canonical(data: msgspec.Raw) -> bytes:
    """JSON with sorted keys and no spaces: equal for equal contents, whichever mode brought them."""
    return json.dumps(msgspec.json.decode(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
