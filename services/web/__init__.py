"""`ttn web`: what the providers call, one-click unsubscribe, and the mail that comes back."""

import asyncio
import signal

import click
from aiokafka.errors import KafkaError

from services import environment, logs
from services.sealing import Keys
from services.settings import Settings, SettingsError
from services.web.server import WebServer


async def _serve(server: WebServer) -> None:
    try:
        url = await server.start()
    except OSError as error:
        raise SettingsError(f"TTN_WEB_LISTEN: expected an address that is free: {error.strerror}.") from None
    except KafkaError as error:
        raise SettingsError(f"TTN_KAFKA: expected brokers that answer ({type(error).__name__}).") from None
    click.echo(f"Listening on {url}")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    await server.stop()


def _listen(_: click.Context, __: click.Parameter, text: str) -> tuple[str, int]:
    try:
        return environment.listen(text)
    except ValueError as error:
        raise click.BadParameter(f"expected {error}") from None


@click.command()
@click.option(
    "--bounces",
    metavar="HOST:PORT",
    default="127.0.0.1:0",
    callback=_listen,
    help="Where mail that comes back is taken, over SMTP; port 0 picks one.",
)
def command(bounces: tuple[str, int]) -> None:
    """Serve webhooks, unsubscribe links and returned mail."""
    logs.configure("web")
    settings = Settings.load()
    settings.make_data_dir()
    asyncio.run(_serve(WebServer(settings, Keys.load(settings), bounces=bounces)))
