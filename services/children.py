"""Child processes that never outlive their parent, each with its output in a file of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_GUARD: Final = Path(__file__).with_name("guard.py")


class Child:
    """One running command behind its guard (services/guard.py). Ends when this process ends, however it ends."""

    def __init__(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, hold: tuple[int, ...] = ()
    ) -> None:
        """Start the command; its output is added to `log`, and the descriptors `hold` stay open as long as it runs.

        Raises OSError where it cannot be started.
        """
        self.log: Final = log
        self._guard = subprocess.Popen(  # noqa: S603 - the guard and our own command
            [sys.executable, "-S", "-E", str(_GUARD), str(log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if environ is None else dict(environ),
            start_new_session=True,
            pass_fds=hold,
        )
        assert self._guard.stdout is not None  # noqa: S101 - asked for above
        first = self._guard.stdout.readline().strip()
        if not first:
            self._guard.wait()
            raise FileNotFoundError(f"{command[0]} cannot be started")
        self.pid: Final = int(first)

    def poll(self) -> int | None:
        """The exit status, 128 + n for a signal n; None while it runs."""
        return self._guard.poll()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        return self._guard.wait(timeout)

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL)."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        """Send a signal, such as SIGSTOP and SIGCONT, to the command itself."""
        os.kill(self.pid, number)

    def stop(self) -> int:
        """End it in order: SIGTERM, and SIGKILL where it does not follow."""
        self.ask()
        return self.wait()

    def ask(self) -> None:
        """Ask it to end, without waiting."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
