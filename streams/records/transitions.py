"""The transitions that a record publishes: what is new in its picture, compared with what was published before."""

from datetime import datetime
from typing import Final

from schemas.outputs import Transition
from streams import events
from streams.identity import event_id
from streams.records.log import Entry
from streams.records.picture import APPLICATION, INTEGRITY, Picture, Step
from streams.records.turn import Turn

_UNSAID: Final = {APPLICATION: "-", INTEGRITY: "OK", "overlay": "NORMAL"}
_RESTATED: Final = {
    "SUBMITTED": "APP_SUBMITTED",
    "STARTED": "APP_STARTED",
    "IN_REVIEW": "REVIEW_STARTED",
    "ACTION_NEEDED": "INFO_REQUESTED",
    "CONDITIONALLY_APPROVED": "COND_APPROVED",
    "INTERVIEW_SCHEDULED": "INTERVIEW_SET",
    "DECISION_PENDING": "INTERVIEW_DONE",
    "ACTIVE": "REINSTATED",
    "NONE": "CLOSED",
    "-": "VOIDED",
    "WINDOW_OPEN": "REVIEW_OPENED",
    "RECEIVED": "REPLY_RECEIVED",
    "GRANTED": "REVIEW_DECIDED",
    "NOT_GRANTED": "REVIEW_DECIDED",
    "WINDOW_CLOSED": "REVIEW_WINDOW_CLOSED",
    "NORMAL": "PROGRAM_NORMAL",
    "PAUSED": "PROGRAM_PAUSED",
}
"""The transition by which an axis comes back to a state when a correction takes a step away."""


def publish(turn: Turn, picture: Picture, trigger: Entry | None) -> list[Step]:
    """Write the transitions that are new; steps that belong before known ones are history and stay unsaid.

    A correction that leaves an application where it was moves nothing that a traveler could notice.
    """
    state = turn.state
    by_axis: dict[str, list[Step]] = {}
    for step in picture.steps:
        by_axis.setdefault(step.axis, []).append(step)
    known = set(state.steps)
    vanished = known - {step.identity for step in picture.steps}
    fresh: list[Step] = []
    for steps in by_axis.values():
        last = max((index for index, step in enumerate(steps) if step.identity in known), default=-1)
        fresh += steps[last + 1 :]
    replaced = {identity.split("\x1f")[1] for identity in vanished}
    for step in fresh:
        begins = step.before == "-" and step.axis not in replaced
        before = step.before if begins else state.shown.get(step.axis, step.before)
        state.shown[step.axis] = step.after
        if step.published and not (step.axis == APPLICATION and step.axis in replaced and before == step.after):
            occasion = trigger.id if trigger is not None and trigger.id != step.cause else ""
            _transition(
                turn, step.name, step.axis, before, step.after, step.cause, step.at, step.case, picture, occasion
            )
    touched = {step.axis for step in fresh}
    for axis in sorted(replaced - touched):
        after = by_axis[axis][-1].after if axis in by_axis else _UNSAID.get(axis, "NONE")
        before = state.shown.get(axis, after)
        if before != after and trigger is not None:
            name = _RESTATED.get(after, after)
            _transition(turn, name, axis, before, after, trigger.id, trigger.at, "", picture)
        state.shown[axis] = after
    state.steps = [step.identity for step in picture.steps]
    return fresh


def _transition(
    turn: Turn,
    name: str,
    axis: str,
    before: str,
    after: str,
    cause: str,
    at: datetime,
    case: str,
    picture: Picture,
    occasion: str = "",
) -> None:
    named = next((one.applicationId for one in picture.cases if one.key == case), None)
    if not case and picture.current is not None and axis == APPLICATION:
        named = picture.current.applicationId
    data = Transition(
        recordId=turn.reference,
        program=turn.program,
        applicationId=named,
        axis=axis,  # type: ignore[arg-type]
        from_=None if before == "-" else before,
        to=after,
        causeId=cause,
    )
    turn.out.append(events.transition(name, turn.state.owner or "", data, cause, at, occasion))


def integrity(turn: Turn, picture: Picture, trigger: Entry | None) -> None:
    """CONFLICT_OPENED, CONFLICT_CLOSED and STATUS_UNKNOWN, and the work that they make for the staff."""
    state = turn.state
    before, after = state.shown.get(INTEGRITY, "OK"), picture.integrity
    if before != after:
        name = {"CONFLICT": "CONFLICT_OPENED", "UNKNOWN": "STATUS_UNKNOWN"}.get(after)
        if before == "CONFLICT":
            _mark(turn, "CONFLICT_CLOSED", before, "OK" if name else after, trigger, picture)
            before = "OK"
        if name is not None:
            _mark(turn, name, before, after, trigger, picture)
        state.shown[INTEGRITY] = after
    wanted: dict[str, str] = {}
    for conflict in picture.conflicts:
        names = sorted((conflict.standing.id, conflict.against.id))
        wanted[event_id(turn.key, "conflict", "|".join(names))] = "conflict"
    if picture.unknown is not None:
        wanted[event_id(turn.key, "unknown label", picture.unknown.id)] = "unknown label"
    for item, reason in wanted.items():
        if item not in state.work:
            turn.open_work(item, reason, trigger)
    for item, reason in list(state.work.items()):
        if reason in ("conflict", "unknown label") and item not in wanted:
            turn.close_work(item, trigger)


def _mark(turn: Turn, name: str, before: str, after: str, trigger: Entry | None, picture: Picture) -> None:
    cause = trigger.id if trigger else turn.state.entries[-1].id
    at = trigger.at if trigger else turn.now
    _transition(turn, name, INTEGRITY, before, after, cause, at, "", picture)
