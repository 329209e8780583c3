"""`ttn forget`: everything that the stages keep of a person is emptied, and the keys that sealed it are deleted.

Published as an `erased` event of the staff, so that it is ordered with everything else about the person, done by the
stages themselves, each in its own transactions, and audited. So nothing is left half done: whoever crashes goes on
where it was, and asking again does no harm. Data keys of states go with the states (services.keyring), keys of messages
once these are read (services.transit). STOP on a number belongs to the number and stays.
"""

import asyncio
import getpass
import sys
import uuid
from datetime import datetime

import click
import msgspec
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import STRUCTURED, CloudEvent
from schemas.source import Link
from schemas.vocabulary import PROFILE_PREFIX, STAFF_SOURCE
from services import logs
from services.broker import client
from services.clock import present
from services.settings import Settings
from services.status import View, find
from streams.topics import PROFILE


def erasure(program: str, record: str, by: str, reason: str | None, now: datetime) -> CloudEvent:
    """The event by which a member of the staff has the person behind a record forgotten."""
    data = Link(recordId=record, program=program, actor=by, reason=reason)
    return CloudEvent(
        id=str(uuid.uuid4()),
        source=STAFF_SOURCE,
        type=f"{PROFILE_PREFIX}erased",
        time=now,
        subject=record,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


async def forget(settings: Settings, reference: str, by: str, reason: str | None) -> list[str]:
    """Ask for the erasure of each person that a reference means; the records `PROGRAM:recordId` that were named.

    Raises SettingsError where the running system cannot be reached.
    """
    views = [msgspec.json.decode(view, type=View) for view in await find(settings, reference)]
    cards = [view.cards[0] for view in views if view.cards]
    async with AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True) as producer:
        for card in cards:
            event = erasure(card.program, card.recordId, by, reason, present(settings))
            await producer.send_and_wait(
                PROFILE,
                msgspec.json.encode(event.structured()),
                card.recordId.encode(),
                headers=[("content-type", STRUCTURED.encode())],
            )
    return [f"{card.program}:{card.recordId}" for card in cards]


@click.command()
@click.argument("reference", metavar="RECORD_OR_TRAVELER")
@click.option("--by", default=None, help="Who asks for it, for the audit; the user of this machine when not given.")
@click.option("--reason", default=None, help="Why, for the audit.")
def command(reference: str, by: str | None, reason: str | None) -> None:
    """Forget a person: profile, records, what was told. The view becomes a tombstone.

    The person is named by traveler id, by PROGRAM:recordId, or by the record id alone; all their records go. It is done
    when the workers have read it; `ttn status` then knows nothing of them. Within two hours of that, no copy of what
    was stored of them can be read any more with what is left.
    """
    logs.quiet("forget")
    found = asyncio.run(forget(Settings.load(), reference, by or getpass.getuser(), reason))
    if not found:
        click.echo(f"ttn forget: nothing is known of {reference}.", err=True)
        sys.exit(1)
    for record in found:
        click.echo(f"The person behind {record} will be forgotten.")
