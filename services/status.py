"""`ttn status`: the unified view of one traveler, as the running system has published it last."""

import asyncio
import sys

import click
import msgspec

from services import logs
from services.contents import contents
from services.settings import Settings
from streams.topics import STATUS


class Card(msgspec.Struct):
    """What names a record in a published view."""

    program: str
    recordId: str


class View(msgspec.Struct):
    """As much of a published view as says whom it is of."""

    travelerId: str
    cards: tuple[Card, ...] = ()

    def concerns(self, reference: str) -> bool:
        """Whether a traveler id, `PROGRAM:recordId` or a record id alone means this traveler."""
        if reference == self.travelerId:
            return True
        return any(reference in (card.recordId, f"{card.program}:{card.recordId}") for card in self.cards)


async def find(settings: Settings, reference: str) -> list[bytes]:
    """The views (JSON) that a reference means; several where two programs gave out the same record id.

    Raises SettingsError where the running system cannot be reached.
    """
    views: dict[bytes, bytes] = {}
    decode = msgspec.json.Decoder(View).decode
    async for record in contents(settings, STATUS):
        if record.key is None:
            continue
        if record.value is not None and decode(record.value).concerns(reference):
            views[record.key] = record.value
        else:
            views.pop(record.key, None)
    return list(views.values())


@click.command()
@click.argument("reference", metavar="RECORD_OR_TRAVELER")
def command(reference: str) -> None:
    """Print the unified view of a traveler from the running system.

    The traveler is named by traveler id, by PROGRAM:recordId, or by the record id alone.
    """
    logs.quiet("status")
    views = asyncio.run(find(Settings.load(), reference))
    if not views:
        click.echo(f"ttn status: nothing is known of {reference}.", err=True)
        sys.exit(1)
    for view in views:
        click.echo(msgspec.json.format(view, indent=2))
