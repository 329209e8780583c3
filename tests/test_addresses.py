"""One phone number or mailbox: what its owner says counts at once, and every message to it comes to one clear end."""

from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from msgspec.structs import replace

from schemas.internal import (
    Answered,
    Claim,
    Dialled,
    Inbound,
    Listed,
    Lookup,
    Mail,
    OptedOut,
    Outcome,
    Owned,
    Recall,
    Receipt,
    Send,
    Settled,
    Stray,
    Trouble,
    Withhold,
)
from streams import topics
from streams.addresses import Addresses, caps
from streams.addresses.errors import REFUSED, UNDELIVERED, Meaning, refused, undelivered
from streams.grammar import Publish, ToStage, advance, step
from streams.policy import Policy
from tests.protocol import IDENTITY, MAILBOX, NUMBER, START, Words, message


class Place:
    """An address of the real stage. Claims are answered by the test."""

    def __init__(self, policy: Policy | None = None, to: str = NUMBER) -> None:
        channel = "email" if "@" in to else "sms"
        self.stage = Addresses(IDENTITY, policy or Policy(holds="off"), Words())
        self.state = self.stage.empty(IDENTITY.address(channel, to))
        self.now = START
        self.said: list[Any] = []

    def hear(self, heard: Any, after: float = 0) -> list[Any]:
        self.now += timedelta(seconds=after)
        self.state, emitted = step(self.stage, self.state, heard, self.now)
        return self._keep(emitted)

    def wait(self, seconds: float) -> list[Any]:
        self.now += timedelta(seconds=seconds)
        self.state, emitted = advance(self.stage, self.state, self.now)
        return self._keep(emitted)

    def _keep(self, emitted: list[Any]) -> list[Any]:
        fresh = [one.output for one in emitted]
        self.said += fresh
        return fresh

    def text(self, body: str, **more: Any) -> list[Any]:
        return self.hear(Inbound(sender=NUMBER, body=body, **more))

    def answer(self, claim: Claim, result: Any = "accepted", code: str | None = None, **more: Any) -> list[Any]:
        sid = f"SM-{claim.claimId}" if result == "accepted" else None
        return self.hear(Dialled(claimId=claim.claimId, result=result, providerId=sid, code=code, **more))

    def deliver(self, send: Send) -> None:
        [claim] = claims(self.hear(send))
        self.answer(claim)
        self.hear(Receipt(token=claim.token, providerId=None, status="delivered"))


def claims(outputs: list[Any]) -> list[Claim]:
    return [one for one in outputs if isinstance(one, Claim)]


def lookups(outputs: list[Any]) -> list[Lookup]:
    return [one for one in outputs if isinstance(one, Lookup)]


def states(outputs: list[Any]) -> list[str]:
    """The states of notifications, in order, with the reason where there is one."""
    found = []
    for one in outputs:
        if isinstance(one, Publish) and one.topic == topics.NOTIFICATIONS and one.event is not None:
            reason = msgspec.json.decode(one.event.data)["reason"]
            found.append(one.event.type.rpartition(".")[2] + (f" {reason}" if reason else ""))
    return found


def blocked(outputs: list[Any]) -> list[str | None]:
    """What was written on the suppressions topic: reasons, None for a tombstone."""
    found = [one.event for one in outputs if isinstance(one, Publish) and one.topic == topics.SUPPRESSIONS]
    return [None if event is None else msgspec.json.decode(event.data)["reason"] for event in found]


def text(number: int, **fields: Any) -> Send:
    return replace(message(number, "sms", 600), **fields)


# ---- claims and results


def test_a_message_is_claimed_once_accepted_and_delivered() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    assert (claim.to, claim.deadline - claim.at, claim.token.partition("-")[0]) == (
        NUMBER,
        timedelta(seconds=20),
        place.state.key,
    )
    place.answer(claim)
    place.hear(Receipt(token=claim.token, providerId=None, status="delivered"), after=3)
    assert states(place.said) == ["claimed", "accepted", "delivered"]
    outcomes = [one.message for one in place.said if isinstance(one, ToStage) and isinstance(one.message, Outcome)]
    assert [one.state for one in outcomes] == ["accepted", "delivered"]
    assert place.stage.due(place.state) is None


