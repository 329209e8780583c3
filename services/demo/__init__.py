"""`ttn demo`: everything on this machine, real parts all of them, with months of fictional travelers in minutes."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from aiohttp import ClientSession

from schemas.cloudevents import parse_time
from services import logs
from services.clock import stepped
from services.demo.parts import Parts, data_dir, environment
from services.demo.people import people
from services.demo.player import Player
from services.demo.stillness import Stillness
from services.lines import Expectation, InboundSms, Line, LineError, Record, read_lines
from services.sealing import Keys
from services.settings import Settings, SettingsError
from streams.identity import Identity
from streams.intake import Intake

TRAVELERS: Final = Path(__file__).with_name("travelers.jsonl")


class Story(msgspec.Struct, frozen=True):
    """What is played: the lines in order, and the moment up to which the clock runs on."""

    lines: Sequence[Line]
    until: datetime

    @staticmethod
    def read(path: Path, until: datetime | None) -> "Story":
        """A story file. Raises LineError for a line that cannot be played."""
        with path.open("rb") as file:
            lines = list(read_lines(file))
        for line in lines:
            if isinstance(line.what, Expectation):
                raise LineError(f"line {line.number}: what the provider does is set on the page, not in the file")
        if not lines:
            raise LineError("no line in it")
        return Story(lines, max(lines[-1].at, until or lines[-1].at))


def say(sentence: str) -> None:
    """Progress, for a person."""
    click.echo(sentence)


def describe(line: Line) -> str:
    """A line in a few words, without anything about a person but their record."""
    match line.what:
        case Record() as record:
            return f"{_short(record)}"
        case InboundSms(sender=sender, body=body):
            return f"{sender} writes {body}"
        case decision:
            return f"staff: {getattr(decision, 'action', '')}"


def _short(record: Record) -> str:
    try:
        event: Any = msgspec.json.decode(record.value)
        return f"{event['subject']}: {str(event['type']).removeprefix('gov.dhs.')}"
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError):
        return f"{len(record.value)} bytes that are no event, on {record.topic}"


async def _demo(settings: Settings, story: Story, days_per_second: float, *, stay: bool) -> None:
    with data_dir(settings) as lock:
        environ = environment(settings, os.environ)
        settings = Settings.load(environ)
        clock = stepped(settings.data_dir)
        clock.move(story.lines[0].at)
        parts = Parts(settings, environ, lock, say)
        try:
            await parts.start(lambda page: say(f"\n  Phones and inboxes:  {page}\n"))
            await _play(settings, story, parts, days_per_second, stay=stay)
        finally:
            say("Stopping.")
            await parts.stop()


async def _play(settings: Settings, story: Story, parts: Parts, days_per_second: float, *, stay: bool) -> None:
    clock = stepped(settings.data_dir)
    stillness = Stillness(settings, clock, parts.health, parts.sandbox)
    intake = Intake(Identity(Keys.load(settings).hmac))
    player = Player(settings, clock, stillness, intake, parts.sandbox, days_per_second, parts.check)
    await stillness.start()
    try:
        await player.start()
        try:
            await _introduce(parts.sandbox, story)
            for count, line in enumerate(story.lines, start=1):
                await player.play(line)
                say(f"{line.at:%Y-%m-%d %H:%M}  {count:>3} of {len(story.lines)}  {describe(line)}")
            await player.run(story.until)
            await stillness.wait(parts.check)
            say(await _summary(parts.sandbox))
            if stay:
                say("The page stays up, and replies are answered. Ctrl-C ends it.")
                await player.idle()
        finally:
            await player.stop()
    finally:
        await stillness.stop()


async def _introduce(sandbox: str, story: Story) -> None:
    async with ClientSession() as http, http.post(f"{sandbox}/people", json=people(story.lines)):
        pass


async def _summary(sandbox: str) -> str:
    async with ClientSession() as http, http.get(f"{sandbox}/healthz") as answer:
        said = await answer.json()
    return f"The story is over: {said['texts']} texts, {said['letters']} emails."


async def _until_stopped(work: Any) -> None:
    """Run to the end, or until Ctrl-C or SIGTERM, after which everything is stopped in order."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise click.BadParameter("expected an RFC 3339 time with an offset, such as 2026-09-01T12:00:00Z") from None


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=TRAVELERS)
@click.option("--days-per-second", type=click.FloatRange(min=0), default=2.0, show_default=True,
              help="How many days pass in a second, at most; 0: as fast as this machine can.")  # fmt: skip
@click.option("--until", callback=_moment, metavar="T", help="Let the clock run on to T after the last line.")
@click.option("--stay/--no-stay", default=True, help="Whether the page stays up after the story.")
def command(file: Path, days_per_second: float, until: datetime | None, *, stay: bool) -> None:
    """Show everything on this machine: Kafka, workers, phones and inboxes on a page.

    Plays FILE (lines of `ttn simulate`), by default months of ten fictional travelers. Nobody real is written to.
    """
    logs.quiet("demo")
    settings = Settings.load()
    if settings.kafka is not None:
        raise SettingsError("TTN_KAFKA: expected to be unset, because `ttn demo` runs a broker of its own.")
    try:
        story = Story.read(file, until)
    except LineError as error:
        click.echo(f"ttn demo: {file}, {error}", err=True)
        sys.exit(2)
    asyncio.run(_until_stopped(_demo(settings, story, days_per_second, stay=stay)))
