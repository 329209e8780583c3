"""What must hold for any case at all: order, repeats, replay, one ending for each message, travelers apart."""

import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.internal import Origin
from services import templates
from streams import topics
from streams.catalogue import Catalogue
from streams.events import FINAL
from streams.grammar import DeadLetter, Emission, Publish
from streams.identity import Identity
from streams.pipeline import Pipeline, build
from streams.policy import Policy
from streams.provider import Provider
from streams.simulation import Happening, Sent, Simulation

START = datetime(2027, 3, 1, 12, tzinfo=UTC)
Event = dict[str, Any]


@functools.cache
def pipeline() -> Pipeline:
    return build(Identity(b"test key of 32 bytes, not secret"), Policy(), Catalogue(templates.load()))


class Run:
    """A simulation of its own, with what came out so far."""

    def __init__(self) -> None:
        parts = pipeline()
        self.simulation = Simulation(parts.intake, parts.stages, Provider(timedelta(seconds=15)))
        self.happened: list[Happening] = []
        self.count = 0

    def arrive(self, event: Event, at: datetime, backfill: bool = False) -> None:
        topic = next(topic for topic, prefix in PREFIXES.items() if event["type"].startswith(prefix))
        self.count += 1
        origin = Origin(
            topic=topic,
            partition=0,
            offset=self.count,
            timestamp=0,
            key=None,
            headers=(("content-type", b"application/cloudevents+json"),),
            value=json.dumps(event).encode(),
        )
        self.happened += self.simulation.arrive(origin, at, backfill)

    def rest(self, until: datetime) -> "Run":
        self.happened += self.simulation.run(until)
        return self

    @property
    def sent(self) -> list[tuple[datetime, str, str]]:
        return [(one.at, one.claim.to, one.claim.kind) for one in self.happened if isinstance(one, Sent)]

    def events(self, topic: str) -> list[tuple[str, Any]]:
        found = []
        for one in self.happened:
            if isinstance(one, Emission) and isinstance(one.output, Publish) and one.output.topic == topic:
                event = one.output.event
                found.append((one.output.key, event and (event.type, json.loads(bytes(event.data)))))
        return found

    def views(self) -> dict[str, Any]:
        """The last view of each traveler, without the moments at which facts came in."""
        return {key: event and event[1] for key, event in self.events(topics.STATUS)}


PREFIXES = {
    topics.PRECHECK: "gov.dhs.tsa.precheck.",
    topics.GLOBAL_ENTRY: "gov.dhs.cbp.ttp.",
    topics.PROFILE: "gov.dhs.ttp.profile.",
}


def event(
    name: str, hours: float, identifier: str, subject: str, topic: str = topics.GLOBAL_ENTRY, **data: Any
) -> Event:
    source = {topics.PRECHECK: "tsa/precheck/clear", topics.GLOBAL_ENTRY: "cbp/ttp", topics.PROFILE: "dhs/portal"}
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": source[topic],
        "type": PREFIXES[topic] + name,
        "time": (START + timedelta(hours=hours)).isoformat(),
        "subject": subject,
        "data": data,
    }


def profile(subject: str, number: str) -> Event:
    return event(
        "updated",
        -1,
        f"profile-{subject}",
        subject,
        topics.PROFILE,
        portalSubject=subject,
        language="es",
        timeZone="America/Chicago",
        consent={"sms": True, "email": True},
        phone={"address": number, "verified": True},
        email={"address": f"{subject}@example.com", "verified": True},
    )


NAMES = (
    "application.submitted",
    "application.pending_review",
    "application.info_requested",
    "info.received",
    "application.conditionally_approved",
    "interview.scheduled",
    "interview.cancelled",
    "interview.completed",
    "application.approved",
    "application.denied",
    "application.withdrawn",
    "membership.suspended",
    "membership.reinstated",
    "membership.revoked",
    "reconsideration.received",
    "reconsideration.decided",
)
EXTRA: dict[str, dict[str, Any]] = {
    "application.approved": {"validTo": "2032-04-18", "passId": "981234567", "includesPrecheck": True},
    "application.info_requested": {"dueDate": "2027-06-01"},
    "interview.scheduled": {"interview": {"at": "2027-05-20T16:00:00Z", "timeZone": "America/Chicago", "site": "ORD"}},
    "reconsideration.decided": {"outcome": "NOT_GRANTED"},
}


@st.composite
def cases(draw: st.DrawFn, record: str = "GE-1", subject: str = "p1", most: int = 7) -> list[Event]:
    """Some events of one enrollment, an hour or more apart; sensible or not."""
    found, hours = [], 0.0
    numbered = draw(st.booleans())
    application = draw(st.sampled_from(({}, {"applicationId": "A-1"})))
    for index, name in enumerate(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=most))):
        hours += draw(st.integers(1, 30))
        data = {"recordId": record, "portalSubject": subject, **application, **EXTRA.get(name, {})}
        if numbered:
            data["sequence"] = index
        found.append(event(name, hours, f"{record}-{index}", record, **data))
    return found


