"""The demo: real parts, on a stepped clock, that show exactly what the simulation of the same file says."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.demo import TRAVELERS, Story, parts
from services.demo.people import people
from services.lines import LineError, read_lines
from services.sealing import Keys, demo_secret_file
from services.settings import Settings, SettingsError
from tests.demonstration import TTN, Demonstration

LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def played(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """The demo's own story, played as fast as the machine can, with its page still up."""
    demo = Demonstration(tmp_path_factory.mktemp("demo"), "--days-per-second", "0")
    demo.wait_for("The story is over")
    yield demo
    demo.end()


@pytest.fixture(scope="module")
def simulated(played: Demonstration) -> list[dict[str, Any]]:
    """What `ttn simulate` prints for the same file with the same keys."""
    environ = played.environ | {"TTN_SECRET_FILE": str(played.data_dir / "demo-secret.json")}
    command = [*TTN, "simulate", str(TRAVELERS), "--view"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.kafka
def test_phones_show_exactly_what_the_simulation_of_the_same_file_prints(
    played: Demonstration, simulated: list[dict[str, Any]]
) -> None:
    sent = [line["sent"] | {"at": line["at"]} for line in simulated if "sent" in line]
    wanted = sorted((s["at"], s["to"], s["body"]) for s in sent if s["channel"] == "sms")
    texts = [text for text in played.messages()["texts"] if text["direction"] == "outbound-api"]
    assert sorted((text["at"], text["to"], text["body"]) for text in texts) == wanted
    assert len(wanted) > 20


@pytest.mark.kafka
def test_inboxes_show_exactly_what_the_simulation_of_the_same_file_prints(
    played: Demonstration, simulated: list[dict[str, Any]]
) -> None:
    sent = [line["sent"] | {"at": line["at"]} for line in simulated if "sent" in line]
    wanted = sorted((s["at"], s["to"], s["subject"], s["text"].strip()) for s in sent if s["channel"] == "email")
    letters = played.messages()["letters"]
    assert sorted((each["at"], each["to"], each["subject"], each["text"].strip()) for each in letters) == wanted
    assert all(letter["copies"] == 1 for letter in letters)
    assert len(wanted) > 20


@pytest.mark.kafka
def test_every_view_of_the_running_system_is_that_of_the_simulation(
    played: Demonstration, simulated: list[dict[str, Any]]
) -> None:
    views = [line["view"] for line in simulated if "view" in line]
    assert len(views) >= 10
    for view in views:
        said = played.run("status", view["travelerId"])
        assert json.loads(said.stdout) == view


@pytest.mark.kafka
def test_the_story_shows_both_programs_languages_junk_and_a_stop(simulated: list[dict[str, Any]]) -> None:
    sent = [line["sent"] for line in simulated if "sent" in line]
    assert {"PRECHECK", "GLOBAL_ENTRY"} <= {each["program"] for each in sent}
    assert {"en", "es"} <= {each["language"] for each in sent}
    reasons = {line["headers"]["dlq.reason"] for line in simulated if line.get("topic") == "ttp.dead-letter.v1"}
    assert reasons == {"undecodable", "unknown-program", "missing-field"}
    assert {"APP_RECEIVED", "COND_APPROVED", "APPROVED", "LETTER_READY", "RENEWED"} <= {each["kind"] for each in sent}


@LINUX
@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_however_it_ends(kafka_libs: Path, tmp_path: Path, number: int) -> None:
    demo = Demonstration(tmp_path, "--days-per-second", "1")
    demo.wait_for("1 of 61")
    assert len(demo.processes()) >= 8
    status = demo.end(number)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    until = time.monotonic() + 20
    while demo.processes() and time.monotonic() < until:
        time.sleep(0.1)
    assert demo.processes() == []


@pytest.mark.kafka
def test_a_second_demo_in_the_same_data_dir_starts_anew_and_quickly(kafka_libs: Path, tmp_path: Path) -> None:
    story = tmp_path / "story.jsonl"
    story.write_text("".join(TRAVELERS.read_text().splitlines(keepends=True)[:2]))
    seen = []
    for _ in range(2):
        demo = Demonstration(tmp_path / "data", "--days-per-second", "0", "--no-stay", str(story))
        started = time.monotonic()
        demo.wait_for("1 of 2")
        took = time.monotonic() - started
        seen.append(demo.wait_for("The story is over"))
        assert demo.end() == 0
    assert seen[0] == seen[1]
    assert took < 60, "a rough bound: it is some seconds on an idle machine"


def test_a_data_dir_in_use_is_refused(tmp_path: Path) -> None:
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path)})
    with parts.data_dir(settings), pytest.raises(SettingsError, match="a demo runs in"), parts.data_dir(settings):
        raise AssertionError("two demos in one data dir")


def test_the_stores_of_other_workers_are_not_wiped(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path)})
    with pytest.raises(SettingsError, match="holds the stores of other workers"), parts.data_dir(settings):
        raise AssertionError("a demo beside other workers")
    assert (tmp_path / "workers").exists()


def test_credentials_of_providers_do_not_reach_the_parts_of_a_demo(tmp_path: Path) -> None:
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path)})
    real = {"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TTN_SMTP_URL": "smtp://mail.example:25", "TTN_HOLDS": "off"}
    environ = parts.environment(settings, real)
    assert not any(name.startswith(("TWILIO", "TTN_SMTP")) for name in environ)
    assert environ["TTN_HOLDS"] == "off"
    inside = Settings.load(environ)
    assert inside.twilio.sandbox
    assert inside.clock == "stepped"
    assert inside.public_url == f"http://{inside.web_listen[0]}:{inside.web_listen[1]}"
    assert Keys.load(inside).hmac == Keys.load(settings).hmac
    assert inside.secret_file == demo_secret_file(tmp_path)


def test_the_page_is_told_who_is_who() -> None:
    named = people(Story.read(TRAVELERS, None).lines)
    assert named["+13125550101"] == "Maya Rowe"
    assert named["maya@example.com"] == "Maya Rowe"
    assert len(set(named.values())) == 10


def test_all_people_of_the_story_are_fictional() -> None:
    with TRAVELERS.open("rb") as file:
        for line in read_lines(file):
            assert line.at.tzinfo is not None
    for address in people(Story.read(TRAVELERS, None).lines):
        assert address.endswith("@example.com") or address[-7:-2] == "55501"


def test_a_file_that_cannot_be_played_is_refused_by_line(tmp_path: Path) -> None:
    story = tmp_path / "story.jsonl"
    story.write_text('{"at": "2026-01-05T15:00:00Z", "provider": {"to": "a@example.com", "outcome": "delivered"}}\n')
    with pytest.raises(LineError, match="line 1: what the provider does"):
        Story.read(story, None)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TTN_")}
    done = subprocess.run([*TTN, "demo", str(story)], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{story}, line 1" in done.stderr


def test_the_clock_runs_on_to_a_moment_after_the_last_line() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert Story.read(TRAVELERS, later).until == later
    assert Story.read(TRAVELERS, datetime(2020, 1, 1, tzinfo=UTC)).until == Story.read(TRAVELERS, None).lines[-1].at
