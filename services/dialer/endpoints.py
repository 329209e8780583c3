"""Where the providers are: the configured ones, or those of the sandbox that runs in the data dir."""

from typing import Final

import msgspec

from services.settings import Settings, SettingsError

SANDBOX_FILE: Final = "sandbox.json"


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a running sandbox, as it writes them: its API, its mail server, its page."""

    twilio: str
    smtp: str
    page: str


def sandbox(settings: Settings) -> Sandbox:
    """The sandbox of this data dir. Raises SettingsError, in one sentence, where none has been started."""
    try:
        return msgspec.json.decode((settings.data_dir / SANDBOX_FILE).read_bytes(), type=Sandbox)
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
