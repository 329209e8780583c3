"""What the sandbox accepted, on disk before it answers: the judge of the crash tests.

One JSON object a line. Entries that come while the disk is busy share the next fsync.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

LEDGER_FILE: Final = "sandbox-ledger.jsonl"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message that the sandbox took. `id` is the sid, or the Message-ID; `token` is the caller's callback token.

    `at` is the sandbox's clock, RFC 3339.
    """

    at: str
    channel: str
    id: str
    to: str
    token: str | None = None
    body: str = ""
    callback: str | None = None
    validity: int | None = None


class Ledger:
    """Appends to one file. Start `run` as a task before the first entry."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def append(self, entry: Entry) -> None:
        """Return when the entry is on the disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(entry) + b"\n", done))
        self._arrived.set()
        await done

    async def run(self) -> None:
        """Write what arrives, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            await asyncio.to_thread(self._write, b"".join(line for line, _ in batch))
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    def _write(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: Path) -> Iterator[Entry]:
    """The entries of a ledger, oldest first; a last line that was cut by a crash was never answered and is left out."""
    if not path.exists():
        return
    decode: Any = msgspec.json.Decoder(Entry).decode
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode(line)
