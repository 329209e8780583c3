"""The CX clocks of one enrollment: how long people really wait (domain 5.1), as rows that name nobody.

A row is written when its clock stops and written again, naming the row it replaces, when a correction or a late event
changes it. Clocks run on the source's own times; only M5 and its parts look at ours.

Open cases are counted (domain 5.1): when the books of a fiscal quarter close, a clock that ran at its end and still
runs is written as it stood then, censored, and the row of its end replaces that one. So a quarter's rows are all that a
Kaplan-Meier estimate of it needs.
"""

import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from schemas.internal import Outcome
from schemas.outputs import Timing
from streams import events
from streams.calendar import EASTERN, add_months, end_of_day, local_day, quarter_end, zone
from streams.identity import event_id, fiscal
from streams.records.machine import OPEN
from streams.records.outbox import base
from streams.records.picture import APPLICATION, MEMBERSHIP, REVIEW, Case, Picture, Step
from streams.records.state import Item, Marked, Told

if TYPE_CHECKING:
    from streams.records.turn import Turn

Unit = Literal["days", "hours", "seconds"]
WaitingOn = Literal["traveler", "agency", "system"]

SECONDS: Final[dict[Unit, float]] = {"days": 86_400.0, "hours": 3_600.0, "seconds": 1.0}
DIGITS: Final[dict[Unit, int]] = {"days": 2, "hours": 2, "seconds": 3}

DECISIONS: Final = ("APPROVED", "DENIED", "PRELIM_INELIGIBLE")
TOLD_DECISIONS: Final = frozenset({"APPROVED", "RENEWED", "LETTER_READY", "MEMBERSHIP_CHANGE", "REVIEW_DECIDED"})
"""The kinds of message that tell a decision: those for which M5 is measured."""

WAITING_ON_TRAVELER: Final = ("ACTION_NEEDED", "CONDITIONALLY_APPROVED")
ALL_DONE: Final = "DECISION_PENDING"
"""The state to which the last part of an interview leads."""

_OF_APPLICATIONS: Final = ("M1", "M2", "M3", "M4", "M6", "M7", "M9", "M11")

UNDECIDED: Final = ("RECEIVED", "UNDER_REVIEW")
"""A review that waits for the agency."""

RENEWAL_WINDOW: Final = 12
"""Months after the end in which an application still counts as a late renewal for M9 (domain 1.1)."""


LATE: Final = timedelta(days=30)
"""How late news of a quarter may come in and still count in it; what is older tells nobody (contract 5, item 10)."""

SPREAD: Final = timedelta(hours=6)
"""Over how long the books of a quarter close, one record after another."""


class Clock(NamedTuple):
    """One clock, that has stopped or is `open` and then stops for now. `name` tells it from the record's others."""

    metric: str
    name: str
    start: tuple[str, datetime]
    stop: tuple[str, datetime]
    unit: Unit
    waiting_on: WaitingOn | None = None
    case: Case | None = None
    value: float | None = None
    states: tuple[str | None, str | None] = (None, None)
    mode: str | None = None
    part: str | None = None
    censored: bool = False
    open: bool = False

    @property
    def mark(self) -> str:
        """The name under which its row is remembered."""
        return f"{self.metric}|{self.name}|{self.waiting_on or ''}"

    @property
    def duration(self) -> float:
        """The time between start and stop, or the part of it that `value` gives, in the unit."""
        span = (self.stop[1] - self.start[1]).total_seconds() if self.value is None else self.value
        return round(span / SECONDS[self.unit], DIGITS[self.unit])


def rows(turn: "Turn", picture: Picture) -> None:
    """Write the rows of all clocks that stopped, and restate those that a later fact changed or set running again.

    What still runs is written when the books of a quarter close, as it stood at the quarter's end.
    """
    closing = closing_quarter(turn)
    until = closing or turn.now
    for clock in _clocks(turn, picture, until):
        if not clock.open or (clock.start[1] < until and (closing or _had_stopped(turn, clock))):
            _write(turn, clock)


def next_closing(turn: "Turn", picture: Picture) -> datetime | None:
    """When books close next, where a clock may still run then."""
    waiting = any(case.state in OPEN for case in picture.cases) or picture.review.state in UNDECIDED
    if not waiting or turn.state.deceased is not None:
        return None
    end = quarter_end(turn.now - LATE - SPREAD)
    while (closing := _closes(turn, end)) <= turn.now:
        end = quarter_end(end + timedelta.resolution)
    return closing


def closing_quarter(turn: "Turn") -> datetime | None:
    """The end of the fiscal quarter whose books close for this record now, if any do."""
    end = quarter_end(turn.now - LATE - SPREAD)
    return end if end <= turn.now - LATE and _closes(turn, end) == turn.now else None


