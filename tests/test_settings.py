"""The settings: every wrong value is one sentence with its name; secrets never show."""

from pathlib import Path

import pytest

from services.settings import Settings, SettingsError
from streams.policy import Policy

TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_API_KEY": "SK" + "2" * 32,
    "TWILIO_API_SECRET": "hush-hush",
    "TWILIO_AUTH_TOKEN": "quiet-please",
    "TWILIO_MESSAGING_SERVICE_SID": "MG" + "3" * 32,
}


def test_an_empty_environment_gives_the_defaults_of_the_contract() -> None:
    settings = Settings.load({})
    assert settings.policy() == Policy()
    assert settings.kafka is None
    assert settings.data_dir == Path(".ttn").absolute()
    assert settings.web_listen == ("127.0.0.1", 8080)
    assert settings.metrics_listen == ("127.0.0.1", 0)
    assert settings.twilio.sandbox
    assert settings.smtp_url is None


def test_topics_have_4_partitions_on_the_broker_of_the_demo_and_24_elsewhere() -> None:
    assert Settings.load({}).partitions == 4
    assert Settings.load({"TTN_KAFKA": "kafka.example:9092"}).partitions == 24
    assert Settings.load({"TTN_PARTITIONS": "12"}).partitions == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TTN_KAFKA", "nowhere"),
        ("TTN_KAFKA", "a:1,b:99999"),
        ("TTN_KAFKA_SECURITY", "plaintext"),
        ("TTN_KAFKA_CA_FILE", "/no/such/file"),
        ("TTN_SECRET_FILE", "/no/such/file"),
        ("TTN_PARTITIONS", "0"),
        ("TTN_PARTITIONS", "four"),
        ("TTN_PUBLIC_URL", "127.0.0.1:8080"),
        ("TTN_PUBLIC_URL", "http://a/#b"),
        ("TTN_PUBLIC_URL", "http://a b/"),
        ("TTN_PUBLIC_URL", "https://my_host.example.com"),
        ("TTN_WEB_RATE", "0"),
        ("TTN_WEB_LISTEN", "8080"),
        ("TTN_METRICS_LISTEN", "127.0.0.1:70000"),
        ("TTN_TWILIO_URL", "ftp://a"),
        ("TTN_SMTP_URL", "http://mail.example:25"),
        ("TTN_SMTP_URL", "smtp://user:pass@mail.example:25"),
        ("TTN_SMTP_PASSWORD_FILE", "/no/such/file"),
        ("TTN_SENDER_EMAIL", "nobody"),
        ("TTN_SENDER_NAME", "a\nb"),
        ("TTN_HOLDS", "maybe"),
        ("TTN_SEND_TIMEOUT", "-1"),
        ("TTN_SEND_TIMEOUT", "nan"),
        ("TTN_DOUBT_HOLD", "soon"),
        ("TTN_RECEIPT_POLL", "1e9999"),
        ("TTN_SENDER_RATE", "0"),
        ("TTN_DOUBT_POLICY", "never"),
        ("TTN_CLOCK", "scaled"),
        ("TWILIO_ACCOUNT_SID", "nobody"),
        ("TWILIO_API_KEY", "AC" + "2" * 32),
        ("TWILIO_MESSAGING_SERVICE_SID", "MG"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_name_of_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({name: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}: expected ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_data_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=r"^TTN_DATA_DIR: expected a folder"):
        Settings.load({"TTN_DATA_DIR": str(file)})


@pytest.mark.parametrize("missing", TWILIO)
def test_half_of_the_provider_credentials_is_refused_by_the_name_of_the_missing_one(missing: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{missing}: expected a value"):
        Settings.load({name: value for name, value in TWILIO.items() if name != missing})


def test_with_credentials_texts_go_to_the_provider_and_not_to_the_sandbox() -> None:
    twilio = Settings.load(TWILIO).twilio
    assert not twilio.sandbox
    assert twilio.url == "https://api.twilio.com"
    assert Settings.load({**TWILIO, "TTN_TWILIO_URL": "http://127.0.0.1:9000/"}).twilio.url == "http://127.0.0.1:9000"


def test_secrets_are_not_in_the_printed_form(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("open-sesame\n")
    kafka = {
        "TTN_KAFKA_SECURITY": "SASL_PLAINTEXT",
        "TTN_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "TTN_KAFKA_USER": "ttn",
        "TTN_KAFKA_PASSWORD_FILE": str(password),
    }
    settings = Settings.load({**TWILIO, **kafka})
    assert settings.security.client_options()["sasl_plain_password"] == "open-sesame"
    for secret in ("hush-hush", "quiet-please", "open-sesame"):
        assert secret not in repr(settings)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    for name in ("TTN_TWILIO_URL", "TTN_PUBLIC_URL", "TTN_SMTP_URL"):
        scheme = "smtp" if name == "TTN_SMTP_URL" else "https"
        with pytest.raises(SettingsError, match=rf"^{name}: expected ") as caught:
            Settings.load({name: f"{scheme}://me:hush-hush@host.example"})
        assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe{", b"two\nlines\n"])
def test_a_password_file_holds_one_line_of_text(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    for name in ("TTN_KAFKA_PASSWORD_FILE", "TTN_SMTP_PASSWORD_FILE"):
        with pytest.raises(SettingsError, match=rf"^{name}: expected a file that holds a password on one line"):
            Settings.load({name: str(file)})


def test_a_file_without_certificates_is_no_ca_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA_CA_FILE: expected a file of certificates"):
        Settings.load({"TTN_KAFKA_CA_FILE": str(file)})


def test_sasl_without_a_user_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA_USER: expected a value, because TTN_KAFKA_SECURITY"):
        Settings.load({"TTN_KAFKA_SECURITY": "SASL_SSL", "TTN_KAFKA_SASL_MECHANISM": "PLAIN"})


def test_a_mail_user_needs_a_password_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^TTN_SMTP_PASSWORD_FILE: expected a file"):
        Settings.load({"TTN_SMTP_URL": "smtps://post@mail.example:465"})
    assert Settings.load({"TTN_SMTP_URL": "smtp://mail.example:25"}).smtp_password_file is None
