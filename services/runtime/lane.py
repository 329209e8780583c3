"""A transactional producer of this process, and what it adds to aiokafka's: offsets in the name of a group member.

Upstream sends `TxnOffsetCommit` 0, which names no member: whoever holds the transactional id may move any offset. The
override is `_do_txn_offset_commit`; its answers are read by upstream's handler. And upstream asks the coordinator twice
before the first record, for the offsets and for the partitions, one after the other; here both are asked at once.

A lane's transactional id belongs to this process: started again, it ends what its predecessor left open at once.
Whatever else a process leaves open, the broker aborts after `TIMEOUT`.
"""

import asyncio
from collections.abc import Iterable, Set
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.producer.sender import Sender as UpstreamSender
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.transaction import TxnOffsetCommitResponse_v0

from services.runtime.requests import Member, MemberOffsets

TIMEOUT: Final = 10.0
"""Seconds after which the broker aborts an open transaction; what another worker waits for, at most, to take over."""


class _Handler(TxnOffsetCommitHandler):  # type: ignore[misc]
    """Upstream's, with our request."""

    def create_request(self) -> MemberOffsets:
        transaction = self._sender._txn_manager
        return MemberOffsets(
            transaction.transactional_id,
            (transaction.producer_id, transaction.producer_epoch),
            self._sender.member,
            {place: held.offset for place, held in self._offsets.items()},
        )

    def handle_response(self, resp: Any) -> float | None:
        plain = [(topic, [row[:2] for row in rows]) for topic, rows, _ in resp.topics]
        backoff: float | None = super().handle_response(TxnOffsetCommitResponse_v0(resp.throttle_time_ms, plain))
        return backoff


class _Sender(UpstreamSender):  # type: ignore[misc]
    member: Member

    def _maybe_do_transactional_request(self) -> "asyncio.Task[Any] | None":
        transaction = self._txn_manager
        places, group = transaction.partitions_to_add(), transaction.consumer_group_to_add()
        if places and group is not None:
            return asyncio.create_task(self._add(set(places), group))
        task: asyncio.Task[Any] | None = super()._maybe_do_transactional_request()
        return task

    async def _add(self, places: Set[TopicPartition], group: str) -> None:
        """On one connection, so the broker sees one after the other."""
        await asyncio.gather(self._do_add_partitions_to_txn(places), self._do_add_offsets_to_txn(group))

    async def _do_txn_offset_commit(self, offsets: Any, group_id: str) -> None:
        node = await self._find_coordinator(CoordinationType.GROUP, group_id)
        await _Handler(self, offsets, group_id).do(node)


class Lane(AIOKafkaProducer):  # type: ignore[misc]
    """One transactional producer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sender: _Sender = _Sender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            message_accumulator=self._message_accumulator,
            retry_backoff_ms=options["retry_backoff_ms"],
            request_timeout_ms=options["request_timeout_ms"],
        )

    async def begin(self, member: Member, places: Iterable[tuple[str, int]]) -> None:
        """Begin a transaction of this member that writes to these places; the broker hears of it with the offsets."""
        self._sender.member = member
        await self.begin_transaction()
        for place in places:
            self._txn_manager.maybe_add_partition_to_txn(TopicPartition(*place))