def test_the_same_send_again_is_none() -> None:
    place = Place()
    place.deliver(text(0))
    assert place.hear(text(0)) == []


@pytest.mark.parametrize("status", ["sent", "queued", "sending"])
def test_a_receipt_never_goes_back(status: str) -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.hear(Receipt(token=claim.token, providerId="SM1", status="delivered"))
    assert place.hear(Receipt(token=claim.token, providerId="SM1", status=status)) == []
    assert states(place.answer(claim)) == [], "the result comes after its receipt"


def test_the_dialer_hears_once_that_the_provider_has_sent_a_text_on() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    for status, settled in (("queued", 0), ("sent", 1), ("sent", 0), ("delivered", 0)):
        outputs = place.hear(Receipt(token=claim.token, providerId=None, status=status))
        assert [one.claimId for one in outputs if isinstance(one, Settled)] == [claim.claimId] * settled, status


def test_a_receipt_that_belongs_to_no_claim_changes_nothing_and_is_not_lost_in_silence() -> None:
    place = Place()
    place.deliver(text(0))
    before = place.state
    outputs = place.hear(Receipt(token=f"{place.state.key}-{'a' * 32}", providerId="SM9", status="failed"))
    assert outputs == [Stray(key=place.state.key, status="failed", providerId="SM9")]
    assert place.state == before
    assert place.hear(Receipt(token=None, providerId="SM9", status="failed")) == [], "we asked for it ourselves"


def test_a_text_that_failed_and_then_arrived_stays_failed_and_the_contradiction_is_seen() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code="30008"))
    outputs = place.hear(Receipt(token=claim.token, providerId="SM9", status="delivered"))
    assert outputs == [Stray(key=place.state.key, status="delivered", providerId="SM9", contradicts=True)]


def test_delivered_may_still_fail_once() -> None:
    place = Place()
    place.deliver(text(0))
    [job] = place.state.jobs.values()
    late = Receipt(token=job.tries[0].token, providerId=None, status="undelivered", code="30008")
    assert states(place.hear(late)) == ["failed late-flip"]
    assert states(place.hear(late)) == []
    assert states(place.hear(replace(late, status="delivered"))) == []


def test_what_was_not_sent_is_claimed_again_later_and_later() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    waits = []
    for _ in range(4):
        place.answer(claim, "not-sent", "429")
        before = place.now
        [claim] = claims(place.wait((place.stage.due(place.state) - place.now).total_seconds()))  # type: ignore[operator]
        waits.append((place.now - before).total_seconds())
    assert waits == [5, 10, 20, 40]


def test_the_provider_says_how_long_to_wait() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim, "not-sent", "429", retryAfter=100.0)
    assert place.stage.due(place.state) == START + timedelta(seconds=100)


@pytest.mark.parametrize(
    ("code", "end", "block"),
    [
        ("21614", "failed", ["hard-bounce"]),
        ("21211", "failed", ["hard-bounce"]),
        ("21610", "suppressed stopped", ["stopped"]),
        ("21612", "failed", []),
        ("21617", "parked", []),
        ("99999", "parked", []),
    ],
)
def test_a_refusal_ends_as_its_code_says(code: str, end: str, block: list[str]) -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    outputs = place.answer(claim, "rejected", code)
    assert states(outputs) == ["rejected", end]
    assert blocked(outputs) == block


@pytest.mark.parametrize(
    ("code", "end", "block"),
    [
        ("30005", "failed", ["hard-bounce"]),
        ("30003", "failed", []),
        ("30008", "failed", []),
        ("21610", "suppressed stopped", ["stopped"]),
    ],
)
def test_a_failed_delivery_ends_as_its_code_says(code: str, end: str, block: list[str]) -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    outputs = place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code=code))
    assert states(outputs) == [end]
    assert blocked(outputs) == block


@pytest.mark.parametrize("code", ["30002", "30018", "30023", "30024", "30032", "30033", "30034", "30035"])
def test_what_stops_everything_gives_the_provider_a_rest_and_the_text_one_more_try(code: str) -> None:
    place = Place()
    [claim] = claims(place.hear(text(0, notAfter=START + timedelta(days=1))))
    for expected in (["rejected"], ["failed"]):
        place.answer(claim)
        outputs = place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code=code))
        assert states(outputs) == expected
        assert [one.code for one in outputs if isinstance(one, Trouble)] == [code]
        assert blocked(outputs) == []
        again = claims(place.wait(6 * 3600))
        claim = again[0] if again else claim
    assert len(claims(place.said)) == 2


