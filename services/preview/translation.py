"""Files for translators: a fresh language, what is wrong with a finished one, and PO files out and in."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from services.preview import po
from streams.catalogue import language as languages
from streams.catalogue import library, wording
from streams.catalogue.errors import CatalogueError
from streams.catalogue.language import Frame, Language
from streams.catalogue.rules import Rules
from streams.catalogue.tags import ENGLISH
from streams.catalogue.wording import File

TABLE_LINES = ("sender", "stop", "fallback", *(f"email.{name}" for name in Frame.__struct_fields__))
"""The lines of a language file that travel in a PO file; tables of dates and banned words are made by hand."""


def start(language: str, root: Path, sources: Mapping[str, str]) -> int:
    """Write the files of a new language into `root`; files that exist stay. Returns how many were written."""
    folder = root / language
    folder.mkdir(parents=True, exist_ok=True)
    fresh = {f"{kind}.txt": _skeleton(f"{ENGLISH}/{kind}.txt", sources) for kind in library.KINDS}
    fresh["language.toml"] = sources[f"{ENGLISH}/language.toml"]
    missing = {folder / name: text for name, text in fresh.items() if not (folder / name).exists()}
    for path, text in missing.items():
        path.write_text(text, encoding="utf-8")
    return len(missing)


def check(sources: Mapping[str, str], only: Sequence[str] = ()) -> list[str]:
    """Every problem of every file of these languages, not just the first."""
    found: list[str] = []
    official = _table(ENGLISH, sources)
    for tag in only or sorted({path.split("/")[0] for path in sources if path.endswith("/language.toml")}):
        try:
            table = _table(tag, sources)
            library.check_frame(f"{tag}/language.toml", table, Rules(table.banned, official.banned))
        except CatalogueError as error:
            found.append(str(error))
            continue
        for kind in library.KINDS:
            try:
                english, file = _file(ENGLISH, kind, sources), _file(tag, kind, sources)
                library.check_file(file, english, table, Rules(table.banned, official.banned))
                if tag != ENGLISH and file.front.source != english.fingerprint():
                    found.append(f"{file.path}: was made from an older English; look at it again, then set source")
            except CatalogueError as error:
                found.append(str(error))
    return found


def export(tag: str, sources: Mapping[str, str]) -> str:
    """The PO file of a language: English, translation, and notes for whoever translates."""
    english, table = _table(ENGLISH, sources), _table(tag, sources)
    entries = [
        po.Entry(f"language {name}", _line(english, name), _line(table, name), (f"{tag}/language.toml",))
        for name in TABLE_LINES
    ]
    for kind in library.KINDS:
        ours, theirs = _file(tag, kind, sources), _file(ENGLISH, kind, sources)
        stale = ours.front.source != theirs.fingerprint()
        for context, position in _contexts(theirs):
            notes = [f"{ours.path}: {theirs.front.about}", theirs.front.notes, ours.front.notes]
            if theirs.wordings[position].slot == "sms":
                notes.append(f"At most {ours.front.segments} part(s) with the longest program, address and dates.")
            made = ours.wordings[position].text if position < len(ours.wordings) else ""
            entry = po.Entry(context, theirs.wordings[position].text, made, tuple(filter(None, notes)), fuzzy=stale)
            if entry.english:
                entries.append(entry)
    return po.write(tag, entries)


def take(text: str, sources: Mapping[str, str], state: str | None = None) -> dict[str, str]:
    """The files, by path, that a PO file changes. A changed message becomes a draft unless `state` says otherwise.

    Raises PoError where English has changed since the file was made, or an entry is missing or fuzzy.
    """
    tag, entries = po.read(text)
    given = {entry.context: entry for entry in entries}
    official = _table(ENGLISH, sources)
    made: dict[str, str] = {}
    _table(tag, sources)
    table = sources[f"{tag}/language.toml"]
    for name in TABLE_LINES:
        entry = _signed(given, f"language {name}", _line(official, name))
        table = _with_line(table, name, entry.translated)
    made[f"{tag}/language.toml"] = table
    for kind in library.KINDS:
        path = f"{tag}/{kind}.txt"
        english, ours = _file(ENGLISH, kind, sources), _file(tag, kind, sources)
        texts = [one.text for one in english.wordings]
        for context, position in _contexts(english):
            if texts[position]:
                texts[position] = _signed(given, context, texts[position]).translated
        body = "".join(
            f"{one.header}\n" + (f"{said}\n" if said else "") for one, said in zip(english.wordings, texts, strict=True)
        )
        changed = [one.text for one in ours.wordings] != texts
        front = sources[path].split("\n+++\n", 1)[0]
        front = _with_line(front, "source", english.fingerprint())
        front = _with_line(front, "state", state or ("draft" if changed else ours.front.state))
        made[path] = f"{front}\n+++\n{body}"
    return {path: text for path, text in made.items() if text != sources[path]}


def _signed(given: Mapping[str, po.Entry], context: str, english: str) -> po.Entry:
    entry = given.get(context)
    if entry is None or not entry.translated:
        raise po.PoError(f"{context}: has no translation")
    if entry.fuzzy:
        raise po.PoError(f"{context}: is marked fuzzy")
    if entry.english != english:
        raise po.PoError(f"{context}: the English has changed since this file was made")
    return entry


def _contexts(english: File) -> Iterator[tuple[str, int]]:
    """The place of each wording, by name and by position; equal headers are numbered."""
    kind = english.path.rpartition("/")[2].removesuffix(".txt")
    counted: dict[str, int] = {}
    for position, one in enumerate(english.wordings):
        counted[one.header] = counted.get(one.header, 0) + 1
        yield f"{kind} {one.header} {counted[one.header]}", position


def _table(tag: str, sources: Mapping[str, str]) -> Language:
    path = f"{tag}/language.toml"
    if path not in sources:
        raise CatalogueError(path, "is missing")
    return languages.parse(path, sources[path])


def _file(tag: str, kind: str, sources: Mapping[str, str]) -> File:
    path = f"{tag}/{kind}.txt"
    if path not in sources:
        raise CatalogueError(path, "is missing")
    return wording.parse(path, sources[path])


def _line(table: Language, name: str) -> str:
    section, _, field = name.rpartition(".")
    return str(getattr(table.email if section else table, field))


def _with_line(text: str, name: str, value: str) -> str:
    """TOML text with one string set; all else stays as its author wrote it."""
    section, _, field = name.rpartition(".")
    begin = text.index(f"[{section}]") if section else 0
    pattern = re.compile(rf'^{field} = (?:"(?:[^"\\]|\\.)*"|\'[^\']*\')$', re.MULTILINE)
    match = pattern.search(text, begin)
    if match is None:
        raise CatalogueError(name, f"{field} is not a line of its own in front matter or language.toml")
    if msgspec.toml.decode(match[0])[field] == value:
        return text
    return f"{text[: match.start()]}{field} = {json.dumps(value, ensure_ascii=False)}{text[match.end() :]}"


def _skeleton(path: str, sources: Mapping[str, str]) -> str:
    english = wording.parse(path, sources[path])
    body = sources[path].split("\n+++\n", 1)[1]
    front = f'owner = "Program communications"\nstate = "draft"\nsource = "{english.fingerprint()}"\nsegments = 1\n'
    return f"+++\n{front}+++\n{body}"
