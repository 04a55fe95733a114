"""A whole position server, a venue that trades, and everything that can happen between the two."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from common import core as c, messages as m
from common.venues import accounts as a
from common.venues.streams import FrameToSend
from services.position_server.ledger import Ledger
from tests.examples import examples
from tests.services.position_server.scenes import (
    DEFINITIONS,
    LINEAR,
    PERP,
    T0,
    S,
    Scene,
    balance,
    fill,
    report,
)

MS = 1_000_000
NAMES = [PERP, LINEAR]
PAGE = 2  # fills in one answer


class Venue:
    """Its account, and what it has said on the link that is not read yet."""

    def __init__(self) -> None:
        self.now_ns = T0
        self.fills: list[m.Fill] = []
        self.moved = dict.fromkeys(NAMES, Decimal(0))  # without a fill: settled, transferred
        self.inbox: deque[list] = deque()
        self.is_following = False
        self.lag_ns = 0  # of the history of fills behind the positions

    def quantity(self, name: str) -> Decimal:
        own = [each for each in self.fills if each.instrument == name]
        return sum((each.side.sign * each.last_quantity for each in own), self.moved[name])

    def report(self, name: str) -> a.PositionReport:
        return report(self.quantity(name), 100, name)

    def trade(self, name: str, quantity: int) -> None:
        at_ms = self.now_ns // MS * MS - T0  # as venues tell it: cut to ms
        made = fill(len(self.fills) + 1, quantity * 10, 100, name, at=at_ms / S)
        self.fills.append(made)
        if self.is_following:
            self.inbox.append([a.PositionsChanged([made], [self.report(name)])])

    def tell_state(self) -> None:
        held = [self.report(name) for name in NAMES if self.quantity(name)]
        self.inbox.append([a.PositionList(held, self.now_ns, self.now_ns)])
        self.inbox.append([a.BalanceList([balance("BTC"), balance("USDC")])])

    def tell_fills(self, names: list[str], from_ns: int, told: a.FillsTold) -> None:
        own = [each for each in self.fills if each.instrument in names]
        from_ns, to_ns = from_ns // MS * MS, self.now_ns - self.lag_ns
        due = [each for each in own if from_ns <= each.filled_ns <= to_ns]
        for start in range(0, len(due), PAGE):
            self.inbox.append([a.PositionsChanged(due[start : start + PAGE], [])])
        self.inbox.append([told])


class Feed:
    """The account's protocol, without one: what is asked is answered at once by the venue."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.next_wake_ns: int | None = None

    def on_up(self, now_ns: int) -> list[bytes]:
        return []

    def on_down(self) -> None:
        self.venue.inbox.clear()
        self.venue.is_following = False

    def on_time(self, now_ns: int) -> list[bytes]:
        return []

    def is_silent(self, now_ns: int) -> bool:
        return False

    def ask_state(self) -> list[bytes]:
        self.venue.tell_state()
        return []

    def ask_fills(self, instrument: str, from_ns: int, to_ns: int) -> bytes:
        self.venue.tell_fills([instrument], from_ns, a.FillsTold(instrument=instrument))
        return b"ask"

    def ask_all_fills(self, currencies, from_ns: int, to_ns: int) -> list[bytes]:
        for currency in currencies:
            names = [PERP if currency == "BTC" else LINEAR]
            self.venue.tell_fills(names, from_ns, a.FillsTold(currency=currency))
        return []

    def parse(self, payload: bytes, now_ns: int) -> list:
        return self.venue.inbox.popleft()


