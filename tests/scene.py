"""A story written in the test itself: events, replies and outcomes, played through `ttn simulate`."""

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from schemas.cloudevents import parse_time
from services.lines import read_lines
from services.settings import Settings
from services.simulate import Rehearsal, command, note
from streams.explanation import Dossier
from streams.topics import GLOBAL_ENTRY, PRECHECK, PROFILE
from tests.story import Story, check_endings, check_schemas

PHONE = "+13125550100"
MAIL = "dana@example.com"
_PREFIX = {GLOBAL_ENTRY: "gov.dhs.cbp.ttp.", PRECHECK: "gov.dhs.tsa.precheck.", PROFILE: "gov.dhs.ttp.profile."}
_SOURCE = {GLOBAL_ENTRY: "cbp/ttp", PRECHECK: "tsa/precheck/telos", PROFILE: "dhs/portal"}


class Scene:
    """Lines of a file for `ttn simulate`, in the order in which they are written."""

    def __init__(self) -> None:
        self._lines: list[dict[str, Any]] = []

    def cbp(self, at: str, name: str, **data: Any) -> "Scene":
        """A CBP event of the record GE-1, or of another `recordId`."""
        return self._event(at, GLOBAL_ENTRY, name, {"recordId": "GE-1", **data})

    def tsa(self, at: str, name: str, **data: Any) -> "Scene":
        """A PreCheck event of the record TSA-1, or of another `recordId`."""
        return self._event(at, PRECHECK, name, {"recordId": "TSA-1", **data})

    def notice(self, at: str, identifier: str, time: str, **notice: Any) -> "Scene":
        """A notice of Global Entry."""
        event = {
            "specversion": "1.0",
            "id": identifier,
            "source": "cbp/ttp",
            "type": "gov.dhs.cbp.ttp.program.notice",
            "time": time,
            "subject": "GLOBAL_ENTRY",
            "data": {"notice": notice},
        }
        return self._line(at, topic=GLOBAL_ENTRY, event=event)

    def profile(self, at: str, name: str = "updated", **data: Any) -> "Scene":
        """A profile event of the subject `dana`, or of another `portalSubject`."""
        return self._event(at, PROFILE, name, {"portalSubject": "dana", **data})

    def traveler(self, at: str, **data: Any) -> "Scene":
        """A profile in Chicago, both channels verified and consented to, changed by `data`."""
        whole = {
            "language": "en",
            "timeZone": "America/Chicago",
            "phone": {"address": PHONE, "verified": True},
            "email": {"address": MAIL, "verified": True},
            "consent": {"sms": True, "email": True},
        }
        return self.profile(at, **whole | data)

    def text(self, at: str, body: str, sender: str = PHONE) -> "Scene":
        """A text that somebody sends us."""
        return self._line(at, inboundSms={"from": sender, "body": body})

    def provider(self, at: str, outcome: str, to: str = PHONE) -> "Scene":
        """From now on messages to that address end so."""
        return self._line(at, provider={"to": to, "outcome": outcome})

    def staff(self, at: str, action: str, event: str, by: str = "pat") -> "Scene":
        """A decision of the staff about an event."""
        return self._line(at, staff={"action": action, "eventId": event, "by": by, "reason": "checked"})

    def play(self, until: str) -> Story:
        """What comes of it by then; every message that is over ended once."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scene.jsonl"
            path.write_text("".join(json.dumps(line) + "\n" for line in self._lines), encoding="utf-8")
            arguments = [str(path), "--until", until, "--view"]
            result = CliRunner().invoke(command, arguments, env={"TTN_SECRET_FILE": "", "TTN_HOLDS": ""})
        assert result.exit_code == 0, result.stderr
        story = Story([json.loads(line) for line in result.stdout_bytes.splitlines()])
        check_schemas(story)
        check_endings(story)
        return story

    def dossier(self, until: str) -> Dossier:
        """What the desk can be told by then."""
        found = Dossier()
        rehearsal = Rehearsal(Settings.load({}), found)
        lines = read_lines(json.dumps(line).encode() for line in self._lines)
        for happening in (
            *itertools.chain.from_iterable(map(rehearsal.play, lines)),
            *rehearsal.rest(parse_time(until)),
        ):
            note(found, happening)
        return found

    def _event(self, at: str, topic: str, name: str, data: dict[str, Any]) -> "Scene":
        time, identifier = data.pop("time", at), data.pop("id", f"event-{len(self._lines) + 1}")
        event = {
            "specversion": "1.0",
            "id": identifier,
            "source": data.pop("source", _SOURCE[topic]),
            "type": _PREFIX[topic] + name,
            "time": time,
            "subject": (data.get("portalSubject") if topic == PROFILE else None) or data.get("recordId"),
            "data": data,
        }
        return self._line(at, topic=topic, event=event)

    def _line(self, at: str, **line: Any) -> "Scene":
        self._lines.append({"at": at, **line})
        return self
