"""The data keys of what the stages keep: one for each record, traveler and address, deleted to forget the person.

A state is sealed with the data key of its stage key. The data key, sealed by a key of the deployment, stands on a
compacted topic beside the changelog, `ttp.internal.<stage>-keys.v1`, partition by partition. When a state becomes empty
its data key is deleted with it; when a stage says that a state gave something up (streams.grammar.Renew) the state gets
a new data key, and the old one is gone. Copies of a changelog or a store that were made before cannot be read then.

Why so. Only the owner of a partition ever seals or opens the states in it, so it makes the keys itself, in the
transaction that writes the state: no second process can make another key for the same state, nobody has to be asked,
and a crash leaves both or neither. Messages between stages have other keys (services.transit): with these, a sender
would have to hold the keys of everybody that it may ever write to, and would go on using one after it was deleted.

Data keys are on disk in a folder beside the stores, not in them: a copy of the stores holds no key. The folder of a
partition is deleted when another worker owns the partition and this one does not stand by.
"""

import asyncio
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from services.sealing import DataKey, ForgottenError, Keys
from services.store import Change, Shared, Store, blob_of, pack
from services.wire import Outgoing, partition_of
from streams import topics

SWEEP: Final = 600.0
"""Seconds between two times that deleted keys are taken out of the files."""

_MARK: Final = b"\x02"


class Keyring:
    """The data keys of one partition of a stage; `store` holds them sealed. Written only after a commit."""

    def __init__(self, keys: Keys, stage: str, store: Store) -> None:
        self.store: Final = store
        self.topic: Final = topics.data_keys(stage)
        self._keys = keys
        self._stage = stage.encode()

    def held(self, names: Sequence[bytes]) -> list[bytes | None]:
        """The data keys of several states in sealed form."""
        return [None if value is None else blob_of(value) for value in self.store.get_many(names)]

    def unseal(self, name: bytes, sealed: bytes) -> DataKey:
        """A data key from its sealed form. Raises SealError where the deployment's key is missing."""
        return DataKey(self._keys.open(sealed, self._about(name)), _MARK)

    def new(self, name: bytes) -> tuple[DataKey, bytes]:
        """A new data key for a state, and its sealed form."""
        return DataKey.new(self._keys, self._about(name), _MARK)

    def current(self, sealed: bytes) -> bool:
        """Whether the key of the deployment that seals now sealed it; otherwise it is time for a new one."""
        return self._keys.newest(sealed)

    def keep(self, changes: Mapping[bytes, Change], position: int | None) -> None:
        """What a committed transaction made of the data keys: new ones, and those that went with their states.

        `position` is where the topic goes on after them (None: not known, it stays behind). They are kept before the
        states: a crash in between is made good by the restore of both.
        """
        kept = {name: change.key for name, change in changes.items() if change.key is not None or change.value is None}
        if kept:
            self.store.replaced |= any(value is not None for value in self.store.get_many(list(kept)))
            sealed = {name: None if key is None else pack(None, key) for name, key in kept.items()}
            self.store.write({name: Change(value, None) for name, value in sealed.items()}, position)

    def sweep(self) -> None:
        """Take what was deleted or replaced out of the files, too: here, by another owner, or before a restart."""
        if self.store.replaced:
            self.store.compact()

    def _about(self, name: bytes) -> bytes:
        return self._stage + b"\x00" + name


class Sealing:
    """The data keys that one slice of work uses."""

    def __init__(self, ring: Keyring, partitions: int) -> None:
        self._ring = ring
        self._topic = ring.topic
        self._partitions = partitions
        self._held: dict[bytes, bytes | None] = {}
        self._opened: dict[bytes, DataKey] = {}

    def prefetch(self, names: Sequence[bytes]) -> None:
        """Look several up at once."""
        self._held.update(zip(names, self._ring.held(names), strict=True))

    def open(self, name: bytes, sealed: bytes) -> bytes:
        """The clear state. Raises ForgottenError where its data key is gone, SealError where it does not fit."""
        held = self._look(name)
        if held is None:
            raise ForgottenError("the data key of a state is gone")
        return self._key(name, held).open(sealed, name)

    def seal(self, name: bytes, clear: bytes, *, renew: bool) -> tuple[bytes, bytes | None]:
        """The sealed state, and the sealed form of its data key where that is new."""
        held = self._look(name)
        if held is not None and not renew and self._ring.current(held):
            return self._key(name, held).seal(clear, name), None
        key, sealed = self._ring.new(name)
        return key.seal(clear, name), sealed

    def record(self, name: bytes, sealed: bytes | None) -> Outgoing:
        """What is written of a data key: its sealed form, or that it is gone."""
        value = None if sealed is None else pack(None, sealed)
        return Outgoing(self._topic, partition_of(name, self._partitions), name, value)

    def _look(self, name: bytes) -> bytes | None:
        if name not in self._held:
            self.prefetch([name])
        return self._held[name]

    def _key(self, name: bytes, held: bytes) -> DataKey:
        found = self._opened.get(name)
        if found is None:
            found = self._opened[name] = self._ring.unseal(name, held)
        return found


class Keyrings:
    """The keyrings of the partitions that a process owns, in `folder`."""

    def __init__(self, keys: Keys, stage: str, folder: Path, shared: Shared) -> None:
        self.topic: Final = topics.data_keys(stage)
        self._keys = keys
        self._stage = stage
        self._folder = folder
        self._shared = shared
        self._rings: dict[int, Keyring] = {}

    def hold(self, partitions: Collection[int]) -> None:
        """Keep no keys but those of these partitions."""
        for number in self._rings.keys() - set(partitions):
            self._rings.pop(number).store.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = {self._path(number).name for number in partitions}
        for path in self._folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path)

    def ring(self, partition: int) -> Keyring:
        """The keyring of a partition; its store has to be brought up to the topic before it is used."""
        if partition not in self._rings:
            store = Store(self._path(partition), self._shared)
            self._rings[partition] = Keyring(self._keys, self._stage, store)
        return self._rings[partition]

    async def tend(self) -> None:
        """Every few minutes, take what was deleted out of the files, too. Until cancelled."""
        while True:
            for number in tuple(self._rings):
                if number in self._rings:
                    self._rings[number].sweep()
                await asyncio.sleep(0)  # the stage's work goes on between two partitions
            await asyncio.sleep(SWEEP)

    def close(self) -> None:
        """Close all: the process ends in order."""
        while self._rings:
            self._rings.popitem()[1].store.close()

    def _path(self, partition: int) -> Path:
        return self._folder / str(partition)
