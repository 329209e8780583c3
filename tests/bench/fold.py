"""The peer's job on our runtime: decode, read keyed state, update it, write it and one output per event.

Run as a process: `python -m tests.bench.fold BOOTSTRAP SOURCE OUT GROUP FOLDER [NUMBER [standby]]`. The file `address`
in the folder says where its health is.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from services import logs
from services.collecting import collect_seldom
from services.failpoints import Failpoints
from services.keyring import Keyring
from services.runtime.app import StageApp
from services.runtime.ending import end, must_run, unexpected
from services.runtime.job import Limits, Slice
from services.runtime.meters import Meters
from services.runtime.watch import Watch
from services.settings import KafkaSecurity
from services.store import Change, Memory, Shared, Store, blob_of, pack
from services.wire import Outgoing, Received
from tests.bench.load import PARTITIONS
from tests.bench.systems import SESSION


class Event(msgspec.Struct):
    """What comes in, about 470 bytes of JSON."""

    event_id: str
    traveler_id: str
    event_type: str
    ts: float
    airport: str
    status: str
    seq: int
    payload: dict[str, Any]


class State(msgspec.Struct, array_like=True):
    """What is kept of a traveler."""

    status: str
    seq: int
    ts: float
    count: int


class Unify:
    """The job `fold`."""

    name = "fold"

    def __init__(self, source: str, out: str, changelog: str) -> None:
        self.topics: tuple[str, ...] = (source,)
        self.changelog: str | None = changelog
        self._out = out
        self._limits = Limits()
        self._event = msgspec.json.Decoder(Event)
        self._state = msgspec.msgpack.Decoder(State)
        self._encode = msgspec.msgpack.Encoder().encode

    def slice(self, records: Sequence[Received], store: Store | None, ring: Keyring | None) -> Slice:
        assert store is not None
        records = records[: self._limits.records]
        events = [self._event.decode(record.value or b"") for record in records]
        keys = [event.traveler_id.encode() for event in events]
        wanted = list(dict.fromkeys(keys))
        states: dict[bytes, State] = {}
        for key, value in zip(wanted, store.get_many(wanted), strict=True):
            if value is not None:
                states[key] = self._state.decode(blob_of(value))
        outgoing = []
        for record, event, key in zip(records, events, keys, strict=True):
            old = states.get(key)
            states[key] = State(event.status, event.seq, event.ts, 1 if old is None else old.count + 1)
            outgoing.append(Outgoing(self._out, record.partition, key, record.value))
        changes = {key: Change(pack(None, self._encode(state)), None) for key, state in states.items()}
        last = records[-1].offset + 1
        return Slice(
            taken=len(records), upto=last, outgoing=outgoing, changes=changes, commands=[], events=len(records)
        )


async def _run(
    bootstrap: str, source: str, out: str, group: str, folder: str, number: str = "1", kept: str = ""
) -> None:
    meters = Meters("fold")
    app = StageApp(
        Unify(source, out, f"{group}-changelog"),
        bootstrap=bootstrap,
        security=KafkaSecurity(),
        folder=Path(folder),
        shared=Shared(Memory()),
        meters=meters,
        hand_over=lambda commands, held: None,
        failpoints=Failpoints(),
        session=SESSION,
        group=group,
        instance=f"{group}-{number}",
        standby=PARTITIONS if kept == "standby" else 0,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.set_exception_handler(unexpected)
    collect_seldom()
    watch = Watch("fold", app, meters, dict)
    address = f"127.0.0.1:{await watch.serve('127.0.0.1', 0)}"
    (Path(folder) / "address").write_text(address)
    await app.start()
    task = loop.create_task(watch.run())
    task.add_done_callback(must_run)
    await stopped.wait()
    task.remove_done_callback(must_run)
    task.cancel()
    await app.stop()


def main() -> None:
    """Run until told to stop."""
    logs.configure("fold")
    try:
        asyncio.run(_run(*sys.argv[1:]))
    except BaseException as error:  # noqa: BLE001 - as the product's process does
        end("process", error)


if __name__ == "__main__":
    main()
