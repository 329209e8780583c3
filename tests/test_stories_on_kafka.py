"""The story files through real Kafka and real workers: the same messages, views and events as in the simulation."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.contents import contents
from services.settings import Settings
from streams import topics
from tests.demonstration import Demonstration
from tests.story import FOLDER
from tests.test_stories import UNTIL

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

FIRST = ("s01-first-global-entry", "s02-precheck-in-spanish", "s03-duplicates-and-disorder")
# What the provider does to one address is said in the file for the simulation; in a demo it is set on the page.
SIMULATED_ALONE = ("s13-answer-lost",)
OTHERS = {name: (name,) for name in sorted(UNTIL) if name not in FIRST + SIMULATED_ALONE}
# The first three follow one another. The others tell of the same people in other ways, so each needs a run of its own.
TOLD = {"the-first-three": FIRST} | (OTHERS if os.environ.get("TTN_TEST_FULL") else {})


class Run:
    """Several stories at once, played by the demo and by the simulation with the same keys."""

    def __init__(self, names: tuple[str, ...], libs: Path, folder: Path) -> None:
        story, until = folder / "story.jsonl", max(UNTIL[name] for name in names)
        lines = [line for name in names for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
        story.write_text("".join(line + "\n" for line in sorted(lines, key=lambda line: json.loads(line)["at"])))
        self.demo = Demonstration(folder / "data", "--days-per-second", "0", "--until", until, str(story))
        self.demo.wait_for("The story is over")
        self.demo.environ["TTN_SECRET_FILE"] = str(folder / "data" / "demo-secret.json")
        done = self.demo.run("simulate", str(story), "--until", until, "--view")
        assert done.returncode == 0, done.stderr
        self.simulated = [json.loads(line) for line in done.stdout.splitlines()]

    def settings(self) -> Settings:
        """The settings with which the running system is read."""
        return Settings.load(self.demo.environ)


@pytest.fixture(scope="module", params=TOLD)
def run(request: pytest.FixtureRequest, kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    ran = Run(TOLD[request.param], kafka_libs, tmp_path_factory.mktemp("story"))
    yield ran
    ran.demo.end()


def test_travelers_get_the_same_messages(run: Run) -> None:
    sent = [line["sent"] | {"at": line["at"]} for line in run.simulated if "sent" in line]
    wanted = [(s["at"], s["to"], s["body"]) for s in sent if s["channel"] == "sms"]
    wanted += [(s["at"], s["to"], s["subject"] + s["text"].strip()) for s in sent if s["channel"] == "email"]
    came = run.demo.messages()
    got = [(text["at"], text["to"], text["body"]) for text in came["texts"] if text["direction"] == "outbound-api"]
    got += [(each["at"], each["to"], each["subject"] + each["text"].strip()) for each in came["letters"]]
    assert sorted(got) == sorted(wanted)


def test_travelers_have_the_same_views(run: Run) -> None:
    views = [line["view"] for line in run.simulated if "view" in line]
    assert views
    for view in views:
        assert json.loads(run.demo.run("status", view["travelerId"]).stdout) == view


@pytest.mark.parametrize("topic", [name for name in topics.OUTPUTS if name != topics.DEAD_LETTER])
async def test_the_same_events_are_on_each_topic(run: Run, topic: str) -> None:
    wanted = [(line["key"], _essence(line["event"])) for line in run.simulated if line.get("topic") == topic]
    got = []
    async for record in contents(run.settings(), topic):
        headers = {name.removeprefix("ce_"): raw.decode() for name, raw in record.headers}
        event = None if record.value is None else headers | {"data": json.loads(record.value)}
        got.append((record.key.decode(), _essence(event)))
    assert sorted(got) == sorted(wanted)


async def test_the_same_records_are_dead_letters(run: Run) -> None:
    dead = [line for line in run.simulated if line.get("topic") == topics.DEAD_LETTER]
    wanted = sorted((line["headers"]["dlq.reason"], line["rawBase64"]) for line in dead)
    got = []
    async for record in contents(run.settings(), topics.DEAD_LETTER):
        headers = dict(record.headers)
        got.append((headers["dlq.reason"].decode(), base64.b64encode(record.value or b"").decode()))
    assert sorted(got) == wanted


def _essence(event: dict[str, Any] | None) -> str:
    """An event without what the provider chooses: the ids of its texts."""
    if event is None:
        return "tombstone"
    told = {name: value for name, value in event.items() if name not in ("content-type", "datacontenttype")}
    if isinstance(told["data"], dict) and str(told["data"].get("providerId") or "").startswith("SM"):
        told["data"] = told["data"] | {"providerId": "SM"}
    return json.dumps(told, sort_keys=True)
