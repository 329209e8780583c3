"""Where the parts are that run in this data dir, and where the providers are: configured, or of the sandbox."""

from typing import Final

import msgspec

from services.settings import Settings, SettingsError

_SANDBOX: Final = "sandbox.json"
_WEB: Final = "web.json"


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a running sandbox, as it writes them: its API, its mail server, its page."""

    twilio: str
    smtp: str
    page: str


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a running `ttn web`: its URL, and `host:port` where it takes mail that comes back."""

    url: str
    bounces: str


def announce(settings: Settings, part: Sandbox | Web) -> None:
    """Write where a part listens."""
    path = settings.data_dir / _file(part)
    beside = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(msgspec.json.encode(part))
    beside.replace(path)


def withdraw(settings: Settings, part: Sandbox | Web) -> None:
    """The part listens no more."""
    (settings.data_dir / _file(part)).unlink(missing_ok=True)


def _file(part: Sandbox | Web) -> str:
    return _SANDBOX if isinstance(part, Sandbox) else _WEB


def web(settings: Settings) -> Web | None:
    """The `ttn web` of this data dir, if one runs."""
    try:
        return msgspec.json.decode((settings.data_dir / _WEB).read_bytes(), type=Web)
    except (OSError, msgspec.DecodeError):
        return None


def sandbox(settings: Settings) -> Sandbox:
    """The sandbox of this data dir. Raises SettingsError, in one sentence, where none has been started."""
    try:
        return msgspec.json.decode((settings.data_dir / _SANDBOX).read_bytes(), type=Sandbox)
    except (OSError, msgspec.DecodeError):
        raise SettingsError(
            "TWILIO_ACCOUNT_SID: expected credentials of Twilio, or a sandbox started with `ttn sandbox` in"
            f" {settings.data_dir}."
        ) from None


def twilio_url(settings: Settings) -> str:
    """The base URL of the Twilio API."""
    return settings.twilio.url or sandbox(settings).twilio


def smtp_url(settings: Settings) -> str:
    """The mail relay."""
    return settings.smtp_url or sandbox(settings).smtp