def _closes(turn: "Turn", end: datetime) -> datetime:
    """When the books of a quarter close for this record: what happened in it has had time to come in.

    Not for all records at once, and for each at an hour of its own in each quarter, as it has a name of its own then.
    """
    year, quarter = fiscal((end - timedelta.resolution).astimezone(zone(EASTERN)))
    name = turn.identity.enrollment(turn.key, f"{year}Q{quarter}")
    return end + LATE + timedelta(seconds=zlib.crc32(name.encode()) % SPREAD.seconds)


def _had_stopped(turn: "Turn", clock: Clock) -> bool:
    before = turn.state.marks.get(clock.mark)
    return before is not None and not before.open


def _write(
    turn: "Turn",
    clock: Clock,
    outcome: Outcome | None = None,
    lag: float | None = None,
    one_channel: bool = True,
) -> None:
    state = turn.state
    mark = clock.mark
    said = f"{clock.start[1].isoformat()}|{clock.stop[1].isoformat()}|{clock.duration}|{clock.censored}"
    before = state.marks.get(mark)
    if before is not None and before.said == said:
        return
    last = clock.stop[1] - timedelta.resolution if clock.open else clock.stop[1]  # the end belongs to its own quarter
    stop = last.astimezone(zone(EASTERN))
    year, quarter = fiscal(stop)
    pseudonym = turn.identity.enrollment(turn.key, f"{year}Q{quarter}")
    identifier = event_id(pseudonym, mark, said)
    state.marks[mark] = Marked(id=identifier, said=said, open=clock.open)
    case = clock.case
    submitted = case.submittedAt if case else None
    row = Timing(
        metric_event_id=identifier,
        metric_id=clock.metric,
        program=turn.program,
        program_component="TSA" if turn.program == "PRECHECK" else "CBP",
        provider=_provider(turn, case),
        application_kind=case.kind if case else None,
        enrollment_pseudonym=pseudonym,
        cohort_date=local_day(submitted) if submitted else None,
        start_type=clock.start[0],
        start_at=clock.start[1],
        stop_type=clock.stop[0],
        stop_at=clock.stop[1],
        duration_value=clock.duration,
        duration_unit=clock.unit,
        waiting_on=clock.waiting_on,
        state_from=clock.states[0],
        state_to=clock.states[1],
        channel=outcome.channel if outcome and one_channel else None,
        language_requested=outcome.languageRequested if outcome else None,
        language_served=outcome.languageServed if outcome else None,
        template_id=outcome.kind if outcome else None,
        template_version=outcome.templateVersion if outcome and one_channel else None,
        interview_mode=clock.mode,
        interview_part=clock.part,
        is_minor_band=_minor(turn, submitted or clock.stop[1]),
        censored=clock.censored,
        corrected=before is not None and not before.open,
        supersedes_id=before.id if before else None,
        data_quality=("negative-duration",) if clock.duration < 0 and clock.metric != "M9" else (),
        source_lag_s=lag,
        fiscal_year=year,
        fiscal_quarter=quarter,
        produced_at=turn.now,
    )
    turn.out.append(events.timing(row, turn.now))


def _provider(turn: "Turn", case: Case | None) -> str | None:
    """Who took the application; where a row is about none, who spoke of the record first."""
    opened = case.openedBy if case is not None else None
    if opened is None:
        opened = min((one for one in turn.state.entries if one.of_program), key=lambda one: (one.at, one.id))
    return opened.source.rpartition("/")[2] if opened.source.startswith("tsa/precheck/") else None


def _minor(turn: "Turn", moment: datetime) -> bool | None:
    """Under 18 at that moment; None where no birth date is known."""
    born = turn.birth_date()
    return None if born is None else add_months(born, 18 * 12) > local_day(moment)


def _clocks(turn: "Turn", picture: Picture, until: datetime) -> Iterator[Clock]:
    for case in picture.cases:
        steps = [step for step in picture.steps if step.axis == APPLICATION and step.case == case.key]
        yield from _application(turn, case, steps, until)
    yield from _reviews(picture, until)
    yield from _lapses(picture)


