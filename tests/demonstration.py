"""A running `ttn demo`, as a person at a terminal has it: started, watched by its lines, ended by a signal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from services.broker.cluster import free_ports

TTN = [sys.executable, "-c", "from services.cli import main; main()"]
_PATIENCE = 120.0


class Demonstration:
    """One demo in a data dir of its own. `environ` is what to give to other commands that look into it."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TTN_", "TWILIO_"))}
        address = f"127.0.0.1:{free_ports(1)[0]}"
        own = {"TTN_DATA_DIR": str(data_dir), "TTN_WEB_LISTEN": address, "TTN_PUBLIC_URL": f"http://{address}"}
        self.data_dir = data_dir
        self.environ = kept | own | {"PYTHONUNBUFFERED": "1"}
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [*TTN, "demo", *arguments],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.page = ""

    def wait_for(self, words: str) -> str:
        """The next line with these words. Fails where the demo ends before it, or says nothing for long."""
        before = time.monotonic()
        for line in self._lines():
            waited, before = time.monotonic() - before, time.monotonic()
            self.said.append(line)
            if "Phones and inboxes:" in line:
                self.page = line.split()[-1]
            if words in line:
                return line
            if waited > _PATIENCE:
                break
        raise AssertionError(f"never said {words!r}, but:\n{''.join(self.said)}\n{self._logs()}")

    def messages(self) -> dict[str, Any]:
        """All texts and letters that arrived."""
        with urlopen(f"{self.page}messages.json") as answer:  # noqa: S310 - the demo's own page
            found: dict[str, Any] = json.load(answer)
            return found

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command that looks into the running demo."""
        return subprocess.run([*TTN, *arguments], env=self.environ, capture_output=True, text=True, check=False)

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and wait for the end; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        for line in self._lines():
            self.said.append(line)
        return self.process.wait(60)

    def processes(self) -> list[int]:
        """All processes that work in the data dir."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                try:
                    told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                except OSError:
                    continue
                if os.fsencode(self.data_dir) in told:
                    found.append(int(folder.name))
        return found

    def _lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        return iter(self.process.stdout.readline, "")

    def _logs(self) -> str:
        logs = sorted((self.data_dir / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)