def time_of(one: Event) -> datetime:
    return datetime.fromisoformat(one["time"])


def live(events: Sequence[Event]) -> Run:
    """Every event arrives a minute after it happened."""
    run = Run()
    for one in sorted(events, key=time_of):
        run.arrive(one, time_of(one) + timedelta(minutes=1))
    return run


@settings(max_examples=60, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_view(events: list[Event], random: Any) -> None:
    everything = [profile("p1", "+13125550100"), *events]
    late = START + timedelta(hours=300)
    views = []
    for _ in range(2):
        random.shuffle(everything)
        run = Run()
        for index, one in enumerate(everything):
            run.arrive(one, late + timedelta(seconds=index))
        views.append(run.rest(late + timedelta(days=2)).views())
    assert views[0] == views[1]


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_repeats_change_nothing(events: list[Event], data: st.DataObject) -> None:
    events = [profile("p1", "+13125550100"), *events]
    once = live(events).rest(START + timedelta(days=30))
    twice = Run()
    for one in sorted(events, key=time_of):
        for _ in range(data.draw(st.integers(1, 3))):
            twice.arrive(one, time_of(one) + timedelta(minutes=1))
    twice.rest(START + timedelta(days=30))
    assert twice.sent == once.sent
    assert twice.views() == once.views()


@settings(max_examples=40, deadline=None)
@given(cases())
def test_replay_and_history_tell_nobody(events: list[Event]) -> None:
    events = [profile("p1", "+13125550100"), *events]
    run = live(events).rest(START + timedelta(days=20))
    before = len(run.sent)
    for one in events:
        run.arrive(one, START + timedelta(days=20))
    run.rest(START + timedelta(days=20, hours=1))
    assert len(run.sent) == before
    history = Run()
    for one in sorted(events, key=time_of):
        history.arrive(one, START + timedelta(days=20), backfill=True)
    assert history.rest(START + timedelta(days=20, hours=1)).sent == []


@settings(max_examples=60, deadline=None)
@given(cases())
def test_every_planned_message_ends_in_exactly_one_way(events: list[Event]) -> None:
    """A decision that a contradiction holds ends when somebody settles it, which nobody does here."""
    run = live([profile("p1", "+13125550100"), *events]).rest(START + timedelta(days=60))
    endings: dict[str, list[str]] = defaultdict(list)
    for _, said in run.events(topics.NOTIFICATIONS):
        state = said[0].rpartition(".")[2]
        endings[said[1]["notificationId"]] += [state] if state in FINAL else []
    contested = any(view and view["integrity"] == "CONFLICT" for view in run.views().values())
    assert all(len(states) == 1 or (contested and not states) for states in endings.values()), endings


@settings(max_examples=60, deadline=None)
@given(cases())
def test_no_message_goes_backward(events: list[Event]) -> None:
    """No "in review" after a decision of the same application, and never the same text twice."""
    run = live([profile("p1", "+13125550100"), *events]).rest(START + timedelta(days=60))
    texts = [kind for _, to, kind in run.sent if to.startswith("+")]
    if "applicationId" in events[0]["data"] and "APPROVED" in texts and "APP_RECEIVED" in texts:
        assert texts.index("APP_RECEIVED") < texts.index("APPROVED")
    identifiers = [(one.claim.notificationId, one.claim.channel) for one in run.happened if isinstance(one, Sent)]
    assert len(identifiers) == len(set(identifiers))


@settings(max_examples=30, deadline=None)
@given(cases(most=5), cases(record="GE-2", subject="p2", most=5))
def test_two_travelers_never_affect_each_other(first: list[Event], second: list[Event]) -> None:
    first, second = [profile("p1", "+13125550100"), *first], [profile("p2", "+13125550101"), *second]
    together = live(first + second).rest(START + timedelta(days=30))
    apart = [live(one).rest(START + timedelta(days=30)) for one in (first, second)]
    assert sorted(together.sent) == sorted(apart[0].sent + apart[1].sent)
    assert together.views() == apart[0].views() | apart[1].views()


@settings(max_examples=60, deadline=None)
@given(cases(), cases(record="PC-1", most=4))
def test_nothing_is_a_fault_of_ours(events: list[Event], others: list[Event]) -> None:
    run = live([profile("p1", "+13125550100"), *events, *others]).rest(START + timedelta(days=900))
    letters = [one.output for one in run.happened if isinstance(one, Emission) and isinstance(one.output, DeadLetter)]
    assert letters == []
