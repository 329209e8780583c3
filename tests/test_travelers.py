"""One person: what is merged, what is shown on top, and who is told what, where and when."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.internal import (
    Answered,
    Arrived,
    CardSnapshot,
    ContactChanged,
    Enroll,
    Facts,
    Join,
    Joined,
    News,
    Notice,
    Outcome,
    Plan,
    Recall,
    Release,
    Send,
    SourceGuardian,
    ToldWrong,
    TravelerChanged,
    Withdraw,
)
from schemas.outputs import (
    ApplicationView,
    CardView,
    InterviewView,
    MembershipView,
    OverlayView,
    ReviewView,
)
from schemas.source import Guardian
from streams import topics
from streams.grammar import DeadLetter, Publish, ToStage, step
from streams.identity import Identity
from streams.policy import Policy
from streams.travelers import Travelers, programs
from streams.travelers.view import headline, trip_number
from tests.casework import origin
from tests.protocol import Words

NOW = datetime(2027, 3, 2, 16, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
PHONE, OTHER, MAIL = "+13125550100", "+13125550199", "a@example.com"
IDENTITY = Identity(b"t" * 32)


class Person:
    """A traveler of the real stage, and everything that it said."""

    def __init__(self, policy: Policy | None = None, key: str = "t1") -> None:
        self.stage = Travelers(IDENTITY, policy or Policy(), Words())
        self.state: Any = self.stage.empty(key)
        self.now = NOW
        self.said: list[Any] = []
        self.count = 0

    def hear(self, message: Any, at: datetime | None = None) -> list[Any]:
        self.now = at or self.now
        self.state, emitted = step(self.stage, self.state, message, self.now)
        fresh = [one.output for one in emitted]
        self.said += fresh
        return fresh

    def profile(
        self, at: datetime | None = None, name: str = "updated", identifier: str = "", **data: Any
    ) -> list[Any]:
        self.count += 1
        moment = at or self.now
        source = origin(
            topics.PROFILE, name, moment, identifier or f"p-{self.count}", portalSubject="p1", recordId=None, **data
        )
        return self.hear(Arrived(origin=source, at=moment), moment)

    def signed_up(self, **data: Any) -> "Person":
        base = {
            "timeZone": "America/Chicago",
            "language": "es",
            "phone": {"address": PHONE, "verified": True},
            "email": {"address": MAIL, "verified": True},
            "consent": {"sms": True, "email": True},
        }
        self.profile(**(base | data))
        return self

    def card(self, version: int = 1, record: str = "GLOBAL_ENTRY:G1", **fields: Any) -> list[Any]:
        outside = {
            name: fields.pop(name) for name in ("birthDate", "minor", "language", "sourceHasPhone") if name in fields
        }
        program, _, reference = record.partition(":")
        made = CardView(program=program, recordId=reference, asOf=NOW, **fields)
        return self.hear(CardSnapshot(record=record, version=version, card=made, **outside))

    def told(self, item: News, at: datetime | None = None) -> list[Any]:
        planned = self.hear(Plan(news=item), at)
        return planned + self.hear(_named(Release, item), at)


def _named(kind: Any, item: News, **more: Any) -> Any:
    return kind(record=item.record, applicationId=item.applicationId, kind=item.kind, fact=item.fact, **more)


def news(kind: str = "APPROVED", **fields: Any) -> News:
    base: dict[str, Any] = {
        "record": "GLOBAL_ENTRY:G1",
        "program": "GLOBAL_ENTRY",
        "recordId": "G1",
        "applicationId": "A1",
        "kind": kind,
        "fact": "2032-01-01",
        "causeId": "e1",
        "occurredAt": NOW,
        "receivedAt": NOW,
        "plannedAt": NOW,
        "releaseAt": NOW,
        "notAfter": NOW + timedelta(days=7),
        "channels": ("sms", "email"),
    }
    return News(**(base | fields))


def steps(outputs: list[Any], channel: str | None = None) -> list[tuple[str, str | None]]:
    """The states and reasons of notifications, in order."""
    found = []
    for output in outputs:
        if isinstance(output, Publish) and output.topic == topics.NOTIFICATIONS and output.event is not None:
            data = msgspec.json.decode(output.event.data)
            if channel in (None, data["channel"]):
                found.append((output.event.type.rpartition(".")[2], data["reason"]))
    return found


def sends(outputs: list[Any]) -> list[Send]:
    return [one.message for one in outputs if isinstance(one, ToStage) and isinstance(one.message, Send)]


def of(outputs: list[Any], kind: type) -> list[Any]:
    return [one.message for one in outputs if isinstance(one, ToStage) and isinstance(one.message, kind)]


# ---- profile


def test_profile_events_give_the_same_profile_in_any_order() -> None:
    told = [
        ("a", NOW, {"language": "es", "timeZone": "America/Chicago"}),
        ("b", NOW + timedelta(hours=1), {"language": None, "consent": {"sms": True}}),
        ("c", NOW + timedelta(hours=2), {"consent": {"sms": False}, "phone": {"address": PHONE, "verified": True}}),
        ("d", NOW + timedelta(hours=2), {"language": "vi"}),
    ]
    profiles = []
    for order in permutations(told):
        person = Person()
        for identifier, at, data in (*order, *order):
            person.profile(at, identifier=identifier, **data)
        profiles.append(msgspec.json.encode(person.state.profile, order="deterministic"))
    assert len(set(profiles)) == 1


def test_the_same_id_with_another_body_is_a_dead_letter() -> None:
    person = Person()
    person.profile(identifier="x", language="es")
    outputs = person.profile(identifier="x", language="vi")
    assert [one.reason for one in outputs if isinstance(one, DeadLetter)] == ["id-reused"]
    assert person.state.profile.language == "es"


def test_null_clears_and_absence_keeps() -> None:
    person = Person().signed_up()
    person.profile(NOW + timedelta(hours=1), phone=None)
    assert person.state.profile.phone is None
    assert person.state.profile.language == "es"


# ---- joining


def test_a_record_of_another_birth_date_is_refused() -> None:
    person = Person()
    day = date(1990, 1, 1)
    assert of(person.hear(Join(record="A:1", eventId="e", birthDate=day)), Joined)[0].accepted
    assert not of(person.hear(Join(record="B:1", eventId="e", birthDate=date(1990, 1, 2))), Joined)[0].accepted
    assert of(person.hear(Join(record="B:2", eventId="e", birthDate=day)), Joined)[0].accepted
    assert of(person.hear(Join(record="B:3", eventId="e")), Joined)[0].accepted


def test_records_hear_of_the_zones() -> None:
    person = Person()
    person.card()
    changed = of(person.profile(timeZone="America/Chicago"), TravelerChanged)
    assert [one.zones for one in changed] == [("America/Chicago",)]


# ---- view


def test_the_view_is_published_only_when_it_changed() -> None:
    person = Person()
    assert any(isinstance(one, Publish) and one.topic == topics.STATUS for one in person.card(1))
    assert not any(isinstance(one, Publish) and one.topic == topics.STATUS for one in person.card(2))
    old = person.card(1, membership=MembershipView(state="ACTIVE"))
    assert not any(isinstance(one, Publish) and one.topic == topics.STATUS for one in old), "an older version"


def test_erased_is_a_tombstone_and_silence() -> None:
    person = Person().signed_up()
    person.card()
    outputs = person.profile(name="erased")
    assert [one.event for one in outputs if isinstance(one, Publish) and one.topic == topics.STATUS] == [None]
    assert {reason for state, reason in steps(person.told(news())) if state == "suppressed"} == {"no-address"}


def _card(program: str = "GLOBAL_ENTRY", state: str | None = None, member: str = "NONE", **fields: Any) -> CardView:
    due = fields.pop("due", None)
    application = ApplicationView(applicationId="A", state=state, kind="INITIAL", dueDate=due) if state else None
    membership = fields.pop("membership", MembershipView(state=member))
    return CardView(
        program=program, recordId=program[:2], asOf=NOW, application=application, membership=membership, **fields
    )


LADDER = [
    ("MEMBERSHIP_CHANGE", _card(member="REVOKED")),
    ("ACTION_NEEDED", _card(state="ACTION_NEEDED", due=date(2027, 3, 10))),
    ("REPLY_NEEDED", _card(state="DENIED", review=ReviewView(state="WINDOW_OPEN", replyBy=date(2027, 3, 20)))),
    ("CHECKING", _card(state="APPROVED", member="ACTIVE", integrity="CONFLICT")),
    ("INTERVIEW_SCHEDULED", _card(state="INTERVIEW_SCHEDULED", interview=InterviewView(at=NOW + timedelta(days=1)))),
    ("CONDITIONALLY_APPROVED", _card(state="CONDITIONALLY_APPROVED")),
    ("DENIED", _card(state="DENIED", review=ReviewView(state="WINDOW_OPEN"))),
    ("EXTENDED", _card(state="IN_REVIEW", member="EXTENDED")),
    ("ACTIVE", _card(state="APPROVED", member="ACTIVE")),
    ("IN_REVIEW", _card(state="SUBMITTED")),
    ("EXPIRED", _card(state="APPROVED", member="EXPIRED")),
    ("CLOSED", _card(state="WITHDRAWN")),
    ("NONE", _card(state="STARTED")),
]


@pytest.mark.parametrize("rung", range(len(LADDER)))
def test_the_headline_is_the_first_of_the_ladder(rung: int) -> None:
    cards = [replace(card, recordId=f"R{number}") for number, (_, card) in enumerate(LADDER)]
    assert headline(reversed(cards[rung:]), NOW).code == LADDER[rung][0]
    assert headline(cards[rung : rung + 1], NOW).code == LADDER[rung][0]


def test_the_nearest_date_comes_first() -> None:
    soon = _card("PRECHECK", state="DENIED", review=ReviewView(state="WINDOW_OPEN", replyBy=date(2027, 3, 5)))
    later = _card(state="ACTION_NEEDED", due=date(2027, 3, 6))
    assert headline([later, soon], NOW).code == "REPLY_NEEDED"
    assert headline([later, _card("PRECHECK", state="ACTION_NEEDED")], NOW).program == "GLOBAL_ENTRY"


def test_a_renewal_in_review_is_said_beside_active() -> None:
    assert headline([_card(state="IN_REVIEW", member="ACTIVE")], NOW).code == "ACTIVE_RENEWAL_IN_REVIEW"


def test_an_interview_that_began_is_no_longer_ahead() -> None:
    person = Person()
    person.card(
        application=ApplicationView(applicationId="A", state="INTERVIEW_SCHEDULED", kind="INITIAL"),
        interview=InterviewView(at=NOW + timedelta(hours=2)),
    )
    at = person.stage.due(person.state)
    assert at == NOW + timedelta(hours=2)
    person.state, outputs = person.stage.wake(person.state, at)
    [shown] = [one for one in outputs if isinstance(one, Publish)]
    assert shown.event is not None
    assert msgspec.json.decode(shown.event.data)["headline"]["code"] == "IN_REVIEW"
    assert person.stage.due(person.state) is None


def test_the_trip_number_is_of_the_cbp_membership_that_says_so() -> None:
    own = _card("PRECHECK", membership=MembershipView(state="ACTIVE", validTo=date(2033, 1, 1), numberMasked="TT**1"))
    entry = MembershipView(state="ACTIVE", validTo=date(2030, 1, 1), includesPrecheck=True, numberMasked="98**2")
    assert trip_number([own, _card(membership=entry)]) is not None
    assert trip_number([own, _card(membership=entry)]).program == "GLOBAL_ENTRY"  # type: ignore[union-attr]
    for other in (replace(entry, state="SUSPENDED"), replace(entry, includesPrecheck=None)):
        assert trip_number([own, _card(membership=other)]).masked == "TT**1"  # type: ignore[union-attr]
    assert trip_number([_card(membership=replace(entry, includesPrecheck=None))]) is None


# ---- from the plan to the hand-over


def test_nothing_leaves_before_the_release() -> None:
    person = Person().signed_up()
    planned = person.hear(Plan(news=news(releaseAt=NOW + timedelta(minutes=2))))
    assert steps(planned, "sms") == [("planned", None), ("held", "debounce")]
    assert not sends(planned)
    assert person.stage.due(person.state) is None
    released = sends(person.hear(_named(Release, news()), NOW + timedelta(minutes=2)))
    assert [(one.channel, one.to, one.languageServed) for one in released] == [
        ("sms", PHONE, "es"),
        ("email", MAIL, "es"),
    ]


def test_the_same_plan_twice_is_one_plan() -> None:
    person = Person().signed_up()
    person.hear(Plan(news=news()))
    assert steps(person.hear(Plan(news=news()))) == []


def test_a_text_at_night_waits_and_the_email_does_not() -> None:
    person = Person().signed_up()
    night = datetime(2027, 3, 2, 9, 10, tzinfo=UTC)
    outputs = person.told(news(releaseAt=night), night)
    assert steps(outputs, "sms") == [("planned", None), ("held", "quiet-hours")]
    assert [one.channel for one in sends(outputs)] == ["email"]
    assert person.stage.due(person.state) == datetime(2027, 3, 2, 14, tzinfo=UTC)


def test_adverse_news_waits_in_both_channels() -> None:
    person = Person().signed_up()
    outputs = person.told(news("LETTER_READY", adverse=True), datetime(2027, 3, 6, 0, 10, tzinfo=UTC))
    assert sends(outputs) == []
    assert person.stage.due(person.state) == datetime(2027, 3, 8, 15, tzinfo=UTC)


def test_consent_counts_as_it_stands_at_the_hour() -> None:
    person = Person().signed_up()
    person.told(news(), datetime(2027, 3, 3, 9, 10, tzinfo=UTC))
    person.profile(datetime(2027, 3, 3, 10, tzinfo=UTC), consent={"sms": False})
    later = person.hear(Join(record="A:1", eventId="e"), datetime(2027, 3, 3, 15, tzinfo=UTC))
    assert steps(later, "sms") == [("suppressed", "no-consent")]


def test_a_hold_that_outlasts_the_news_ends_as_expired() -> None:
    person = Person().signed_up()
    night = datetime(2027, 3, 2, 9, 10, tzinfo=UTC)
    person.told(news(notAfter=night + timedelta(hours=1)), night)
    assert steps(person.hear(Join(record="A:1", eventId="e"), night + timedelta(hours=2)), "sms") == [("expired", None)]


@pytest.mark.parametrize(
    ("profile", "sms", "email"),
    [
        ({"phone": None, "email": None}, "no-address", "no-address"),
        ({"phone": {"address": PHONE}, "email": {"address": MAIL}}, "unverified", "unverified"),
        ({"consent": {"sms": False, "email": False}}, "no-consent", "no-consent"),
        ({"consent": None}, "no-consent", None),
        ({"phone": {"address": "12", "verified": True}}, "no-address", None),
    ],
)
def test_a_closed_channel_says_why(profile: dict[str, Any], sms: str | None, email: str | None) -> None:
    outputs = Person(Policy(holds="off")).signed_up(**profile).told(news())
    for channel, reason in (("sms", sms), ("email", email)):
        ended = [one for state, one in steps(outputs, channel) if state == "suppressed"]
        assert ended == ([reason] if reason else []), channel


def test_a_source_held_number_is_unverified() -> None:
    person = Person(Policy(holds="off"))
    person.card(sourceHasPhone=True)
    assert steps(person.told(news()), "sms")[-1] == ("suppressed", "unverified")


def test_withheld_channels_are_planned_and_suppressed_at_once() -> None:
    outputs = Person().signed_up().hear(Plan(news=news(withheld={"sms": "not-news"})))
    assert steps(outputs, "sms") == [("planned", None), ("suppressed", "not-news")]
    assert steps(outputs, "email") == [("planned", None)]


def test_withdrawn_news_is_superseded_and_can_come_again_with_other_event_ids() -> None:
    person = Person().signed_up()
    person.hear(Plan(news=news()))
    assert steps(person.hear(_named(Withdraw, news(), reason="moved"))) == [("superseded", "moved")] * 2
    person.told(news())
    ids = [one.event.id for one in person.said if isinstance(one, Publish) and one.event is not None]
    assert len(ids) == len(set(ids))


def test_what_was_handed_over_is_recalled() -> None:
    person = Person().signed_up()
    person.told(news())
    recalls = of(person.hear(_named(Withdraw, news(), reason="newer")), Recall)
    assert [(one.state, one.reason) for one in recalls] == [("superseded", "newer")] * 2


def test_death_stops_everything_at_once() -> None:
    person = Person().signed_up()
    person.hear(Plan(news=news()))
    assert steps(person.profile(name="deceased")) == [("suppressed", "deceased")] * 2
    assert [reason for state, reason in steps(person.told(news("RENEWED"))) if state == "suppressed"] == [
        "deceased"
    ] * 2


def _outcome(send: Send, state: str, reason: str | None = None) -> Outcome:
    return Outcome(
        notificationId=send.notificationId,
        travelerId="t1",
        record=send.record or "",
        applicationId=send.applicationId,
        kind=send.kind,
        fact=send.fact,
        channel=send.channel,
        state=state,
        at=NOW,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("channels", "state", "reason", "rescued"),
    [
        (("sms",), "failed", None, True),
        (("sms",), "unconfirmed", None, True),
        (("sms",), "suppressed", "cap", True),
        (("sms",), "suppressed", "stopped", False),
        (("sms",), "delivered", None, False),
        (("sms", "email"), "failed", None, False),
    ],
)
def test_a_failed_text_is_told_by_email_once(
    channels: tuple[Any, ...], state: str, reason: str | None, rescued: bool
) -> None:
    person = Person().signed_up()
    [text, *_] = sends(person.told(news(channels=channels)))
    mails = sends(person.hear(_outcome(text, state, reason)))
    assert [one.channel for one in mails] == (["email"] if rescued else [])
    for mail in mails:
        assert sends(person.hear(_outcome(mail, "failed"))) == []
    assert sends(person.hear(_outcome(text, state, reason))) == []


# ---- contact


def test_a_reported_number_warns_the_old_one_asks_the_new_one_and_stops_status_texts() -> None:
    person = Person().signed_up()
    outputs = person.hear(
        ContactChanged(
            record="GLOBAL_ENTRY:G1", program="GLOBAL_ENTRY", recordId="G1", causeId="c", occurredAt=LATER, phone=OTHER
        )
    )
    assert [(one.kind, one.to) for one in sends(outputs)] == [
        ("CONTACT_CHANGED", PHONE),
        ("CONTACT_CHANGED", MAIL),
        ("OPT_IN_REQUEST", OTHER),
    ]
    told = person.told(news(channels=("sms",)))
    assert [(one.channel, one.to) for one in sends(told)] == [("email", MAIL)], "a text alone goes by email instead"
    person.hear(Answered(word="yes", address=OTHER))
    assert [one.to for one in sends(person.told(news("RENEWED", channels=("sms",))))] == [OTHER]


def test_texts_under_way_to_the_old_number_come_back_and_go_by_email() -> None:
    person = Person().signed_up()
    [text] = sends(person.told(news(channels=("sms",))))
    changed = ContactChanged(
        record="GLOBAL_ENTRY:G1", program="GLOBAL_ENTRY", recordId="G1", causeId="c", occurredAt=LATER, phone=OTHER
    )
    [recall] = of(person.hear(changed), Recall)
    assert recall.notificationId == text.notificationId
    [mail] = sends(person.hear(_outcome(text, recall.state, recall.reason)))
    assert (mail.channel, mail.to, mail.kind) == ("email", MAIL, "APPROVED")


def test_a_yes_from_somebody_elses_number_opens_nothing() -> None:
    person = Person().signed_up(phone={"address": PHONE}, consent={"sms": False})
    person.hear(Answered(word="yes", address=OTHER))
    assert not person.state.profile.phone.verified


# ---- children


def test_a_childs_news_goes_to_the_guardian_alone() -> None:
    person = Person().signed_up(minor=True, guardian={"phone": OTHER, "email": "g@example.com", "language": "vi"})
    assert [(one.to, one.languageServed, one.facts.child) for one in sends(person.told(news()))] == [
        (OTHER, "vi", True),
        ("g@example.com", "vi", True),
    ]


def test_a_child_without_a_guardian_is_not_written_to() -> None:
    person = Person().signed_up(minor=True)
    assert {reason for state, reason in steps(person.told(news())) if state == "suppressed"} == {"no-guardian"}


def test_after_a_guardian_is_removed_news_waits_a_while_for_a_new_one() -> None:
    person = Person().signed_up(minor=True, guardian={"phone": OTHER})
    person.profile(NOW + timedelta(minutes=1), guardian=None)
    held = person.told(news(channels=("sms",)), NOW + timedelta(minutes=2))
    assert steps(held) == [("planned", None), ("held", "no-guardian")]
    found = person.profile(NOW + timedelta(hours=2), guardian={"phone": "+13125550177"})
    assert [one.to for one in sends(found)] == ["+13125550177"]


def test_nobody_new_in_time_ends_it() -> None:
    person = Person().signed_up(minor=True, guardian={"phone": OTHER})
    person.hear(SourceGuardian(record="GLOBAL_ENTRY:G1", causeId="s", occurredAt=LATER))
    person.told(news(channels=("sms",)), NOW + timedelta(minutes=2))
    later = person.hear(Join(record="A:1", eventId="e"), NOW + timedelta(days=4))
    assert steps(later) == [("suppressed", "no-guardian")]


def test_a_guardian_whom_a_program_names_does_not_count() -> None:
    person = Person().signed_up(minor=True)
    named = Guardian(phone=OTHER, email="g@example.com")
    person.hear(SourceGuardian(record="GLOBAL_ENTRY:G1", causeId="s", occurredAt=LATER, guardian=named))
    assert sends(person.told(news())) == []


def test_at_eighteen_the_guardian_is_no_longer_written_to() -> None:
    person = Person().signed_up(
        minor=True,
        dateOfBirth="2009-03-04",
        guardian={"phone": OTHER, "email": "g@example.com"},
        phone=None,
        email=None,
    )
    birthday = datetime(2027, 3, 4, 6, tzinfo=UTC)
    assert person.stage.due(person.state) == birthday
    assert sends(person.told(news(), birthday - timedelta(hours=8)))
    recalled = person.hear(Join(record="A:1", eventId="e"), birthday)
    assert [one.reason for one in of(recalled, Recall)] == ["no-address", "no-address"]
    assert sends(person.told(news("RENEWED"), birthday + timedelta(hours=10))) == []


# ---- both programs


def _both(person: Person, until: date, precheck: bool | None = True) -> None:
    person.card(record="PRECHECK:P1", membership=MembershipView(state="ACTIVE", validTo=date(2027, 9, 30)))
    person.card(membership=MembershipView(state="ACTIVE", validTo=until, includesPrecheck=precheck))


def _reminder(days: int, channels: tuple[Any, ...]) -> tuple[News, datetime]:
    at = datetime(2027, 9, 30, 16, tzinfo=UTC) - timedelta(days=days)
    facts = Facts(program="PRECHECK", dates={"validTo": date(2027, 9, 30)})
    made = news(
        "EXPIRY_REMINDER",
        record="PRECHECK:P1",
        program="PRECHECK",
        recordId="P1",
        fact=f"2027-09-30|T-{days}",
        facts=facts,
        channels=channels,
        notAfter=at + timedelta(days=7),
    )
    return made, at


def test_a_needless_renewal_is_told_once_by_email() -> None:
    person = Person().signed_up()
    _both(person, date(2032, 8, 2))
    outputs = person.told(*_reminder(180, ("email",)))
    assert ("suppressed", "covered-by-other-program") in steps(outputs)
    assert [(one.kind, one.channel) for one in sends(outputs)] == [("RENEWAL_NOT_NEEDED", "email")]
    assert sends(person.told(*_reminder(30, ("sms", "email")))) == []


@pytest.mark.parametrize(("until", "precheck"), [(date(2028, 9, 29), True), (date(2032, 8, 2), None)])
def test_a_membership_that_is_too_short_or_does_not_say_covers_nothing(until: date, precheck: bool | None) -> None:
    person = Person().signed_up()
    _both(person, until, precheck)
    assert [one.kind for one in sends(person.told(*_reminder(180, ("email",))))] == ["EXPIRY_REMINDER"]


# ---- notices


def _notice(state: str = "PAUSED", **fields: Any) -> Notice:
    base = {
        "program": "GLOBAL_ENTRY",
        "eventId": "n1",
        "occurredAt": NOW,
        "receivedAt": NOW,
        "overlay": OverlayView(state=state),
    }
    return Notice(**(base | fields))  # type: ignore[arg-type]


def test_a_notice_is_on_every_card_of_its_program_and_told_only_with_its_wave() -> None:
    person = Person().signed_up()
    person.card(record="GLOBAL_ENTRY:G1")
    person.card(record="GLOBAL_ENTRY:G2")
    shown = person.hear(_notice())
    changes = [one for one in shown if isinstance(one, Publish) and one.topic == topics.TRANSITIONS]
    assert [one.event.type.rpartition(".")[2] for one in changes if one.event] == ["PROGRAM_PAUSED", "PROGRAM_PAUSED"]
    assert sends(shown) == []
    told = sends(person.hear(_notice(wave=True)))
    assert [(one.kind, one.channel) for one in told] == [("PROGRAM_NOTICE", "sms"), ("PROGRAM_NOTICE", "email")]
    assert sends(person.hear(_notice(wave=True))) == []
    for one in told:
        person.hear(_outcome(one, "accepted"))
    fixed = person.hear(
        _notice("NORMAL", eventId="n2", occurredAt=NOW + timedelta(hours=1), wave=True, correction=True)
    )
    assert {one.kind for one in sends(fixed)} == {"CORRECTION"}


def test_who_was_not_told_gets_no_correction() -> None:
    person = Person().signed_up()
    person.card()
    person.hear(_notice())
    assert sends(person.hear(_notice("NORMAL", eventId="n2", wave=True, correction=True))) == []


class Program(Person):
    """The desk of Global Entry."""

    def __init__(self) -> None:
        super().__init__(key="program:GLOBAL_ENTRY")

    def announce(self, identifier: str, state: str, at: datetime, **data: Any) -> list[Any]:
        source = origin(
            topics.GLOBAL_ENTRY,
            "program.notice",
            at,
            identifier,
            recordId="GLOBAL_ENTRY",
            notice={"state": state},
            **data,
        )
        return self.hear(Arrived(origin=source, at=at), at)

    def decide(self, name: str, about: str, by: str, at: datetime, program: str | None = "GLOBAL_ENTRY") -> list[Any]:
        self.count += 1
        source = origin(
            topics.PROFILE,
            name,
            at,
            f"s-{self.count}",
            eventId=about,
            by=by,
            reason="r",
            program=program,
            recordId=about,
        )
        return self.hear(Arrived(origin=source, at=at), at)


def _waves(outputs: list[Any]) -> list[tuple[str, bool]]:
    return [(one.key, one.message.correction) for one in outputs if isinstance(one, ToStage) and one.message.wave]


def _program(shards: int = 1) -> Program:
    program = Program()
    for number in range(shards):
        program.hear(Enroll(travelerId=f"program:GLOBAL_ENTRY#{number}", program="GLOBAL_ENTRY"))
    return program


def test_a_broadcast_needs_two_different_people() -> None:
    program = _program()
    shown = program.announce("n1", "PAUSED", NOW)
    assert [one.key for one in shown if isinstance(one, ToStage)] == ["program:GLOBAL_ENTRY#0"]
    assert _waves(program.decide("notice.approved", "n1", "ann", NOW)) == []
    assert _waves(program.decide("notice.approved", "n1", "ann", NOW)) == []
    assert _waves(program.decide("notice.approved", "n1", "bob", NOW)) == [("program:GLOBAL_ENTRY#0", False)]


def test_every_staff_action_is_audited_once() -> None:
    program = _program()
    program.announce("n1", "PAUSED", NOW)
    outputs = program.decide("notice.approved", "n1", "ann", NOW)
    [entry] = [one for one in outputs if isinstance(one, Publish) and one.topic == topics.AUDIT]
    assert entry.key == "ann"
    program.count -= 1
    again = program.decide("notice.approved", "n1", "ann", NOW)
    assert again == [], "the same staff event, read again after a crash"


def _corrected(program: Program, first: int, last: int, at: datetime, source: str = "cbp/ttp") -> list[str]:
    """The work opened while one source corrects these travelers."""
    outputs = [
        one
        for number in range(first, last)
        for one in program.hear(ToldWrong(travelerId=f"t{number}", source=source, eventId=f"e{number}"), at)
    ]
    return [one.event.type for one in outputs if isinstance(one, Publish) and one.event is not None]


def test_corrections_are_counted_by_source_and_person_within_a_day() -> None:
    program = _program()
    assert _corrected(program, 0, 100, NOW) == _corrected(program, 0, 100, NOW) == []
    assert _corrected(program, 100, 150, NOW, "dhs/staff") == []
    assert _corrected(program, 200, 299, NOW + timedelta(hours=25)) == [], "the first hundred are long past"
    assert _corrected(program, 299, 301, NOW + timedelta(hours=26)) == ["gov.dhs.ttp.work.opened"]
    assert _corrected(program, 301, 600, NOW + timedelta(hours=27)) == []
    assert _corrected(program, 0, 101, NOW + timedelta(hours=80)) == ["gov.dhs.ttp.work.opened"], "another mistake"


def test_waves_leave_one_by_one_and_a_reversal_stops_the_rest() -> None:
    program = _program(shards=3)
    program.announce("n1", "PAUSED", NOW)
    program.decide("notice.approved", "n1", "ann", NOW)
    assert len(_waves(program.decide("notice.approved", "n1", "bob", NOW))) == 1
    assert program.stage.due(program.state) == NOW + programs.EVERY
    program.announce("n2", "NORMAL", NOW + timedelta(seconds=30))
    assert program.stage.due(program.state) is None
    program.decide("notice.approved", "n2", "ann", NOW + timedelta(minutes=5))
    outputs = program.decide("notice.approved", "n2", "bob", NOW + timedelta(minutes=6))
    assert [correction for _, correction in _waves(outputs)] == [True]


def test_a_reversal_before_the_approval_drops_the_broadcast() -> None:
    program = _program()
    program.announce("n1", "PAUSED", NOW)
    program.decide("notice.approved", "n1", "ann", NOW)
    program.announce("n2", "NORMAL", NOW + timedelta(hours=1))
    assert _waves(program.decide("notice.approved", "n1", "bob", NOW + timedelta(hours=2))) == []


def test_a_dropped_notice_cannot_be_approved() -> None:
    program = _program()
    program.announce("n1", "PAUSED", NOW)
    program.decide("notice.dropped", "n1", "ann", NOW)
    program.decide("notice.approved", "n1", "bob", NOW)
    assert _waves(program.decide("notice.approved", "n1", "cid", NOW)) == []


def test_an_approval_that_comes_before_its_notice_counts() -> None:
    program = _program()
    program.decide("notice.approved", "n1", "ann", NOW)
    program.decide("notice.approved", "n1", "bob", NOW)
    assert len(_waves(program.announce("n1", "PAUSED", NOW))) == 1


def test_a_shard_tells_newcomers_what_holds() -> None:
    shard = Person(key="program:GLOBAL_ENTRY#7")
    joined = shard.hear(Enroll(travelerId="t1", program="GLOBAL_ENTRY"))
    assert [(one.key, one.message.travelerId) for one in joined] == [("program:GLOBAL_ENTRY", "program:GLOBAL_ENTRY#7")]
    shard.hear(_notice())
    assert [one.key for one in shard.hear(Enroll(travelerId="t2", program="GLOBAL_ENTRY"))] == ["t2"]
    shard.hear(Enroll(travelerId="t1", program="GLOBAL_ENTRY", leave=True))
    assert [one.key for one in shard.hear(_notice(wave=True))] == ["t2"]


def test_a_warning_about_a_number_respects_a_no_to_email() -> None:
    person = Person().signed_up(consent={"sms": True, "email": False})
    person.profile(LATER, phone={"address": OTHER, "verified": True})
    assert [(one.kind, one.to) for one in sends(person.said)] == [("CONTACT_CHANGED", PHONE)]
    assert steps(person.said, "email") == [("planned", None), ("suppressed", "no-consent")]


def test_what_is_kept_reads_back_as_it_was() -> None:
    person = Person().signed_up(minor=True, guardian={"phone": OTHER}, dateOfBirth="2015-01-01")
    person.card()
    person.hear(_notice())
    person.told(news("LETTER_READY", adverse=True), datetime(2027, 3, 6, 0, 10, tzinfo=UTC))
    program = _program()
    program.announce("n1", "PAUSED", NOW)
    program.decide("notice.approved", "n0", "ann", NOW)
    shard = Person(key="program:GLOBAL_ENTRY#7")
    shard.hear(Enroll(travelerId="t1", program="GLOBAL_ENTRY"))
    shard.hear(_notice())
    for state in (person.state, program.state, shard.state):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=person.stage.state_type) == state
