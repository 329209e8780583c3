"""Keys and sealing: what we store can be read with the keys alone, and keys can be changed."""

import base64
import json
import stat
from pathlib import Path

import pytest

from services.sealing import Keys, SealError, demo_secret_file
from services.settings import Settings, SettingsError


def _secret_file(path: Path, *ids: str) -> Path:
    keys = [{"id": i, "key": base64.b64encode(i.encode().ljust(32, b".")).decode()} for i in ids]
    path.write_text(json.dumps({"hmac": base64.b64encode(b"h" * 32).decode(), "encryption": keys}))
    return path


def _load(path: Path) -> Keys:
    return Keys.load(Settings.load({"TTN_SECRET_FILE": str(path)}))


def test_what_is_sealed_opens_again_and_looks_different_each_time() -> None:
    keys = Keys.built_in()
    sealed = keys.seal(b"+13125550100")
    assert keys.open(sealed) == b"+13125550100"
    assert b"3125550100" not in sealed
    assert keys.seal(b"+13125550100") != sealed


def test_a_changed_byte_anywhere_is_noticed() -> None:
    keys = Keys.built_in()
    sealed = keys.seal(b"clear")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealError):
            keys.open(bytes(changed))
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            keys.open(sealed[:length])


def test_the_newest_key_seals_and_older_ones_still_open(tmp_path: Path) -> None:
    old = _load(_secret_file(tmp_path / "old", "spring"))
    both = _load(_secret_file(tmp_path / "both", "spring", "autumn"))
    new = _load(_secret_file(tmp_path / "new", "autumn"))
    assert both.open(old.seal(b"early")) == b"early"
    assert new.open(both.seal(b"late")) == b"late"
    with pytest.raises(SealError, match="does not hold"):
        new.open(old.seal(b"early"))


def test_the_demo_makes_one_secret_file_for_its_owner_alone_and_keeps_it(tmp_path: Path) -> None:
    path = demo_secret_file(tmp_path)
    held = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert demo_secret_file(tmp_path).read_bytes() == held
    assert Keys.load(Settings.load({"TTN_DATA_DIR": str(tmp_path)})).hmac == _load(path).hmac


def test_keys_of_a_demo_are_never_used_for_another_cluster(tmp_path: Path) -> None:
    demo_secret_file(tmp_path)
    with pytest.raises(SettingsError, match=r"^TTN_SECRET_FILE: expected a file"):
        Keys.load(Settings.load({"TTN_DATA_DIR": str(tmp_path), "TTN_KAFKA": "kafka.example:9092"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"hmac": "AAAA", "encryption": []}',
        '{"hmac": "?", "encryption": [{"id": "a", "key": "?"}]}',
        '{"hmac": "AAAA", "encryption": [{"id": "a b", "key": "AAAA"}]}',
        '{"hmac": "AAAA"}',
    ],
)
def test_a_bad_secret_file_is_one_sentence_that_repeats_nothing_of_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        _load(path)
    assert str(caught.value).startswith("TTN_SECRET_FILE: expected ")
    assert "AAAA" not in str(caught.value)
