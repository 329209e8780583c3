"""Every topic for people who connect to it, as AsyncAPI 3.0: what is on it, with which key, and who writes it.

How a topic is kept (partitions, cleanup, retention) is in `deploy/topics.yaml`.
"""

from collections.abc import Iterable
from typing import Any, Final, get_args

import msgspec

from schemas.documents import file_name
from schemas.vocabulary import (
    CBP_NAMES,
    CBP_PREFIX,
    LINK_NAMES,
    PRECHECK_NAMES,
    PRECHECK_PREFIX,
    PROFILE_PREFIX,
    STAFF_NAMES,
    NotificationState,
)


class _Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One topic. `messages` are (type or pattern of types, schema); `ours` says that we write it."""

    address: str
    what: str
    key: str
    messages: tuple[tuple[str, str], ...] = ()
    ours: bool = True
    sealed: bool = False


def _types(prefix: str, names: Iterable[str], schema: str) -> tuple[tuple[str, str], ...]:
    return tuple((prefix + name, schema) for name in names)


_NOTIFICATION: Final = "gov.dhs.ttp.notification."
_ANY_KEY: Final = "Whatever the source chose; nothing relies on it."

_CHANNELS: Final = (
    _Channel(
        address="ttp.precheck.events.v1",
        what="Events of the TSA PreCheck providers.",
        key=_ANY_KEY,
        messages=_types(PRECHECK_PREFIX, PRECHECK_NAMES, "precheck-event"),
        ours=False,
    ),
    _Channel(
        address="ttp.global-entry.events.v1",
        what="Events of the CBP Trusted Traveler Programs: Global Entry, NEXUS, SENTRI, FAST, ABTC.",
        key=_ANY_KEY,
        messages=_types(CBP_PREFIX, CBP_NAMES, "global-entry-event"),
        ours=False,
    ),
    _Channel(
        address="ttp.profile.events.v1",
        what="Links, preferences and contacts from the portal, and decisions of the staff.",
        key=_ANY_KEY,
        messages=_types(PROFILE_PREFIX, (*LINK_NAMES, "deceased", "erased"), "profile-link")
        + _types(PROFILE_PREFIX, ("updated",), "profile-updated")
        + _types(PROFILE_PREFIX, STAFF_NAMES, "staff-decision"),
        ours=False,
    ),
    _Channel(
        address="ttp.traveler.status.v1",
        what="The unified view of each traveler, newest only. A tombstone: erased.",
        key="Traveler id.",
        messages=(("gov.dhs.ttp.traveler.status", "traveler-status"),),
    ),
    _Channel(
        address="ttp.traveler.transitions.v1",
        what="One event for each change that a traveler could notice.",
        key="Traveler id.",
        messages=(("gov.dhs.ttp.transition.{NAME}", "transition"),),
    ),
    _Channel(
        address="ttp.notifications.v1",
        what="The life of each message, step by step.",
        key="Traveler id.",
        messages=_types(_NOTIFICATION, get_args(NotificationState), "notification"),
    ),
    _Channel(
        address="ttp.cx.timing.v1",
        what="CX timing rows. Nothing that identifies.",
        key="Pseudonym of the enrollment, another one each fiscal quarter.",
        messages=(("gov.dhs.ttp.cx.timing", "timing"),),
    ),
    _Channel(
        address="ttp.dead-letter.v1",
        what="Source records that could not be used: original bytes and headers, and headers dlq.* that say why.",
        key="The key that the source chose.",
    ),
    _Channel(
        address="ttp.suppressions.v1",
        what="Addresses that are not written to, newest only. A tombstone: lifted.",
        key="HMAC of the address.",
        messages=(("gov.dhs.ttp.suppression", "suppression"),),
    ),
    _Channel(
        address="ttp.audit.v1",
        what="Every action of the staff.",
        key="Who acted.",
        messages=(("gov.dhs.ttp.audit", "audit"),),
    ),
    _Channel(
        address="ttp.staff.work.v1",
        what="What a person must look at.",
        key="Record or traveler.",
        messages=_types("gov.dhs.ttp.work.", ("opened", "closed"), "work"),
    ),
    *(
        _Channel(
            address=f"ttp.internal.{stage}{suffix}.v1",
            what=what.format(stage=stage),
            key=key,
            sealed=True,
        )
        for suffix, what in (
            ("", "Everything that the stage {stage} reads. Sealed; the form is ours and changes without notice."),
            ("-changelog", "The state of the stage {stage}. Sealed; the form is ours and changes without notice."),
            ("-keys", "The data keys of the states of the stage {stage}, sealed. Deleting one forgets what it sealed."),
        )
        for stage, key in (
            ("records", "PROGRAM:recordId."),
            ("travelers", "Traveler id, or the program of a notice."),
            ("addresses", "HMAC of the address."),
        )
    ),
    _Channel(
        address="ttp.internal.transit-keys.v1",
        what="The keys of messages between stages, sealed; deleted when everything sealed with them is read.",
        key="A random id.",
        sealed=True,
    ),
)


def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    channels, operations = {}, {}
    for channel in _CHANNELS:
        name = channel.address.removeprefix("ttp.").removesuffix(".v1").replace(".", "-")
        channels[name] = _channel(channel)
        if not channel.sealed:
            action = "send" if channel.ours else "receive"
            operations[f"{action}-{name}"] = {"action": action, "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trusted Traveler status notifier",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 over Kafka: binary and structured mode in, binary mode out.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messageTraits": {"cloudevent": {"headers": _headers()}}},
    }


def _channel(channel: _Channel) -> dict[str, Any]:
    described: dict[str, Any] = {"address": channel.address, "description": channel.what}
    described["messages"] = {
        _message_name(kind): _message(kind, schema, channel.key) for kind, schema in channel.messages
    }
    if not channel.messages:
        key = {"type": "string", "description": channel.key}
        described["messages"] = {
            "record": {"contentType": "application/octet-stream", "bindings": {"kafka": {"key": key}}}
        }
    return described


def _message_name(kind: str) -> str:
    return kind.replace(".", "-").replace("{NAME}", "any")


def _message(kind: str, schema: str, key: str) -> dict[str, Any]:
    return {
        "name": kind,
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"$ref": f"./{file_name(schema)}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
    }


def _headers() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": text,
            "ce_source": text,
            "ce_type": text,
            "ce_time": {"type": "string", "format": "date-time", "description": "When the fact happened."},
            "ce_subject": text,
            "ce_dataschema": {"type": "string", "format": "uri"},
            "ce_traceparent": text,
            "content-type": {"const": "application/json"},
        },
    }
