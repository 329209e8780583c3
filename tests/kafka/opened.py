"""Opens what the stages keep, and what they sent each other, with the keys that stand on the topics of keys now."""

from collections.abc import Mapping
from typing import Any

from services.keyring import Keyring, Sealing
from services.sealing import DataKey, ForgottenError, Keys
from services.store import Memory, Shared, Store, blob_of
from services.transit import MARK, PLACE, key_of
from streams import topics


class Opened:
    """`rows` are all records of a topic in their order: key and value."""

    def __init__(self, keys: Keys, rows: Mapping[str, list[tuple[bytes | None, bytes | None]]], folder: Any) -> None:
        self._keys = keys
        self._transit: dict[bytes, DataKey] = {}
        for name, value in rows.get(PLACE.topic, []):
            if name and value is not None:
                self._transit[name] = DataKey(keys.open(value[8:], name + value[:8]), MARK + name)
            elif name:
                self._transit.pop(name, None)
        self._sealings: dict[str, Sealing] = {}
        for topic, records in rows.items():
            stage = topic.removeprefix("ttp.internal.").removesuffix("-keys.v1")
            if topic == topics.data_keys(stage) and topic != PLACE.topic:
                store = Store(folder / stage, Shared(Memory()))
                store.restore([(key, value) for key, value in records if key], 0)
                self._sealings[stage] = Sealing(Keyring(keys, stage, store), 1)

    def message(self, value: bytes) -> bytes:
        """A message. Raises ForgottenError where its key is gone."""
        name = key_of(value)
        if name is None:
            return self._keys.open(value)
        if name not in self._transit:
            raise ForgottenError("the key of a message is gone")
        return self._transit[name].open(value, b"")

    def state(self, stage: str, key: bytes, value: bytes) -> bytes:
        """A value of a changelog or a store. Raises ForgottenError or SealError where its data key is gone."""
        return self._sealings[stage].open(key, blob_of(value))
