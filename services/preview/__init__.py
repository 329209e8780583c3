"""`ttn preview`: every message in every language on pages, and the files that go to translators and come back."""

from pathlib import Path

import click

from services import templates
from services.preview import pages, po, translation
from services.settings import Settings
from streams.catalogue import KINDS, Catalogue, CatalogueError


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pages (default: preview in TTN_DATA_DIR).")
@click.option("--language", "tags", multiple=True, help="Only this language; may be repeated.")
@click.option("--in", "root", type=click.Path(exists=True, path_type=Path), help="With the files of this folder.")
@click.pass_context
def command(context: click.Context, out: Path | None, tags: tuple[str, ...], root: Path | None) -> None:
    """Make pages of every message in every language, as a phone and an inbox show it, beside its English."""
    if context.invoked_subcommand is not None:
        return
    if out is None:
        settings = Settings.load()
        settings.make_data_dir()
        out = settings.data_dir / "preview"
    try:
        sources = templates.load(*([root] if root else []))
        catalogue = Catalogue(sources)
        for tag in tags:
            if tag not in catalogue.languages:
                known = ", ".join(catalogue.languages)
                raise click.BadParameter(f"there is no {tag}; expected some of {known}", param_hint="--language")
        whole = [tag for tag in catalogue.languages if all((tag, kind) in catalogue.library.files for kind in KINDS)]
        made = pages.build(catalogue, tags)
        made |= {f"{tag}.po": translation.export(tag, sources) for tag in whole if f"{tag}.html" in made}
    except (CatalogueError, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for name, page in made.items():
        (out / name).write_text(page, encoding="utf-8")
    click.echo(f"{len(made)} files; open {out / 'index.html'}")


@command.command(short_help="Make the files of a new language.")
@click.argument("language")
@click.option("--in", "root", type=click.Path(path_type=Path), default=templates.ROOT, help="Folder of languages.")
def start(language: str, root: Path) -> None:
    """Make the files of a new LANGUAGE: every kind with the English wordings in place, to be overwritten."""
    written = translation.start(language, root, templates.load())
    click.echo(f"{written} files in {root / language}; each is still English and says state = draft.")


@command.command(short_help="Say what is wrong with the files.")
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


@command.command(short_help="Write a language as a PO file.")
@click.argument("language")
@click.argument("file", type=click.File("w", encoding="utf-8"))
def export(language: str, file: click.utils.LazyFile) -> None:
    """Write LANGUAGE beside English to a PO FILE (- for standard output)."""
    try:
        file.write(translation.export(language, templates.load()))
    except CatalogueError as error:
        raise click.ClickException(str(error)) from None


@command.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--in", "root", type=click.Path(path_type=Path), default=templates.ROOT, help="Folder of languages.")
@click.option("--state", type=click.Choice(["draft", "reviewed", "approved"]), help="State of every message of FILE.")
def take(file: click.utils.LazyFile, root: Path, state: str | None) -> None:
    """Take a translated PO FILE in. A changed message is a draft unless --state says otherwise."""
    try:
        sources = templates.load()
        made = translation.take(file.read(), sources, state)
        Catalogue({**sources, **made})
    except (CatalogueError, po.PoError) as error:
        raise click.ClickException(str(error)) from None
    for path, text in made.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        click.echo(path)
    click.echo(f"{len(made)} files changed")
