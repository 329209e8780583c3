"""Who is forgotten: what each stage keeps of them afterwards, and what comes of anything that arrives later."""

from datetime import timedelta

import msgspec

from schemas.internal import CardGone, CardSnapshot, Inbound, Receipt, Stray
from schemas.outputs import CardView
from streams import topics
from streams.addresses.state import Address
from streams.grammar import Renew
from streams.identity import Identity
from streams.travelers.state import Traveler
from tests.test_properties import START, Event, Run, event, pipeline, profile, time_of
from tests.test_records import HOUR, ge, link, play

IDENTITY = Identity(b"test key of 32 bytes, not secret")
RECORD = "GLOBAL_ENTRY:GE-1"
PHONE, OTHER = "+13125550100", "+13125550101"
ERASE = event("erased", 50, "erase", "p1", topics.PROFILE, portalSubject="p1")
TRAVELER = IDENTITY.traveler_of_subject("p1")


def told(subject: str = "p1", record: str = "GE-1", phone: str = PHONE) -> list[Event]:
    """A person who consents, applies and is approved."""
    return [
        profile(subject, phone),
        ge("application.submitted", 1, record, portalSubject=subject),
        ge("application.approved", 20, record, validTo="2032-04-18"),
    ]


def kept(run: Run) -> dict[str, bytes]:
    """Everything that the stages keep, by stage and key."""
    return {f"{stage}/{key}": msgspec.msgpack.encode(state) for (stage, key), state in run.simulation._states.items()}


def test_no_stage_keeps_anything_of_a_person_but_that_they_are_forgotten() -> None:
    run = play(*told(), ERASE)
    assert len(run.sent) == 4
    assert run.simulation.state("travelers", TRAVELER).erased
    for name, state in kept(run).items():
        for word in (PHONE, "p1@example.com", "APPROVED", "2032", "America"):
            assert word.encode() not in state, name
    assert run.simulation.state("records", RECORD) == pipeline().stages["records"].empty(RECORD)
    for channel, address in (("sms", PHONE), ("email", "p1@example.com")):
        key = IDENTITY.address(channel, address)
        assert run.simulation.state("addresses", key) == Address(key=key)


def test_the_number_that_a_person_gave_up_long_before_forgets_them_too() -> None:
    moved = profile("p1", OTHER) | {"id": "moved", "time": (START + 30 * HOUR).isoformat()}
    run = play(*told(), moved, ERASE)
    key = IDENTITY.address("sms", PHONE)
    assert run.simulation.state("addresses", key) == Address(key=key)


def test_the_traveler_that_a_record_had_before_its_link_is_forgotten_as_well() -> None:
    own = IDENTITY.traveler_of_record(RECORD)
    run = play(ge("application.submitted", 1), link("linked", 5, "p1"), ERASE)
    assert run.simulation.state("travelers", own) == Traveler(id=own, shows=1, erased=True)


def test_what_comes_later_about_a_record_brings_nobody_back_and_tells_nobody() -> None:
    before = play(*told(), ERASE)
    late = ge("membership.revoked", 60, portalSubject="p1", letterDate="2027-03-01")
    again = profile("p1", PHONE) | {"id": "again", "time": (START + 61 * HOUR).isoformat()}
    run = play(*told(), ERASE, late, again)
    assert set(run.views().values()) == {None}
    assert run.sent == before.sent
    assert run.simulation.state("records", RECORD) == pipeline().stages["records"].empty(RECORD)
    assert PHONE.encode() not in b"".join(kept(run).values())


def test_a_merged_record_of_a_forgotten_person_keeps_nothing_but_where_it_went() -> None:
    run = play(*told(), ge("record.merged", 30, mergedInto="GE-2"), ERASE, ge("application.closed", 60))
    state = run.simulation.state("records", RECORD)
    assert msgspec.to_builtins(state) == {"key": RECORD, "mergedInto": "GLOBAL_ENTRY:GE-2"}
    assert set(run.views().values()) == {None}


def test_who_shares_the_number_is_told_as_before_and_stop_stays_with_the_number() -> None:
    both = [*told(), *told("p2", "GE-2")]
    run = play(*both, ERASE)
    address = run.simulation.state("addresses", IDENTITY.address("sms", PHONE))
    assert set(address.owners) == {IDENTITY.traveler_of_subject("p2")}
    assert {job.send.travelerId for job in address.jobs.values()} == set(address.owners)
    stopped = Run()
    for one in sorted(told(), key=time_of):
        stopped.arrive(one, time_of(one) + timedelta(seconds=1))
    key = IDENTITY.address("sms", PHONE)
    stopped.happened += stopped.simulation.post("addresses", key, Inbound(sender=PHONE, body="STOP"), START + 40 * HOUR)
    stopped.arrive(ERASE, time_of(ERASE) + timedelta(seconds=1))
    stopped.rest(START + 100 * HOUR)
    address = stopped.simulation.state("addresses", IDENTITY.address("sms", PHONE))
    assert (set(address.blocks), address.jobs, address.owners, address.to) == ({"stopped"}, {}, {}, None)


def test_every_message_of_a_forgotten_person_ends_once() -> None:
    waiting = ge("application.conditionally_approved", 49.99)
    run = play(*told()[:2], waiting, ERASE)
    ends: dict[str, list[str]] = {}
    for _, (kind, said) in run.events(topics.NOTIFICATIONS):
        ends.setdefault(said["notificationId"], []).append(kind.rpartition(".")[2])
    final = {"delivered", "failed", "unconfirmed", "suppressed", "expired", "superseded", "parked"}
    assert all(len(final.intersection(states)) == 1 for states in ends.values())


def test_a_late_receipt_for_a_forgotten_person_changes_nothing() -> None:
    run = play(*told(), ERASE)
    key = IDENTITY.address("sms", PHONE)
    late = Receipt(token=f"{key}-x", providerId="SM" + 32 * "0", status="delivered")
    stage = pipeline().stages["addresses"]
    state = run.simulation.state("addresses", key)
    after, outputs = stage.receive(state, late, START + 100 * HOUR)
    assert (after, [type(output) for output in outputs]) == (state, [Stray]), "seen, and nothing else"


def test_a_traveler_whom_a_record_leaves_has_its_older_copies_made_unreadable() -> None:
    stage = pipeline().stages["travelers"]
    card = CardSnapshot(record="R", version=1, card=CardView(program="NEXUS", recordId="R", asOf=START))
    state, outputs = stage.receive(stage.empty("t1"), card, START)
    assert Renew() not in outputs
    _, outputs = stage.receive(state, CardGone(record="R", version=2), START)
    assert Renew() in outputs
