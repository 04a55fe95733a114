"""What a strategy's calls do: the Host of common/strategy.py, over the mini OMS and the market."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common import core as c, messages as m
from common.config import AccountConfig, StrategyConfig
from common.domain.book import OrderBook
from common.domain.instrument import Instrument, exact
from common.domain.position import Position
from common.messages import Side
from common.own_orders import ZERO, OwnOrder, OwnPosition
from common.strategy import Parameters
from services.strategy_host.budget import BURST_SHARE, SHARE, Budget
from services.strategy_host.market import MarketView
from services.strategy_host.memory import Memory
from services.strategy_host.oms import Oms

NS_PER_S = 1_000_000_000
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class Timer(msgspec.Struct):
    due_ns: int
    every_ns: int | None


class Workbench:
    """State of one strategy; the core brings events in, the strategy's calls gather commands."""

    def __init__(
        self,
        config: StrategyConfig,
        account: AccountConfig,
        parameters: Parameters,
        memory: Memory,
    ) -> None:
        rate = config.orders_per_second or SHARE * account.rate_per_second
        self.config = config
        self.out: list[c.CoreCommand] = []
        self.memory = memory
        self.market = MarketView()
        self._budget = Budget(rate, BURST_SHARE * account.rate_burst)
        self._quote_budget = Budget(
            SHARE * account.quote_rate_per_second, BURST_SHARE * account.quote_rate_burst
        )
        self.oms = Oms(
            config.name,
            config.venue,
            config.account,
            memory.run,
            self._budget,
            self.out,
            self._quote_budget,
        )
        self.protection_of: dict[tuple[str, str], m.ProtectionUpdated] = {}
        self._now_ns = 0
        self._parameters = parameters
        self.timers: dict[str, Timer] = {}
        self.asked_for: set[str] = set()  # topics that the strategy subscribed
        self._followed: set[str] = set()  # and those that we need besides
        self.engine_ready = False
        self.orders_known = False
        self.fills_known = False
        self.running = False

    # --- for the core -------------------------------------------------------------------------

    def at(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def set_parameters(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def follow(self, topic: str) -> None:
        if topic not in self._followed:
            self._followed.add(topic)
            self.out.append(c.Subscribe(topic))

    def due_timers(self) -> list[str]:
        """Names of timers that are due, earliest first; each is set anew or removed."""
        due = [item for item in self.timers.items() if item[1].due_ns <= self._now_ns]
        for name, timer in due:
            if timer.every_ns is None:
                del self.timers[name]
            else:
                missed = (self._now_ns - timer.due_ns) // timer.every_ns
                timer.due_ns += (missed + 1) * timer.every_ns
        return [name for name, _ in sorted(due, key=lambda item: item[1].due_ns)]

    def held(self) -> list[OwnPosition]:
        """All positions that are not flat or earned something, and what works elsewhere."""
        names = dict.fromkeys([*self.memory.positions, *sorted(self.oms.instruments)])
        return [self.position(name) for name in names]

    # --- Host ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def parameters(self) -> Parameters:
        return self._parameters

    @property
    def can_trade(self) -> bool:
        return self.running and self.engine_ready and self.orders_known and self.fills_known

    @property
    def allowance(self) -> int:
        return self._budget.allowance(self._now_ns)

    @property
    def working_orders(self) -> list[OwnOrder]:
        return self.oms.working

    def place(self, command: m.PlaceOrder) -> OwnOrder:
        return self.oms.place(command, self._now_ns)

    def modify(self, order: OwnOrder, change: m.ModifyOrder) -> bool:
        return self.oms.modify(order, change, self._now_ns)

    def cancel(self, order: OwnOrder) -> bool:
        return self.oms.cancel(order, self._now_ns)

    def cancel_all(self, instrument: str | None) -> None:
        self.oms.cancel_all(instrument, self._now_ns)

    def mass_quote(self, command: m.MassQuote) -> list[OwnOrder]:
        return self.oms.quote(command, self._now_ns)

    def cancel_quotes(self, filters: m.CancelQuotes) -> None:
        self.oms.cancel_quotes(filters, self._now_ns)

    def change_protection(self, command: m.SetProtection | m.ResetProtection) -> None:
        self.oms.change_protection(command)

    @property
    def quote_allowance(self) -> int:
        return self._quote_budget.allowance(self._now_ns)

    @property
    def protections(self) -> list[m.ProtectionUpdated]:
        return list(self.protection_of.values())

    def subscribe_protections(self) -> None:
        self.follow(f"protection.{self.config.venue}.{self.config.account}")

    def subscribe(self, instrument: str, kinds: tuple[str, ...]) -> None:
        if instrument.partition(".")[0] != self.config.venue:
            self.follow(f"instrument.{instrument}")
        for kind in kinds:
            self.asked_for.add(f"{kind}.{instrument}")
            self.follow(f"{kind}.{instrument}")

    def subscribe_account(self) -> None:
        self.follow(f"account.{self.config.venue}.{self.config.account}")

    def instrument(self, name: str) -> Instrument | None:
        return self.market.instrument(name)

    def quote(self, name: str) -> m.Quote | None:
        return self.market.quotes.get(name)

    def ticker(self, name: str) -> m.Ticker | None:
        return self.market.tickers.get(name)

    def book(self, name: str) -> OrderBook | None:
        return self.market.books.get(name)

    def position(self, name: str) -> OwnPosition:
        working_buy = self.oms.working_quantity(name, Side.BUY)
        working_sell = self.oms.working_quantity(name, Side.SELL)
        position = self.memory.positions.get(name)
        if position is None:
            return OwnPosition(name, working_buy=working_buy, working_sell=working_sell)
        return OwnPosition(
            name,
            position.quantity,
            position.average_price,
            position.currency,
            position.realized_pnl,
            self._unrealized(position),
            position.fees_in_currency(),
            working_buy,
            working_sell,
        )

    def _unrealized(self, position: Position) -> Decimal | None:
        if not position.quantity:
            return ZERO
        mark = self.market.mark(position.instrument.name)
        return None if mark is None or mark <= 0 else position.unrealized_pnl(exact(mark))

    def account_positions(self) -> list[m.PositionUpdated]:
        return list(self.market.positions.values())

    def exposure(self, underlying: str) -> m.Exposure | None:
        return self.market.exposures.get(underlying)

    def set_timer(self, name: str, after_s: float, every_s: float | None) -> None:
        if every_s is not None and every_s <= 0:
            raise ValueError(f"set_timer: every_s must be above 0, not {every_s}")
        every_ns = None if every_s is None else max(1, int(every_s * NS_PER_S))
        self.timers[name] = Timer(self._now_ns + int(max(0.0, after_s) * NS_PER_S), every_ns)

    def cancel_timer(self, name: str) -> None:
        self.timers.pop(name, None)

    def log(self, level: str, text: str, fields: dict[str, str]) -> None:
        if level not in LEVELS:
            raise ValueError(f"log: level is one of {', '.join(LEVELS)}, not {level!r}")
        self.out.append(c.Alert(level, text, fields))
