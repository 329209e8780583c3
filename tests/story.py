"""A story file played through `ttn simulate`, and questions to ask of what came out."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from click.testing import CliRunner

from schemas.documents import schemas
from services.simulate import command
from streams import topics
from streams.events import FINAL

FOLDER = Path(__file__).parent / "stories"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
VALIDATORS = {name: jsonschema.Draft202012Validator(document) for name, document in schemas().items()}

Line = dict[str, Any]


class Story:
    """Everything that `ttn simulate` printed for one file."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.sent = [line["sent"] | {"at": line["at"]} for line in lines if "sent" in line]
        self.views = [line["view"] for line in lines if "view" in line]

    def texts(self) -> list[tuple[str, str, str]]:
        """When, which kind, in which language: every text."""
        return [(sent["at"], sent["kind"], sent["language"]) for sent in self.sent if sent["channel"] == "sms"]

    def emails(self) -> list[tuple[str, str, str]]:
        """When, which kind, in which language: every email."""
        return [(sent["at"], sent["kind"], sent["language"]) for sent in self.sent if sent["channel"] == "email"]

    def written(self, topic: str) -> list[Line]:
        """The lines on a topic."""
        return [line for line in self.lines if line.get("topic") == topic]

    def events(self, topic: str) -> list[Line]:
        """The events on a topic, tombstones left out."""
        return [line["event"] | {"at": line["at"]} for line in self.written(topic) if line["event"] is not None]

    def dead(self) -> list[tuple[str, str]]:
        """When and why: every dead letter."""
        return [(line["at"], line["headers"]["dlq.reason"]) for line in self.written(topics.DEAD_LETTER)]

    def transitions(self, axis: str | None = None) -> list[str]:
        """The names of the changes that travelers could notice, in order."""
        found = self.events(topics.TRANSITIONS)
        return [event["type"].rpartition(".")[2] for event in found if axis in (None, event["data"]["axis"])]

    def lives(self) -> dict[tuple[str, str, str], list[str]]:
        """What each message went through: (id, kind, channel) -> states in order."""
        found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for event in self.events(topics.NOTIFICATIONS):
            data = event["data"]
            key = (data["notificationId"], data["kind"], data["channel"])
            found[key].append(event["type"].rpartition(".")[2])
        return dict(found)

    def fates(self, kind: str, channel: str) -> list[tuple[str, str | None]]:
        """How each message of a kind ended on a channel, and with which reason."""
        return [
            (event["type"].rpartition(".")[2], event["data"]["reason"])
            for event in self.events(topics.NOTIFICATIONS)
            if (event["data"]["kind"], event["data"]["channel"]) == (kind, channel)
            and event["type"].rpartition(".")[2] in FINAL
        ]

    def timing(self, metric: str) -> list[Line]:
        """The rows of a metric, in order."""
        return [event["data"] for event in self.events(topics.TIMING) if event["data"]["metric_id"] == metric]

    def value(self, metric: str) -> float:
        """The one value of a metric that stands, the parts of waiting aside."""
        replaced = {row["supersedes_id"] for row in self.timing(metric)}
        rows = [row for row in self.timing(metric) if row["metric_event_id"] not in replaced]
        [row] = [row for row in rows if row["waiting_on"] is None] or rows
        return float(row["duration_value"])

    def work(self) -> list[tuple[str, str, str]]:
        """When, opened or closed, and why: everything that waits for a person."""
        found = self.events(topics.WORK)
        return [(event["at"], event["type"].rpartition(".")[2], event["data"]["reason"]) for event in found]

    def card(self, record: str) -> Line:
        """The card of a record in the last views."""
        [card] = [card for view in self.views for card in view["cards"] if card["recordId"] == record]
        return card

    def view(self, record: str) -> Line:
        """The last view that shows a record."""
        [view] = [view for view in self.views if any(card["recordId"] == record for card in view["cards"])]
        return view

    def headlines(self) -> list[tuple[str, str]]:
        """When the headline changed, and to what."""
        found: list[tuple[str, str]] = []
        for event in self.events(topics.STATUS):
            code = event["data"]["headline"]["code"]
            if not found or found[-1][1] != code:
                found.append((event["at"], code))
        return found


@cache
def play(name: str, until: str) -> Story:
    """A story file of this folder, the clock running on to `until`."""
    arguments = [str(FOLDER / f"{name}.jsonl"), "--until", until, "--view"]
    result = CliRunner().invoke(command, arguments, env={"TTN_SECRET_FILE": "", "TTN_HOLDS": ""})
    assert result.exit_code == 0, result.stderr
    return Story([json.loads(line) for line in result.stdout_bytes.splitlines()])


def check_schemas(story: Story) -> None:
    """Every event that went out has data of its schema."""
    for line in story.lines:
        event = line.get("event")
        if event is not None:
            VALIDATORS[event["dataschema"].rpartition("/")[2]].validate(event["data"])
            assert event["specversion"] == "1.0"
            assert event["subject"]
    for view in story.views:
        VALIDATORS["traveler-status.v1.json"].validate(view)


def check_endings(story: Story) -> None:
    """Every message that was planned ended in exactly one way, and nothing was said of it after that.

    A message that goes along with its record to another traveler ends for the old one and is planned for the new one.
    """
    lives: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in story.events(topics.NOTIFICATIONS):
        data = event["data"]
        lives[data["notificationId"], data["travelerId"]].append(event["type"].rpartition(".")[2])
    for states in lives.values():
        assert states[0] == "planned", states
        assert [state for state in states if state in FINAL] == states[-1:], states
