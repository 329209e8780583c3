"""Two requests of the Kafka protocol in versions that aiokafka 0.14 does not know.

`TxnOffsetCommit` 3 names the member and generation that commits, so that the group's coordinator refuses one that owns
nothing any more. `OffsetFetch` 7 refuses to answer while a transaction that moves an offset is open. (KIP-447; schemas:
clients/src/main/resources/common/message in apache/kafka.)
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_TEXT = CompactString("utf-8")
_NO_EPOCH = -1


def _topics(*partition: Any) -> tuple[str, CompactArray]:
    """The field of both protocols that names topics and, with these fields, partitions of each."""
    rows = CompactArray(*partition, ("tags", TaggedFields))
    return "topics", CompactArray(("name", _TEXT), ("partitions", rows), ("tags", TaggedFields))


class Member(msgspec.Struct, frozen=True):
    """What the coordinator knows a member of a group by. `generation` counts the group's assignments."""

    group: str
    generation: int
    id: str
    instance: str | None


class TxnOffsetCommitResponse_v3(Response):  # type: ignore[misc]  # noqa: N801
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        _topics(("partition", Int32), ("error_code", Int16)),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitRequest_v3(RequestStruct):  # type: ignore[misc]  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = TxnOffsetCommitResponse_v3
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        _topics(("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT)),
        ("tags", TaggedFields),
    )


class MemberOffsets(Request[TxnOffsetCommitRequest_v3]):  # type: ignore[misc]
    """Offsets, in a transaction, of a member that must still be one."""

    API_KEY = 28

    def __init__(
        self, transactional_id: str, producer: tuple[int, int], member: Member, offsets: Mapping[TopicPartition, int]
    ) -> None:
        """`producer` is its id and epoch."""
        self._fields = (transactional_id, member.group, *producer, member.generation, member.id, member.instance)
        self._offsets = offsets

    def build(self, request_struct_class: type[TxnOffsetCommitRequest_v3]) -> TxnOffsetCommitRequest_v3:
        topics: dict[str, list[Any]] = defaultdict(list)
        for place, offset in sorted(self._offsets.items()):
            topics[place.topic].append((place.partition, offset, _NO_EPOCH, "", {}))
        return request_struct_class(*self._fields, [(name, rows, {}) for name, rows in topics.items()], {})


class OffsetFetchResponse_v7(Response):  # type: ignore[misc]  # noqa: N801
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        _topics(
            ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", _TEXT), ("error_code", Int16)
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequest_v7(RequestStruct):  # type: ignore[misc]  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponse_v7
    SCHEMA = Schema(
        ("group_id", _TEXT),
        ("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class StableOffsets(Request[OffsetFetchRequest_v7]):  # type: ignore[misc]
    """The committed offsets of a group, none of which an open transaction may be about to change."""

    API_KEY = 9

    def __init__(self, group: str, places: Iterable[TopicPartition]) -> None:
        self._group = group
        self._topics: dict[str, list[int]] = defaultdict(list)
        for place in places:
            self._topics[place.topic].append(place.partition)

    def build(self, request_struct_class: type[OffsetFetchRequest_v7]) -> OffsetFetchRequest_v7:
        return request_struct_class(self._group, [(name, rows, {}) for name, rows in self._topics.items()], True, {})
