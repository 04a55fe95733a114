"""A simulated exchange with a market that stands still unless a test moves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from common.config import SimulatorAccountConfig
from common.messages import (
    ContractType,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OptionType,
    OrderType,
    Side,
)
from common.venues.simulation import (
    FlowOrder,
    OptionFigures,
    OrderRequest,
    Placed,
    SimulatedFill,
)
from services.venue_simulator.exchange import Exchange
from services.venue_simulator.rules import DAY_NS, HOUR_NS, ExchangeRules

NOW = 20_000 * DAY_NS + 10 * HOUR_NS  # ten o'clock UTC
NEXT_SETTLEMENT = 20_001 * DAY_NS + 8 * HOUR_NS
D = Decimal


def definition(symbol: str, kind: InstrumentKind, contract: ContractType, **changes):
    base, quote = "BTC", "USD" if contract is ContractType.INVERSE else "USDC"
    settlement = base if contract is ContractType.INVERSE else quote
    if kind is InstrumentKind.OPTION and contract is ContractType.INVERSE:
        quote = base
    plain = InstrumentDefinition(
        instrument=f"venue.{symbol}",
        venue="venue",
        symbol=symbol,
        kind=kind,
        contract_type=contract,
        base=base,
        quote=quote,
        settlement=settlement,
        underlying=base,
        price_index="btc_usd",
        tick_size=D("0.5"),
        lot_size=D(10),
        min_quantity=D(10),
        contract_size=D(10),
        maker_fee=D("0"),
        taker_fee=D("0.0005"),
        status=InstrumentStatus.ACTIVE,
        max_leverage=50.0,
    )
    return msgspec.structs.replace(plain, **changes)


PERPETUAL = definition("INVERSE-PERP", InstrumentKind.PERPETUAL, ContractType.INVERSE)
COIN = {"lot_size": D("0.001"), "min_quantity": D("0.001"), "contract_size": D("0.001")}
LINEAR = definition("LINEAR-PERP", InstrumentKind.PERPETUAL, ContractType.LINEAR, **COIN)
FUTURE = definition(
    "FUTURE", InstrumentKind.FUTURE, ContractType.INVERSE, expiration_ns=NEXT_SETTLEMENT
)
SPOT = definition("SPOT", InstrumentKind.SPOT, ContractType.SPOT, **COIN)
OPTION = {
    "lot_size": D("0.1"),
    "min_quantity": D("0.1"),
    "contract_size": D(1),
    "tick_size": D("0.0001"),
    "tick_steps": [(D("0.005"), D("0.0005"))],
    "maker_fee": D("0.0003"),
    "taker_fee": D("0.0003"),
    "strike": D(50_000),
    "option_type": OptionType.CALL,
    "expiration_ns": NEXT_SETTLEMENT,
    "max_leverage": 0.0,
}
CALL = definition("CALL", InstrumentKind.OPTION, ContractType.INVERSE, **OPTION)
PUT = definition(
    "PUT",
    InstrumentKind.OPTION,
    ContractType.INVERSE,
    **{**OPTION, "option_type": OptionType.PUT},
)
LINEAR_CALL = definition(
    "LINEAR-CALL", InstrumentKind.OPTION, ContractType.LINEAR, **{**OPTION, "tick_steps": []}
)
ALL = (PERPETUAL, LINEAR, FUTURE, SPOT, CALL, PUT, LINEAR_CALL)


class StillMarket:
    """Implements SimulatedMarket; prices and synthetic orders are what a test writes into it."""

    def __init__(self, index: float = 50_000.0) -> None:
        self.index = index
        self.marks: dict[str, float] = {"CALL": 0.04, "PUT": 0.04, "LINEAR-CALL": 2000.0}
        self.seeds: dict[str, list[FlowOrder]] = defaultdict(list)
        self.flow: dict[str, list[FlowOrder]] = defaultdict(list)
        self.rate = 0.0
        self.awake: set[str] = set()

    def add(self, definitions) -> None:
        self.known = list(definitions)

    def set_awake(self, symbol: str, awake: bool) -> None:
        (self.awake.add if awake else self.awake.discard)(symbol)

    def index_names(self) -> list[str]:
        return ["btc_usd"]

    def index_price(self, name: str, now_ns: int) -> float:
        return self.index

    def fair_price(self, symbol: str, now_ns: int) -> float:
        return self.marks.get(symbol, self.index)

    def fair_prices(self, symbol: str, times_ns: Sequence[int]) -> list[float]:
        return [self.fair_price(symbol, moment) for moment in times_ns]

    def option_figures(self, symbol: str, now_ns: int) -> OptionFigures | None:
        if "CALL" not in symbol and "PUT" not in symbol:
            return None
        return OptionFigures(60.0, 0.5, 0.00001, 20.0, -30.0, 5.0, self.index, "")

    def implied_volatility(self, symbol: str, price: float, now_ns: int) -> float:
        return 60.0

    def funding_rate(self, symbol: str, now_ns: int) -> float:
        return self.rate

    def open_interest(self, symbol: str, now_ns: int) -> float:
        return 0.0

    def seed_book(self, symbol: str, now_ns: int) -> list[FlowOrder]:
        return self.seeds[symbol]

    def best_quote(self, symbol: str, now_ns: int) -> tuple[float, float, float, float]:
        return 49_999.5, 10.0, 50_000.5, 20.0

    def orders_between(self, symbol: str, from_ns: int, to_ns: int) -> list[FlowOrder]:
        return [act for act in self.flow[symbol] if from_ns < act.at_ns <= to_ns]


WEALTH = {"BTC": "1000", "USDC": "100000000"}


def account(name: str, **balances: str) -> SimulatorAccountConfig:
    return SimulatorAccountConfig(name, "secret", balances or WEALTH)


class Scene:
    """An exchange, its market and a clock."""

    def __init__(self, *accounts: SimulatorAccountConfig, definitions=ALL, **rules) -> None:
        self.market = StillMarket()
        people = accounts or (account("ann"), account("bob"))
        self.exchange = Exchange(definitions, self.market, people, ExchangeRules(**rules))
        self.now = NOW
        self.exchange.advance(self.now)
        self.exchange.drain()

    def place(self, who: str, side: str, quantity, price=None, symbol="INVERSE-PERP", **more):
        order_type = OrderType.MARKET if price is None else OrderType.LIMIT
        request = OrderRequest(
            symbol,
            Side(side),
            D(str(quantity)),
            more.pop("order_type", order_type),
            None if price is None else D(str(price)),
            **more,
        )
        return self.exchange.place(who, request, self.now)

    def placed(self, *arguments, **more):
        """Place; the order, which must not be refused."""
        result = self.place(*arguments, **more)
        assert isinstance(result, Placed), result
        return result.order

    def trade(self, buyer: str, seller: str, quantity, price, symbol="INVERSE-PERP") -> None:
        """The seller rests, the buyer takes."""
        self.placed(seller, "SELL", quantity, price, symbol)
        self.placed(buyer, "BUY", quantity, price, symbol)

    def order(self, who: str, number: int):
        return self.exchange.order(who, number)

    def tick(self, ns: int) -> None:
        self.now += ns
        self.exchange.advance(self.now)

    def events(self, kind=None) -> list:
        events = self.exchange.drain()
        return events if kind is None else [e for e in events if isinstance(e, kind)]

    def fills(self, who: str) -> list[SimulatedFill]:
        return [f for f in self.events(SimulatedFill) if f.account == who]

    def balance(self, who: str, currency: str = "BTC") -> Decimal:
        return self.exchange.account_summary(who, currency).balance

    def position(self, who: str, symbol: str = "INVERSE-PERP"):
        return self.exchange.position(who, symbol)
