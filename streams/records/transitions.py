"""The transitions that a record publishes: what is new in its picture, compared with what was published before."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.outputs import Transition
from streams import events
from streams.identity import event_id
from streams.records.log import Entry
from streams.records.picture import APPLICATION, INTEGRITY, MEMBERSHIP, REVIEW, Picture, Step
from streams.records.turn import Turn

_UNSAID: Final = {INTEGRITY: "OK", "overlay": "NORMAL"}
_RESTATED: Final = {
    "SUBMITTED": "APP_SUBMITTED",
    "STARTED": "APP_STARTED",
    "IN_REVIEW": "REVIEW_STARTED",
    "ACTION_NEEDED": "INFO_REQUESTED",
    "CONDITIONALLY_APPROVED": "COND_APPROVED",
    "INTERVIEW_SCHEDULED": "INTERVIEW_SET",
    "DECISION_PENDING": "INTERVIEW_DONE",
    "ACTIVE": "REINSTATED",
    "WINDOW_OPEN": "REVIEW_OPENED",
    "RECEIVED": "REPLY_RECEIVED",
    "UNDER_REVIEW": "REPLY_RECEIVED",
    "GRANTED": "REVIEW_DECIDED",
    "NOT_GRANTED": "REVIEW_DECIDED",
    "WINDOW_CLOSED": "REVIEW_WINDOW_CLOSED",
    "NORMAL": "PROGRAM_NORMAL",
    "PAUSED": "PROGRAM_PAUSED",
}
"""The transition by which an axis comes back to a state when a correction takes a step away."""

_UNDONE: Final = {MEMBERSHIP: "CLOSED", REVIEW: "REVIEW_WINDOW_CLOSED"}
"""The same where nothing is left of the axis."""


def publish(turn: Turn, picture: Picture, trigger: Entry | None) -> list[Step]:
    """Write the transitions that are new; steps that belong before known ones are history and stay unsaid.

    A correction that leaves an application, a membership or a review where it was moves nothing.
    """
    state = turn.state
    named = {case.key: case.applicationId for case in picture.cases}
    by_lane: dict[str, list[Step]] = {}
    for step in picture.steps:
        by_lane.setdefault(_lane(step.axis, named.get(step.case)), []).append(step)
    known = set(state.steps)
    _rename(state.shown, by_lane, known)
    vanished = known - {step.identity for step in picture.steps}
    gone = {tuple(identity.split("\x1f")[1:3]) for identity in vanished}
    replaced = {axis for axis, _ in gone}
    fresh: list[Step] = []
    for steps in by_lane.values():
        last = max((index for index, step in enumerate(steps) if step.identity in known), default=-1)
        fresh += steps[last + 1 :]
    order = {step.identity: index for index, step in enumerate(picture.steps)}
    fresh.sort(key=lambda step: order[step.identity])
    touched: set[str] = set()
    for step in fresh:
        lane = _lane(step.axis, named.get(step.case))
        begins = step.before == "-" and (step.axis not in replaced or state.shown.get(lane) == "VOIDED")
        before = step.before if begins else state.shown.get(lane, step.before)
        state.shown[lane] = step.after
        touched.add(lane)
        again = (step.axis, step.name) in gone or (step.axis == APPLICATION and step.axis in replaced)
        if step.published and not (again and before == step.after):
            occasion = trigger.id if trigger is not None and trigger.id != step.cause else ""
            occasion += f":{step.again}" if step.again else ""
            said = (step.axis, before, step.after)
            _transition(turn, step.name, said, step.cause, step.at, named.get(step.case), occasion)
    for lane in sorted(state.shown | by_lane):
        axis, _, application = lane.partition(" ")
        if axis in replaced and lane in state.shown and lane not in touched:
            _restate(turn, lane, axis, application or None, by_lane, trigger)
        elif lane in by_lane:
            state.shown[lane] = by_lane[lane][-1].after
    state.steps = [step.identity for step in picture.steps]
    return fresh


def _lane(axis: str, application: str | None) -> str:
    """What moves by itself: an axis, of the application axis each application."""
    return f"{axis} {application or ''}" if axis == APPLICATION else axis


def _rename(shown: dict[str, str], by_lane: Mapping[str, list[Step]], known: set[str]) -> None:
    """Keep what was shown of an application that has been given its id, or has lost it with the event that named it."""
    unnamed = _lane(APPLICATION, None)
    for lane, steps in by_lane.items():
        if lane in shown or not lane.startswith(APPLICATION) or not any(step.identity in known for step in steps):
            continue
        gone = [other for other in shown if other.startswith(APPLICATION) and other not in by_lane]
        before = unnamed if unnamed in gone else gone[0] if lane == unnamed and len(gone) == 1 else None
        if before is not None:
            shown[lane] = shown.pop(before)


def _restate(
    turn: Turn,
    lane: str,
    axis: str,
    application: str | None,
    by_lane: dict[str, list[Step]],
    trigger: Entry | None,
) -> None:
    """Say where an axis stands after a correction took its last step away."""
    state = turn.state
    before = state.shown[lane]
    if lane in by_lane:
        after = by_lane[lane][-1].after
        name = _RESTATED.get(after, after)
    elif axis == APPLICATION:
        del state.shown[lane]
        name = after = "VOIDED"
    else:
        after = _UNSAID.get(axis, "NONE")
        name = _UNDONE.get(axis) or _RESTATED[after]
    if before != after and trigger is not None:
        _transition(turn, name, (axis, before, after), trigger.id, trigger.at, application)
    if lane in state.shown:
        state.shown[lane] = after


def _transition(
    turn: Turn,
    name: str,
    said: tuple[str, str, str],
    cause: str,
    at: datetime,
    application: str | None = None,
    occasion: str = "",
) -> None:
    """`said` is the axis, its state before and its state after."""
    axis, before, after = said
    data = Transition(
        recordId=turn.reference,
        program=turn.program,
        applicationId=application,
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
            _mark(turn, "CONFLICT_CLOSED", before, "OK" if name else after, trigger)
            before = "OK"
        if name is not None:
            _mark(turn, name, before, after, trigger)
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


def _mark(turn: Turn, name: str, before: str, after: str, trigger: Entry | None) -> None:
    cause = trigger.id if trigger else turn.state.entries[-1].id
    at = trigger.at if trigger else turn.now
    _transition(turn, name, (INTEGRITY, before, after), cause, at)
