"""The command line as a person at a terminal meets it: wrong input is a sentence, never a traceback."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.broker.cluster import free_ports
from services.cli import COMMANDS, cli
from services.generate import command as generate
from services.preview import command as preview
from services.settings import Settings, SettingsError
from services.worker import STAGES, listening
from services.worker import command as worker


def ttn(*arguments: str, stdout: int = subprocess.PIPE, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own, in an environment without settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TTN_", "TWILIO_"))}
    command = [str(Path(sys.executable).with_name("ttn")), *arguments]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env={**kept, **environ}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_in_whole_sentences(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert "..." not in result.stdout.replace("[OPTIONS] COMMAND [ARGS]...", "").replace("[LANGUAGES]...", "")


@pytest.mark.parametrize("name", ["sandbox", "demo", "preview"])
def test_a_data_dir_that_cannot_be_made_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    result = ttn(name, TTN_DATA_DIR=str(tmp_path / "file" / "dir"))
    assert result.returncode in (1, 2)
    assert len(result.stderr.splitlines()) == 1
    assert "TTN_DATA_DIR: expected a folder that can be written (Not a directory)." in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        result = ttn("generate", "--travelers", "50", "--seed", "1", stdout=full.fileno())
    assert result.returncode == 1
    assert result.stderr == "ttn: the output: No space left on device.\n"


@pytest.mark.parametrize("first", ["0001-01-01", "9999-12-01"])
def test_a_population_does_not_begin_at_the_ends_of_the_calendar(first: str) -> None:
    result = CliRunner().invoke(generate, ["--travelers", "1", "--seed", "1", "--start", first])
    assert result.exit_code == 2
    assert "expected a day after 1900 and before 8900" in result.stderr


def test_a_worker_without_any_stage_is_refused() -> None:
    result = CliRunner().invoke(worker, ["--stages", ","])
    assert result.exit_code == 2
    assert "expected some of intake, records, travelers, addresses" in result.stderr


def test_a_language_that_is_not_there_is_not_previewed(tmp_path: Path) -> None:
    result = CliRunner().invoke(preview, ["--language", "xx", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "there is no xx; expected some of en, " in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"\xff"])
def test_a_folder_of_other_files_is_no_folder_of_languages(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "some" / "where" / "language.toml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    result = CliRunner().invoke(preview, ["--in", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_each_stage_serves_its_metrics_at_a_port_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings.load({"TTN_METRICS_LISTEN": f"127.0.0.1:{port}"})
        with pytest.raises(SettingsError, match=rf"^TTN_METRICS_LISTEN: expected 127.0.0.1:{port} to be free"):
            listening(settings, ["intake"])
    assert listening(settings, ["intake"]) == {"intake": f"127.0.0.1:{port}"}
    assert set(listening(Settings.load({}), STAGES).values()) == {"127.0.0.1:0"}
    for first in free_ports(20):
        with contextlib.suppress(SettingsError):
            places = listening(Settings.load({"TTN_METRICS_LISTEN": f"127.0.0.1:{first}"}), STAGES)
            assert list(places.values()) == [f"127.0.0.1:{first + number}" for number in range(len(STAGES))]
            break
    else:
        pytest.fail("no four ports in a row are free")
    with pytest.raises(SettingsError, match=r"^TTN_METRICS_LISTEN: expected 127.0.0.1:65534 to 65537 to be free"):
        listening(Settings.load({"TTN_METRICS_LISTEN": "127.0.0.1:65534"}), STAGES)
