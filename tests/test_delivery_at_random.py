"""Long random courses of the delivery protocol: many messages, hours of time, results and receipts late or doubled."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from schemas.internal import Dialled, Receipt
from tests.protocol import Broken, after, begin, message, moves, passed, stage, told


class Delivery(RuleBasedStateMachine):
    """One number, travelers who share it, and a world that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = begin(messages=0, mostReceipts=1000, stops=True, recalls=True)
        self.count = 0
        self.results: list[Dialled] = []
        self.ended: dict[str, str] = {}

    @rule(minutes=st.sampled_from([2.0, 10.0, 300.0, 4000.0]), again=st.booleans())
    def news(self, minutes: float, again: bool) -> None:
        """A message is owed; `again`: the last one comes a second time, as after a crash."""
        if not (again and self.count):
            self.count += 1
        sent = message(self.count - 1, "sms", 0)
        late = self.world.now + (message(0, "sms", minutes).notAfter - sent.notAfter)
        self.world = told(self.world, replace(sent, notAfter=late))

    @rule(data=st.data())
    def anything(self, data: st.DataObject) -> None:
        """One of the things that can happen now."""
        options = list(moves(self.world))
        if options:
            move = data.draw(st.sampled_from(options))
            if move[0] in ("ok", "lost-doubt", "not-sent"):
                result = {"ok": "accepted", "lost-doubt": "doubt", "not-sent": "not-sent"}[move[0]]
                sid = f"SM-{move[1]}" if move[0] == "ok" else None
                self.results.append(Dialled(claimId=move[1], result=result, providerId=sid))  # type: ignore[arg-type]
            self.world = after(self.world, move)

    @precondition(lambda self: self.results)
    @rule(data=st.data())
    def a_result_comes_again(self, data: st.DataObject) -> None:
        """A result that was written twice, however old."""
        self.world = told(self.world, data.draw(st.sampled_from(self.results)))

    @precondition(lambda self: self.world.ledger)
    @rule(data=st.data(), status=st.sampled_from(["queued", "sending", "sent", "delivered", "undelivered", "nonsense"]))
    def a_receipt_of_any_kind(self, data: st.DataObject, status: str) -> None:
        """By token or by id, in any order."""
        one = data.draw(st.sampled_from(self.world.ledger))
        token = data.draw(st.sampled_from([one.token, None]))
        self.world = told(self.world, Receipt(token=token, providerId=one.sid, status=status))

    @rule(token=st.text(max_size=8))
    def a_receipt_of_nobody(self, token: str) -> None:
        """Signed, but about nothing that we know: nothing happens."""
        before = self.world.address.jobs
        self.world = told(self.world, Receipt(token=token, providerId="SMx", status="delivered"))
        assert self.world.address.jobs == before

    @rule(steps=st.integers(1, 30))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.world = passed(self.world)

    @invariant()
    def an_end_stays_the_end(self) -> None:
        """Apart from the one documented flip, which protocol.py allows."""
        now = dict(self.world.endings)
        for name, state in self.ended.items():
            assert now[name] == state or (state, now[name]) == ("delivered", "failed")
        self.ended = now

    @invariant()
    def what_waits_has_a_time(self) -> None:
        waits = any(job.phase != "done" for job in self.world.address.jobs.values())
        assert waits == (stage().due(self.world.address) is not None)

    def teardown(self) -> None:
        """In the end every message has come to its end."""
        world = replace(self.world, out=(), asked=())
        for _ in range(2000):
            if stage().due(world.address) is None:
                break
            world = passed(replace(world, out=()))
        else:
            raise Broken("there is no end")
        assert {f"n{number}" for number in range(self.count)} == {name for name, _ in world.endings}


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
