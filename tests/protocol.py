"""The delivery protocol as a closed world: the real addresses stage, a provider, and everything that can go wrong.

A world is a value. `moves` names all that can happen in it; `after` is the world after one of them. What must never be
is raised as Broken. The provider's list may lag behind by less than the doubt hold, may fail, and may never answer;
results and receipts may be lost, and receipts come twice; a dialer may die at any point. In a `lagging` world the list
lags for longer than we wait: there a person can be told twice, and it must be seen.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.internal import (
    AddressesMessage,
    Claim,
    Dialled,
    Facts,
    Inbound,
    Listed,
    Lookup,
    Mail,
    Recall,
    Receipt,
    Send,
    Text,
)
from schemas.outputs import Channel
from streams import topics
from streams.addresses import Addresses
from streams.addresses.state import Address
from streams.catalogue import Envelope
from streams.events import FINAL
from streams.grammar import Publish, Stage, advance, step
from streams.identity import Identity
from streams.policy import Policy

IDENTITY = Identity(b"p" * 32)
POLICY = Policy(holds="off")
NUMBER = "+13125550100"
MAILBOX = "a@example.com"
START = datetime(2027, 3, 1, 15, tzinfo=UTC)
Move = tuple[str, ...]
RESULTS = ("ok", "accepted-silent", "accepted-doubt", "not-sent", "lost-doubt", "dialer-dies")
"""What can come of a claim: the dialer may die after the provider took it, or before anything left."""


class Words:
    """A catalogue of one wording: the kind itself, so that two travelers can be owed the same words."""

    def serve(self, kind: str, requested: str | None, channel: Channel) -> str:
        return requested or "en"

    def version(self, kind: str, language: str, channel: Channel) -> str:
        return "v1"

    def text(self, kind: str, language: str, facts: Facts) -> Text:
        return Text(body=f"{kind} in {language}", segments=1, encoding="GSM-7")

    def mail(self, kind: str, language: str, facts: Facts, envelope: Envelope) -> Mail:
        headers = {"Message-ID": envelope.bracketed_id, "Date": envelope.date.isoformat(), "To": envelope.to}
        return Mail(subject=kind, text=kind, html=kind, headers=headers)


class Broken(AssertionError):  # noqa: N818 - an invariant that does not hold
    """Something happened that must never happen."""


class Accepted(msgspec.Struct, frozen=True):
    """A message that the provider has: for which claim, since when, under which id."""

    claimId: str
    token: str
    body: str
    at: datetime
    sid: str


class World(msgspec.Struct, frozen=True):
    """Everything that exists. `out` are claims that no dialer has acted on yet; `asked` questions without answer.

    `stops` and `recalls` say whether a STOP and a recall of the first message can come; `mostReceipts` how many
    receipts; `results` what can come of a claim, `lists` of a question.
    """

    now: datetime
    address: Address
    channel: Channel
    out: tuple[Claim, ...] = ()
    asked: tuple[Lookup, ...] = ()
    ledger: tuple[Accepted, ...] = ()
    endings: tuple[tuple[str, str], ...] = ()
    receipts: int = 0
    mostReceipts: int = 1
    results: tuple[str, ...] = RESULTS
    lists: tuple[str, ...] = ("list", "list-fails", "list-lags")
    stops: bool = False
    stopped: bool = False
    recalls: bool = False
    recalled: bool = False
    confirmed: int = 0
    flagged: int = 0
    lagging: bool = False
    dates: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> bytes:
        """Equal for equal worlds."""
        return msgspec.msgpack.encode(self)


def stage() -> Stage[Address]:
    """The real stage, as the workers build it."""
    return Addresses(IDENTITY, POLICY, Words())


def message(number: int, channel: Channel, minutes: float, traveler: str | None = None) -> Send:
    """News for a traveler, to be told within `minutes`."""
    return Send(
        notificationId=f"n{number}",
        travelerId=traveler or f"t{number}",
        kind="APPROVED",
        fact="f",
        channel=channel,
        to=NUMBER if channel == "sms" else MAILBOX,
        record=f"GLOBAL_ENTRY:G{number}",
        recordId=f"G{number}",
        program="GLOBAL_ENTRY",
        causeId="e1",
        languageServed="en",
        occurredAt=START,
        plannedAt=START,
        releaseAt=START,
        notAfter=START + timedelta(minutes=minutes),
    )


def begin(channel: Channel = "sms", messages: int = 1, minutes: float = 4.5, **options: Any) -> World:
    """A world in which so many travelers are owed the same words at one address. `options` are fields of World."""
    to = NUMBER if channel == "sms" else MAILBOX
    world = World(now=START, address=Address(key=IDENTITY.address(channel, to)), channel=channel, **options)
    for number in range(messages):
        world = told(world, message(number, channel, minutes))
    return world


def moves(world: World) -> Iterator[Move]:
    """All that can happen now."""
    for claim in world.out:
        yield from ((how, claim.claimId) for how in world.results)
    for index, lookup in enumerate(world.asked):
        for how in world.lists:
            if how != "list-lags" or _may_lag(world, lookup):
                yield how, str(index)
    if world.receipts < world.mostReceipts:
        for accepted in world.ledger:
            yield "delivered", accepted.claimId
            yield "undelivered", accepted.claimId
    if world.stops and not world.stopped:
        yield ("stop",)
    if world.recalls and not world.recalled:
        yield ("recall",)
    if stage().due(world.address) is not None:
        yield ("time",)


def after(world: World, move: Move) -> World:
    """The world after a move. Raises Broken."""
    how, *rest = move
    if how == "time":
        return passed(world)
    if how == "stop":
        return told(replace(world, stopped=True), Inbound(sender=NUMBER, body="STOP"))
    if how == "recall":
        return told(
            replace(world, recalled=True),
            Recall(notificationId="n0", travelerId="t0", state="superseded", reason="newer"),
        )
    if how.startswith("list"):
        return _answered(world, int(rest[0]), how)
    if how in ("delivered", "undelivered"):
        [accepted] = [one for one in world.ledger if one.claimId == rest[0]]
        code = "30008" if how == "undelivered" else None
        world = replace(world, receipts=world.receipts + 1)
        return told(world, Receipt(token=accepted.token, providerId=accepted.sid, status=how, code=code))
    return _dialled(world, rest[0], how)


def told(world: World, message: AddressesMessage) -> World:
    """The world after the stage got a message."""
    state, emitted = step(stage(), world.address, message, world.now)
    return _judged(replace(world, address=state), [(one.at, one.output) for one in emitted])


def passed(world: World) -> World:
    """The world after the clock has moved to the next thing that is due. A claim past its deadline is not dialled."""
    one = stage()
    moment = one.due(world.address)
    if moment is None:
        return world
    state, emitted = advance(one, world.address, moment)
    world = replace(world, now=max(moment, world.now), address=state, asked=())
    world = replace(world, out=tuple(claim for claim in world.out if claim.deadline > world.now))
    return _judged(world, [(one.at, one.output) for one in emitted])


def _dialled(world: World, claim_id: str, how: str) -> World:
    [claim] = [claim for claim in world.out if claim.claimId == claim_id]
    world = replace(world, out=tuple(other for other in world.out if other is not claim))
    if how in ("ok", "accepted-silent", "accepted-doubt"):
        body = claim.message.body if isinstance(claim.message, Text) else claim.message.headers["Message-ID"]
        accepted = Accepted(claim_id, claim.token, body, world.now, f"SM-{claim_id}")
        world = replace(world, ledger=(*world.ledger, accepted))
        _check_ledger(world)
        if how == "accepted-silent":
            return world
        if how == "ok":
            return told(world, Dialled(claimId=claim_id, result="accepted", providerId=accepted.sid))
    if how == "dialer-dies":
        return world
    result = "not-sent" if how == "not-sent" else "doubt"
    return told(world, Dialled(claimId=claim_id, result=result, code="x"))  # type: ignore[arg-type]


def _may_lag(world: World, lookup: Lookup) -> bool:
    """Whether the list may still hide something: evidence is there within the doubt hold, or the world is lagging."""
    return world.lagging or any(
        one.at + timedelta(seconds=POLICY.doubt_hold) > world.now for one in _matching(world, lookup)
    )


def _matching(world: World, lookup: Lookup) -> list[Accepted]:
    return [
        one
        for one in world.ledger
        if one.body == lookup.body and lookup.since <= one.at <= lookup.until and one.sid not in lookup.taken
    ]


def _answered(world: World, index: int, how: str) -> World:
    lookup = world.asked[index]
    world = replace(world, asked=tuple(one for one in world.asked if one is not lookup))
    matches = () if how == "list-lags" else tuple((one.sid, "sent", None) for one in _matching(world, lookup))
    failed = how == "list-fails"
    answer = Listed(claimId=lookup.claimId, startedAt=world.now, matches=() if failed else matches, failed=failed)
    return told(world, answer)


def _judged(world: World, outputs: list[tuple[datetime, Any]]) -> World:
    replies = [output for _, output in outputs if isinstance(output, Claim) and output.kind == "STOP_CONFIRM"]
    for _, output in outputs:
        if isinstance(output, Claim) and output not in replies:
            world = _claimed(world, output)
        elif isinstance(output, Lookup) and output.providerId is None:
            world = replace(world, asked=(*world.asked, output))
        elif isinstance(output, Publish) and output.topic == topics.NOTIFICATIONS and output.event is not None:
            world = _stepped(world, output.event.type.rpartition(".")[2], msgspec.json.decode(output.event.data))
    for claim in replies:
        # What is judged here is the news; the confirmation counts, and arrives.
        world = replace(world, confirmed=world.confirmed + 1)
        world = told(world, Dialled(claimId=claim.claimId, result="accepted", providerId=f"SM-{claim.claimId}"))
        world = told(world, Receipt(token=claim.token, providerId=None, status="delivered"))
    _check_evidence(world)
    return world


def _claimed(world: World, claim: Claim) -> World:
    if world.out:
        raise Broken(f"{claim.claimId} is claimed while {world.out[0].claimId} is out")
    if world.stopped:
        raise Broken(f"{claim.claimId} is claimed after STOP")
    if any(name == claim.notificationId for name, _ in world.endings):
        raise Broken(f"{claim.claimId} is claimed after its end")
    if isinstance(claim.message, Mail):
        dated = (claim.notificationId, claim.message.headers["Date"] + claim.message.headers["Message-ID"])
        if any(name == dated[0] and date != dated[1] for name, date in world.dates):
            raise Broken(f"{claim.claimId} has another date or Message-ID than before")
        world = replace(world, dates=(*(pair for pair in world.dates if pair != dated), dated))
    return replace(world, out=(*world.out, claim))


def _stepped(world: World, state: str, data: dict[str, Any]) -> World:
    name = data["notificationId"]
    if data["kind"] == "STOP_CONFIRM":
        return world
    before = dict(world.endings).get(name)
    if data["reason"] == "duplicate-confirmed":
        return replace(world, flagged=world.flagged + 1)
    if before is not None and not (before == "delivered" and state == "failed"):
        raise Broken(f"{name} ended as {before} and is {state} afterwards")
    if state not in FINAL:
        return world
    return replace(world, endings=(*(pair for pair in world.endings if pair[0] != name), (name, state)))


def _check_evidence(world: World) -> None:
    sids = [tried.sid for job in world.address.jobs.values() for tried in job.tries if tried.sid is not None]
    if len(set(sids)) != len(sids) and world.channel == "sms":
        raise Broken(f"one message of the provider is evidence for two claims: {sids}")


def _check_ledger(world: World) -> None:
    if world.channel == "email" or world.lagging:
        return
    told_of = [one.claimId.rpartition(":")[0] for one in world.ledger]
    if len(set(told_of)) != len(told_of):
        raise Broken(f"the provider took it twice: {told_of}")