def test_what_was_too_late_at_the_provider_is_expired() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    outputs = place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code="30036"))
    assert states(outputs) == ["expired"]


@pytest.mark.parametrize("status", ["400", "403", "404", "413", "415", "451"])
def test_a_refusal_by_something_on_the_way_is_not_the_fault_of_the_message(status: str) -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    assert states(place.answer(claim, "rejected", status)) == ["rejected"]
    assert _due(place) == 300


def test_a_full_queue_at_the_provider_is_left_alone_for_half_an_hour() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    assert states(place.answer(claim, "rejected", "21611")) == ["rejected"]
    assert _due(place) == 1800


def test_a_congested_carrier_is_tried_once_more_half_an_hour_later() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    for expected in (["rejected"], ["failed"]):
        place.answer(claim)
        outputs = place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code="30017"))
        assert states(outputs) == expected
        again = claims(place.wait(1800))
        claim = again[0] if again else claim
    assert len(claims(place.said)) == 2


def test_a_block_by_the_carrier_lapses_after_thirty_days() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    place.hear(Receipt(token=claim.token, providerId=None, status="undelivered", code="30004"))
    assert states(place.hear(text(1))) == ["suppressed hard-bounce"]
    later = START + timedelta(days=31)
    assert claims(place.hear(text(2, notAfter=later + timedelta(days=1)), after=31 * 86400))


def test_every_code_has_an_action_and_an_unknown_one_never_blocks() -> None:
    for code in (*REFUSED, *UNDELIVERED, "", "31999"):
        for channel in ("sms", "email"):
            assert refused(code, channel).meaning in get_args(Meaning)
    assert undelivered("31999", "sms").meaning == "final"
    assert refused(None, "sms").meaning == "bug"
    assert [refused(code, "email").days for code in ("5.1.1", "550", "5.2.1")] == [None, 30, 30]
    assert {undelivered(code, "email").meaning for code in ("5.1.7", "5.1.8")} == {"final"}, "our own address"
    assert [refused(code, "email").meaning for code in ("5.1.1", "550", "5.7.1", "554", "4.2.2", "421")] == [
        "number",
        "number",
        "final",
        "final",
        "again",
        "again",
    ]


def test_one_claim_of_a_number_is_out_at_a_time() -> None:
    place = Place()
    [first] = claims(place.hear(text(0)))
    assert claims(place.hear(text(1, kind="EXPIRED"))) == []
    assert [one.notificationId for one in claims(place.answer(first))] == ["n1"]


def test_the_newest_and_most_pressing_goes_first() -> None:
    place = Place()
    [first] = claims(place.hear(text(0)))
    place.hear(text(1, kind="A", plannedAt=START, exempt=True))
    place.hear(text(2, kind="B", plannedAt=START + timedelta(minutes=1), exempt=True))
    place.hear(text(3, kind="C", lane=1, exempt=True))
    order = []
    claim = first
    for _ in range(3):
        [claim] = claims(place.answer(claim))
        order.append(claim.notificationId)
    assert order == ["n3", "n2", "n1"]


def test_the_validity_ends_before_the_news_does() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0, notAfter=START + timedelta(seconds=200))))
    assert claim.validity == 170
    [longest] = claims(place.answer(claim) + place.hear(text(1, kind="B", notAfter=START + timedelta(days=9))))
    assert longest.validity == 36_000
    late = Place()
    assert states(late.hear(text(0, notAfter=START + timedelta(seconds=80)))) == ["expired"]


def test_a_recalled_message_does_not_leave_and_one_that_left_stays() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.hear(text(1, kind="B"))
    assert states(place.hear(Recall(notificationId="n1", travelerId="t1", state="superseded", reason="newer"))) == [
        "superseded newer"
    ]
    place.hear(Recall(notificationId="n0", travelerId="t0", state="superseded", reason="newer"))
    assert states(place.answer(claim)) == ["accepted"]


