"""The keys of the deployment, and sealing with them: AES-256-GCM with a random nonce, the key's id in the envelope.

They seal data keys, not data: what is kept of a person has a data key of its own (services.keyring), and so have the
messages between stages (services.transit). Both can be deleted, which the keys here cannot without losing everybody.

A secret file is JSON: `{"hmac": BASE64, "encryption": [{"id": TEXT, "key": BASE64}, ...]}`, each key 32 bytes. All
encryption keys open; the last one seals, so a new key is added at the end and an old one removed when nothing needs it.
The HMAC key is never changed: ids and suppressions hang on it.
"""

import base64
import binascii
import os
import re
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.settings import Settings, SettingsError

_VERSION: Final = 1
_NONCE: Final = 12
_KEY: Final = 32
_DEMO_FILE: Final = "demo-secret.json"


class SealError(ValueError):
    """Bytes that none of our keys sealed, or that were changed since."""


class ForgottenError(SealError):
    """Bytes whose data key was deleted: nobody can read them any more, and nobody shall."""


class DataKey:
    """One data key: 32 random bytes, kept only sealed by a key of the deployment. `mark` begins all that it seals."""

    def __init__(self, key: bytes, mark: bytes) -> None:
        self._mark = mark
        self._cipher = AESGCM(key)

    @staticmethod
    def new(keys: "Keys", about: bytes, mark: bytes) -> tuple["DataKey", bytes]:
        """A new key for `about`, and its sealed form."""
        key = os.urandom(_KEY)
        return DataKey(key, mark), keys.seal(key, about)

    def seal(self, clear: bytes, about: bytes) -> bytes:
        """`clear`, encrypted: mark, nonce, ciphertext with its tag. It opens only for the same `about`."""
        nonce = os.urandom(_NONCE)
        return self._mark + nonce + self._cipher.encrypt(nonce, clear, self._mark + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """What was sealed. Raises SealError where another key sealed it, or something was changed."""
        start, end = len(self._mark), len(self._mark) + _NONCE
        if sealed[:start] != self._mark:
            raise SealError("not a value that this data key sealed")
        try:
            return self._cipher.decrypt(sealed[start:end], sealed[end:], self._mark + about)
        except (InvalidTag, ValueError):
            raise SealError("a sealed value was changed or cut, or its data key was replaced") from None


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    key: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hmac: str
    encryption: tuple[_Key, ...]


class Keys:
    """The HMAC key, and the encryption keys by id; the last of them seals."""

    def __init__(self, hmac: bytes, encryption: dict[str, bytes]) -> None:
        self.hmac: Final = hmac
        self._ciphers = {key_id.encode(): AESGCM(key) for key_id, key in encryption.items()}
        writer = list(encryption)[-1].encode()
        self._prefix = bytes((_VERSION, len(writer))) + writer
        self._writer = self._ciphers[writer]

    @staticmethod
    def load(settings: Settings) -> "Keys":
        """The keys of these settings. Raises SettingsError, in one sentence, where there are none."""
        if settings.secret_file is not None:
            return _read(settings.secret_file)
        made = settings.data_dir / _DEMO_FILE
        if settings.kafka is None and made.is_file():
            return _read(made)
        raise SettingsError(
            "TTN_SECRET_FILE: expected a file with the HMAC key and the encryption keys; only `ttn demo` makes its own."
        )

    @staticmethod
    def built_in() -> "Keys":
        """The fixed keys of `ttn simulate`: the same bytes on any day and any machine, and no secret at all."""
        return Keys(b"ttn simulate: a key for all to see".ljust(_KEY)[:_KEY], {"simulate": bytes(range(_KEY))})

    def seal(self, clear: bytes, about: bytes = b"") -> bytes:
        """`clear`, encrypted: version, key id, nonce, ciphertext with its tag. It opens only for the same `about`."""
        nonce = os.urandom(_NONCE)
        return self._prefix + nonce + self._writer.encrypt(nonce, clear, self._prefix + about)

    def newest(self, sealed: bytes) -> bool:
        """Whether it was sealed with the key that seals now."""
        return sealed.startswith(self._prefix)

    def open(self, sealed: bytes, about: bytes = b"") -> bytes:
        """What was sealed. Raises SealError for an unknown key, for bytes that were changed, or for another `about`."""
        if len(sealed) < 2 or sealed[0] != _VERSION:
            raise SealError("not a value that a key of the deployment sealed")
        end = 2 + sealed[1]
        cipher = self._ciphers.get(sealed[2:end])
        if cipher is None:
            raise SealError("sealed with a key that TTN_SECRET_FILE does not hold")
        try:
            return cipher.decrypt(sealed[end : end + _NONCE], sealed[end + _NONCE :], sealed[:end] + about)
        except (InvalidTag, ValueError):
            raise SealError("a sealed value was changed or cut") from None


def demo_secret_file(data_dir: Path) -> Path:
    """The secret file of the demo in this data dir, made at the first call, readable by its owner alone."""
    path = data_dir / _DEMO_FILE
    if path.exists():
        return path
    made = _File(hmac=_random(), encryption=(_Key(id="demo-1", key=_random()),))
    beside = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(made))
    beside.replace(path)
    return path


def _random() -> str:
    return base64.b64encode(os.urandom(_KEY)).decode()


def _read(path: Path) -> Keys:
    try:
        held = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError:
        raise _wrong("a file that can be read") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _wrong('JSON of the form {"hmac": BASE64, "encryption": [{"id": TEXT, "key": BASE64}]}') from None
    encryption: dict[str, bytes] = {}
    for entry in held.encryption:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", entry.id) or entry.id in encryption:
            raise _wrong("each encryption key to have an id of its own of letters, digits, dots and dashes")
        encryption[entry.id] = _decode(entry.key)
    if not encryption:
        raise _wrong("at least one encryption key")
    return Keys(_decode(held.hmac), encryption)


def _decode(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY:
        raise _wrong(f"each key to be {_KEY} bytes in base64")
    return key


def _wrong(expected: str) -> SettingsError:
    return SettingsError(f"TTN_SECRET_FILE: expected {expected}.")