class Arrivals(RuleBasedStateMachine):
    """Fills reach the server from the engine and from the venue, each in its own way."""

    def __init__(self) -> None:
        super().__init__()
        self.venue = Venue()
        self.is_up = False

    @initialize(is_early=st.booleans())
    def start(self, is_early: bool) -> None:
        self._start()
        if not is_early:
            self.settle()

    def _start(self) -> None:
        self.venue.inbox.clear()
        self.venue.is_following = self.is_up = False
        self.scene = Scene()
        self.scene.core._link._feed = Feed(self.venue)
        self.scene.now = self.venue.now_ns
        self._give(c.Started())

    def _give(self, event) -> None:
        self.scene.give(event)

    # --- the world

    @rule(name=st.sampled_from(NAMES), quantity=st.integers(-3, 3).filter(bool))
    def trade(self, name: str, quantity: int) -> None:
        self.venue.trade(name, quantity)

    @rule(name=st.sampled_from(NAMES), quantity=st.integers(-3, 3).filter(bool))
    def move(self, name: str, quantity: int) -> None:
        """Nobody tells; the next list shows it, as no fills are that small."""
        self.venue.moved[name] += Decimal(quantity) / 100

    @rule(seconds=st.sampled_from([0, 5, 60]))
    def lag(self, seconds: int) -> None:
        self.venue.lag_ns = seconds * S

    @rule(ms=st.sampled_from([0.1, 1, 300, 2_100, 11_000]))
    def pass_time(self, ms: float) -> None:
        self.venue.now_ns += int(ms * MS)
        self.scene.now = self.venue.now_ns
        self.scene.wait(0)

    @rule()
    def define(self) -> None:
        self.scene.bus(m.InstrumentList("sim", 0, 1, DEFINITIONS))

    # --- the venue's link

    @precondition(lambda self: not self.is_up)
    @rule()
    def connect(self) -> None:
        self.is_up = self.venue.is_following = True
        self._give(c.LinkUp("account"))
        self.venue.inbox.append([a.AccountOpened(), FrameToSend(b"ask")])
        self.venue.tell_state()

    @precondition(lambda self: self.is_up)
    @rule()
    def cut(self) -> None:
        self.is_up = False
        self._give(c.LinkDown("account", "cut"))

    @precondition(lambda self: self.venue.inbox)
    @rule(count=st.sampled_from([1, 2, 3, 99, 99]))
    def read(self, count: int) -> None:
        for _ in range(min(count, len(self.venue.inbox))):
            self._give(c.VenueFrame("account", b"next", self.scene.now))

    @precondition(lambda self: self.venue.inbox)
    @rule()
    def refuse(self) -> None:
        """One answer is an error instead; what the venue says unasked is never lost."""
        if any(isinstance(each, a.FillsTold | a.PositionList) for each in self.venue.inbox[0]):
            self.venue.inbox[0] = [a.AccountCallFailed("private/x", "too_many_requests")]

    @precondition(lambda self: self.venue.inbox)
    @rule()
    def lose(self) -> None:
        """A report that never comes."""
        if all(isinstance(each, a.PositionsChanged) for each in self.venue.inbox[-1]):
            self.venue.inbox.pop()

    # --- the engine's topic

    @precondition(lambda self: self.venue.fills)
    @rule(which=st.integers(0, 10**6))
    def engine_tells(self, which: int) -> None:
        self.scene.bus(self.venue.fills[which % len(self.venue.fills)])

    @precondition(lambda self: self.venue.fills)
    @rule(which=st.integers(0, 10**6))
    def engine_tells_some(self, which: int) -> None:
        some = self.venue.fills[which % len(self.venue.fills) :]
        self.scene.bus(m.FillSnapshot("sim", "main", "", some))

    # --- the server

    @rule(is_done=st.sampled_from([False, False, True]))
    def restart(self, is_done: bool) -> None:
        if is_done:
            self._start()

    def teardown(self) -> None:
        """At rest it holds what the venue holds, and goes on doing so whatever is told again."""
        self.venue.lag_ns = 0
        self._rest()
        clear = [name for name in NAMES if not self._is_unclear(name)]
        self._tell_all()
        assert not any(self._differs(name) for name in clear)
        self._rest()
        self._tell_all()
        assert not any(self._differs(name) for name in NAMES)

    def _rest(self) -> None:
        for _ in range(20):
            self.settle()
        for name in NAMES:
            ours = self._ledger(name)
            assert ours.is_confirmed and ours.quantity == self.venue.quantity(name)
            ours.position.check()

    def _tell_all(self) -> None:
        self.scene.bus(m.FillSnapshot("sim", "main", "", self.venue.fills))

    def _is_unclear(self, name: str) -> bool:
        """Nobody told some fills, which cancel out, from after the list that ours goes by, and the
        time of one does not say whether that list has it: told late, the others count before it."""
        ours = self._ledger(name)
        from_ns, to_ns = ours.counts_from_ns, ours.counts_from_ns + MS
        own = [each for each in self.venue.fills if each.instrument == name]
        is_doubtful = any(from_ns < each.filled_ns <= to_ns for each in own)
        later = [each.exec_id for each in own if each.filled_ns > to_ns]
        return is_doubtful and any(each not in ours._seen for each in later)

    @rule()
    def settle(self) -> None:
        """Everything that can arrive does."""
        self.define()
        if not self.is_up:
            self.connect()
        self.pass_time(2_100)
        while self.venue.inbox:
            self.read(1)

    def _differs(self, name: str) -> bool:
        return self._ledger(name).quantity != self.venue.quantity(name)

    def _ledger(self, name: str) -> Ledger:
        return self.scene.core.holdings.ledger(name, self.scene.now)


def test_a_fill_at_the_time_of_the_baseline_told_late_with_its_opposite():
    """Ours is unconfirmed until the venue was asked, and right again within its time."""
    world = Arrivals()
    world.start(is_early=True)
    world.connect()
    world.trade(PERP, -1)  # when the list was true
    world.lose()
    world.settle()
    world.trade(PERP, 1)
    world.lose()
    world._rest()
    world._tell_all()
    assert world._differs(PERP) and not world.scene.position().confirmed
    for _ in range(5):  # 10.5 s
        world.settle()
    assert not world._differs(PERP) and world.scene.position().confirmed
    world.teardown()


TestArrivals = Arrivals.TestCase
TestArrivals.settings = settings(max_examples=examples(250), stateful_step_count=40, deadline=None)