def test_a_message_without_words_is_parked_and_the_next_one_leaves() -> None:
    class Speechless(Words):
        def text(self, kind: str, language: str, facts: Any) -> Any:
            if kind == "BROKEN":
                raise ValueError(kind)
            return super().text(kind, language, facts)

    place = Place()
    place.stage = Addresses(IDENTITY, Policy(holds="off"), Speechless())
    assert states(place.hear(text(0, kind="BROKEN"))) == ["parked no-wording"]
    assert claims(place.hear(text(1)))


def _due(place: Place) -> float:
    due = place.stage.due(place.state)
    assert due is not None
    return (due - place.now).total_seconds()


def test_an_outage_costs_each_address_a_claim_now_and_then_whatever_waits_there() -> None:
    place = Place()
    place.hear(text(0, kind="A", notAfter=START + timedelta(days=3)))
    for number in range(1, 6):
        place.hear(text(number, kind=f"K{number}", notAfter=START + timedelta(days=3)))
    while place.now < START + timedelta(days=1):
        [claim] = claims(place.said)[-1:]
        place.answer(claim, "not-sent", "breaker", retryAfter=30.0)
        place.wait(_due(place))
    assert 50 <= len(claims(place.said)) <= 62


def test_after_an_outage_the_newest_goes_first() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0, kind="A")))
    place.answer(claim, "not-sent", "breaker", retryAfter=600.0)
    for number in range(1, 4):
        place.hear(text(number, kind=f"K{number}", plannedAt=START + timedelta(minutes=number)), after=60)
    assert len(claims(place.said)) == 1
    [claim] = claims(place.wait(600 - 180))
    assert claim.notificationId == "n3"
    assert [one.notificationId for one in claims(place.answer(claim))] == ["n2"]


def test_what_arrives_while_an_address_rests_waits_too_and_expires_in_time() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim, "not-sent", "breaker", retryAfter=600.0)
    assert claims(place.hear(text(1, kind="B", notAfter=START + timedelta(seconds=200)))) == []
    assert states(place.wait(199)) == []
    assert states(place.wait(1)) == ["expired"]
    assert [one.notificationId for one in claims(place.wait(400))] == ["n0"]


def test_a_stop_holds_back_the_claim_that_is_out_but_not_our_answer() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    assert [one for one in place.text("STOP") if isinstance(one, Withhold)] == [
        Withhold(key=place.state.key, claimId=claim.claimId)
    ]
    outputs = place.answer(claim, "not-sent", "withheld")
    assert states(outputs) == ["rejected not-sent", "suppressed stopped", "claimed"]
    assert [one.kind for one in claims(outputs)] == ["STOP_CONFIRM"]
    assert not [one for one in place.text("wrong number") if isinstance(one, Withhold)]


def test_a_recalled_claim_that_was_held_back_ends_at_once() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    recall = Recall(notificationId="n0", travelerId="t0", state="superseded", reason="newer")
    assert place.hear(recall) == [Withhold(key=place.state.key, claimId=claim.claimId)]
    assert states(place.answer(claim, "not-sent", "withheld")) == ["rejected not-sent", "superseded newer"]


def test_a_message_of_a_second_round_goes_on_counting_its_claims() -> None:
    place = Place()
    [first] = claims(place.hear(text(0)))
    place.wait(20)
    place.wait(130)
    place.hear(Listed(claimId=first.claimId, startedAt=place.now))
    place.hear(Recall(notificationId="n0", travelerId="t0", state="superseded", reason="moved"))
    [second] = claims(place.hear(text(0, round=1)))
    assert (first.claimId, second.claimId) == ("n0:1", "n0:2")
    place.answer(second)
    late = place.hear(Receipt(token=first.token, providerId="SM1", status="delivered"))
    assert states(late) == ["accepted duplicate-confirmed"]


def test_a_message_that_waited_into_the_night_waits_for_the_morning() -> None:
    place = Place(Policy())
    evening = START.replace(hour=2) + timedelta(days=1)
    place.now = evening
    send = text(0, zones=("America/Chicago",), notAfter=evening + timedelta(days=1))
    [claim] = claims(place.hear(send))
    place.answer(claim, "not-sent", retryAfter=7200.0)
    assert states(place.wait(7200)) == ["held quiet-hours"]
    assert claims(place.wait(12 * 3600))


