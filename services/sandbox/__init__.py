"""`ttn sandbox`: a local stand-in for Twilio and a mail server, with a page of phones and inboxes."""

import asyncio
import signal

import click

from services import logs
from services.sandbox import faults
from services.sandbox.faults import Fault
from services.sandbox.server import SandboxServer
from services.settings import Settings, SettingsError


def _fault(text: str) -> Fault:
    """`FAULT`, `ADDRESS=FAULT`, either with `*TIMES` at the end."""
    address, equals, rest = text.rpartition("=")
    name, star, times = rest.partition("*")
    if star and not times.isdigit():
        raise click.BadParameter(f"a whole number of times after the star, not {times!r}")
    try:
        return faults.parse(name, address.lower() if equals else None, int(times) if star else None)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


async def _serve(server: SandboxServer) -> None:
    try:
        addresses = await server.start()
    except OSError as error:
        raise SettingsError(f"The sandbox cannot listen: {error.strerror}.") from None
    click.echo(f"Phones and inboxes: {addresses.page}")
    click.echo(f"Twilio API: {addresses.twilio}    Mail: {addresses.smtp}")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop()


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port of the page and the API; 0 picks one.")
@click.option("--mail-port", type=click.IntRange(0, 65_535), default=0, help="Port of the mail server; 0 picks one.")
@click.option("--fault", "struck", multiple=True, help="[ADDRESS=]FAULT[:DETAIL][*TIMES]; see --faults. Repeatable.")
@click.option("--faults", "explain", is_flag=True, help="List the faults and stop.")
@click.option("--answers-stop", is_flag=True, help="The provider answers STOP, START and HELP by itself and blocks.")
@click.option("--no-receipts", is_flag=True, help="Never report what became of a message.")
@click.option(
    "--signature",
    type=click.Choice(["HMAC_SHA1", "HMAC_SHA256"]),
    default="HMAC_SHA1",
    help="How webhooks are signed: as with an auth token, or as with a shared key.",
)
def command(
    port: int,
    mail_port: int,
    struck: tuple[str, ...],
    explain: bool,
    answers_stop: bool,
    no_receipts: bool,
    signature: str,
) -> None:
    """Stand in for Twilio and for a mail server, with a page of phones and inboxes."""
    if explain:
        width = max(len(name) for name in faults.NAMES)
        for name, text in faults.NAMES.items():
            click.echo(f"{name:<{width}}  {text}")
        return
    logs.configure("sandbox")
    settings = Settings.load()
    settings.make_data_dir()
    server = SandboxServer(
        settings,
        port=port,
        mail_port=mail_port,
        faults=[_fault(text) for text in struck],
        manages_stop=answers_stop,
        receipts=not no_receipts,
        algorithm=signature,
    )
    asyncio.run(_serve(server))
