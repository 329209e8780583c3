"""`ttn preview`: every message in every language on one page, and the files that go to translators and come back."""

from pathlib import Path

import click

from services import templates
from services.preview import translation
from streams.catalogue import CatalogueError


@click.group()
def command() -> None:
    """Look at every message in every language, and exchange files with translators."""


@command.command()
@click.argument("language")
@click.option("--in", "root", type=click.Path(path_type=Path), default=templates.ROOT, help="Folder of languages.")
def start(language: str, root: Path) -> None:
    """Make the files of a new LANGUAGE: every kind with the English wordings in place, to be overwritten."""
    written = translation.start(language, root, templates.load())
    click.echo(f"{written} files in {root / language}; each is still English and says state = draft.")


@command.command()
@click.argument("languages", nargs=-1)
@click.option("--in", "root", type=click.Path(exists=True, path_type=Path), help="Check this folder's files instead.")
@click.pass_context
def check(context: click.Context, languages: tuple[str, ...], root: Path | None) -> None:
    """Say everything that is wrong with the files of LANGUAGES (default: all)."""
    try:
        problems = translation.check(templates.load(*([root] if root else [])), languages)
    except CatalogueError as error:
        problems = [str(error)]
    for problem in problems:
        click.echo(problem)
    click.echo(f"{len(problems)} problems" if problems else "All files can go out.")
    context.exit(1 if problems else 0)
