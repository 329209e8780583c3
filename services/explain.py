"""`ttn explain`: why a traveler sees and hears what they do, read from the topics of the running system."""

import asyncio
import sys
from datetime import UTC, datetime

import click
from aiokafka import ConsumerRecord

from schemas import cloudevents
from services import logs
from services.contents import contents
from services.settings import Settings
from services.wire import ARRIVED, header, moment, origin_of
from streams import topics
from streams.explanation import Dossier, tell, unused

_READ = (topics.STATUS, topics.TRANSITIONS, topics.NOTIFICATIONS, topics.WORK)


async def dossier(settings: Settings) -> Dossier:
    """Everything that the topics hold now. Raises SettingsError where the running system cannot be reached."""
    found = Dossier()
    for topic in topics.INPUTS:
        async for record in contents(settings, topic):
            found.source(origin_of(record), _arrived(record))
    async for record in contents(settings, topics.DEAD_LETTER):
        said = {name: raw.decode("utf-8", "replace") for name, raw in record.headers if name.startswith("dlq.")}
        found.letter(origin_of(record), None, said.get("dlq.reason", ""), said.get("dlq.error", ""))
    for topic in _READ:
        async for record in contents(settings, topic):
            _note(found, topic, record)
    return found


def _arrived(record: ConsumerRecord[bytes, bytes]) -> datetime:
    """When a source record arrived: by the stepped clock of a demonstration, otherwise as Kafka stamped it."""
    stamped = header(record, ARRIVED)
    return moment(stamped) if stamped is not None else datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _note(found: Dossier, topic: str, record: ConsumerRecord[bytes, bytes]) -> None:
    key = (record.key or b"").decode()
    event = None if record.value is None else cloudevents.read(record.value, record.headers)
    found.published(topic, key, event)


@click.command(name="explain")
@click.argument("reference", metavar="RECORD_OR_TRAVELER")
def command(reference: str) -> None:
    """Say what is known of a traveler, what was sent or not, and why.

    The traveler is named by traveler id, by PROGRAM:recordId, or by the record id alone.
    """
    logs.quiet("explain")
    found = asyncio.run(dossier(Settings.load()))
    travelers = found.find(reference)
    if not travelers:
        click.echo(f"ttn explain: nothing is known of {reference}.", err=True)
        for line in unused(found, reference):
            click.echo(line, err=True)
        sys.exit(1)
    click.echo(tell(found, travelers))
