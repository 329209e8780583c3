"""`ttn`: the one command. Each subcommand lives in its own module and is imported only when it is called."""

import errno
import os
import sys
from typing import Any, Final

import click

from services.settings import SettingsError

COMMANDS: Final = {
    "simulate": ("services.simulate", "Run a file of events through the whole pipeline, without Kafka."),
    "demo": ("services.demo", "Show everything on this machine: Kafka, workers, phones and inboxes on a page."),
    "worker": ("services.worker", "Run the Faust workers, one child process per stage."),
    "web": ("services.web", "Serve webhooks, unsubscribe links and status pages."),
    "sandbox": ("services.sandbox", "Stand in for Twilio and for a mail server, with a page of phones and inboxes."),
    "topics": ("services.topics", "Compare the topics of the cluster with deploy/topics.yaml, or create them."),
    "send": ("services.send", "Publish a file of events to the input topics."),
    "status": ("services.status", "Print the unified view of a traveler from the running system."),
    "explain": ("services.explain", "Say what is known of a traveler, what was sent or not, and why."),
    "work": ("services.work", "List what waits for a person."),
    "generate": ("services.generate", "Write a realistic population of events."),
    "preview": ("services.preview", "Make a page of every message in every language."),
    "forget": ("services.forget", "Delete the keys of a person, so that what is stored can no longer be read."),
}


_DISK: Final = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EACCES", "EPERM", "EROFS", "ENOTDIR", "EISDIR", "ENOENT")
}
"""What a disk refuses; it is the user's to mend, and a traceback would not help."""


class _Lazy(click.Group):
    """A group that imports a subcommand's module on use, so that `ttn --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = __import__(COMMANDS[cmd_name][0], fromlist=["command"])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trusted-traveler-notifier", prog_name="ttn")
def cli() -> None:
    """Trusted Traveler status notifier: one status view, plain messages, honest waiting times.

    Start with `ttn demo`, or replay a file with `ttn simulate FILE`.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of `ttn`. A wrong setting is one sentence and exit status 2, never a traceback.

    So is a disk that is full or refuses, with exit status 1.
    """
    try:
        return cli.main(args=arguments, prog_name="ttn")
    except SettingsError as error:
        click.echo(f"ttn: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        click.echo(f"ttn: {error.filename or 'the output'}: {error.strerror}.", err=True)
        _forget_output()
        sys.exit(1)


def _forget_output() -> None:
    """What is still to be written goes nowhere, as the interpreter would fail at it once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