def _application(turn: "Turn", case: Case, steps: list[Step], until: datetime) -> Iterator[Clock]:
    key, first = _name(turn, case, steps), partial(_first, steps)
    submitted, decided = first("APP_SUBMITTED"), first(*DECISIONS, "CLEARED", "DENIED_FINAL")
    ended = decided or first("WITHDRAWN", "CLOSED_INCOMPLETE")
    conditional = first("COND_APPROVED")
    interviewed = next((step for step in steps if step.name == "INTERVIEW_DONE" and step.after == ALL_DONE), None)
    running = partial(_running, ended, until)
    if submitted is not None:
        start, stop = ("APP_SUBMITTED", submitted.at), (ended.name, ended.at) if ended else ("OPEN", until)
        states = (submitted.after, ended.after if ended else case.state)
        total = Clock("M1", key, start, stop, "days", None, case, None, states, censored=decided is None)
        total = total._replace(open=ended is None)
        yield total
        traveler = _waited(steps, submitted.at, stop[1])
        if traveler > 0:
            whole = (stop[1] - submitted.at).total_seconds()
            yield total._replace(waiting_on="traveler", value=traveler)
            yield total._replace(waiting_on="agency", value=whole - traveler)
        if ended is not None:
            yield Clock("M11", key, start, stop, "days", None, case, _silence(turn, steps, submitted.at, ended.at))
        if turn.program != "PRECHECK":
            yield from running(Clock("M2", key, start, start, "days", "agency", case), conditional)
    interview = interviewed.data.interview if interviewed is not None else None
    mode, part = (interview.mode, interview.part) if interview else (None, None)
    if conditional is not None:
        begun = ("COND_APPROVED", conditional.at)
        yield from running(Clock("M3", key, begun, begun, "days", "traveler", case, mode=mode, part=part), interviewed)
    if interviewed is not None:
        done = ("INTERVIEW_DONE", interviewed.at)
        wait = Clock("M4", key, done, done, "hours", "agency", case, mode=mode, part=part)
        yield from running(wait, first("APPROVED", "DENIED"))
    yield from _answers(key, case, steps, running)
    if submitted is not None and case.endBefore is not None:
        end = end_of_day(case.endBefore)
        late = case.endBefore < local_day(submitted.at) <= add_months(case.endBefore, RENEWAL_WINDOW)
        named = case.openedBy is not None and case.openedBy.name.startswith("renewal.")
        if case.kind == "RENEWAL" or named or late:
            yield Clock("M9", key, ("RENEWAL_SUBMITTED", submitted.at), ("VALID_TO", end), "days", "traveler", case)


def _name(turn: "Turn", case: Case, steps: list[Step]) -> str:
    """What tells an application from the record's others, wherever in their order it comes to stand.

    Its submission, else its id, else its first event; an event that was corrected goes by the id that came first.
    Rows that were written under another of these names go by this one from now on.
    """
    targets = {one.id: one.data.corrects for one in turn.state.entries if one.data.corrects is not None}
    causes = [_origin(step.cause, targets) for step in steps]
    begun = next((cause for cause, step in zip(causes, steps, strict=True) if step.name == "APP_SUBMITTED"), None)
    name = begun or case.applicationId or next(iter(causes), case.key)
    formers = tuple(f"{other}|" for other in {case.applicationId, *causes} - {name, None})
    marks = turn.state.marks
    for mark in [one for one in marks if one.partition("|")[2].startswith(formers)]:
        metric, _, rest = mark.partition("|")
        if metric in _OF_APPLICATIONS:
            former = next(other for other in formers if rest.startswith(other))
            marks[f"{metric}|{name}|{rest.removeprefix(former)}"] = marks.pop(mark)
    return name


def _origin(event: str, targets: Mapping[str, str]) -> str:
    seen = {event}
    while (target := targets.get(event)) is not None and target not in seen:
        seen.add(target)
        event = target
    return event


def _running(ended: Step | None, until: datetime, clock: Clock, stop: Step | None) -> Iterator[Clock]:
    """A clock with its stop, or as it stands while its case is open; what a case ended without is no time at all."""
    if stop is not None:
        yield clock._replace(stop=(stop.name, stop.at))
    elif ended is None:
        yield clock._replace(stop=("OPEN", until), censored=True, open=True)


def _first(steps: list[Step], *names: str) -> Step | None:
    """The first step of one of some names."""
    return next((step for step in steps if step.name in names), None)


def _waited(steps: list[Step], start: datetime, stop: datetime) -> float:
    """Seconds between start and stop in which the traveler had to act."""
    waited, since = timedelta(), None
    for at, after in (*((step.at, step.after) for step in steps), (stop, "")):
        if since is not None:
            waited += max(min(at, stop) - max(since, start), timedelta())
        since = at if after in WAITING_ON_TRAVELER else None
    return waited.total_seconds()


def _silence(turn: "Turn", steps: list[Step], start: datetime, stop: datetime) -> float:
    """Seconds of the longest stretch without a change or a message while the application was open."""
    moments = {start, stop} | {step.at for step in steps} | {told.at for told in turn.state.told}
    inside = sorted(moment for moment in moments if start <= moment <= stop)
    gaps = [later - earlier for earlier, later in itertools.pairwise(inside)]
    return max(gaps, default=timedelta()).total_seconds()


