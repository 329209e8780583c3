"""What the pages of the web share: templates, and headers that keep a page without a script to itself."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER: Final = Path(__file__).parent / "pages"


def pages() -> Environment:
    """The templates; every value is escaped."""
    return Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)


def headers(may: str) -> dict[str, str]:
    """The headers of a page that loads nothing and runs nothing; `may` is the one more thing that it may do (CSP)."""
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; {may}; base-uri 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }
