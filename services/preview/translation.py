"""Files for translators: a fresh language, and everything that is wrong with a finished one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.catalogue import language as languages
from streams.catalogue import library, wording
from streams.catalogue.errors import CatalogueError
from streams.catalogue.rules import Rules
from streams.catalogue.tags import ENGLISH


def start(language: str, root: Path, sources: Mapping[str, str]) -> int:
    """Write the files of a new language beside the others; files that exist stay. Returns how many were written."""
    folder = root / language
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    fresh = {f"{kind}.txt": _skeleton(f"{ENGLISH}/{kind}.txt", sources) for kind in library.KINDS}
    fresh["language.toml"] = sources[f"{ENGLISH}/language.toml"]
    for name, text in fresh.items():
        path = folder / name
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            written += 1
    return written


def check(sources: Mapping[str, str], only: Sequence[str] = ()) -> list[str]:
    """Every problem of every file of these languages, not just the first."""
    found: list[str] = []
    official = languages.parse(f"{ENGLISH}/language.toml", sources[f"{ENGLISH}/language.toml"])
    tags = only or sorted({path.split("/")[0] for path in sources if path.endswith("/language.toml")})
    for tag in tags:
        try:
            table = languages.parse(f"{tag}/language.toml", sources[f"{tag}/language.toml"])
        except (CatalogueError, KeyError) as error:
            found.append(f"{tag}/language.toml: {error}")
            continue
        for kind in library.KINDS:
            path = f"{tag}/{kind}.txt"
            if path not in sources:
                found.append(f"{path}: is missing")
                continue
            try:
                english = wording.parse(f"{ENGLISH}/{kind}.txt", sources[f"{ENGLISH}/{kind}.txt"])
                library.check_file(
                    wording.parse(path, sources[path]), english, table, Rules(table.banned, official.banned)
                )
            except CatalogueError as error:
                found.append(str(error))
    return found


def front_of(source: str, segments: int, state: str = "draft", owner: str = "Program communications") -> str:
    """Front matter of a translation."""
    return f'+++\nowner = "{owner}"\nstate = "{state}"\nsource = "{source}"\nsegments = {segments}\n+++\n'


def _skeleton(path: str, sources: Mapping[str, str]) -> str:
    english = wording.parse(path, sources[path])
    body = sources[path].split("\n+++\n", 1)[1]
    return front_of(english.fingerprint(), 1) + body
