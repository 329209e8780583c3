"""A traveler's case as plain lines."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.outputs import CardView, InterviewView, TravelerStatus
from streams.explanation import words
from streams.explanation.dossier import Change, Dead, Dossier, Fact, Step
from streams.reading import record_key
from streams.records.machine import EVENTS, rows, system_of


def explain(dossier: Dossier, traveler: str) -> list[str]:
    """The case of a traveler, line by line; the traveler must have a view."""
    return list(_case(dossier, dossier.views[traveler]))


def tell(dossier: Dossier, travelers: Iterable[str]) -> str:
    """The cases of some travelers as one text."""
    return "\n\n".join("\n".join(explain(dossier, traveler)) for traveler in travelers)


def unused(dossier: Dossier, reference: str) -> list[str]:
    """What came about a record of which nothing is known, and could not be used."""
    names = dict.fromkeys((reference, reference.partition(":")[2] or reference))
    return [line for name in names for line in _unused(dossier.dead.get(name, ()))]


def _unused(letters: Iterable[Dead]) -> Iterator[str]:
    for dead in letters:
        what = words.DEAD.get(dead.reason, dead.reason)
        yield f"  Not used: event {dead.id}, because {what}: {dead.error} ({dead.reason})."


def _case(dossier: Dossier, view: TravelerStatus) -> Iterator[str]:
    yield f"Traveler {view.travelerId}, as of {_moment(view.asOf)}"
    headline = view.headline
    about = f" ({words.PROGRAMS.get(headline.program, headline.program)})" if headline.program else ""
    why = words.HEADLINES.get(headline.code, "")
    yield f"  On top: {headline.code}{about}, because {why}."
    yield f"  Language: {view.language}."
    if view.tripNumber is not None:
        program = words.PROGRAMS.get(view.tripNumber.program, view.tripNumber.program)
        yield f"  Number for trips: {program} {view.tripNumber.masked}: it includes PreCheck and lasts longest."
    profile = dossier.profile(record_key(card.program, card.recordId) for card in view.cards)
    if profile:
        yield "  What the portal and the staff say of the person:"
        for fact in profile:
            yield f"    {_event(fact)}"
    if not view.cards:
        yield "  No enrollment is known, or none is left."
    for card in view.cards:
        yield ""
        yield from _record(dossier, card)
    own = dossier.steps.get(view.travelerId)
    if own:
        yield ""
        yield "Messages about no single record"
        yield from _messages(dossier, view.travelerId, own)


def _record(dossier: Dossier, card: CardView) -> Iterator[str]:
    record = record_key(card.program, card.recordId)
    yield f"{words.PROGRAMS.get(card.program, card.program)}, record {card.recordId}, as of {_moment(card.asOf)}"
    yield from _standing(card)
    for item in dossier.work.values():
        if (item.program, item.recordId) == (card.program, card.recordId):
            yield f"  Waits for a person: {item.reason}."
    changes = dossier.changes.get(record, [])
    if changes:
        yield "  What happened, and which rule decided:"
        for change in changes:
            yield f"    {_moment(change.at)}  {_change(dossier, record, card.program, change)}"
    messages = dossier.steps.get(record, {})
    unusable = {dead.id for dead in dossier.dead.get(card.recordId, ())}
    named = {one.data.causeId for one in changes} | unusable
    others = [fact for fact in dossier.log(record) if fact.id not in named]
    if others:
        yield "  Events that moved nothing above (repeats, late history, details, contacts, silent steps):"
        for fact in others:
            kinds = dict.fromkeys(steps[0].data.kind for steps in messages.values() if steps[0].data.causeId == fact.id)
            led = f"; led to {', '.join(kinds)}" if kinds else ""
            yield f"    {_event(fact)}{led}"
    yield from _unused(dossier.dead.get(card.recordId, ()))
    if messages:
        yield "  Messages:"
        yield from _messages(dossier, record, messages)


def _standing(card: CardView) -> Iterator[str]:
    if card.application is not None:
        application = card.application
        parts = [f"{application.kind.lower()} application {application.applicationId or 'without a number'}"]
        parts.append(f"is {application.state}")
        if application.submittedAt:
            parts.append(f"submitted {_moment(application.submittedAt)}")
        if application.decidedAt:
            parts.append(f"decided {_moment(application.decidedAt)}")
        if application.dueDate:
            parts.append(f"answer due {application.dueDate}")
        yield f"  The {parts[0]} {parts[1]}{''.join(', ' + part for part in parts[2:])}."
    if card.interview is not None and (card.interview.at is not None or card.interview.partsDone):
        yield f"  Interview: {_appointment(card.interview)}{_parts(card.interview)}."
    member = card.membership
    if member.state != "NONE":
        ends = f", from {member.validFrom or 'unknown'} to {member.validTo or 'unknown'}"
        more = f", extended until {member.extendedUntil}" if member.extendedUntil else ""
        precheck = {True: "; includes PreCheck", False: "; without PreCheck"}.get(member.includesPrecheck or False, "")
        yield f"  Membership: {member.state}{ends}{more}{precheck if member.includesPrecheck is not None else ''}."
    if card.review is not None and card.review.state != "NONE":
        by = f", reply by {card.review.replyBy}" if card.review.replyBy else ", without a date from the source"
        yield f"  Review: {card.review.state}{by if card.review.state == 'WINDOW_OPEN' else ''}."
    if card.overlay is not None and card.overlay.state != "NORMAL":
        yield f"  The whole program: {card.overlay.state}. Nobody's own status changes by that."
    if card.integrity != "OK":
        yield f"  Integrity: {card.integrity}. Decisions are not told while this lasts."
    if card.stale:
        yield "  The source has been silent for more than 72 hours."


def _event(fact: Fact) -> str:
    """An event by its name, with who said it and what it says."""
    corrects = f", about event {fact.corrects}" if fact.corrects else ""
    says = f": {fact.says}" if fact.says else ""
    late = _lateness(fact.happened, fact.arrived)
    return f"{_moment(fact.happened)}  {fact.name} ({fact.source}, id {fact.id}){corrects}{late}{says}"


def _appointment(interview: InterviewView) -> str:
    """When, by the clock at the place too, and where."""
    if interview.at is None:
        return "no appointment"
    there = interview.at.astimezone(ZoneInfo(interview.timeZone)) if interview.timeZone is not None else None
    hour = "" if there is None else f" ({there:%Y-%m-%d %H:%M} there)"
    return f"{_moment(interview.at)}{hour}, {interview.site or 'place not known'}"


def _parts(interview: InterviewView) -> str:
    left = [part for part in interview.partsNeeded if part not in interview.partsDone]
    if not interview.partsDone:
        return ""
    return f", done: {', '.join(interview.partsDone)}" + (f", still to be done: {', '.join(left)}" if left else "")


def _change(dossier: Dossier, record: str, program: str, change: Change) -> str:
    data = change.data
    fact = dossier.fact(record, data.causeId)
    event, rule = _rule(program, change, EVENTS.get(fact.name) if fact else None)
    if fact is not None:
        cause = f"{fact.name}, said by {fact.source}, id {fact.id}{_lateness(fact.happened, fact.arrived)}"
    else:
        cause = f"event {data.causeId}" if data.causeId else "no event"
    if event in _CLOCK and (fact is None or fact.happened != change.at):
        cause = f"{words.CLOCK}, with the date from {cause}"
    if event is None and data.axis not in ("integrity", "overlay"):
        rule = _rewritten(dossier, record, change, fact)
    return f"{change.name}: {data.axis} {data.from_ or 'nothing'} -> {data.to}, because of {cause}. Rule: {rule}."


def _rule(program: str, change: Change, event: str | None) -> tuple[str | None, str]:
    """The row of the transition table that fits: its event, and the rule in words."""
    data = change.data
    if data.axis == "integrity":
        return None, words.INTEGRITY.get(change.name, "how the facts fit together")
    if data.axis == "overlay":
        return None, words.OVERLAY
    before = data.from_ or ("-" if data.axis == "application" else "NONE")
    for cause in (event, *_OTHER.get(change.name, ()), change.name):
        for row in rows(data.axis, system_of(program), before, cause) if cause else ():
            if row.to == data.to:
                note = f": {words.NOTES.get(row.note, row.note)}" if row.note else ""
                return row.event, f"{row.event} moves {data.from_ or 'nothing'} to {row.to}{note}"
    return None, words.CORRECTED


def _rewritten(dossier: Dossier, record: str, change: Change, fact: Fact | None) -> str:
    """Why a state changed that no row of the table moves: the history behind it is another one now."""
    data = change.data
    disputed = {one.data.causeId for one in dossier.changes[record] if one.name == "CONFLICT_OPENED"}
    if data.axis == "membership" and data.to == "NONE":
        return words.GROUND_GONE
    if data.causeId in disputed or (fact is not None and fact.name == "conflict.released"):
        return words.SETTLED
    decision = fact is not None and fact.corrects is None and not _lateness(fact.happened, fact.arrived)
    if fact is not None and decision and EVENTS.get(fact.name) == data.to:
        return words.REPLACED
    return words.CORRECTED


_A_WHILE = timedelta(hours=20)
_CLOCK = ("END_PASSED", "EXTENSION_OVER", "WINDOW_PASSED")
_OTHER = {
    "ACTIVATED": ("APPROVED",),
    "RENEWED": ("APPROVED",),
    "EXTENDED": ("END_PASSED",),
    "EXPIRED": ("END_PASSED", "EXTENSION_OVER"),
    "REVIEW_OPENED": ("ADVERSE",),
    "REVIEW_WINDOW_CLOSED": ("WINDOW_PASSED", "TAKEN_BACK"),
    "REVIEW_DECIDED": ("GRANTED", "NOT_GRANTED"),
    "CLOSED": ("CLOSED", "DECEASED"),
}
"""Events of the machine behind a published name, where they differ."""


def _messages(dossier: Dossier, about: str, messages: dict[str, list[Step]]) -> Iterator[str]:
    for steps in messages.values():
        first, last = steps[0], steps[-1]
        channel = {"sms": "text", "email": "email"}[first.data.channel]
        yield f"    {first.data.kind} by {channel}{_cause(dossier, about, first)}: {_ending(last)}."
        released: datetime | None = None
        for step in steps:
            settled = _settled(dossier, about, released, step.at)
            yield f"      {_moment(step.at)}  {_step(step)}{settled}"
            released = step.data.releaseAt if step.state == "held" else None


def _cause(dossier: Dossier, about: str, first: Step) -> str:
    """The event that a message tells of, or from which the clock counted that made it due."""
    fact = dossier.fact(about, first.data.causeId)
    if fact is None:
        return ""
    waited = first.at - (fact.arrived or fact.happened) > _A_WHILE
    if first.data.kind in words.REMINDERS or (waited and first.data.kind in words.ALSO_REMINDERS):
        return f", due by the clock after {fact.name} (id {fact.id})"
    return f" about {fact.name} (id {fact.id})"


def _settled(dossier: Dossier, record: str, released: datetime | None, at: datetime) -> str:
    """That a message waited longer than its hold, where a contradiction was the reason."""
    closed = [one.at for one in dossier.changes.get(record, ()) if one.name == "CONFLICT_CLOSED"]
    if released is None or not any(released < moment <= at for moment in closed):
        return ""
    return ", after the contradiction was solved"


def _step(step: Step) -> str:
    data = step.data
    said = words.STEPS.get(step.state, step.state)
    if step.state == "held" and data.releaseAt is not None:
        said += f" until {_moment(data.releaseAt)}: {words.HOLDS.get(data.reason or '', data.reason)}"
    if step.state == "claimed" and data.languageServed is not None:
        asked = f", asked for {data.languageRequested}" if data.languageRequested != data.languageServed else ""
        said += f" in {data.languageServed}{asked}, words {data.templateVersion}, attempt {data.attempt}"
    if step.state == "rejected":
        said = words.REJECTED.get(data.reason or "", said)
    if step.state in ("rejected", "failed") and data.code:
        said += f" with code {data.code}"
    return said


def _ending(step: Step) -> str:
    if step.state == "suppressed":
        reason = step.data.reason or ""
        if reason == "not-news" and step.data.kind in words.NOT_DUE:
            return f"not sent, because {words.NOT_DUE[step.data.kind]}"
        return f"not sent, because {words.SUPPRESSED.get(reason, reason)}"
    if step.state in words.ENDINGS:
        code = f" (code {step.data.code})" if step.data.code else ""
        return words.ENDINGS[step.state] + code
    return words.OPEN.get(step.state, step.state)


def _lateness(happened: datetime, arrived: datetime | None) -> str:
    if arrived is None or (arrived - happened).total_seconds() < 3600:
        return ""
    return f", arrived only {_moment(arrived)}"


def _moment(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")