# ---- doubt


def test_a_doubt_is_asked_about_at_the_fixed_times() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0, notAfter=START + timedelta(hours=1))))
    place.answer(claim, "doubt", "no-answer")
    asked: list[float] = []
    for _ in range(5):
        at = place.stage.due(place.state)
        assert at is not None
        assert lookups(place.wait((at - place.now).total_seconds()))
        asked.append((at - claim.deadline).total_seconds())
    assert asked == [10, 45, 120, 420, 720]
    opened = [one for one in place.said if isinstance(one, Publish) and one.topic == topics.WORK]
    assert len(opened) == 1, "a doubt of more than ten minutes is shown to a person, once"


def test_a_match_in_the_list_is_acceptance_and_empties_the_work() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.wait(20)
    place.wait(800)
    outputs = place.hear(Listed(claimId=claim.claimId, startedAt=place.now, matches=(("SM9", "sent", None),)))
    assert states(outputs) == ["accepted found"]
    assert [
        one.event.type for one in outputs if isinstance(one, Publish) and one.topic == topics.WORK and one.event
    ] == ["gov.dhs.ttp.work.closed"]


def test_strict_never_sends_again() -> None:
    place = Place(Policy(holds="off", doubt_policy="strict"))
    [claim] = claims(place.hear(text(0)))
    place.wait(20)
    place.wait(130)
    assert states(place.hear(Listed(claimId=claim.claimId, startedAt=place.now))) == ["unconfirmed no-evidence"]
    place.wait(100_000)
    assert len(claims(place.said)) == 1


def test_evidence_for_a_claim_taken_for_lost_stops_the_next_one() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.wait(20)
    place.wait(130)
    assert states(place.hear(Listed(claimId=claim.claimId, startedAt=place.now))) == ["rejected not-found"]
    late = place.hear(Receipt(token=claim.token, providerId="SM1", status="delivered"), after=1)
    assert states(late) == ["accepted late-evidence", "delivered"]
    assert claims(place.wait(3600)) == []


def test_a_text_that_arrived_after_it_was_reported_lost_is_not_sent_again() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    failed = Receipt(token=claim.token, providerId="SM1", status="undelivered", code="30017")
    assert states(place.hear(failed)) == ["rejected"]
    assert states(place.hear(replace(failed, status="delivered", code=None))) == ["delivered late-evidence"]
    assert claims(place.wait(86_400)) == []


def test_evidence_for_a_text_that_ended_unconfirmed_is_evidence_for_no_other() -> None:
    place = Place()
    [first] = claims(place.hear(text(0, notAfter=START + timedelta(minutes=4))))
    place.wait(20)
    place.wait(600)
    assert states(place.said)[-1] == "unconfirmed no-evidence"
    assert place.hear(Receipt(token=first.token, providerId="SM1", status="delivered")) == [
        Settled(key=place.state.key, claimId=first.claimId)
    ]
    [second] = claims(place.hear(text(1)))
    assert first.message == second.message
    place.answer(second, "doubt", "no-answer")
    [asked, *_] = lookups(place.wait(40))
    assert asked.taken == ("SM1",)


def test_an_email_in_doubt_is_claimed_again_with_the_same_id_and_date() -> None:
    place = Place(to=MAILBOX)
    [claim] = claims(place.hear(message(0, "email", 600)))
    place.answer(claim, "doubt", "no-answer")
    outputs = place.wait(145)
    [again] = claims(outputs)
    assert states(outputs) == ["claimed"]
    assert isinstance(claim.message, Mail)
    assert isinstance(again.message, Mail)
    assert (again.message.headers["Message-ID"], again.message.headers["Date"]) == (
        claim.message.headers["Message-ID"],
        claim.message.headers["Date"],
    )
    assert again.claimId != claim.claimId


def test_an_email_without_a_bounce_counts_as_delivered_after_a_day() -> None:
    place = Place(to=MAILBOX)
    [claim] = claims(place.hear(message(0, "email", 600)))
    place.answer(claim)
    assert states(place.wait(86_399)) == []
    assert states(place.wait(1)) == ["delivered no-receipt"]


