"""What happens around one traveler, written down line by line in the format of `ttn simulate`."""

import random
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from schemas.cloudevents import rfc3339
from schemas.vocabulary import CBP_PREFIX, PRECHECK_PREFIX, PROFILE_PREFIX
from services.generate.people import Person
from services.wire import BACKFILL
from streams.topics import GLOBAL_ENTRY, PRECHECK, PROFILE

_PROVIDERS: Final = ("tsa/precheck/idemia", "tsa/precheck/telos", "tsa/precheck/clear")
_LAG_MEDIAN: Final = 20.0


class Entry(msgspec.Struct, frozen=True):
    """One line: when it arrives, and its fields apart from `at`."""

    at: datetime
    fields: dict[str, Any]

    def written(self) -> bytes:
        """The line as it stands in a file."""
        return msgspec.json.encode({"at": rfc3339(self.at)} | self.fields) + b"\n"


class Diary:
    """The lines of one traveler, in the order in which they were written."""

    def __init__(self, who: Person, dice: random.Random) -> None:
        self.who = who
        self.dice = dice
        self.entries: list[Entry] = []
        self._provider = dice.choice(_PROVIDERS)
        self._numbers: dict[str, int] = {}

    def lag(self) -> timedelta:
        """From a fact to its arrival: mostly seconds, now and then an hour."""
        return timedelta(seconds=round(self.dice.lognormvariate(0, 1.3) * _LAG_MEDIAN))

    def history(self, program: str, name: str, happened: datetime, known: datetime, **data: Any) -> None:
        """An event that we learn of much later, loaded as history, which tells nobody."""
        self.source(program, name, happened, known, **data)
        self.entries[-1].fields["headers"] = {BACKFILL: "1"}

    def source(self, program: str, name: str, happened: datetime, known: datetime | None = None, **data: Any) -> None:
        """An event of a program; `known`: when it arrives, where that is not soon after it happened."""
        record = self.record(program)
        if self.who.portal is not None and name.endswith((".submitted", ".completed", ".pre_enrolled", ".approved")):
            data["portalSubject"] = self.who.portal
        fields = {"recordId": record, "program": program} | data
        if program == "PRECHECK":
            self._event(PRECHECK, self._provider, PRECHECK_PREFIX + name, record, happened, known, fields)
        else:
            fields["sequence"] = self._numbers.get(record, 0) + 1
            self._event(GLOBAL_ENTRY, "cbp/ttp", CBP_PREFIX + name, record, happened, known, fields)

    def profile(self, name: str, happened: datetime, **data: Any) -> None:
        """A profile event of this traveler's sign-in."""
        subject = self.who.portal or ""
        fields = {"portalSubject": subject} | data
        self._event(PROFILE, "dhs/portal", PROFILE_PREFIX + name, subject, happened, happened, fields)

    def says(self, body: str, at: datetime) -> None:
        """A text from the traveler's phone."""
        if self.who.phone is not None:
            self.entries.append(
                Entry(at.replace(microsecond=0), {"inboundSms": {"from": self.who.phone, "body": body}})
            )

    def record(self, program: str) -> str:
        """The record of this traveler in a program."""
        return f"{program[:2]}-{self.who.number:07d}"

    def _event(
        self,
        topic: str,
        source: str,
        kind: str,
        subject: str,
        happened: datetime,
        known: datetime | None,
        data: dict[str, Any],
    ) -> None:
        self._numbers[subject] = count = self._numbers.get(subject, 0) + 1
        happened = happened.replace(microsecond=0)
        event = {
            "specversion": "1.0",
            "id": f"{subject}-{count}",
            "source": source,
            "type": kind,
            "time": rfc3339(happened),
            "subject": subject,
            "data": data,
        }
        arrives = (known or happened + self.lag()).replace(microsecond=0)
        self.entries.append(Entry(arrives, {"topic": topic, "event": event}))
