"""The in-memory runner: one clock over all keys, in time order, and a provider that does as told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schemas.cloudevents import CloudEvent
from schemas.internal import Arrived, Claim, Dialled, Inbound, Listed, Lookup, Mail, Origin, Receipt, Text
from streams.grammar import DeadLetter, Emission, Output, Publish, ToStage
from streams.provider import DELIVERY, Provider
from streams.simulation import Sent, Simulation

T0 = datetime(2027, 1, 1, tzinfo=UTC)
TIMEOUT = timedelta(seconds=15)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def note(key: str, text: str, now: datetime) -> Publish:
    event = CloudEvent(id=f"{key}:{text}", source="test", type="test.note", time=now, data=msgspec.Raw(b"{}"))
    return Publish("notes", key, event)


class Pending(msgspec.Struct, frozen=True):
    key: str
    due: tuple[datetime, ...] = ()


class Alarms:
    """A text `N` to a key makes it say `N` N seconds later; `dial` makes it send."""

    name = "addresses"
    state_type = Pending
    message_type = Any

    def empty(self, key: str) -> Pending:
        return Pending(key)

    def due(self, state: Pending) -> datetime | None:
        return min(state.due, default=None)

    def wake(self, state: Pending, now: datetime) -> tuple[Pending, Sequence[Output]]:
        left = tuple(due for due in state.due if due > now)
        return Pending(state.key, left), [note(state.key, "alarm", now)]

    def receive(self, state: Pending, message: Any, now: datetime) -> tuple[Pending, Sequence[Output]]:
        if not isinstance(message, Inbound):
            return state, [note(state.key, type(message).__name__, now)]
        if message.body.isdigit():
            return Pending(state.key, (*state.due, now + timedelta(seconds=int(message.body)))), []
        if message.body == "pass on":
            return state, [ToStage("addresses", "z", Inbound(sender="z", body="hello"))]
        if message.body == "dial":
            return state, [note(state.key, "claimed", now), claim(state.key, now)]
        return state, [note(state.key, message.body, now)]


def claim(key: str, now: datetime, to: str = "+13125550100", body: str = "hello", mail: bool = False) -> Claim:
    text = Text(body=body, segments=1, encoding="GSM-7")
    letter = Mail(subject="s", text="t", html="h", headers={"Message-ID": "<1@example.com>"})
    return Claim(
        claimId=f"{key}:{now.isoformat()}",
        token=f"{key}-token",
        key=key,
        notificationId="n-1",
        channel="email" if mail else "sms",
        to="Ana@Example.com" if mail else to,
        message=letter if mail else text,
        validity=60,
        at=now,
        deadline=now + TIMEOUT,
        kind="APPROVED",
        language="en",
        program="NEXUS",
    )


def simulation(provider: Provider | None = None, intake: Any = None) -> Simulation:
    return Simulation(intake or (lambda *_: []), {"addresses": Alarms()}, provider or Provider(TIMEOUT))


def said(happenings: Any) -> list[tuple[float, str]]:
    found = []
    for happening in happenings:
        assert isinstance(happening, Emission)
        assert isinstance(happening.output, Publish)
        assert happening.output.event is not None
        found.append(((happening.at - T0).total_seconds(), happening.output.event.id))
    return found


def text(body: str) -> Inbound:
    return Inbound(sender="+13125550100", body=body)


def test_what_falls_due_runs_over_all_keys_in_time_order() -> None:
    run = simulation()
    for key, wait in (("a", "30"), ("b", "10"), ("c", "20")):
        assert said(run.post("addresses", key, text(wait), T0)) == []
    assert said(run.run(at(25))) == [(10.0, "b:alarm"), (20.0, "c:alarm")]
    assert said(run.run(at(30))) == [(30.0, "a:alarm")]
    assert said(run.run(at(1000))) == []


def test_what_falls_due_at_the_moment_of_an_arrival_comes_before_it() -> None:
    run = simulation()
    list(run.post("addresses", "a", text("10"), T0))
    list(run.post("addresses", "b", text("10"), T0))
    assert said(run.post("addresses", "b", text("now"), at(10))) == [
        (10.0, "a:alarm"),
        (10.0, "b:alarm"),
        (10.0, "b:now"),
    ]


def test_an_alarm_that_was_set_earlier_replaces_a_later_one() -> None:
    run = simulation()
    list(run.post("addresses", "a", text("100"), T0))
    list(run.post("addresses", "a", text("5"), T0))
    assert said(run.run(at(200))) == [(5.0, "a:alarm"), (100.0, "a:alarm")]


def test_messages_between_keys_take_no_time() -> None:
    run = simulation()
    assert said(run.post("addresses", "a", text("pass on"), at(3))) == [(3.0, "z:hello")]


def test_the_clock_never_goes_back() -> None:
    run = simulation()
    list(run.run(at(50)))
    assert said(run.post("addresses", "a", text("late line"), at(10))) == [(50.0, "a:late line")]


def test_a_source_record_goes_through_intake_at_its_moment() -> None:
    origin = Origin(topic="t", partition=0, offset=0, timestamp=0, key=None, headers=(), value=b"x")
    seen: list[tuple[datetime, bool]] = []

    def intake(came: Origin, now: datetime, backfill: bool) -> list[Output]:
        seen.append((now, backfill))
        return [DeadLetter(came, "intake", "undecodable", "no JSON")]

    [happening] = simulation(intake=intake).arrive(origin, at(1), backfill=True)
    assert happening == Emission(at(1), DeadLetter(origin, "intake", "undecodable", "no JSON"))
    assert seen == [(at(1), True)]


class Broken(Alarms):
    name = "records"

    def receive(self, state: Pending, message: Any, now: datetime) -> tuple[Pending, Sequence[Output]]:
        raise ZeroDivisionError("a value that must not be said")


def test_an_event_that_finds_a_defect_of_ours_is_set_aside_and_the_run_goes_on() -> None:
    origin = Origin(topic="t", partition=0, offset=0, timestamp=0, key=None, headers=(), value=b"x")
    run = Simulation(
        lambda came, now, backfill: [ToStage("records", "r", Arrived(origin=came, at=now, backfill=backfill))],
        {"records": Broken(), "addresses": Alarms()},
        Provider(TIMEOUT),
    )
    [happening] = run.arrive(origin, at(1))
    assert happening == Emission(at(1), DeadLetter(origin, "records", "handler-bug", "ZeroDivisionError"))
    assert said(run.post("addresses", "a", text("still here"), at(2))) == [(2.0, "a:still here")]


def dialled(outcome: str | None) -> tuple[list[tuple[float, str]], int]:
    provider = Provider(TIMEOUT)
    if outcome is not None:
        provider.expect("+13125550100", outcome)
    run = simulation(provider)
    happenings = [*run.post("addresses", "a", text("dial"), T0), *run.run(at(600))]
    sent = [happening for happening in happenings if isinstance(happening, Sent)]
    assert all(happening.at == T0 for happening in sent)
    return said(happening for happening in happenings if isinstance(happening, Emission)), len(sent)


def test_by_default_a_message_is_accepted_at_once_and_delivered_three_seconds_later() -> None:
    assert dialled(None) == ([(0.0, "a:claimed"), (0.0, "a:Dialled"), (3.0, "a:Receipt")], 1)


def test_a_refused_message_is_not_sent() -> None:
    assert dialled("reject:21614") == ([(0.0, "a:claimed"), (0.0, "a:Dialled")], 0)


def test_an_undelivered_message_was_accepted_all_the_same() -> None:
    assert dialled("undelivered:30005") == ([(0.0, "a:claimed"), (0.0, "a:Dialled"), (3.0, "a:Receipt")], 1)


def test_a_request_without_an_answer_is_in_doubt_when_it_times_out() -> None:
    assert dialled("timeout-lost") == ([(0.0, "a:claimed"), (15.0, "a:Dialled")], 0)
    assert dialled("timeout-accepted") == ([(0.0, "a:claimed"), (15.0, "a:Dialled"), (18.0, "a:Receipt")], 1)


@pytest.mark.parametrize("outcome", ["lost", "reject", "reject:", "undelivered:3 0", "delivered:1", ""])
def test_an_unknown_outcome_is_refused(outcome: str) -> None:
    with pytest.raises(ValueError, match="outcome is none of"):
        Provider(TIMEOUT).expect("+13125550100", outcome)


def lookup(taken: tuple[str, ...] = (), provider_id: str | None = None, body: str = "hello") -> Lookup:
    return Lookup(
        claimId="c",
        key="a",
        to="+13125550100",
        body=body,
        since=at(-5),
        until=at(60),
        taken=taken,
        providerId=provider_id,
    )


def test_the_list_knows_a_message_whose_answer_was_lost() -> None:
    provider = Provider(TIMEOUT)
    provider.expect("+13125550100", "timeout-accepted")
    assert provider.dial(claim("a", T0), T0)
    provider.answers()
    provider.look_up(lookup(), at(20))
    [answer] = provider.answers()
    assert answer.at == at(20)
    assert isinstance(answer.message, Listed)
    [(sid, status, code)] = answer.message.matches
    assert (sid[:2], len(sid), status, code) == ("SM", 34, "delivered", None)
    provider.look_up(lookup(taken=(sid,)), at(20))
    provider.look_up(lookup(body="other"), at(20))
    assert [answer.message for answer in provider.answers()] == [Listed(claimId="c", startedAt=at(20))] * 2
    provider.look_up(lookup(provider_id=sid), at(30))
    assert [answer.message for answer in provider.answers()] == [
        Receipt(token=None, providerId=sid, status="delivered")
    ]


def test_the_list_knows_nothing_of_a_lost_request() -> None:
    provider = Provider(TIMEOUT)
    provider.expect("+13125550100", "timeout-lost")
    assert not provider.dial(claim("a", T0), T0)
    [answer] = provider.answers()
    assert answer.message == Dialled(claimId=claim("a", T0).claimId, result="doubt", code="no-answer")
    provider.look_up(lookup(), at(20))
    assert [answer.message for answer in provider.answers()] == [Listed(claimId="c", startedAt=at(20))]


def test_an_email_sent_again_under_its_message_id_is_one_email() -> None:
    provider = Provider(TIMEOUT)
    provider.expect("ana@example.com", "timeout-accepted")
    assert provider.dial(claim("a", T0, mail=True), T0)
    provider.expect("ANA@example.com", "delivered")
    assert not provider.dial(claim("a", at(60), mail=True), at(60))
    assert [(answer.at, type(answer.message)) for answer in provider.answers()] == [
        (at(15), Dialled),
        (at(15) + DELIVERY, Receipt),
        (at(60), Dialled),
        (at(60) + DELIVERY, Receipt),
    ]
