"""The jobs `intake`, `records`, `travelers`, `addresses` and `pipeline`: the real stages on a generated population.

Each stage gets its whole inbox first and is then run alone, so that its figures are its own. The population is loaded
as history, which is what a replay is; nothing is sent.
"""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from services.runtime.process import STAGES
from tests.bench.fold_job import Row
from tests.bench.load import Process
from tests.bench.systems import stop

_ROOT: Final = Path(__file__).parents[2]
_TTN: Final = str(Path(sys.executable).with_name("ttn"))


class Deployment:
    """The product's commands on one broker and data dir."""

    def __init__(self, kafka: str, folder: Path) -> None:
        secret = folder / "secret.json"
        key = base64.b64encode(bytes(range(32))).decode()
        secret.write_text(json.dumps({"hmac": key, "encryption": [{"id": "bench", "key": key}]}))
        self.folder = folder
        self.environ = {
            **os.environ,
            "TTN_KAFKA": kafka,
            "TTN_PARTITIONS": "4",
            "TTN_DATA_DIR": str(folder),
            "TTN_SECRET_FILE": str(secret),
            "TTN_METRICS_LISTEN": "127.0.0.1:0",
        }

    def run(self, *arguments: str) -> None:
        """One command, to its end."""
        subprocess.run([_TTN, *arguments], env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def generate(self, travelers: int) -> tuple[Path, int]:
        """A population in a file, and its number of lines."""
        file = self.folder / "population.jsonl"
        command = [_TTN, "generate", "--travelers", str(travelers), "--seed", "7", "--start", "2023-01-01"]
        made = subprocess.run(command, env=self.environ, check=True, stdout=subprocess.PIPE).stdout.splitlines(True)
        # Inbound texts and provider outcomes are lines of a simulation; only events can be sent.
        events = [line for line in made if b'"event":' in line or b'"raw' in line]
        file.write_bytes(b"".join(events))
        return file, len(events)

    def start(self, stage: str) -> "Stage":
        """The process of one stage."""
        place = self.folder / "bench"
        place.mkdir(exist_ok=True)
        with (place / f"{stage}.log").open("ab") as log:
            command = [sys.executable, "-m", "services.worker", "--child", stage, str(place), "--session", "6"]
            process = subprocess.Popen(
                [*command, "--instance", f"bench-{stage}"],
                cwd=_ROOT, env=self.environ, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        return Stage(process, place / f"{stage}.metrics")


class Stage:
    """A stage's process at work."""

    def __init__(self, process: subprocess.Popen[bytes], address: Path) -> None:
        self._process = process
        self._address = address
        self.seen = Process(process.pid)

    def get(self, path: str) -> str:
        """What it answers; empty while it does not."""
        try:
            with urllib.request.urlopen(f"http://{self._address.read_text()}{path}", timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def health(self) -> dict[str, Any]:
        """What `/healthz` says, also while it recovers."""
        said: dict[str, Any] = json.loads(self.get("/healthz") or "{}")
        return said

    def events(self) -> int:
        """Records handled so far."""
        for line in self.get("/metrics").splitlines():
            if line.startswith("ttn_events_total{"):
                return int(float(line.split()[1]))
        return 0

    def done(self) -> bool:
        """Whether nothing is left to do."""
        said = self.health()
        return said.get("state") == "running" and said.get("lag") == 0 and not said.get("busy")

    def must_run(self) -> None:
        """Raises where it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a stage ended with {self._process.returncode}; its log is beside {self._address}")

    def stop(self) -> None:
        """End it."""
        stop(self._process)


def measure(kafka: str, folder: Path, travelers: int) -> dict[str, Row]:
    """The figures of each stage alone, and of the pipeline as their sum per source event."""
    deployment = Deployment(kafka, folder)
    deployment.run("topics", "apply")
    file, lines = deployment.generate(travelers)
    deployment.run("send", "--backfill", str(file))
    sandbox = subprocess.Popen([_TTN, "sandbox"], env=deployment.environ, stdout=subprocess.DEVNULL)
    try:
        return _each(deployment, lines)
    finally:
        stop(sandbox)


def _each(deployment: Deployment, lines: int) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    total = peak = 0.0
    # What travelers answer to records, and addresses to travelers, comes back in a second round.
    for stage in (*STAGES, *STAGES[1:]):
        row, seconds = _alone(deployment, stage)
        total += seconds
        peak = max(peak, row.peak_mb or 0.0)
        if stage not in rows:
            rows[stage] = row
    rows["pipeline"] = Row(
        events_per_s=round(lines / total), cpu_us_per_event=round(total / lines * 1e6, 1), peak_mb=peak
    )
    return rows


def _alone(deployment: Deployment, name: str) -> tuple[Row, float]:
    stage = deployment.start(name)
    try:
        while stage.health().get("state") != "running":
            stage.must_run()
            time.sleep(0.1)
        began, cpu, first = time.monotonic(), stage.seen.cpu(), stage.events()
        while not stage.done():
            stage.must_run()
            time.sleep(0.1)
        wall, spent, count = time.monotonic() - began, stage.seen.cpu() - cpu, stage.events() - first
        row = Row(
            events_per_s=round(count / wall) if count else None,
            cpu_us_per_event=round(spent / count * 1e6, 1) if count else None,
            peak_mb=round(stage.seen.peak()),
        )
        return row, spent
    finally:
        stage.stop()