def test_a_text_without_a_receipt_is_asked_about_and_ends_as_unconfirmed() -> None:
    place = Place()
    [claim] = claims(place.hear(text(0)))
    place.answer(claim)
    [asked] = lookups(place.wait(120))
    assert asked.providerId == f"SM-{claim.claimId}"
    assert states(place.hear(Receipt(token=None, providerId=asked.providerId, status="sent"))) == []
    assert states(place.wait(3 * 86400)) == ["unconfirmed no-receipt"]


def test_of_several_texts_without_a_receipt_the_oldest_is_asked_about_first_however_late_the_clock() -> None:
    place = Place()
    claimed = []
    for number in range(3):
        [claim] = claims(place.hear(text(number), after=10))
        place.answer(claim)
        claimed.append(f"SM-{claim.claimId}")
    asked = [one.providerId for one in lookups(place.wait(3600))]
    assert asked[:3] == claimed
    assert [asked.count(sid) for sid in claimed] == [4, 4, 4], "none is forgotten for another"


# ---- what the owner says


def test_stop_blocks_at_once_ends_what_waits_and_is_confirmed_once() -> None:
    place = Place()
    [out] = claims(place.hear(text(0, languageRequested="es")))
    place.hear(text(1, kind="B"))
    outputs = place.text("PARAR")
    assert blocked(outputs) == ["stopped"]
    assert "suppressed stopped" in states(outputs)
    [confirm] = claims(place.answer(out))
    assert (confirm.kind, confirm.language) == ("STOP_CONFIRM", "es")
    place.answer(confirm)
    assert place.text("STOP") == []
    assert states(place.hear(text(2))) == ["suppressed stopped"]
    assert place.text("HELP") == [], "nothing after STOP"


def test_a_stop_that_the_provider_answered_is_not_confirmed_again() -> None:
    place = Place()
    outputs = place.text("STOP", answered=True)
    assert blocked(outputs) == ["stopped"]
    assert claims(outputs) == []


def test_a_keyword_of_the_provider_that_is_none_of_ours_counts_as_what_the_provider_took_it_for() -> None:
    place = Place()
    outputs = place.text("basta ya", answered=True, heard="stop")
    assert blocked(outputs) == ["stopped"]
    assert claims(outputs) == []
    outputs = place.text("otra vez", answered=True, heard="start")
    assert blocked(outputs) == [None]
    assert claims(outputs) == []


def test_a_text_that_the_provider_hands_over_twice_is_answered_once() -> None:
    place = Place()
    place.deliver(text(0))
    [welcome] = claims(place.text("START", providerId="SM1"))
    place.answer(welcome)
    assert place.text("START", providerId="SM1") == []
    [again] = claims(place.text("START", providerId="SM2"))
    assert again.kind == "WELCOME"
    place.answer(again)
    assert claims(place.text("STOP", providerId="SM3"))
    assert place.text("START", providerId="SM2") == [], "late, and behind a STOP, it must not lift it"


def test_what_the_provider_blocks_is_blocked_here_whatever_we_would_have_heard() -> None:
    place = Place()
    assert blocked(place.text("YES", answered=True, heard="stop")) == ["stopped"]


def test_start_lifts_what_stop_did_and_nothing_else() -> None:
    place = Place()
    place.deliver(text(0))
    [confirm] = claims(place.text("stop"))
    place.answer(confirm)
    outputs = place.text("START")
    assert blocked(outputs) == [None]
    assert [one.kind for one in claims(outputs)] == ["WELCOME"]
    assert [one.message.word for one in outputs if isinstance(one, ToStage) and isinstance(one.message, Answered)] == [
        "start"
    ]
    place.answer(claims(outputs)[0])
    assert blocked(place.text("wrong number")) == ["wrong-person"]
    assert place.text("START") == []


def test_the_owner_of_an_address_that_we_never_used_gets_help_once_a_day() -> None:
    place = Place()
    [claim] = claims(place.text("hello?"))
    assert claim.kind == "HELP"
    place.answer(claim)
    assert place.text("YES") == []
    place.now += timedelta(hours=24)
    assert [one.kind for one in claims(place.text("???"))] == ["HELP"]


