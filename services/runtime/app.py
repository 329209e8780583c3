"""The Faust app of one stage: one group, one topic or a few, an actor per partition."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import faust
from faust.types.enums import ProcessingGuarantee
from mode import CrashingSupervisor
from yarl import URL

from services.failpoints import Failpoints
from services.keyring import Keyrings
from services.runtime.committer import Committer
from services.runtime.ending import end, must_run
from services.runtime.job import Job
from services.runtime.meters import Meters
from services.runtime.owned import Owned
from services.runtime.partition import HandOver, Partition
from services.runtime.recovery import TableManager
from services.runtime.transport import Consumer, Producer, Transport
from services.settings import KafkaSecurity
from services.store import Shared
from services.wire import Outgoing

SESSION: Final = 10.0

SILENT: Final = 5.0
"""Seconds without an answer of a broker after which what it said before tells nothing."""


class App(faust.App):
    """A stage as a Faust app. A crash of any of its services ends the process."""

    owned: Owned

    def _create_directories(self) -> None:
        """Nothing: stores make their own."""

    def _crash(self, reason: BaseException) -> None:
        end("Faust service", reason)


class StageApp:
    """Builds and runs the app of one job.

    `instance` names this worker for good: with it a restarted worker takes its partitions back at once, where a new
    name would wait for the old one's session to end. `standby` is the number of partitions where this worker keeps a
    copy of what others own, too; 0 where it does not.
    """

    def __init__(
        self,
        job: Job,
        *,
        bootstrap: str,
        security: KafkaSecurity,
        folder: Path,
        shared: Shared,
        meters: Meters,
        hand_over: HandOver,
        failpoints: Failpoints,
        instance: str | None = None,
        session: float = SESSION,
        group: str | None = None,
        standby: int = 0,
        keyrings: Keyrings | None = None,
    ) -> None:
        self._job = job
        self._following: asyncio.Task[None] | None = None
        name = group or f"ttn-{job.name}"
        app = self.app = App(
            name,
            broker=[URL(f"kafka://{server}") for server in bootstrap.split(",")],
            broker_credentials=_credentials(security),
            processing_guarantee=ProcessingGuarantee.EXACTLY_ONCE,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance,
            broker_session_timeout=session,
            broker_heartbeat_interval=session / 5,
            broker_request_timeout=max(30.0, session + 1),
            broker_rebalance_timeout=60.0,
            broker_commit_interval=3600.0,
            producer_linger=0.0,
            producer_max_batch_size=256 << 10,
            producer_max_request_size=9 << 20,
            producer_request_timeout=30.0,
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            agent_supervisor=CrashingSupervisor,
            store="memory://",
            key_serializer="raw",
            value_serializer="raw",
            stream_wait_empty=True,
            stream_recovery_delay=0.0,
            TableManager=TableManager,
            autodiscover=False,
            cython_optimizations=False,
        )
        app.transport = Transport(app.conf.broker_consumer, app)
        app.producer_transport = app.transport
        app.in_worker = True
        app.owned = Owned(
            job,
            Committer(
                lambda name: cast("Producer", app.producer).lane(name),
                f"{name}-{instance or uuid.uuid4().hex}",
                job.changelog,
                meters,
                failpoints,
            ),
            folder=folder,
            shared=shared,
            client={"bootstrap_servers": bootstrap.split(","), **security.client_options()},
            meters=meters,
            failpoints=failpoints,
            hand_over=hand_over,
            session=session,
            standby=standby,
            keyrings=keyrings,
        )
        self._agent()

    @property
    def owned(self) -> Owned:
        """The partitions of this process."""
        return self.app.owned

    def lag(self, partition: Partition) -> int | None:
        """Records of a partition that are not handled: under way, waiting here, and not yet fetched.

        None until the broker has said how far the partition reaches.
        """
        unread = cast("Consumer", self.app.consumer).unread(partition.place)
        return None if unread is None else len(partition.inlet) + partition.under_way + unread

    def hears(self) -> bool:
        """Whether the brokers answer, as they do all the time where no partition has anything waiting."""
        consumer = cast("Consumer", self.app.consumer)
        return all(consumer.silence(place) < SILENT for place in self.owned.places())

    async def send(self, record: Outgoing) -> int:
        """Write one record by itself, outside the transactions; its offset, when Kafka holds it."""
        producer = cast("Producer", self.app.producer)._ensure_producer()
        written = await producer.send_and_wait(
            record.topic, record.value, record.key, record.partition, headers=list(record.headers)
        )
        offset: int = written.offset
        return offset

    async def start(self) -> None:
        """Join the group; returns once the services run, before any assignment."""
        self.app.finalize()
        await self.app.start()
        if self.owned.standby is not None:
            self._following = asyncio.create_task(self.owned.standby.run())
            self._following.add_done_callback(must_run)

    async def stop(self) -> None:
        """Finish the batches under way, leave the group and close the stores."""
        # First of all, while the group still waits for us: what is committed after it has gone on is refused.
        await self.owned.rest()
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        await self.app.stop()
        self.owned.drop()
        await self.owned.release()

    def _agent(self) -> None:
        app, owned = self.app, self.app.owned
        topic = app.topic(*self._job.topics, key_type=bytes, value_type=bytes)

        async def actor(stream: Any) -> None:
            async for event in stream.events():
                partition = owned.at(event.message.tp)
                if partition is not None:
                    await _guarded(partition.work, f"partition {partition.place.partition} of {partition.place.topic}")

        app.agent(topic, isolated_partitions=True, name=self._job.name)(actor)


async def _guarded(work: Callable[[], Any], where: str) -> None:
    try:
        await work()
    except BaseException as error:  # noqa: BLE001 - also a cancelled batch must not be acknowledged as done
        end(where, error)


def _credentials(security: KafkaSecurity) -> Any:
    options = security.client_options()
    context = options.get("ssl_context")
    if security.mechanism is not None:
        return faust.SASLCredentials(
            username=security.user, password=security.password, mechanism=security.mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context) if context is not None else None
