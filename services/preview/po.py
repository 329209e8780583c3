"""Gettext PO files: the exchange format of translators' tools. One entry for each wording; nothing is lost on the way.

The catalogue itself is never a PO file: at run time a message is a whole wording of a file of its own.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

_FIELD = re.compile(r'(msgctxt|msgid|msgstr)\s+(".*")')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
_ESCAPE = re.compile(r'[\\"\n\t]')
_UNESCAPE = re.compile(r'\\(["\\nt])')
_LETTERS = {"n": "\n", "t": "\t"}


class PoError(ValueError):
    """A line of a PO file that cannot be read."""


class Entry(msgspec.Struct, frozen=True):
    """`context` is the place of the wording; `fuzzy` marks a translation that its translator would not sign."""

    context: str
    english: str
    translated: str
    notes: tuple[str, ...] = ()
    fuzzy: bool = False


def write(language: str, entries: Iterable[Entry]) -> str:
    """A PO file."""
    head = f"Language: {language}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"
    head += "Content-Transfer-Encoding: 8bit\n"
    parts = [f'msgid ""\nmsgstr {_quoted(head)}\n']
    for entry in entries:
        lines = [f"#. {note}" for note in entry.notes]
        lines += ["#, fuzzy"] if entry.fuzzy else []
        lines.append(f"msgctxt {_quoted(entry.context)}")
        lines.append(f"msgid {_quoted(entry.english)}")
        lines.append(f"msgstr {_quoted(entry.translated)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def read(text: str) -> tuple[str, list[Entry]]:
    """The language and the entries of a PO file. Raises PoError with the line."""
    language, entries = "", []
    for fields, fuzzy in _blocks(text):
        if fields.get("msgid") == "" and "msgctxt" not in fields:
            found = re.search(r"^Language: (\S+)$", fields.get("msgstr", ""), re.MULTILINE)
            language = found[1] if found else ""
        elif "msgctxt" in fields:
            entries.append(Entry(fields["msgctxt"], fields.get("msgid", ""), fields.get("msgstr", ""), fuzzy=fuzzy))
    if not language:
        raise PoError("the file does not say its language in the header")
    return language, entries


def _blocks(text: str) -> Iterator[tuple[dict[str, str], bool]]:
    fields: dict[str, str] = {}
    name, fuzzy = "", False
    for number, line in enumerate([*text.splitlines(), "#"], 1):
        if (match := _FIELD.fullmatch(line.strip())) is not None:
            if match[1] in fields:
                yield fields, fuzzy
                fields, fuzzy = {}, False
            name = match[1]
            fields[name] = _unquoted(match[2])
        elif line.startswith('"') and name:
            fields[name] += _unquoted(line.strip())
        elif not line.strip() or line.startswith("#"):
            if "msgstr" in fields:
                yield fields, fuzzy
                fields, name, fuzzy = {}, "", False
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
        else:
            raise PoError(f"line {number} is not part of a PO file: {line[:60]}")


def _quoted(text: str) -> str:
    lines = [_ESCAPE.sub(lambda match: _ESCAPES[match[0]], line) for line in text.splitlines(keepends=True)]
    if len(lines) < 2:
        return f'"{"".join(lines)}"'
    return "\n".join(['""', *(f'"{line}"' for line in lines)])


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[-1] != '"':
        raise PoError(f"a quotation is not closed: {text[:60]}")
    return _UNESCAPE.sub(lambda match: _LETTERS.get(match[1], match[1]), text[1:-1])
