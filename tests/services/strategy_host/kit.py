"""A bench for a strategy's host: it plays the shell, the bus and the engine, by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common import core as c, messages as m
from common.config import AccountConfig, StrategyConfig
from common.strategy import OwnOrder, Parameters, Strategy
from services.strategy_host.core import StrategyHost
from services.strategy_host.memory import Memory, decode, encode
from tests.services.trading_engine.kit import PERP, PERPETUAL

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
PLACE = "deribit.main.tester"
D = Decimal


class ScribeParameters(Parameters):
    instrument: str = PERP
    quantity: Decimal = D(100)
    levels: list[float] = []
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.quantity <= 0:
            raise ValueError("quantity: must be above 0")


class Scribe(Strategy[ScribeParameters]):
    """Writes down what it is told; a test gives it the rest."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_start(self) -> None:
        self.told.append(("start", [order.client_order_id for order in self.working_orders]))

    def on_stop(self) -> None:
        self.told.append(("stop", None))

    def on_book(self, book: Any) -> None:
        self.told.append(("book", (book.best_bid, book.best_ask)))

    def on_quote(self, quote: m.Quote) -> None:
        self.told.append(("quote", quote))

    def on_trade(self, trade: m.Trade) -> None:
        self.told.append(("trade", trade))

    def on_ticker(self, ticker: m.Ticker) -> None:
        self.told.append(("ticker", ticker))

    def on_order(self, order: OwnOrder) -> None:
        self.told.append(("order", (order.status, order.refusal)))

    def on_fill(self, fill: m.Fill) -> None:
        held = self.position(fill.instrument).quantity
        self.told.append(("fill", (fill.exec_id, held)))

    def on_position(self, position: m.PositionUpdated) -> None:
        self.told.append(("position", position.instrument))

    def on_exposure(self, exposure: m.Exposure) -> None:
        self.told.append(("exposure", exposure.delta))

    def on_timer(self, name: str) -> None:
        self.told.append(("timer", name))

    def on_parameters(self) -> None:
        self.told.append(("parameters", self.parameters.quantity))

    def of(self, kind: str) -> list[Any]:
        return [what for name, what in self.told if name == kind]


