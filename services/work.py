"""`ttn work`: what waits for a person."""

import asyncio
from datetime import datetime

import click
import msgspec

from schemas import cloudevents
from schemas.outputs import WorkItem
from services import logs
from services.contents import contents
from services.settings import Settings
from streams.topics import WORK


class OpenItem(msgspec.Struct, frozen=True):
    """Something that a person must look at; `since` is when it was opened."""

    since: datetime
    item: WorkItem


async def waiting(settings: Settings) -> list[OpenItem]:
    """The open items, the oldest first. Raises SettingsError where the running system cannot be reached."""
    open_: dict[str, OpenItem] = {}
    async for record in contents(settings, WORK):
        if record.value is None:
            continue
        event = cloudevents.read(record.value, record.headers)
        item = msgspec.json.decode(event.data, type=WorkItem)
        if event.type.endswith(".opened"):
            open_.setdefault(item.itemId, OpenItem(event.time, item))
        else:
            open_.pop(item.itemId, None)
    return sorted(open_.values(), key=lambda each: (each.since, each.item.itemId))


@click.command()
def command() -> None:
    """List what waits for a person, the oldest first."""
    logs.quiet("work")
    found = asyncio.run(waiting(Settings.load()))
    for each in found:
        record = f"{each.item.program}:{each.item.recordId}" if each.item.recordId else each.item.program or "-"
        click.echo(f"{cloudevents.rfc3339(each.since)}  {each.item.reason:<24}  {record}  {each.item.itemId}")
    click.echo(f"{len(found)} open." if found else "Nothing waits for a person.")
