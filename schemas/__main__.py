"""`python -m schemas` writes the generated documents beside the structs; `--check` says which of them are out of date.

A test runs the check, so what is committed is what the code says.
"""

import json
import sys
from pathlib import Path

import yaml

from schemas import asyncapi, documents

FOLDER = Path(__file__).parent


class _Plain(yaml.SafeDumper):
    """YAML without anchors: readers should see the words."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def files() -> dict[str, str]:
    """Every generated file: name -> text."""
    made = {name: json.dumps(schema, indent=2) + "\n" for name, schema in documents.schemas().items()}
    made["asyncapi.yaml"] = "# Made by `python -m schemas`.\n" + yaml.dump(
        asyncapi.document(), Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True
    )
    return made


def stale() -> list[str]:
    """The names of files that differ from what the structs say."""
    return [name for name, text in files().items() if not _same(FOLDER / name, text)]


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only name the stale ones; exit status 1 where there are any."""
    if arguments == ["--check"]:
        found = stale()
        for name in found:
            print(f"schemas/{name} is out of date: run `python -m schemas`")
        return bool(found)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
