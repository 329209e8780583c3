"""Messages and states between versions: what an older worker does not know is neither guessed nor thrown away."""

import msgspec
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.internal import RecordsMessage, TravelersMessage
from services import wire
from services.runtime.ending import RefusedError
from services.runtime.job import Limits
from services.runtime.keyed import Keyed
from services.sealing import Keys
from streams.identity import Identity
from streams.policy import Policy
from streams.records import Records

_encode = msgspec.msgpack.encode


def test_a_tag_that_this_version_does_not_know_is_of_a_newer_one() -> None:
    decode = wire.Decoder(TravelersMessage).decode
    with pytest.raises(wire.NewerError, match=r"^an unknown 'release-2'$"):
        decode(_encode({"is": "release-2", "record": "GLOBAL_ENTRY:1"}))


def test_a_message_for_another_stage_is_unknown_too() -> None:
    with pytest.raises(wire.NewerError, match="'plan'"):
        wire.Decoder(RecordsMessage).decode(_encode({"is": "plan"}))


@pytest.mark.parametrize("clear", [b"\xc1", _encode([1]), _encode("text"), _encode({}), _encode({"is": "release"})])
def test_junk_and_a_known_message_with_a_fault_are_not(clear: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.Decoder(TravelersMessage).decode(clear)


def test_a_field_that_this_version_does_not_know_is_passed_over() -> None:
    said = {"is": "answered", "word": "yes", "address": "a1", "mood": "glad"}
    assert wire.Decoder(TravelersMessage).decode(_encode(said)).word == "yes"


def test_a_state_that_cannot_be_read_stops_the_stage_instead_of_costing_an_event() -> None:
    keys = Keys.built_in()
    stage = Records(Identity(keys.hmac), Policy())
    job = Keyed(stage, keys, 1, Limits())
    for clear in (b"\xc1", _encode({"is": "of tomorrow"}), _encode([1])):
        with pytest.raises(RefusedError, match=r"^Stage records cannot read a state that another version wrote"):
            job._state.decode(clear)
    assert job._state.decode(_encode(stage.empty("GLOBAL_ENTRY:1"))) == stage.empty("GLOBAL_ENTRY:1")


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_a_key_goes_where_kafka_s_own_clients_would_put_it(key: bytes, partitions: int) -> None:
    assert wire.partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
