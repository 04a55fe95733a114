"""A position server with a scripted venue: what it is fed and what it answers."""

from __future__ import annotations

from decimal import Decimal

from common import core as c, messages as m
from common.config import ExposureLimitsConfig
from common.domain.backoff import Backoff
from common.errors import VenueProtocolError
from common.venues import accounts as a
from common.venues.streams import FrameToSend
from services.position_server.core import PositionServer

D = Decimal
S = 1_000_000_000
T0 = 1_000 * S
PERP, CALL, SPOT, LINEAR = "sim.BTC-PERP", "sim.BTC-C", "sim.BTC_USDC", "sim.ETH_USDC-PERP"


def define(name: str, kind: m.InstrumentKind, contract: m.ContractType) -> m.InstrumentDefinition:
    inverse = contract is m.ContractType.INVERSE
    option = kind is m.InstrumentKind.OPTION
    base = "ETH" if "ETH" in name else "BTC"
    return m.InstrumentDefinition(
        instrument=name,
        venue="sim",
        symbol=name.removeprefix("sim."),
        kind=kind,
        contract_type=contract,
        base=base,
        quote=base if inverse and option else "USD" if inverse else "USDC",
        settlement=base if inverse else "USDC",
        underlying=base,
        price_index="btc_usd",
        tick_size=D("0.5"),
        lot_size=D("0.1"),
        min_quantity=D("0.1"),
        contract_size=D("10"),
        maker_fee=D(0),
        taker_fee=D(0),
        status=m.InstrumentStatus.ACTIVE,
    )


DEFINITIONS = [
    define(PERP, m.InstrumentKind.PERPETUAL, m.ContractType.INVERSE),
    define(CALL, m.InstrumentKind.OPTION, m.ContractType.INVERSE),
    define(SPOT, m.InstrumentKind.SPOT, m.ContractType.SPOT),
    define(LINEAR, m.InstrumentKind.PERPETUAL, m.ContractType.LINEAR),
]


class ScriptedFeed:
    """Frames are names of what to tell; asking is written down as text."""

    def __init__(self) -> None:
        self.script: dict[bytes, list] = {}
        self.next_wake_ns: int | None = None
        self.silent = False
        self.asked_from_ns = 0

    def on_up(self, now_ns: int) -> list[bytes]:
        return [b"login"]

    def on_down(self) -> None:
        pass

    def on_time(self, now_ns: int) -> list[bytes]:
        return []

    def is_silent(self, now_ns: int) -> bool:
        return self.silent

    def ask_state(self) -> list[bytes]:
        return [b"ask state"]

    def ask_fills(self, instrument: str, from_ns: int, to_ns: int) -> bytes:
        return f"ask fills of {instrument}".encode()

    def ask_all_fills(self, currencies, from_ns: int, to_ns: int) -> list[bytes]:
        self.asked_from_ns = from_ns
        return [f"ask fills in {currency}".encode() for currency in currencies]

    def parse(self, payload: bytes, now_ns: int) -> list:
        if payload not in self.script:
            raise VenueProtocolError("sim", "unreadable", payload)
        return self.script.pop(payload)


class Scene:
    """Feeds a core and keeps what it returned; time moves only by `at` and `wait`."""

    def __init__(self, **limits) -> None:
        self.feed = ScriptedFeed()
        backoff = Backoff(lambda: 0.0, least_s=1, most_s=60)
        config = ExposureLimitsConfig(**limits)
        self.core = PositionServer("sim", "main", self.feed, "ws://sim", config, backoff)
        self.now = T0
        self.out: list = []

    def give(self, event) -> Scene:
        self.out = list(self.core.handle(event, self.now))
        return self

    def wait(self, seconds: float) -> Scene:
        self.now += int(seconds * S)
        self.out = list(self.core.on_time(self.now))
        return self

    def tell(self, *events) -> Scene:
        """The venue sends one frame that means these events."""
        self.feed.script[b"frame"] = list(events)
        return self.give(c.VenueFrame("account", b"frame", self.now))

    def bus(self, message, topic: str = "x") -> Scene:
        return self.give(c.BusMessage(topic, message, 1, 1, 0, 0, 0, 0))

    def defined(self) -> Scene:
        return self.bus(m.InstrumentList("sim", 0, 1, DEFINITIONS))

    def started(self, *reports: a.PositionReport, defined: bool = True) -> Scene:
        """Up to the point where positions and balances are known; the baseline is true now."""
        self.give(c.Started())
        if defined:
            self.defined()
        self.give(c.LinkUp("account"))
        self.tell(a.AccountOpened(), FrameToSend(b"ask state"))
        self.tell(a.PositionList(list(reports), self.now - 10, self.now))
        self.tell(a.BalanceList([balance("BTC")]))
        return self

    def sent(self) -> list[bytes]:
        return [each.payload for each in self.out if isinstance(each, c.LinkSend)]

    def published(self, kind=object) -> list:
        told = [each for each in self.out if isinstance(each, c.Publish | c.PublishSnapshot)]
        return [each.message for each in told if isinstance(each.message, kind)]

    def state(self) -> c.SetState:
        return next(each for each in self.out if isinstance(each, c.SetState))

    def position(self, name: str = PERP) -> m.PositionUpdated:
        return self.core.holdings.position(name, self.now)


def report(quantity, price=None, name: str = PERP, **rest) -> a.PositionReport:
    average = None if price is None else D(str(price))
    return a.PositionReport(name, D(str(quantity)), average, D(0), D(0), D(0), **rest)


def balance(currency: str, equity="10", available="10") -> a.BalanceReport:
    zero = D(0)
    return a.BalanceReport(
        currency, D(equity), D(equity), D(available), zero, zero, zero, zero, zero
    )


def fill(number, quantity, price, name: str = PERP, at: float = 1, fee="0") -> m.Fill:
    """A positive quantity buys, a negative one sells; `at` in seconds after T0."""
    quantity = D(str(quantity))
    return m.Fill(
        exec_id=str(number),
        client_order_id="1",
        venue_order_id="1",
        instrument=name,
        venue="sim",
        account="main",
        owner="me",
        side=m.Side.BUY if quantity > 0 else m.Side.SELL,
        last_price=D(str(price)),
        last_quantity=abs(quantity),
        liquidity=m.Liquidity.TAKER,
        fee=D(fee),
        fee_currency="BTC",
        filled_ns=T0 + int(at * S),
    )


def ticker(name: str = PERP, mark: float | None = 100.0, **rest) -> m.Ticker:
    return m.Ticker(name, mark, mark, mark, **rest)
