"""Names that cannot be turned back, and ids that the same input repeats."""

import base64
import hmac
import uuid

from hypothesis import given
from hypothesis import strategies as st

from streams.identity import Identity, event_id

NAMESPACE = uuid.UUID("6b1f4f4e-6f0a-5c3e-9a51-2c1d6a1d7e10")


@given(st.text(), st.text(), st.text())
def test_the_id_of_an_event_is_the_uuid5_of_cause_step_and_target(cause: str, step: str, target: str) -> None:
    assert event_id(cause, step, target) == str(uuid.uuid5(NAMESPACE, "\x1f".join((cause, step, target))))


def test_names_hang_on_the_key_and_on_what_they_are_for() -> None:
    ours, theirs = Identity(b"a" * 32), Identity(b"b" * 32)
    assert ours.traveler_of_subject("x") == Identity(b"a" * 32).traveler_of_subject("x")
    names = [ours.traveler_of_subject("x"), ours.traveler_of_record("x"), ours.address("sms", "x"), ours.token("x")]
    assert len({name[1:21] for name in names}) == 4
    assert ours.traveler_of_subject("x") != theirs.traveler_of_subject("x")


@given(st.text(), st.sampled_from([20, 32]))
def test_a_name_is_the_beginning_of_its_hmac_in_base_32(value: str, size: int) -> None:
    whole = hmac.digest(b"a" * 32, f"token\x00{value}".encode(), "sha256")
    assert Identity(b"a" * 32)._made("token", value, size) == base64.b32encode(whole).decode().lower()[:size]


def test_the_pseudonym_of_an_enrollment_changes_with_the_quarter() -> None:
    identity = Identity(b"a" * 32)
    assert identity.enrollment("NEXUS:1", "2027Q1") != identity.enrollment("NEXUS:1", "2027Q2")


def test_a_token_has_more_than_128_bits() -> None:
    token = Identity(b"a" * 32).token("claim")
    assert len(token) * 5 > 128
