"""`ttn send`: a file of events, published to the input topics as a source would."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from services import logs, topics
from services.broker import client
from services.lines import LineError, Record, read_lines
from services.settings import Settings, SettingsError
from services.wire import BACKFILL, partition_of
from streams.topics import INPUTS

_REPORT_EVERY: Final = 1.0
_WAITING: Final = 5000


class SendError(Exception):
    """A file that cannot be sent; the text names the file, the line and the reason."""


class _Subject(msgspec.Struct):
    subject: str | None = None


_subject = msgspec.json.Decoder(_Subject)


def records(path: Path) -> Iterator[tuple[int, Record]]:
    """The records of a file with their line numbers. Raises SendError at the first line that is none."""
    try:
        with path.open("rb") as file:
            for line in read_lines(file):
                if not isinstance(line.what, Record):
                    raise LineError(f"line {line.number}: only event, raw and rawBase64 can be sent")
                yield line.number, line.what
    except LineError as error:
        raise SendError(f"{path}, {error}") from None
    except OSError as error:
        raise SendError(f"{path}: {error.strerror}") from None


async def publish(settings: Settings, path: Path, *, backfill: bool) -> int:
    """Publish the records of a file in its order, and return how many when all are on Kafka.

    The file is read through first, so that a bad line keeps all of it back. Raises SendError or SettingsError.
    """
    total = sum(1 for _ in records(path))
    await topics.check(settings, INPUTS)
    producer = AIOKafkaProducer(
        **client(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=256 << 10,
        max_request_size=2 << 20,
    )
    extra = ((BACKFILL, b"1"),) if backfill else ()
    async with producer:
        partitions = {topic: len(await producer.partitions_for(topic)) for topic in INPUTS}
        waiting: list[tuple[int, asyncio.Future[object]]] = []
        said = time.monotonic()
        for count, (number, record) in enumerate(records(path), start=1):
            place = partition(record, partitions[record.topic])
            try:
                future = await producer.send(
                    record.topic, record.value, record.key, place, headers=[*record.headers, *extra]
                )
            except MessageSizeTooLargeError:
                raise SendError(f"{path}, line {number}: larger than the topic takes") from None
            waiting.append((number, future))
            if len(waiting) >= _WAITING:
                await _taken(path, waiting)
            if time.monotonic() - said > _REPORT_EVERY:
                said = time.monotonic()
                click.echo(f"{count:,} of {total:,} events sent.", err=True)
        await _taken(path, waiting)
    return total


def partition(record: Record, partitions: int) -> int:
    """A partition by key, or by the event's subject where there is no key: what concerns one record keeps its order."""
    key = record.key or dict(record.headers).get("ce_subject")
    if key is None:
        try:
            key = (_subject.decode(record.value).subject or "").encode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            key = b""
    return partition_of(key, partitions)


async def _taken(path: Path, waiting: "list[tuple[int, asyncio.Future[object]]]") -> None:
    for number, future in waiting:
        try:
            await future
        except KafkaError as error:
            raise SendError(f"{path}, line {number}: Kafka did not take it ({type(error).__name__})") from None
    waiting.clear()


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--backfill", is_flag=True, help="It is history: load it, and tell nobody.")
def command(file: Path, *, backfill: bool) -> None:
    """Publish a file of events (JSON Lines) to the input topics."""
    logs.quiet("send")
    try:
        total = asyncio.run(publish(Settings.load(), file, backfill=backfill))
    except SendError as error:
        click.echo(f"ttn send: {error}", err=True)
        sys.exit(2)
    except KafkaError as error:
        raise SettingsError(
            f"TTN_KAFKA: expected brokers that take events; they answer {type(error).__name__}."
        ) from None
    click.echo(f"{total:,} events sent.")