class Bench:
    """Feeds a host and keeps what it returns."""

    def __init__(
        self,
        strategy: Strategy[Any] | None = None,
        *,
        memory: Memory | None = None,
        now_ns: int = T0,
        problem: str = "",
        took_ns: int = 0,
        path: str = __file__,
        **config: Any,
    ) -> None:
        self.strategy: Any = Scribe() if strategy is None and not problem else strategy
        self.now = now_ns
        self.commands: list[Any] = []
        memory = memory or Memory()
        memory.start(now_ns)
        self._stopwatch = 0
        self.took_ns = took_ns

        def stopwatch() -> int:
            self._stopwatch += self.took_ns
            return self._stopwatch

        self.host = StrategyHost(
            StrategyConfig("tester", "tester.py", "deribit", **config),
            AccountConfig(rate_per_second=5.0, rate_burst=20.0),
            self.strategy,
            memory,
            stopwatch,
            path=path,
            parameters=None if self.strategy is None else self.strategy.parameters_type(),
            problem=problem,
        )

    # --- events -------------------------------------------------------------------------------

    def feed(self, event: Any) -> list[Any]:
        commands = list(self.host.handle(event, self.now))
        self.commands += commands
        return commands

    def bus(self, topic: str, message: m.Event) -> list[Any]:
        return self.feed(c.BusMessage(topic, message, 1, 1, 0, 0, self.now, self.now))

    def pass_s(self, seconds: float) -> list[Any]:
        """Time passes, with all wake-ups that were asked for."""
        end, found = self.now + int(seconds * SECOND), []
        while True:
            wakes = [x.ns for x in self.commands if isinstance(x, c.WakeAt) and x.ns > self.now]
            if not wakes or min(wakes) > end:
                break
            self.now = min(wakes)
            found += self.host.on_time(self.now)
            self.commands += found
        self.now = end
        return found

    def start(self, orders: list[m.OrderUpdated] | None = None, fills: Any = ()) -> Bench:
        """Bring the strategy to its on_start."""
        self.feed(c.Started())
        self.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [PERPETUAL]))
        self.snapshots(orders or [], list(fills))
        self.beat("ready")
        return self

    def snapshots(self, orders: list[m.OrderUpdated], fills: list[m.Fill]) -> None:
        self.bus(f"order.{PLACE}", m.OrderSnapshot("deribit", "main", "tester", orders))
        self.bus(f"fill.{PLACE}", m.FillSnapshot("deribit", "main", "tester", fills))

    def beat(self, state: str) -> None:
        beat = m.Health("trading_engine.deribit.main", state, 1, 1)
        self.bus("health.trading_engine.deribit.main", beat)

    def act(self, do: Any) -> list[Any]:
        """Let the strategy act, in a timer of its own."""
        self.strategy.__dict__["on_timer"] = lambda name: do()
        self.host._bench.set_timer("act", 0.0, None)
        commands = list(self.host.on_time(self.now))
        self.commands += commands
        del self.strategy.__dict__["on_timer"]
        return commands

    def reply(self, request: c.Request, accepted: bool = True, **more: Any) -> list[Any]:
        answer = m.CommandReply(request.request_id, accepted, **more)
        return self.feed(c.Replied(request.target, request.request_id, answer))

    def fail(self, request: c.Request, sent: bool) -> list[Any]:
        return self.feed(c.RequestFailed(request.target, request.request_id, sent, "is away"))

    def order(self, request: c.Request, **changes: Any) -> m.OrderUpdated:
        """The engine tells of the order that this place became."""
        update = order_of(request, **changes)
        self.bus(f"order.{PLACE}", update)
        return update

    # --- looking ------------------------------------------------------------------------------

    def requests(self, kind: type | None = None) -> list[c.Request]:
        found = [x for x in self.commands if isinstance(x, c.Request)]
        return [x for x in found if kind is None or isinstance(x.command, kind)]

    def alerts(self, level: str) -> list[str]:
        return [x.text for x in self.commands if isinstance(x, c.Alert) and x.level == level]

    @property
    def state(self) -> m.StrategyState:
        return self.host.report()

    def told_state(self) -> c.SetState:
        return [x for x in self.commands if isinstance(x, c.SetState)][-1]

    def memory_of_disk(self) -> Memory:
        """What a next run would remember."""
        kept = [encode(x.record) for x in self.commands if isinstance(x, c.Journal)]
        return Memory().replay(decode(kept))


def order_of(request: c.Request, name: str = "1", **changes: Any) -> m.OrderUpdated:
    command = request.command
    assert isinstance(command, m.PlaceOrder)
    state = m.OrderUpdated(
        client_order_id=name,
        venue_order_id=f"V{name}",
        instrument=command.instrument,
        venue="deribit",
        account="main",
        owner="tester",
        side=command.side,
        order_type=command.order_type,
        price=command.price,
        quantity=command.quantity,
        time_in_force=command.time_in_force,
        status=m.OrderStatus.NEW,
        cum_quantity=D(0),
        leaves_quantity=command.quantity,
        avg_price=None,
        event=m.OrderTrigger.ACCEPTED,
        revision=1,
        created_ns=T0,
        updated_ns=T0,
        request_id=request.request_id,
    )
    return msgspec.structs.replace(state, **changes)


def fill_of(exec_id: str, side: m.Side = m.Side.BUY, quantity: str = "100", **more: Any) -> m.Fill:
    fill = m.Fill(
        exec_id=exec_id,
        client_order_id="1",
        venue_order_id="V1",
        instrument=PERP,
        venue="deribit",
        account="main",
        owner="tester",
        side=side,
        last_price=D("50000"),
        last_quantity=D(quantity),
        liquidity=m.Liquidity.MAKER,
        fee=D("0.000001"),
        fee_currency="BTC",
        filled_ns=T0,
    )
    return msgspec.structs.replace(fill, **more)
