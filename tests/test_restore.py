"""A restore that is given up, because partitions change hands again or the worker is to stop, leaves nothing behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.meters import Meters
from services.runtime.restore import restore
from services.runtime.standby import Standby
from services.store import Memory, Shared, Store

LOG = TopicPartition("changelog", 0)


@pytest.fixture
async def silent() -> AsyncIterator[dict[str, str]]:
    """How to reach a broker that takes connections and never says a word."""
    ended = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    yield {"bootstrap_servers": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"}
    ended.set()
    server.close()


def _restoring(client: dict[str, str], store: Store) -> Coroutine[Any, Any, Any]:
    return restore({LOG: store}, client, lambda *_: None)


def _following(client: dict[str, str], store: Store) -> Coroutine[Any, Any, Any]:
    standby = Standby(client, Meters("test"))
    standby.follow({LOG: store})
    return standby.run()


@pytest.mark.parametrize("begin", [_restoring, _following])
async def test_no_client_stays_open_where_its_start_is_given_up(
    silent: dict[str, str], begin: Callable[[dict[str, str], Store], Coroutine[Any, Any, Any]], tmp_path: Path
) -> None:
    """The event loop hears of one that does, sooner or later, and then the process ends as by a surprise."""
    task = asyncio.create_task(begin(silent, Store(tmp_path, Shared(Memory()))))
    async with asyncio.timeout(20):
        while not _open(silent):  # noqa: ASYNC110 - what is made shows among all objects alone
            await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert _open(silent) == []


def _open(client: dict[str, str]) -> list[AIOKafkaConsumer]:
    made = [each for each in gc.get_objects() if isinstance(each, AIOKafkaConsumer) and each._closed is False]
    return [each for each in made if each._client._bootstrap_servers == client["bootstrap_servers"]]
