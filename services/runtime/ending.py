"""The end of a worker that met a surprise: one log line that says what and where, and no commit after it."""

import asyncio
import os
import sys
import traceback
from typing import Any, Final, NoReturn

from services import logs
from services.store import StoreError, UnreadableStoreError

STOPPED: Final = 70
"""Exit status of a worker that ended itself; its supervisor starts it again."""

REFUSED: Final = 78
"""Exit status of a worker that cannot run as it is configured; starting it again would not help."""

_log = logs.get(__name__)


class RefusedError(RuntimeError):
    """Something that an operator must mend; the text is the one sentence that says what."""


def end(where: str, reason: BaseException | str) -> NoReturn:
    """End this process now. No destructor, no shutdown hook and no `finally` runs, so nothing can commit any more."""
    try:
        _log.critical("ended before anything was committed", state=where, reason=describe(reason))
        sys.stderr.flush()
    finally:
        os._exit(REFUSED if isinstance(reason, RefusedError | UnreadableStoreError) else STOPPED)


def describe(reason: BaseException | str) -> str:
    """What went wrong and at which line, without the values that an exception's text may hold.

    The text of our own sentences is kept, and that of client and operating system errors, which name no person.
    """
    if isinstance(reason, str):
        return reason
    kind = type(reason)
    ours = kind.__module__.partition(".")[0] in ("services", "aiokafka", "rocksdict") or isinstance(reason, OSError)
    if isinstance(reason, RefusedError | StoreError):
        return str(reason)
    text = f"{kind.__name__}: {reason}" if ours and str(reason) else kind.__name__
    frames = traceback.extract_tb(reason.__traceback__)
    if frames:
        last = frames[-1]
        text += f" at {'/'.join(last.filename.split('/')[-2:])}:{last.lineno} in {last.name}"
    return " ".join(text.split())


def unexpected(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's handler of errors that nobody waits for."""
    end("event loop", context.get("exception") or str(context.get("message")))


def must_run(task: "asyncio.Task[None]") -> None:
    """A done callback of loops that only end with the process."""
    if not task.cancelled():
        end("background task", task.exception() or "a loop that never ends has ended")