def _answers(
    key: str, case: Case, steps: list[Step], running: Callable[[Clock, Step | None], Iterator[Clock]]
) -> Iterator[Clock]:
    """M6 for each request, M7 for what the agency takes after the answer."""
    asked: Step | None = None
    count = 0
    for index, step in enumerate(steps):
        if step.name == "INFO_REQUESTED" and asked is None:
            asked = step
        elif step.name == "INFO_RECEIVED" and asked is not None:
            after = steps[index + 1] if index + 1 < len(steps) else None
            yield from running(_request(key, case, count, asked), step)
            answered = (step.name, step.at)
            yield from running(Clock("M7", f"{key}|{count}", answered, answered, "days", "agency", case), after)
            asked, count = None, count + 1
    if asked is not None and case.state == "ACTION_NEEDED":
        yield from running(_request(key, case, count, asked), None)


def _request(key: str, case: Case, count: int, asked: Step) -> Clock:
    start = (asked.name, asked.at)
    return Clock("M6", f"{key}|{count}", start, start, "days", "traveler", case)


def _reviews(picture: Picture, until: datetime) -> Iterator[Clock]:
    """M8 and M7 for each reply to an adverse decision."""
    replied: Step | None = None
    count = 0
    for step in picture.steps:
        if step.axis == REVIEW and step.name == "REPLY_RECEIVED":
            replied = step
        elif replied is not None and step.name == "REVIEW_DECIDED":
            yield from _review(picture, count, replied, step, until)
            replied, count = None, count + 1
    if replied is not None and picture.review.state in UNDECIDED:
        yield from _review(picture, count, replied, None, until)


def _review(picture: Picture, count: int, replied: Step, decided: Step | None, until: datetime) -> Iterator[Clock]:
    start = ("REPLY_RECEIVED", replied.at)
    for metric in ("M8", "M7"):
        clock = Clock(metric, f"review|{count}", start, start, "days", "agency", picture.current)
        yield from _running(None, until, clock, decided)


def _lapses(picture: Picture) -> Iterator[Clock]:
    """M10 for each gap between two memberships."""
    expired: Step | None = None
    count = 0
    for step in picture.steps:
        if step.axis != MEMBERSHIP:
            continue
        if step.name == "EXPIRED":
            expired = step
        elif expired is not None and step.after == "ACTIVE":
            stop = (step.name, step.at)
            yield Clock("M10", f"gap|{count}", ("EXPIRED", expired.at), stop, "days", None, picture.current)
            expired, count = None, count + 1


def outcome(turn: "Turn", message: Outcome, item: Item | None) -> None:
    """M5 and its parts when the first message of a decision is taken, and M5d of each channel when it arrives.

    M5 to M5c are of the decision: text and email may be taken at the same moment, in any order.
    """
    if item is None or item.step is None or message.kind not in TOLD_DECISIONS:
        return
    news, state = item.news, turn.state
    name = f"{news.causeId}|{news.kind}|{news.fact}"
    decision = f"{news.causeId}|{news.kind}|{base(news.name_in_record)[2]}"
    handed = ("HANDED_OVER", message.claimedAt or message.at)
    if message.state == "accepted" and f"first|{decision}" not in state.marks:
        state.marks[f"first|{decision}"] = Marked(id=message.notificationId, said="")
        lag = (news.receivedAt - news.occurredAt).total_seconds()
        decided, received = ("DECIDED", news.occurredAt), ("RECEIVED", news.receivedAt)
        # What a contradiction, another traveler or a failed channel held is a hold, not our slowness (M5c, not M5b).
        queued = ("QUEUED", news.queuedAt or news.plannedAt)
        for metric, start, stop, whose in (
            ("M5", decided, ("ACCEPTED", message.at), None),
            ("M5a", decided, received, "agency"),
            ("M5b", received, queued, "system"),
            ("M5c", queued, handed, "system"),
        ):
            clock = Clock(metric, decision, start, stop, "seconds", whose)  # type: ignore[arg-type]
            _write(turn, clock, message, lag, one_channel=False)
    elif message.state == "delivered":
        stop = ("DELIVERED", message.at)
        _write(turn, Clock("M5d", f"{name}|{message.channel}", handed, stop, "seconds", "system"), message)


def corrected(turn: "Turn", told: Told) -> None:
    """M12: a message that turned out to be wrong; the row says how long it stood."""
    start, stop = ("TOLD", told.at), ("CORRECTED", turn.now)
    _write(turn, Clock("M12", told.notificationId, start, stop, "seconds", "system"))
