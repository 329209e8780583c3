"""`ttn simulate`: a file of events through the whole pipeline on a clock taken from the file (contract 2.1).

The same code as the workers, no Kafka. Nothing reads the wall clock; keys are built in unless TTN_SECRET_FILE is set.
"""

import base64
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from schemas.cloudevents import parse_time, rfc3339
from schemas.internal import Claim, Inbound, Mail, Origin
from services import templates
from services.collecting import collect_seldom
from services.lines import Expectation, InboundSms, Line, LineError, Record, read_lines
from services.sealing import Keys
from services.settings import Settings
from services.wire import BACKFILL, dead_letter_headers
from streams.catalogue import Catalogue
from streams.contacts import phone
from streams.desk import Desk
from streams.explanation import Dossier, tell
from streams.grammar import DeadLetter, Emission, Output, Publish
from streams.hearing import without_numbers
from streams.identity import Identity
from streams.pipeline import build
from streams.provider import Provider
from streams.simulation import Happening, Sent, Simulation
from streams.topics import DEAD_LETTER, STATUS


class Rehearsal:
    """One run: feeds lines to a simulation and renders what happens."""

    def __init__(self, settings: Settings, dossier: Dossier | None = None) -> None:
        self._dossier = dossier
        keys = Keys.built_in() if settings.secret_file is None else Keys.load(settings)
        self._identity = Identity(keys.hmac)
        catalogue = Catalogue(templates.load(), drafts=settings.may_send_drafts())
        self._pipeline = build(self._identity, settings.policy(), catalogue)
        self._provider = Provider(timedelta(seconds=settings.send_timeout))
        self._simulation = Simulation(self._received, self._pipeline.stages, self._provider)
        self._desk = Desk()
        self._offsets: Counter[str] = Counter()

    def play(self, line: Line) -> Iterator[Happening]:
        """What happens up to a line and because of it. Raises LineError for a line that asks the impossible."""
        match line.what:
            case Record() as record:
                yield from self._arrive(record, line.at)
            case InboundSms(sender=sender, body=body):
                yield from self._simulation.run(line.at)
                number = phone(sender)
                if number is not None:
                    heard = Inbound(sender=number, body=without_numbers(body))
                    yield from self._simulation.post("addresses", self._identity.address("sms", number), heard, line.at)
            case Expectation(to=to, outcome=outcome):
                yield from self._simulation.run(line.at)
                self._expect(line, to, outcome)
            case decision:
                origin = self._desk.decide(decision, line.at)
                yield from self._arrive(Record(origin.topic, origin.value or b"", origin.headers, None), line.at)

    def rest(self, until: datetime | None) -> Iterator[Happening]:
        """What happens after the last line: up to `until`, or at that very moment."""
        now = self._simulation.now
        return self._simulation.run(now if until is None else max(now, until))

    def _arrive(self, record: Record, at: datetime) -> Iterator[Happening]:
        offset = self._offsets[record.topic]
        self._offsets[record.topic] += 1
        history = dict(record.headers).get(BACKFILL) == b"1"
        return self._simulation.arrive(record.origin(offset, at), at, history)

    def _expect(self, line: Line, to: str, outcome: str) -> None:
        try:
            self._provider.expect(phone(to) or to, outcome)
        except ValueError as error:
            raise LineError(f"line {line.number}: `provider.outcome`: {error}") from None

    def _received(self, origin: Origin, at: datetime, backfill: bool) -> list[Output]:
        outputs = self._pipeline.intake(origin, at, backfill)
        self._desk.see(outputs)
        if self._dossier is not None:
            self._dossier.source(origin, at)
        return outputs


def render(happening: Happening) -> dict[str, Any]:
    """One line of output (contract 2.1)."""
    if isinstance(happening, Sent):
        return {"at": rfc3339(happening.at), "sent": _sent(happening.claim)}
    match happening.output:
        case Publish(topic=topic, key=key, event=event):
            structured = None if event is None else event.structured()
            return {"at": rfc3339(happening.at), "topic": topic, "key": key, "event": structured}
        case DeadLetter(origin=origin) as letter:
            headers = (*origin.headers, *dead_letter_headers(letter))
            return {
                "at": rfc3339(happening.at),
                "topic": DEAD_LETTER,
                "key": None if origin.key is None else origin.key.decode("utf-8", "replace"),
                "headers": {name: raw.decode("utf-8", "replace") for name, raw in headers},
                "rawBase64": base64.b64encode(origin.value or b"").decode(),
            }
    raise TypeError(f"{type(happening.output).__name__} is not visible from outside")


def _sent(claim: Claim) -> dict[str, Any]:
    message = claim.message
    if isinstance(message, Mail):
        said: dict[str, Any] = {name: getattr(message, name) for name in ("subject", "text", "html", "headers")}
    else:
        said = {name: getattr(message, name) for name in ("body", "segments", "encoding")}
    about = {"kind": claim.kind, "language": claim.language, "program": claim.program}
    return {"channel": claim.channel, "to": claim.to, **said, **about, "notificationId": claim.notificationId}


def note(dossier: Dossier, happening: Happening) -> None:
    """Keep what was written, to explain it later."""
    if isinstance(happening, Sent):
        return
    match happening.output:
        case Publish(topic=topic, key=key, event=event):
            dossier.published(topic, key, event)
        case DeadLetter(origin=origin, reason=reason, error=error):
            dossier.letter(origin, happening.at, reason, error)


class Views:
    """The last view of each traveler, in the order in which they first appeared."""

    def __init__(self) -> None:
        self._views: dict[str, msgspec.Raw] = {}

    def see(self, happening: Happening) -> None:
        """Take note of a view that was written, or of its tombstone."""
        if isinstance(happening, Emission) and isinstance(happening.output, Publish):
            output = happening.output
            if output.topic == STATUS and output.event is not None:
                self._views[output.key] = output.event.data
            elif output.topic == STATUS:
                self._views.pop(output.key, None)

    def __iter__(self) -> Iterator[msgspec.Raw]:
        return iter(self._views.values())


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else parse_time(value)
    except (ValueError, OverflowError):
        raise click.BadParameter("expected an RFC 3339 time with an offset, such as 2027-03-01T00:00:00Z") from None


@click.command(name="simulate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--until", callback=_moment, metavar="T", help="Let the clock run on to T after the last line.")
@click.option("--view", is_flag=True, help="End with the view of every traveler.")
@click.option("--explain", is_flag=True, help="End with every traveler's case in plain words.")
def command(file: str, until: datetime | None, view: bool, explain: bool) -> None:
    """Run FILE, a file of events or - for standard input, through the whole pipeline, without Kafka."""
    dossier = Dossier() if explain else None
    source = click.open_file(file, "rb")
    rehearsal = Rehearsal(Settings.load(), dossier)
    collect_seldom()
    views = Views()
    encode = msgspec.json.Encoder().encode
    out = sys.stdout.buffer
    try:
        happenings = itertools.chain(
            itertools.chain.from_iterable(map(rehearsal.play, read_lines(source))), rehearsal.rest(until)
        )
        for happening in happenings:
            out.write(encode(render(happening)) + b"\n")
            if view:
                views.see(happening)
            if dossier is not None:
                note(dossier, happening)
    except LineError as error:
        out.flush()
        click.echo(f"ttn simulate: {file}: {error}", err=True)
        sys.exit(2)
    for shown in views:
        out.write(encode({"view": shown}) + b"\n")
    if dossier is not None:
        out.write((tell(dossier, list(dossier.views)) + "\n").encode())
    out.flush()
