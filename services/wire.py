"""Our records as bytes: messages between stages (sealed), ticks, output events, dead letters, and where a key lives.

An internal record has the key as UTF-8, a sealed msgpack value and the header `ttn-now`. A tick has no key and the
header `ttn-tick`. Output events leave in CloudEvents binary mode.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache, lru_cache
from importlib.metadata import version
from struct import unpack_from
from typing import Any, Final, Protocol, get_args

import msgspec

from schemas.cloudevents import parse_time, rfc3339
from schemas.internal import Message, Origin
from streams import topics
from streams.grammar import DeadLetter, Publish

NOW: Final = "ttn-now"
TICK: Final = "ttn-tick"
ARRIVED: Final = "ttn-arrived-at"
BACKFILL: Final = "ttn-backfill"

_MIX: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF

Headers = tuple[tuple[str, bytes], ...]


class WireError(ValueError):
    """An internal record that does not have our form. The text names what is missing, never a value."""


class NewerError(ValueError):
    """A message that a newer version of this product wrote. The text names its kind, never a value."""


class Seal(Protocol):
    """What closes and opens values (services.sealing.Keys)."""

    def seal(self, clear: bytes) -> bytes:
        """The sealed form."""

    def open(self, sealed: bytes) -> bytes:
        """The clear form; raises where it was not sealed by us."""


class Received(Protocol):
    """A record as any Kafka client gives it; `timestamp` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to be written."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@lru_cache(maxsize=20_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key: murmur2 as Kafka's own clients do it, so that any of them finds the same one."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(key: bytes) -> int:
    """What `aiokafka.partitioner.murmur2` gives, in a quarter of its time: it was 4 to 8 % of a stage's CPU."""
    size = len(key)
    hashed = 0x9747B28C ^ size
    for word in unpack_from(f"<{size >> 2}I", key):
        mixed = word * _MIX & _WORD
        mixed = (mixed ^ mixed >> 24) * _MIX & _WORD
        hashed = hashed * _MIX & _WORD ^ mixed
    if size & 3:
        hashed = (hashed ^ int.from_bytes(key[size & ~3 :], "little")) * _MIX & _WORD
    hashed = (hashed ^ hashed >> 13) * _MIX & _WORD
    return hashed ^ hashed >> 15


def header(record: Received, name: str) -> bytes | None:
    """The last header of this name."""
    found = None
    for key, value in record.headers:
        if key == name:
            found = value
    return found


def moment(raw: bytes) -> datetime:
    """The moment in a header. Raises WireError where it is none."""
    try:
        return parse_time(raw.decode("ascii"))
    except (ValueError, OverflowError):
        raise WireError("a time header is not RFC 3339 with an offset") from None


def now_of(record: Received) -> datetime:
    """The sender's moment of an internal record. Raises WireError where there is none."""
    raw = header(record, NOW)
    if raw is None:
        raise WireError(f"no header {NOW}")
    return moment(raw)


@lru_cache(maxsize=4096)
def _now_header(now: datetime) -> Headers:
    return ((NOW, rfc3339(now).encode()),)


_encode = msgspec.msgpack.Encoder().encode


def to_stage(seal: Seal, partitions: int, stage: str, key: str, message: Message, now: datetime) -> Outgoing:
    """A message for one key of a stage, as a record of that stage's inbox."""
    name = key.encode()
    return Outgoing(
        topics.inbox(stage), partition_of(name, partitions), name, seal.seal(_encode(message)), _now_header(now)
    )


def tick(stage: str, partition: int, until: datetime) -> Outgoing:
    """The record that runs everything of this partition that is due up to `until`.

    Its value is empty and not absent: a record has a key or a value.
    """
    return Outgoing(topics.inbox(stage), partition, None, b"", ((TICK, rfc3339(until).encode()),))


def publish(partitions: int, output: Publish) -> Outgoing:
    """An output event in binary mode, or a tombstone."""
    key = output.key.encode()
    place = partition_of(key, partitions)
    if output.event is None:
        return Outgoing(output.topic, place, key, None)
    return Outgoing(output.topic, place, key, bytes(output.event.data), output.event.headers())


def dead_letter(partitions: int, letter: DeadLetter) -> Outgoing:
    """The dead letter: the original key, bytes and headers untouched, and what we say of it (contract 1.3)."""
    origin = letter.origin
    print_ = fingerprint(origin)
    place = partition_of(origin.key if origin.key is not None else print_.encode(), partitions)
    return Outgoing(topics.DEAD_LETTER, place, origin.key, origin.value, origin.headers + dead_letter_headers(letter))


def dead_letter_headers(letter: DeadLetter) -> Headers:
    """What a dead letter says in headers besides the original ones."""
    origin = letter.origin
    said = {
        "topic": origin.topic,
        "partition": str(origin.partition),
        "offset": str(origin.offset),
        "timestamp": str(origin.timestamp),
        "stage": letter.stage,
        "reason": letter.reason,
        "error": letter.error,
        "fingerprint": fingerprint(origin),
        "app_version": app_version(),
    }
    return tuple((f"dlq.{name}", value.encode()) for name, value in said.items())


def fingerprint(origin: Origin) -> str:
    """The same for the same bytes, so that equal letters can be counted; SHA-256 of key and value, 32 hex digits."""
    digest = hashlib.sha256(b"\x00" if origin.key is None else b"\x01" + origin.key)
    digest.update(b"\x00" if origin.value is None else b"\x01" + origin.value)
    return digest.hexdigest()[:32]


@cache
def app_version() -> str:
    """The version of this product."""
    return version("trusted-traveler-notifier")


def origin_of(record: Received) -> Origin:
    """A record as Kafka held it."""
    return Origin(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        key=record.key,
        headers=tuple((name, value if value is not None else b"") for name, value in record.headers),
        value=record.value,
    )


class Decoder:
    """Turns clear bytes into a message of a stage.

    What a newer version of a message says, or means, gets a tag of its own: an unknown tag is the mark of one.
    """

    def __init__(self, types: Any) -> None:
        self._decode = msgspec.msgpack.Decoder(types).decode
        configs = [each.__struct_config__ for each in get_args(types) or (types,)]
        self._tags = {config.tag for config in configs}
        self._tag_field = configs[0].tag_field

    def decode(self, clear: bytes) -> Any:
        """The message. Raises NewerError for a tag that this version does not know, msgspec.DecodeError for junk."""
        try:
            return self._decode(clear)
        except msgspec.ValidationError:
            tag = self._tag(clear)
            if tag is not None and tag not in self._tags:
                raise NewerError(f"an unknown {tag!r}") from None
            raise

    def _tag(self, clear: bytes) -> Any:
        said = msgspec.msgpack.decode(clear)
        return said.get(self._tag_field) if isinstance(said, dict) else None


def size(records: Iterable[Outgoing]) -> int:
    """Bytes of keys and values."""
    return sum(len(record.key or b"") + len(record.value or b"") for record in records)
