"""The settings, as one frozen value read once from the environment (contract 3).

Every wrong value is one sentence with the variable's name and what was expected; secrets are never repeated in it.
"""

import errno
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

import msgspec

from services import environment
from services.environment import SettingsError as SettingsError
from streams.policy import Holds, Policy

TWILIO_URL: Final = "https://api.twilio.com"
DEMO_PARTITIONS: Final = 4
PARTITIONS: Final = 24

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
DoubtPolicy = Literal["resolve", "strict"]
DraftsGoOut = Literal["sandbox", "on", "off"]
ClockKind = Literal["wall", "stepped"]


class KafkaSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """How to speak to the brokers: protocol, and with SASL the mechanism, user and password."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    def client_options(self) -> dict[str, Any]:
        """The arguments of this security for any aiokafka client."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        if self.mechanism is not None:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    def __repr__(self) -> str:
        return f"KafkaSecurity(protocol={self.protocol!r}, mechanism={self.mechanism!r})"


class TwilioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials of the text message provider. The defaults are those of `ttn sandbox`, fixed and worth nothing.

    `url` is the base of the API; None means the sandbox that runs in the data dir.
    """

    account_sid: str = "AC" + "5a" * 16
    api_key: str = "SK" + "5b" * 16
    api_secret: str = "sandbox-api-secret"  # noqa: S105 - opens nothing but the sandbox
    auth_token: str = "sandbox-auth-token"  # noqa: S105 - opens nothing but the sandbox
    auth_token_secondary: str | None = None
    messaging_service_sid: str = "MG" + "5c" * 16
    url: str | None = None
    sandbox: bool = True

    def __repr__(self) -> str:
        return f"TwilioSettings(url={self.url!r}, sandbox={self.sandbox!r})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the environment decides. Times in seconds, rates in segments per second."""

    kafka: str | None
    security: KafkaSecurity
    data_dir: Path
    secret_file: Path | None
    partitions: int
    twilio: TwilioSettings
    public_url: str
    web_listen: tuple[str, int]
    web_rate: float
    metrics_listen: tuple[str, int]
    smtp_url: str | None
    smtp_password_file: Path | None
    sender_email: str
    sender_name: str
    holds: Holds
    send_timeout: float
    doubt_hold: float
    receipt_poll: float
    sender_rate: float
    daily_segments: int | None
    doubt_policy: DoubtPolicy
    drafts: DraftsGoOut
    clock: ClockKind

    @staticmethod
    def load(environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of this environment. Raises SettingsError at the first wrong value."""
        read = environment.Reader(environ)
        kafka = read.text("TTN_KAFKA", None, environment.servers)
        smtp_url = read.text("TTN_SMTP_URL", None, environment.smtp_url)
        return Settings(
            kafka=kafka,
            security=_security(read),
            data_dir=read.folder("TTN_DATA_DIR", ".ttn"),
            secret_file=read.file("TTN_SECRET_FILE"),
            partitions=read.whole("TTN_PARTITIONS", DEMO_PARTITIONS if kafka is None else PARTITIONS, 1, 1000),
            twilio=_twilio(read),
            public_url=read.text("TTN_PUBLIC_URL", "http://127.0.0.1:8080", environment.callback_url),
            web_listen=read.text("TTN_WEB_LISTEN", ("127.0.0.1", 8080), environment.listen),
            web_rate=read.number("TTN_WEB_RATE", 5.0, 0.1, 100_000.0),
            metrics_listen=read.text("TTN_METRICS_LISTEN", ("127.0.0.1", 0), environment.listen),
            smtp_url=smtp_url,
            smtp_password_file=_smtp_password_file(read, smtp_url),
            sender_email=read.text("TTN_SENDER_EMAIL", "notices@example.com", environment.email),
            sender_name=read.text("TTN_SENDER_NAME", "DHS Trusted Traveler", environment.line),
            holds=read.choice("TTN_HOLDS", "on", Holds),
            send_timeout=read.number("TTN_SEND_TIMEOUT", 15.0, 0.1, 300.0),
            doubt_hold=read.number("TTN_DOUBT_HOLD", 120.0, 0.0, 86_400.0),
            receipt_poll=read.number("TTN_RECEIPT_POLL", 120.0, 0.1, 86_400.0),
            sender_rate=read.number("TTN_SENDER_RATE", 3.0, 0.01, 100_000.0),
            daily_segments=read.whole("TTN_DAILY_SEGMENTS", 0, 0, 100_000_000) or None,
            doubt_policy=read.choice("TTN_DOUBT_POLICY", "resolve", DoubtPolicy),
            drafts=read.choice("TTN_DRAFTS", "sandbox", DraftsGoOut),
            clock=read.choice("TTN_CLOCK", "wall", ClockKind),
        )

    def make_data_dir(self) -> None:
        """Make the data dir where it is missing. Raises SettingsError where it cannot be written to."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            if not os.access(self.data_dir, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise unwritable(error) from None

    def may_send_drafts(self) -> bool:
        """Whether translations that no linguist approved may go out: by default where nothing leaves this machine."""
        if self.drafts != "sandbox":
            return self.drafts == "on"
        urls = [] if self.twilio.url is None else [self.twilio.url]
        urls += [] if self.smtp_url is None else [self.smtp_url]
        return all(urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost") for url in urls)

    def policy(self) -> Policy:
        """The part of the settings that the pure stages know."""
        return Policy(
            holds=self.holds,
            send_timeout=self.send_timeout,
            doubt_hold=self.doubt_hold,
            receipt_poll=self.receipt_poll,
            sender_rate=self.sender_rate,
            doubt_policy=self.doubt_policy,
            public_url=self.public_url,
            sender_email=self.sender_email,
            sender_name=self.sender_name,
        )


def _security(read: environment.Reader) -> KafkaSecurity:
    protocol: Protocol = read.choice("TTN_KAFKA_SECURITY", "PLAINTEXT", Protocol)
    ca_file = read.certificates("TTN_KAFKA_CA_FILE")
    names = ("TTN_KAFKA_SASL_MECHANISM", "TTN_KAFKA_USER", "TTN_KAFKA_PASSWORD_FILE")
    mechanism: Mechanism | None = read.choice(names[0], cast("str", None), Mechanism)
    user = read.text(names[1], None, environment.line)
    password_file = read.password_file(names[2])
    if not protocol.startswith("SASL"):
        return KafkaSecurity(protocol=protocol, ca_file=ca_file)
    for name, value in zip(names, (mechanism, user, password_file), strict=True):
        if value is None:
            raise SettingsError(f"{name}: expected a value, because TTN_KAFKA_SECURITY is {protocol}.")
    assert password_file is not None  # noqa: S101 - the loop above has made sure
    password = environment.password(password_file)
    return KafkaSecurity(protocol=protocol, mechanism=mechanism, user=user, password=password, ca_file=ca_file)


def _twilio(read: environment.Reader) -> TwilioSettings:
    url = read.text("TTN_TWILIO_URL", None, environment.http_url)
    values = {
        "TWILIO_ACCOUNT_SID": read.text("TWILIO_ACCOUNT_SID", None, environment.sid("AC")),
        "TWILIO_API_KEY": read.text("TWILIO_API_KEY", None, environment.sid("SK")),
        "TWILIO_API_SECRET": read.secret("TWILIO_API_SECRET"),
        "TWILIO_AUTH_TOKEN": read.secret("TWILIO_AUTH_TOKEN"),
        "TWILIO_MESSAGING_SERVICE_SID": read.text("TWILIO_MESSAGING_SERVICE_SID", None, environment.sid("MG")),
    }
    secondary = read.secret("TWILIO_AUTH_TOKEN_SECONDARY")
    present = [name for name, value in values.items() if value is not None]
    if not present:
        return TwilioSettings(url=url, auth_token_secondary=secondary)
    given = {name.removeprefix("TWILIO_").lower(): value for name, value in values.items() if value is not None}
    for name, value in values.items():
        if value is None:
            raise SettingsError(f"{name}: expected a value, because {present[0]} is set and they belong together.")
    return TwilioSettings(**given, auth_token_secondary=secondary, url=url or TWILIO_URL, sandbox=False)


def _smtp_password_file(read: environment.Reader, smtp_url: str | None) -> Path | None:
    password_file = read.password_file("TTN_SMTP_PASSWORD_FILE")
    user = None if smtp_url is None else urlsplit(smtp_url).username
    if user and password_file is None:
        raise SettingsError("TTN_SMTP_PASSWORD_FILE: expected a file, because TTN_SMTP_URL names a user.")
    return password_file


def unwritable(error: OSError) -> SettingsError:
    """What to say where the data dir cannot be used."""
    return SettingsError(f"TTN_DATA_DIR: expected a folder that can be written ({error.strerror}).")
