"""What the sandbox accepted, on disk before it answers: the judge of the crash tests.

One JSON object a line. Entries that come together share one fsync.
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
    """Appends to one file, in the loop itself: handing a short write over to a thread costs more than the write."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []

    async def append(self, entry: Entry) -> None:
        """Return when the entry is on the disk. Raises OSError where it cannot be written."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._write)
        self._waiting.append((msgspec.json.encode(entry) + b"\n", done))
        await done

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        error: OSError | None = None
        try:
            self._file.write(b"".join(line for line, _ in batch))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as failed:
            error = failed
        for _, done in batch:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

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
