"""Typed reads of environment variables: each wrong value is one sentence with the name and what was expected."""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is wrong or missing, or a local part cannot be had. The text is one sentence for a person."""


class Reader:
    """Typed reads of one environment; an empty value counts as absent."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: T, check: Callable[[str], T]) -> T:
        raw = self._environ.get(name, "").strip()
        if not raw:
            return default
        try:
            return check(raw)
        except ValueError as error:
            raise SettingsError(f"{name}: expected {error}.") from None

    def choice(self, name: str, default: str, options: Any) -> Any:
        allowed = get_args(options)

        def check(raw: str) -> str:
            if raw not in allowed:
                raise ValueError(f"one of {', '.join(allowed)}, not {raw!r}")
            return raw

        return self.text(name, default, check)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        def check(raw: str) -> float:
            wrong = f"a number from {low:g} to {high:g}, not {raw!r}"
            if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", raw) or not low <= float(raw) <= high:
                raise ValueError(wrong)
            return float(raw)

        return self.text(name, default, check)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        def check(raw: str) -> int:
            if not re.fullmatch(r"[0-9]{1,9}", raw) or not low <= int(raw) <= high:
                raise ValueError(f"a whole number from {low} to {high}, not {raw!r}")
            return int(raw)

        return self.text(name, default, check)

    def file(self, name: str) -> Path | None:
        return self.text(name, None, file)

    def certificates(self, name: str) -> Path | None:
        return self.text(name, None, certificates)

    def password_file(self, name: str) -> Path | None:
        return self.text(name, None, password_file)

    def folder(self, name: str, default: str) -> Path:
        return self.text(name, Path(default).absolute(), folder)

    def secret(self, name: str) -> str | None:
        return self.text(name, None, secret)


def servers(raw: str) -> str:
    for server in raw.split(","):
        listen(server.strip(), "host:port, or several with commas between")
    return ",".join(server.strip() for server in raw.split(","))


def listen(raw: str, wanted: str = "host:port, such as 127.0.0.1:8080") -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", raw)
    if found is None or int(found[2]) > 65_535:
        raise ValueError(f"{wanted}, not {raw!r}")
    return found[1].strip("[]"), int(found[2])


def http_url(raw: str) -> str:
    wrong = "a URL that starts with http:// or https:// and has neither password, query nor fragment"
    if "@" not in raw:
        wrong += f", not {raw!r}"
    return _url(raw, ("http", "https"), wrong).rstrip("/")


def callback_url(raw: str) -> str:
    """An address that Twilio calls: it refuses texts that name a host with an underscore (delivery.md 1.1)."""
    url = http_url(raw)
    if "_" in (urlsplit(url).hostname or ""):
        raise ValueError(f"a host without underscores, which Twilio does not call, not {raw!r}")
    return url


def smtp_url(raw: str) -> str:
    wrong = "smtp://user@host:port or smtps://user@host:port, the password in TTN_SMTP_PASSWORD_FILE"
    return _url(raw, ("smtp", "smtps"), wrong)


def _url(raw: str, schemes: tuple[str, ...], wrong: str) -> str:
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    bare = not (parts.query or parts.fragment or parts.password)
    one = raw.isprintable() and not any(c.isspace() for c in raw)
    if parts.scheme not in schemes or not parts.hostname or port == 0 or not bare or not one:
        raise ValueError(wrong)
    return raw


def email(raw: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", raw):
        raise ValueError(f"one email address, not {raw!r}")
    return raw


def line(raw: str) -> str:
    if not raw.isprintable() or len(raw) > 200:
        raise ValueError("one line of at most 200 characters")
    return raw


def secret(raw: str) -> str:
    if not raw.isprintable() or any(c.isspace() for c in raw):
        raise ValueError("a secret without spaces")
    return raw


def sid(prefix: str) -> Callable[[str], str]:
    def check(raw: str) -> str:
        if not re.fullmatch(prefix + "[0-9A-Za-z]{1,64}", raw):
            raise ValueError(f"{prefix} and then letters and digits")
        return raw

    return check


def file(raw: str) -> Path:
    path = Path(raw).absolute()
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"a file that can be read, not {raw!r}")
    return path


def certificates(raw: str) -> Path:
    path = file(raw)
    try:
        ssl.create_default_context(cafile=str(path))
    except (ssl.SSLError, OSError):
        raise ValueError(f"a file of certificates (PEM), not {raw!r}") from None
    return path


def password_file(raw: str) -> Path:
    path = file(raw)
    try:
        password(path)
    except ValueError:
        raise ValueError(f"a file that holds a password on one line, not {raw!r}") from None
    return path


def password(path: Path) -> str:
    """The password in a file, without the end of its line. Raises ValueError where it is none."""
    held = path.read_text(encoding="utf-8").rstrip("\r\n")
    if not held or not held.isprintable():
        raise ValueError("no password")
    return held


def folder(raw: str) -> Path:
    path = Path(raw).absolute()
    if path.exists() and not path.is_dir():
        raise ValueError(f"a folder, not the file {raw!r}")
    return path
