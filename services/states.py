"""The page of the state machine, made from the tables that the fold reads: `python -m services.states`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streams.channels import BOTH
from streams.records import machine
from streams.records.guards import GUARDS
from streams.records.news import TELL
from streams.records.reminders import ACTION, CONDITIONAL, EXPIRY, INTERVIEW, REPLY

PAGE: Final = Path(__file__).parent.parent / "schemas" / "states.md"


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# States and transitions"
    yield ""
    yield "Made by `python -m services.states` from the tables that the fold reads; a test holds it to them."
    yield "A pair of state and event without a row changes nothing while an application is open, and is a contradiction"
    yield "once it is decided. `skipped`: a later fact stands although the source never sent the step before it."
    for title, table in (
        ("Application", machine.APPLICATION),
        ("Membership", machine.MEMBERSHIP),
        ("Review", machine.REVIEW),
    ):
        yield from ("", f"## {title}", "", "| From | Event | To | Transition | Agency | Guard | Note |")
        yield "|---|---|---|---|---|---|---|"
        for row in table:
            states = ", ".join(row.states.split())
            agency = "both" if row.systems == machine.BOTH else row.systems
            name = row.name or row.event
            yield f"| {states} | {row.event} | {row.to} | {name} | {agency} | {row.guard or ''} | {row.note} |"
    yield from ("", "## Guards", "", "| Guard | Rule |", "|---|---|")
    for guard, function in GUARDS.items():
        yield f"| {guard} | {(function.__doc__ or '').strip()} |"
    yield from ("", "## Events of the sources", "", "| Event | Means |", "|---|---|")
    for name, event in machine.EVENTS.items():
        yield f"| {name} | {event} |"
    yield from ("", "## Labels of status pages that are trusted", "", "| Agency | Label | Means |", "|---|---|---|")
    for (agency, label), event in machine.LABELS.items():
        yield f"| {agency} | {label} | {event} |"
    yield from (
        "",
        "## What is told",
        "",
        "| Axis | Transition | Message | Hold in seconds | Adverse |",
        "|---|---|---|---|---|",
    )
    for (axis, name), tell in TELL.items():
        yield f"| {axis} | {name} | {tell.kind} | {tell.hold} | {'yes' if tell.adverse else ''} |"
    yield from ("", "## Reminders", "", "| Message | Days | Channels |", "|---|---|---|")
    for days, channels in EXPIRY:
        yield f"| EXPIRY_REMINDER | {days} before the end | {', '.join(channels)} |"
    for days, channels in INTERVIEW:
        yield f"| INTERVIEW_REMINDER | {days} before the appointment | {', '.join(channels)} |"
    for days in REPLY:
        yield f"| REPLY_DUE | {days} before the last day | {', '.join(BOTH)} |"
    for days in ACTION:
        yield f"| ACTION_NEEDED | {days} before the last day | {', '.join(BOTH)} |"
    for days in CONDITIONAL:
        yield f"| COND_APPROVED | {days} after the approval | {', '.join(BOTH)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
