"""A process between us and a child that must not outlive us: it ends the child when our end of a pipe closes.

Run as `python guard.py LOG COMMAND...`. Its standard input is the pipe, which the system closes however the parent
ends, kill -9 included. It writes the child's process id to standard output and takes the child's exit status. It has
a session of its own, so that Ctrl-C in a terminal reaches the parent alone, which then stops its children in order.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

GRACE = 15.0
_PR_SET_PDEATHSIG = 1


def _die_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main(log: str, command: list[str]) -> int:
    """Run the command until it ends or the pipe closes. Returns its exit status, 128 + n where signal n ended it."""
    wake, ring = os.pipe()
    os.set_blocking(ring, False)

    def rung(_: int, __: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(ring, b".")

    signal.signal(signal.SIGCHLD, rung)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ending = False

    def asked(_: int, __: FrameType | None) -> None:
        nonlocal ending
        ending = True
        rung(0, None)

    signal.signal(signal.SIGTERM, asked)
    with Path(log).open("ab") as out:
        child = subprocess.Popen(  # noqa: S603 - the parent's own command
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_guard
        )
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    while child.poll() is None:
        ready, _, _ = select.select([0, wake], [], [])
        if ending or (0 in ready and not os.read(0, 1)):
            _end(child)
        elif wake in ready:
            os.read(wake, 64)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