def test_who_asks_for_help_again_and_again_is_answered_later_and_later() -> None:
    place = Place()
    answered = 0
    for _ in range(180):
        for claim in claims(place.text("HELP")):
            answered += 1
            place.answer(claim)
        place.wait(60)
    assert answered <= 8
    place.wait(7200)
    assert claims(place.text("HELP"))


def test_the_answer_is_in_the_language_of_the_last_text() -> None:
    place = Place()
    place.deliver(text(0, languageRequested="es", languageServed="es"))
    place.deliver(text(1, kind="B", languageRequested="vi", languageServed="vi"))
    assert [one.language for one in claims(place.text("HELP"))] == ["vi"]


def test_before_any_text_it_is_in_the_language_of_whom_the_number_belongs_to() -> None:
    place = Place()
    place.hear(Owned(travelerId="t1", to=NUMBER, language="ko"))
    assert [one.language for one in claims(place.text("STOP"))] == ["ko"]
    place = Place()
    place.hear(Owned(travelerId="t1", to=NUMBER, language="ko"))
    place.hear(Owned(travelerId="t1", to=NUMBER, language="ko", leave=True))
    assert [one.language for one in claims(place.text("PARAR"))] == ["es"]


def test_a_word_reaches_every_traveler_of_the_number() -> None:
    place = Place()
    place.deliver(text(0))
    place.deliver(text(1, kind="B"))
    told = [one.key for one in place.text("yes") if isinstance(one, ToStage) and isinstance(one.message, Answered)]
    assert sorted(told) == ["t0", "t1"]


def test_a_wrong_person_is_told_nothing() -> None:
    place = Place()
    place.deliver(text(0))
    outputs = place.text("You have the wrong person")
    assert blocked(outputs) == ["wrong-person"]
    assert claims(outputs) == []
    assert states(place.hear(text(1))) == ["suppressed wrong-person"]


def test_a_mailbox_that_unsubscribed_is_not_written_to() -> None:
    place = Place(to=MAILBOX)
    assert blocked(place.hear(OptedOut(address=MAILBOX, reason="stopped"))) == ["stopped"]
    assert states(place.hear(message(0, "email", 600))) == ["suppressed stopped"]


# ---- caps


def _sent(place: Place, number: int, at: datetime, **fields: Any) -> list[str]:
    place.now = at
    outputs = place.hear(text(number, kind=f"K{number}", notAfter=at + timedelta(hours=9), **fields))
    for claim in claims(outputs):
        place.answer(claim)
        place.hear(Receipt(token=claim.token, providerId=None, status="delivered"))
    return states(outputs)


def test_the_fourth_text_of_a_local_day_is_one_too_many() -> None:
    place = Place()
    zones = ("America/Los_Angeles",)
    evening = START.replace(hour=23)
    for number in range(caps.A_DAY):
        assert _sent(place, number, evening, zones=zones) == ["claimed"]
    assert _sent(place, 8, evening + timedelta(hours=3), zones=zones) == ["suppressed cap"]
    assert _sent(place, 9, evening + timedelta(hours=3), zones=zones, exempt=True) == ["claimed"]
    assert _sent(place, 10, evening + timedelta(hours=10), zones=zones) == ["claimed"], "a new day in Los Angeles"


def test_the_eleventh_text_of_a_month_is_one_too_many() -> None:
    place = Place()
    for number in range(caps.A_MONTH):
        assert _sent(place, number, START + timedelta(days=number)) == ["claimed"]
    assert _sent(place, 20, START + timedelta(days=20)) == ["suppressed cap"]
    assert _sent(place, 21, START + timedelta(days=31)) == ["claimed"]
    assert len(place.state.texts) <= caps.A_MONTH + 1


def test_a_text_that_never_arrived_does_not_count() -> None:
    place = Place()
    for number in range(5):
        [claim] = claims(place.hear(text(number, kind=f"K{number}")))
        place.answer(claim, "rejected", "21612")
    assert place.state.texts == ()


def test_what_is_kept_reads_back_as_it_was() -> None:
    place = Place()
    place.deliver(text(0))
    place.hear(text(1, kind="B"))
    place.text("STOP")
    place.text("wrong number")
    state = place.state
    assert {"stopped", "wrong-person"} == set(state.blocks)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=place.stage.state_type) == state
