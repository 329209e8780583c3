"""Runs a test stage as a real worker process. A zygote imports everything once and forks a worker per request.

Requests come as JSON lines on standard input; the answer is a line `PID n`, and later `EXIT n status`.
"""

import asyncio
import json
import os
import resource
import signal
import sys
import threading
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from services import clock, logs
from services.clock import WallClock
from services.failpoints import Failpoints
from services.keyring import Keyrings
from services.runtime import transport
from services.runtime.app import StageApp
from services.runtime.ending import end, must_run, unexpected
from services.runtime.job import Limits
from services.runtime.keyed import Keyed
from services.runtime.meters import Meters
from services.runtime.ticks import Ticks
from services.runtime.watch import STUCK, Watch
from services.sealing import Keys
from services.settings import KafkaSecurity
from services.store import Memory, Shared
from tests.kafka import mutations
from tests.kafka.counting import Counting


def work(asked: dict[str, Any]) -> None:
    """Be the worker that was asked for, until killed or told to stop."""
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logs.configure(asked["stage"])
    if "largest_file" in asked:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["largest_file"], asked["largest_file"]))
    mutations.apply(asked.get("mutation"))
    if "transaction" in asked:
        transport.TIMEOUT = asked["transaction"]  # type: ignore[misc]
    if "clock" in asked:
        _jump_with(Path(asked["clock"]))
    try:
        asyncio.run(_run(asked))
    except BaseException as error:  # noqa: BLE001 - as the product's process does
        end("process", error)
    os._exit(0)


async def _run(asked: dict[str, Any]) -> None:
    meters = Meters(asked["stage"])
    commands = Path(asked["commands"])
    folder, shared = Path(asked["folder"]), Shared(Memory())
    stage = Counting(asked["stage"], asked["topic"], asked.get("onward"))

    def hand_over(given: Any, held: Any) -> None:
        with commands.open("a") as file:
            for command in given:
                file.write(f"{command.claimId} {int(held())}\n")

    app = StageApp(
        Keyed(stage, Keys.built_in(), asked["partitions"], Limits(**asked.get("limits", {}))),
        bootstrap=asked["bootstrap"],
        security=KafkaSecurity(),
        folder=folder,
        shared=shared,
        keyrings=Keyrings(Keys.built_in(), asked["stage"], folder.with_name(f"keys-{folder.name}"), shared),
        meters=meters,
        hand_over=hand_over,
        failpoints=Failpoints.load({"TTN_FAILPOINT": asked.get("failpoint") or ""}),
        instance=asked.get("instance"),
        session=asked.get("session", 6.0),
        standby=asked["partitions"] if asked.get("standby") else 0,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.set_exception_handler(unexpected)
    watch = Watch(asked["stage"], app, meters, dict, stuck=asked.get("stuck", STUCK))
    port = await watch.serve("127.0.0.1", 0)
    Path(asked["port"]).write_text(str(port))  # noqa: ASYNC240 - once, at the start
    await app.start()
    tasks = [loop.create_task(watch.run())]
    if asked.get("ticks", True):
        tasks.append(loop.create_task(Ticks(asked["stage"], app.owned, WallClock(), app.send).run()))
    for task in tasks:
        task.add_done_callback(must_run)
    await stopped.wait()
    for task in tasks:
        task.remove_done_callback(must_run)
        task.cancel()
    await app.stop()


def _jump_with(file: Path) -> None:
    """Let the wall clock of this process be off by the seconds in a file, which a test may change at any moment."""
    time_of_day = time.time

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(seconds=float(file.read_text()))

    clock.datetime = Moved  # type: ignore[misc]
    time.time = lambda: time_of_day() + float(file.read_text())


def _reap(pid: int) -> None:
    _, status = os.waitpid(pid, 0)
    print(f"EXIT {pid} {os.waitstatus_to_exitcode(status)}", flush=True)


def main() -> None:
    """Fork a worker for each line, and take them all down at the end of input."""
    children: list[int] = []
    print("READY", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            work(asked)
        children.append(pid)
        print(f"PID {pid}", flush=True)
        threading.Thread(target=_reap, args=(pid,), daemon=True).start()
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    time.sleep(0.1)


if __name__ == "__main__":
    main()
