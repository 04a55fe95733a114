"""One seed: a desk, its strategies, the others at the venue, and what goes wrong meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from common import config as configuration, core as c, messages as m
from common.config import LimitsConfig
from common.domain.backoff import Backoff
from common.domain.modes import strategy_scope
from common.venues import load
from common.venues.simulation import OrderRequest
from services.market_data.core import MarketData
from services.position_server.core import PositionServer
from services.trading_engine import records
from services.trading_engine.core import TradingEngine
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.faults import Act, Kind
from tests.sim.checks import PEER, VENUE, Checker, Violation
from tests.sim.extras import Extras
from tests.sim.faults import MS, NS_PER_S, Weather
from tests.sim.truth import Truth
from tests.sim.world import World

START_NS = 1_790_000_000_000_000_000
CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"
ENGINE = "trading_engine.deribit.main"
POSITIONS = "position_server.deribit.main"
MARKET = "market_data.deribit"
PROCESSES = (ENGINE, ENGINE, POSITIONS, MARKET)  # the engine is hit twice as often
ACCOUNT = "demo"
PERP = "BTC-PERPETUAL"
LOST = ("private/edit", "private/cancel*", "private/get_order_*")  # answers that may not come
VENUE_STEP_NS = 100 * MS
MAX_OPEN = 25
MAX_QUANTITY = 5_000
MAX_POSITION = 3_000
BUSY_S = 12.0  # of load and faults
EXTRAS_EVERY_S = 0.35
P3_BAR_S = 5.0
LOSSY_SHIFT_S = 5.0  # a start asks for fills of a minute before the last: a leap would hide some
P3_LOST_S = 10.0  # a report was lost on a live link
P2_BAR_S = 5.0  # after an order's horizon, or once the venue answers again
# Forward, so that what the venue times stays in order; its history holds half an hour.
CLOCK_SHIFTS_S = (0.3, 2.0, 5.0, 300.0)
REST_S = 40.0  # by then everything must be settled


class Outcome(msgspec.Struct, frozen=True):
    """What became of one seed. Times count from the last link up, or from the healing.

    equal_s: until the state was the venue's; lost_s: the same, where a report had got lost on a
    live link and was found by comparison. settled_s: until nothing was in doubt and every request
    was answered; late_s: the longest that an order was in doubt after its own horizon.
    """

    seed: int
    violation: str = ""
    promise: str = ""
    trace: str = ""
    equal_s: float | None = 0.0
    lost_s: float | None = None
    settled_s: float = 0.0
    late_s: float = 0.0
    counts: dict[str, int] = {}
    tail: list[str] = []


@functools.cache
def _config() -> configuration.DeskConfig:
    return configuration.load(CONFIG)


class Simulation:
    """Args: busy_s: how long things go wrong; busy_s 0 is a calm desk. plain: plain orders only."""

    def __init__(self, seed: int, busy_s: float = BUSY_S, *, plain: bool = False) -> None:
        self.extras = None if plain else Extras(self, seed, max_quantity=MAX_QUANTITY)
        self.seed, self._busy_ns = seed, int(busy_s * NS_PER_S)
        self.random = Random(f"load {seed}")
        self.world = World(seed, START_NS, VENUE_STEP_NS)
        self.world.set_venue(self._venue())
        assert self.world.venue is not None
        self.truth = Truth(self.world.venue, ACCOUNT)
        self.checker = Checker(
            self.world,
            self.truth,
            ENGINE,
            max_open=MAX_OPEN,
            max_quantity=MAX_QUANTITY,
            max_position=MAX_POSITION,
        )
        self.checker.symbols = (PERP, "ETH-PERPETUAL")
        self.world.witness = self.checker
        self.world.latched = {ENGINE}
        self._starts = 0
        self._asked: dict[str, m.Command] = {}
        self._outsiders = 0
        self._loses_reports = False
        self._start()

    # --- building -----------------------------------------------------------------------------

    def _venue(self) -> VenueSimulator:
        changes: dict[str, Any] = {
            "seed": self.seed,
            "starts_at": "",
            "option_expiries": 0,
            "strikes_per_expiry": 0,
            "updates_per_second": 20.0,
            "activity": 3.0,
        }
        settings = msgspec.structs.replace(_config().simulators[0], **changes)
        return VenueSimulator(load(VENUE), settings, START_NS)

    def _start(self) -> None:
        world = self.world
        world.make = {
            MARKET: self._market_data,
            ENGINE: self._engine,
            POSITIONS: self._position_server,
        }
        world.start(MARKET, publisher=f"md.{VENUE}")
        place = f"{VENUE}.main"
        world.start(ENGINE, publisher=f"order_events.{place}", router=f"orders.{place}")
        world.start(POSITIONS, publisher=f"positions.{place}")

    def _chance(self) -> float:
        return self.world.random.random()

    def _market_data(self) -> MarketData:
        settings, venue = _config().venue(VENUE), load(VENUE)
        credentials = configuration.credentials(_config().account(VENUE, "main").credentials)
        return MarketData(
            VENUE,
            settings.websocket_url,
            settings.market_data,
            lambda: venue.feed(credentials),
            venue.reference(settings.http_url),
            self._chance,
        )

    def _position_server(self) -> PositionServer:
        account = _config().account(VENUE, "main")
        own = configuration.credentials(account.credentials)
        feed = load(VENUE).account(own, account="main")
        url = _config().venue(VENUE).websocket_url
        return PositionServer(
            VENUE, "main", feed, url, account.exposure_limits, Backoff(self._chance)
        )

    def _engine(self) -> TradingEngine:
        limits = LimitsConfig(
            max_quantity={"perpetual": str(MAX_QUANTITY)},
            max_notional="1000000",
            price_collar_percent=5,
            max_open_orders=MAX_OPEN,
            max_age_ms=5_000,
            max_position={"perpetual": str(MAX_POSITION)},
        )
        account = msgspec.structs.replace(
            _config().account(VENUE, "main"),
            limits=limits,
            on_disconnect="cancel" if self._quotes else "leave",
        )
        own = configuration.credentials(account.credentials)
        self._starts += 1  # the counter file is synced before anything else
        return TradingEngine(
            VENUE,
            account,
            _config().venue(VENUE).websocket_url,
            load(VENUE).orders(own, cancel_on_disconnect=self._quotes),
            Backoff(self._chance),
            start_counter=self._starts,
            journal=records.decode(self.world.disks[ENGINE].durable),
            capabilities=load(VENUE).capabilities,
        )

    @property
    def _quotes(self) -> bool:
        return self.extras is not None and self.extras.quotes

    # --- one run ------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Everything, from the start to rest; a broken promise is in the outcome."""
        times: dict[str, float | None] = {}
        violation, promise = "", ""
        try:
            self.world.run_for(2.0)
            self._plan()
            self.world.run_for(self._busy_ns / NS_PER_S)
            times = self._rest()
        except Violation as error:
            violation, promise = str(error), error.promise
        return Outcome(
            seed=self.seed,
            violation=violation,
            promise=promise,
            trace=self.world.trace,
            equal_s=times.get("equal_s", 0.0),
            lost_s=times.get("lost_s"),
            settled_s=times.get("settled_s") or 0.0,
            late_s=times.get("late_s") or 0.0,
            counts=dict(self.checker.seen) | {"events": self.world.events},
            tail=self.world.tail() if violation else [],
        )

    def _plan(self) -> None:
        """All that will be done and go wrong, at random times."""
        end_ns = self._busy_ns
        lossy = Random(f"lost {self.seed}")  # of its own: the other faults stay what they were
        losses = lossy.choice([0, 0, 1, 3])
        self._loses_reports = losses > 0
        for _ in range(losses):
            self.world.after(lossy.randrange(end_ns), self._during(self.lose_reports, end_ns))
        for acts, every_s in ((self._work, 0.2), (self._trouble, 1.0)):
            at_ns = 0.0
            while at_ns < end_ns:
                act = self.random.choices([a for a, _ in acts()], [w for _, w in acts()])[0]
                self.world.after(int(at_ns), self._during(act, end_ns))
                at_ns += self.random.expovariate(1 / every_s) * NS_PER_S

        if self.extras is not None:
            self._plan_extras(self.extras, end_ns)

    def _plan_extras(self, extras: Extras, end_ns: int) -> None:
        extras.begin()
        acts = [*extras.acts(), (self.lose_more_answers, 1)]
        at_ns = 0.0
        while at_ns < end_ns:
            act = extras.random.choices([a for a, _ in acts], [w for _, w in acts])[0]
            self.world.after(int(at_ns), self._during(act, end_ns))
            at_ns += extras.random.expovariate(1 / EXTRAS_EVERY_S) * NS_PER_S

    def _during(self, act: Callable[[], None], end_ns: int) -> Callable[[], None]:
        def do() -> None:
            self.world.note(f"-- {act.__name__}")
            act()

        return do

    def _work(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self.place, 10),
            (self.place_bad, 2),
            (self.modify, 5),
            (self.cancel, 4),
            (self.cancel_all, 1),
            (self.ask_again, 2),
            (self.outsider, 2),
            (self.meddle, 1),
            (self.take, 4),
        ]

    def _trouble(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self.change_weather, 3),
            (self.cut, 3),
            (self.half_open, 1),
            (self.crash, 3),
            (self.crash_soon, 3),
            (self.slow_disk, 1),
            (self.lose_answers, 3),
            (self.outage, 1),
            (self.halt, 1),
            (self.kill, 1),
            (self.sick_disk, 1),
            (self.shuffle, 1),
            (self.shift_clock, 1),
        ]

    def _rest(self) -> dict[str, float | None]:
        world, checker = self.world, self.checker
        self._heal()
        lost_before = checker.seen["reports_lost"]
        healed_ns = equal_ns = settled_ns = world.now_ns
        found_ns = healed_ns + int((P3_LOST_S - P3_BAR_S) * NS_PER_S)  # what was lost just now
        end_ns = healed_ns + int(REST_S * NS_PER_S)
        first_ns: int | None = None
        late_ns, is_lost = 0, False
        while world.now_ns < end_ns:
            world.run_for(0.1)
            up_ns = max(world.up_since(ENGINE), world.up_since(POSITIONS), healed_ns)
            late_ns = max(late_ns, checker.late_ns(max(world.up_since(ENGINE), healed_ns)))
            problem = checker.differences(POSITIONS)
            if not problem:
                equal_ns = world.now_ns
                if first_ns is None:
                    first_ns, is_lost = equal_ns, checker.seen["reports_lost"] > lost_before
            elif world.now_ns > max(up_ns, equal_ns, found_ns) + P3_BAR_S * NS_PER_S:
                raise Violation("P3", problem)
            is_settled = not checker.doubts() and not checker.owed()
            settled_ns = settled_ns if is_settled else world.now_ns
            if not problem and is_settled:
                break
        else:
            text = f"after {REST_S:g} s in doubt: {checker.doubts()}, owed: {checker.owed()}"
            raise Violation("P2" if checker.doubts() else "P1", text)
        self._settle_requests()
        checker.check_rest()
        equal_s = max(0, (first_ns or world.now_ns) - up_ns) / NS_PER_S
        return {
            "equal_s": None if is_lost else equal_s,
            "lost_s": equal_s if is_lost else None,
            "settled_s": max(0, settled_ns - up_ns) / NS_PER_S,
            "late_s": late_ns / NS_PER_S,
        }

    def _heal(self) -> None:
        assert self.world.venue is not None
        self.world.venue._faults.clear()
        self.world.heal()

    def _settle_requests(self) -> None:
        """Ask everything again: each request gets its one answer, now or the one it got."""
        world, checker = self.world, self.checker
        world.run_for(1.0)
        for name in list(self._asked):
            self._send(name)
        world.run_for(8.0)
        missing = [name for name in self._asked if name not in checker.replies]
        if missing or checker.owed():
            raise Violation("P1", f"no answer to {missing or checker.owed()}")
        until_ns = world.now_ns + int(P3_BAR_S * NS_PER_S)
        while problem := checker.differences(POSITIONS):  # a report may be on its way
            world.run_for(0.1)
            if world.now_ns > until_ns:
                raise Violation("P3", f"after asking again: {problem}")

    # --- strategies ---------------------------------------------------------------------------

    def ask(self, command: m.Command) -> None:
        name = f"q{len(self._asked) + 1}"
        self._asked[name] = command
        self._send(name)

    def _send(self, name: str) -> None:
        node = self.world.nodes[ENGINE]
        event = c.CommandReceived(PEER, name, "load", self.world.now_ns, self._asked[name])
        self.world.feed(node, event)

    def ask_again(self) -> None:
        if self._asked:
            self._send(self.random.choice(list(self._asked)))

    def _order(self, **more: Any) -> m.PlaceOrder:
        return self.order(self.random, **more)

    def best(self) -> tuple[float, float]:
        return self.truth.best(PERP)

    def own(self) -> list[m.OrderUpdated]:
        """Our open orders."""
        return [o for o in self.checker.orders() if not (o.external or o.status.is_final)]

    def order(self, random: Random, **more: Any) -> m.PlaceOrder:
        side = random.choice([m.Side.BUY, m.Side.SELL])
        bid, ask = self.truth.best(PERP)
        away = random.choice([-0.001, 0.0, 0.0, 0.0005, 0.002, 0.01])
        start = bid if side is m.Side.BUY else ask
        price = Decimal(round((start or 62_000) * (1 - side.sign * away)))
        fields: dict[str, Any] = {
            "instrument": f"{VENUE}.{PERP}",
            "side": side,
            "quantity": Decimal(random.randrange(1, 50) * 10),
            "price": price,
            "time_in_force": random.choice([m.TimeInForce.GTC] * 4 + [m.TimeInForce.IOC]),
            "post_only": random.random() < 0.2,
            "owner": random.choice(["alpha", "beta"]),
            "tag": "good",
            "expires_ns": self.world.now_ns + NS_PER_S,
        }
        fields |= more
        if fields["time_in_force"] is m.TimeInForce.IOC:
            fields["post_only"] = False
        return m.PlaceOrder(**fields)

    def place(self) -> None:
        if self.random.random() < 0.2:
            self.ask(m.PlaceOrders([self._order() for _ in range(3)]))
        else:
            self.ask(self._order())

    def place_bad(self) -> None:
        """What no check may let pass."""
        faults: list[dict[str, Any]] = [
            {"tag": "bad-quantity", "quantity": Decimal(MAX_QUANTITY + 10)},
            {"tag": "bad-lot", "quantity": Decimal(15)},
            {"tag": "bad-collar", "price": Decimal(40_000), "side": m.Side.BUY},
            {"tag": "bad-tick", "price": Decimal("62000.3")},
            {"tag": "bad-instrument", "instrument": f"{VENUE}.NOPE"},
            {"tag": "bad-late", "expires_ns": self.world.now_ns - 1},
        ]
        self.ask(self._order(**self.random.choice(faults)))

    def _pick(self) -> tuple[str, str] | None:
        """One of our orders, mostly an open one."""
        orders = [o for o in self.checker.orders() if not o.external]
        alive = [o for o in orders if not o.status.is_final]
        chosen = alive if alive and self.random.random() < 0.9 else orders
        if not chosen:
            return None
        order = self.random.choice(chosen)
        return order.client_order_id, order.owner

    def modify(self) -> None:
        picked = self._pick()
        if picked is not None:
            like = self._order()
            change = m.ModifyOrder(
                picked[0], price=like.price, quantity=like.quantity, owner=picked[1]
            )
            self.ask(change)

    def cancel(self) -> None:
        picked = self._pick()
        if picked is not None:
            self.ask(m.CancelOrder(picked[0], owner=picked[1]))

    def cancel_all(self) -> None:
        self.ask(m.CancelAll(owner=self.random.choice([None, "alpha", "beta"])))

    # --- others at the venue ------------------------------------------------------------------

    def outsider(self) -> None:
        """Somebody places an order in our account by hand."""
        order = self._order()
        self._outsiders += 1
        request = OrderRequest(
            PERP, order.side, order.quantity, price=order.price, label=f"hand{self._outsiders}"
        )
        self.truth.place(ACCOUNT, request, self.world.venue_ns)
        self.world.pump()

    def meddle(self) -> None:
        """Somebody cancels one of our account's orders by hand."""
        orders = self.truth.open_orders()
        if orders:
            self.truth.cancel(self.random.choice(orders).number, self.world.venue_ns)
            self.world.pump()

    def take(self) -> None:
        """Somebody trades with one of our resting orders, or with some of it."""
        orders = [o for o in self.truth.open_orders() if o.price is not None]
        if orders:
            order = self.random.choice(orders)
            quantity = Decimal(self.random.randrange(1, 200) * 10)
            request = OrderRequest(
                PERP,
                order.side.opposite,
                quantity,
                price=order.price,
                time_in_force=m.TimeInForce.IOC,
            )
            self.truth.place("bench", request, self.world.venue_ns)
            self.world.pump()

    # --- what goes wrong ----------------------------------------------------------------------

    def change_weather(self) -> None:
        self.world.weather = Weather.random(self.random)

    def cut(self) -> None:
        self.world.cut_links(self.random.choice(PROCESSES))

    def half_open(self) -> None:
        self.world.half_open(self.random.choice(PROCESSES))

    def crash(self) -> None:
        self._crash_and_restart(self.random.choice(PROCESSES))

    def _crash_and_restart(self, name: str) -> None:
        self.world.crash(name)
        down_ns = int(self.random.choice([0.05, 0.5, 2.0]) * NS_PER_S)
        self.world.after(down_ns, lambda: self.world.restart(name))

    def crash_soon(self) -> None:
        """For a while, death between any two commands of the engine."""
        world = self.world
        world.crash_chance = 0.02

        def end() -> None:
            world.crash_chance = 0.0
            for name in world.nodes:
                world.restart(name)

        world.after(NS_PER_S, end)

    def slow_disk(self) -> None:
        self.world.disks[ENGINE].sync_ns = self.random.choice([MS, 20 * MS, 200 * MS])

    def lose_answers(self) -> None:
        """The venue does what it is asked, and the answer is lost or late."""
        assert self.world.venue is not None
        rules, count = self.world.venue._faults, self.random.choice([1, 3, 10])
        if self.random.random() < 0.7:
            pattern = self.random.choice(["private/buy", "private/sell", *LOST])
            rules.add(Kind.ANSWERS, Act.DROP, pattern, left=count)
        else:
            late_ns = self.random.choice([200 * MS, 3 * NS_PER_S])
            pattern = self.random.choice(["private/*", "private/get_*"])
            rules.add(Kind.ANSWERS, Act.DELAY, pattern, left=count, delay_ns=late_ns)

    def lose_more_answers(self) -> None:
        """Of calls that plain orders do not need."""
        assert self.world.venue is not None and self.extras is not None
        pattern = self.extras.random.choice(["private/mass_quote", "private/*quotes", "*/buy"])
        self.world.venue._faults.add(Kind.ANSWERS, Act.DROP, pattern, left=2)

    def halt(self) -> None:
        """Trading stops for a while by command; cancels go on."""
        self.ask(m.SetMode(m.TradingMode.HALTED, "simulated"))
        again = m.SetMode(m.TradingMode.ACTIVE, "simulated")
        self.world.after(NS_PER_S, lambda: self.ask(again))

    def kill(self) -> None:
        """The kill switch, of the desk or of a strategy, for a while."""
        scope = self.random.choice(["desk", "desk", VENUE, strategy_scope("alpha")])
        self.world.latch(scope, "simulated")
        self.world.after(int(self.random.uniform(0.1, 2.0) * NS_PER_S), self.world.release)

    def sick_disk(self) -> None:
        """The journal's disk is full, or lies; then the engine is started anew."""
        failure = self.random.choice(["write", "sync"])
        self.world.fail_disk(ENGINE, failure)
        ends_ns = NS_PER_S if failure == "sync" else 2 * NS_PER_S
        disk = self.world.disks[ENGINE]

        def end() -> None:
            if disk.failure:
                self._crash_and_restart(ENGINE)

        self.world.after(ends_ns, end)

    def shuffle(self) -> None:
        """Notifications overtake each other, which the same connection should not let happen."""
        assert self.world.venue is not None
        pattern = self.random.choice(["user.orders.*", "user.*", "book.*"])
        count = self.random.choice([1, 5])
        self.world.venue._faults.add(Kind.NOTIFICATIONS, Act.REORDER, pattern, left=count)

    def lose_reports(self) -> None:
        """Reports of orders and fills get lost, and the link lives on."""
        assert self.world.venue is not None
        for pattern in ("user.orders.*", "user.trades.*"):
            self.world.venue._faults.add(Kind.NOTIFICATIONS, Act.DROP, pattern, left=6)

    def shift_clock(self) -> None:
        """Somebody sets the venue's clock."""
        assert self.world.venue is not None
        shift_s = self.random.choice(CLOCK_SHIFTS_S)
        if self._loses_reports:
            shift_s = min(shift_s, LOSSY_SHIFT_S)
        self.world.venue._clock.offset_ns += int(shift_s * NS_PER_S)

    def outage(self) -> None:
        """Nobody can connect for a while, and who is connected is cut."""
        world = self.world
        world.outage = True
        for name in sorted(set(PROCESSES)):
            world.cut_links(name)

        def end() -> None:
            world.outage = False

        world.after(int(self.random.uniform(0.5, 3.0) * NS_PER_S), end)
