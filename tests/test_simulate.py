"""`ttn simulate`, as a person or a script uses it: what goes in, what comes out, how it ends (contract 2.1)."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.simulate import command
from streams import topics
from tests.story import FOLDER, NAMES

PHONE, MAIL = "+13125550199", "ana@example.com"


def source(at: str, name: str, data: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": f"{name}-{at}",
        "source": "cbp/ttp",
        "type": f"gov.dhs.cbp.ttp.{name}",
        "time": at,
        "subject": "R-1",
        "data": {"recordId": "R-1", "portalSubject": "p-1"} | (data or {}),
    }
    return {"at": at, "topic": topics.GLOBAL_ENTRY, "event": event | attributes}


def profile(at: str, name: str = "updated", **data: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": f"{name}-{at}",
        "source": "dhs/portal",
        "type": f"gov.dhs.ttp.profile.{name}",
        "time": at,
        "subject": "p-1",
        "data": {"portalSubject": "p-1"} | data,
    }
    return {"at": at, "topic": topics.PROFILE, "event": event}


def reachable(at: str) -> dict[str, Any]:
    return profile(
        at,
        language="en",
        timeZone="America/New_York",
        phone={"address": PHONE, "verified": True},
        email={"address": MAIL, "verified": True},
        consent={"sms": True, "email": True},
    )


SUBMITTED = [reachable("2027-03-01T15:00:00Z"), source("2027-03-01T15:10:00Z", "application.submitted")]


def run(lines: list[Any], *arguments: str, env: dict[str, str] | None = None) -> Result:
    text = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    return CliRunner().invoke(command, ["-", *arguments], input=text, env={"TTN_SECRET_FILE": ""} | (env or {}))


def printed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout_bytes.splitlines()]


def test_every_line_has_the_fields_of_the_contract_in_their_order() -> None:
    lines = printed(run(SUBMITTED, "--until", "2027-03-01T16:00:00Z", "--view"))
    for line in lines:
        if "sent" in line:
            assert list(line) == ["at", "sent"]
        elif "view" in line:
            assert list(line) == ["view"]
        else:
            assert list(line) == ["at", "topic", "key", "event"]
            assert list(line["event"])[:5] == ["specversion", "id", "source", "type", "time"]
            assert list(line["event"])[-2:] == ["datacontenttype", "data"]
    [text, email] = sorted(
        (line["sent"] for line in lines if "sent" in line), key=lambda sent: sent["channel"] == "email"
    )
    about = ["kind", "language", "program", "notificationId"]
    assert list(text) == ["channel", "to", "body", "segments", "encoding", *about]
    assert list(email) == ["channel", "to", "subject", "text", "html", "headers", *about]
    assert (text["to"], text["encoding"], text["program"]) == (PHONE, "GSM-7", "GLOBAL_ENTRY")
    assert "view" in lines[-1]


def test_lines_come_in_the_order_of_the_clock() -> None:
    moments = [line["at"] for line in printed(run(SUBMITTED, "--until", "2027-12-01T16:00:00Z"))]
    assert moments == sorted(moments)


def test_without_until_the_clock_stops_at_the_last_line() -> None:
    assert {line["at"] for line in printed(run(SUBMITTED))} <= {"2027-03-01T15:00:00Z", "2027-03-01T15:10:00Z"}


def test_a_bad_event_is_a_dead_letter_with_its_bytes_and_the_run_goes_on() -> None:
    raw = {
        "at": "2027-03-01T15:05:00Z",
        "topic": topics.GLOBAL_ENTRY,
        "rawBase64": base64.b64encode(b"\xff junk").decode(),
        "headers": {"x": "y"},
        "key": "k",
    }
    lines = printed(run([SUBMITTED[0], raw, SUBMITTED[1]]))
    [letter] = [line for line in lines if line.get("topic") == topics.DEAD_LETTER]
    assert list(letter) == ["at", "topic", "key", "headers", "rawBase64"]
    assert letter["key"] == "k"
    assert base64.b64decode(letter["rawBase64"]) == b"\xff junk"
    named = letter["headers"]
    assert named["x"] == "y"
    assert (named["dlq.topic"], named["dlq.partition"], named["dlq.offset"]) == (topics.GLOBAL_ENTRY, "0", "0")
    assert (named["dlq.stage"], named["dlq.reason"]) == ("intake", "undecodable")
    assert {"dlq.timestamp", "dlq.error", "dlq.fingerprint", "dlq.app_version"} <= set(named)
    assert any(line["at"] == "2027-03-01T15:10:00Z" for line in lines)


def test_the_bytes_of_a_refused_event_are_those_of_the_file() -> None:
    event = b'{"specversion" : "1.0",  "id":"1"}'
    line = b'{"at":"2027-03-01T15:00:00Z", "topic":"ttp.precheck.events.v1", "event": %s}\n' % event
    [letter] = printed(run([line]))
    assert base64.b64decode(letter["rawBase64"]) == event
    assert letter["headers"]["dlq.reason"] == "not-a-cloudevent"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"nope\n", "not JSON"),
        (b"\n", "not JSON"),
        (b'{"topic":"ttp.precheck.events.v1","event":{}}\n', "`at`"),
        ({"at": "2027-03-01T16:00:00Z", "provider": {"to": PHONE, "outcome": "explode"}}, "outcome"),
    ],
)
def test_a_bad_line_stops_the_run_with_file_line_and_reason(bad: Any, why: str) -> None:
    result = run([*SUBMITTED, bad, SUBMITTED[1]])
    assert result.exit_code == 2
    assert "-: line 3: " in result.stderr
    assert why in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout_bytes, "what came before the bad line was printed"


def test_a_wrong_until_is_refused() -> None:
    result = run(SUBMITTED, "--until", "tomorrow")
    assert result.exit_code == 2
    assert "RFC 3339" in result.stderr


def test_a_missing_file_is_named() -> None:
    result = CliRunner().invoke(command, ["no-such-file.jsonl"])
    assert result.exit_code == 2
    assert "no-such-file.jsonl" in result.stderr


def test_binary_mode_and_structured_mode_say_the_same() -> None:
    structured = SUBMITTED[1]
    event = structured["event"]
    headers = {f"ce_{name}": event[name] for name in ("specversion", "id", "source", "type", "time", "subject")}
    binary = {
        "at": structured["at"],
        "topic": structured["topic"],
        "raw": json.dumps(event["data"]),
        "headers": headers | {"content-type": "application/json"},
    }
    until = ("--until", "2027-03-02T15:00:00Z", "--view")
    assert run([SUBMITTED[0], binary], *until).stdout_bytes == run(SUBMITTED, *until).stdout_bytes


def test_an_erased_traveler_leaves_a_tombstone_and_no_view() -> None:
    lines = printed(run([*SUBMITTED, profile("2027-03-05T15:00:00Z", "erased")], "--view"))
    assert [line["event"] for line in lines if line.get("topic") == topics.STATUS][-1] is None
    assert not any("view" in line for line in lines)


def test_a_provider_that_refuses_sends_nothing_and_one_that_fails_later_has_sent() -> None:
    def outcome(told: str) -> tuple[int, set[str]]:
        provider = {"at": "2027-03-01T15:01:00Z", "provider": {"to": PHONE, "outcome": told}}
        lines = printed(run([SUBMITTED[0], provider, SUBMITTED[1]], "--until", "2027-03-08T00:00:00Z"))
        texts = [line for line in lines if line.get("sent", {}).get("channel") == "sms"]
        ends = {
            line["event"]["type"].rpartition(".")[2]
            for line in lines
            if line.get("topic") == topics.NOTIFICATIONS and line["event"]["data"]["channel"] == "sms"
        }
        return len(texts), ends & {"delivered", "failed", "unconfirmed", "expired"}

    assert outcome("delivered") == (1, {"delivered"})
    assert outcome("undelivered:30005") == (1, {"failed"})
    assert outcome("reject:21614") == (0, {"failed"})
    assert outcome("timeout-accepted") == (1, {"delivered"})
    assert outcome("timeout-lost")[0] == 0


def test_holds_can_be_switched_off() -> None:
    sent = [line["at"] for line in printed(run(SUBMITTED, env={"TTN_HOLDS": "off"})) if "sent" in line]
    assert sent == ["2027-03-01T15:10:00Z"] * 2


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    environment = os.environ | {"TTN_HOLDS": "sometimes"}
    file = tmp_path / "empty.jsonl"
    file.write_bytes(b"")
    result = subprocess.run(
        [sys.executable, "-c", "from services.cli import main; main()", "simulate", str(file)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.decode().count("\n") == 1
    assert b"TTN_HOLDS" in result.stderr


def test_the_case_of_every_traveler_can_be_had_in_plain_words() -> None:
    told = run(SUBMITTED, "--until", "2027-03-02T15:00:00Z", "--explain").stdout_bytes.decode()
    assert "Global Entry, record R-1" in told
    assert "APP_SUBMITTED: application nothing -> SUBMITTED, because of application.submitted, said by cbp/ttp" in told
    assert "APP_RECEIVED by text about application.submitted" in told
    assert "delivered." in told


def test_the_same_file_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    def bytes_of(seed: str, name: str) -> bytes:
        arguments = ["simulate", str(FOLDER / f"{name}.jsonl"), "--until", "2028-01-01T00:00:00Z", "--view"]
        return subprocess.run(
            [sys.executable, "-c", "from services.cli import main; main()", *arguments],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout

    for name in NAMES[::4]:
        assert bytes_of("1", name) == bytes_of("2", name)


def test_other_keys_give_other_names(tmp_path: Path) -> None:
    key = base64.b64encode(b"x" * 32).decode()
    file = tmp_path / "secret.json"
    file.write_text(json.dumps({"hmac": key, "encryption": [{"id": "1", "key": key}]}))
    ours = {line["key"] for line in printed(run(SUBMITTED)) if "key" in line}
    theirs = {line["key"] for line in printed(run(SUBMITTED, env={"TTN_SECRET_FILE": str(file)})) if "key" in line}
    assert ours
    assert not ours & theirs
