"""Read the template files of the product. The catalogue itself never touches a file."""

from pathlib import Path

import templates

ROOT = Path(templates.__path__[0])
SUFFIXES = {".txt", ".toml", ".j2"}


def load(*overlays: Path) -> dict[str, str]:
    """Relative path -> text of every template file; a file of an overlay replaces the product's of the same path."""
    found: dict[str, str] = {}
    for root in (ROOT, *overlays):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES:
                found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
    return found
