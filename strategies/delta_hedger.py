"""Keeps the account's net delta of one underlying within a band, with the perpetual.

The delta is that of the whole account, options and outside inventory included, as the position
server tells it. When it leaves the band around target, the difference to target is traded at once,
with an order that takes what is there up to slippage_bps away and leaves nothing behind. After a
trade the strategy waits until the position server has counted it, so that it hedges nothing twice.

    crossdesk strategy run strategies/delta_hedger.py --config strategies/delta_hedger.yaml
"""

from decimal import Decimal

from common import messages as m
from common.domain.instrument import exact
from common.messages import Side
from common.strategy import OwnOrder, Parameters, Strategy

NS_PER_S = 1_000_000_000
BPS = 1e-4


class HedgerParameters(Parameters):
    """Deltas in coins of the underlying."""

    instrument: str  # the perpetual to trade, e.g. deribit.BTC-PERPETUAL
    underlying: str = ""  # "" is that of the instrument
    target: float = 0.0  # the delta to hold
    band: float = 0.1  # how far delta may be from target
    max_trade: float = 1.0  # at most so much delta in one order
    slippage_bps: float = 10.0  # from the best price, 1 = 0.01 %
    wait_s: float = 1.0  # between trades, for the position server to count them

    def __post_init__(self) -> None:
        for name in ("band", "max_trade", "slippage_bps", "wait_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")


class DeltaHedger(Strategy[HedgerParameters]):
    def on_start(self) -> None:
        self.quiet_until_ns = 0
        self.counted_after_ns = 0  # the exposure must be younger than this
        self.subscribe(self.parameters.instrument, "quote")
        self.subscribe_account()
        self.set_timer("look", after_s=1.0, every_s=1.0)
        for order in self.working_orders:
            self.cancel(order)

    def on_exposure(self, exposure: m.Exposure) -> None:
        self.hedge()

    def on_timer(self, name: str) -> None:
        self.hedge()

    def on_fill(self, fill: m.Fill) -> None:
        self.counted_after_ns = self.now_ns
        self.wait()

    def on_order(self, order: OwnOrder) -> None:
        if order.refusal is not None:
            self.log("refused", level="WARNING", reason=order.refusal, text=order.text)
            self.wait()

    def wait(self) -> None:
        self.quiet_until_ns = self.now_ns + int(self.parameters.wait_s * NS_PER_S)

    # --- hedging ------------------------------------------------------------------------------

    def hedge(self) -> None:
        excess = self.excess()
        if not excess or not self.is_free():
            return
        side = Side.SELL if excess > 0 else Side.BUY
        price = self.price(side)
        if price is None:
            return
        instrument = self.instrument(self.parameters.instrument)
        coins = exact(min(abs(excess), self.parameters.max_trade))
        quantity = coins * price if instrument.is_inverse_future else coins
        quantity = instrument.round_quantity(quantity)
        if quantity < instrument.definition.min_quantity:
            return
        self.place(
            instrument.name,
            side,
            quantity,
            price=price,
            time_in_force=m.TimeInForce.IOC,
            tag="hedge",
        )
        self.log("hedge", side=side.value, quantity=quantity, price=price, excess=excess)
        self.wait()

    def excess(self) -> float:
        """How much delta there is too much; 0.0 within the band, or while it is not known."""
        underlying = self.parameters.underlying
        if not underlying:
            underlying = self.instrument(self.parameters.instrument).definition.underlying
        exposure = self.exposure(underlying)
        if exposure is None or not exposure.complete:
            return 0.0
        if exposure.updated_ns <= self.counted_after_ns:
            return 0.0
        excess = exposure.delta - self.parameters.target
        return excess if abs(excess) > self.parameters.band else 0.0

    def is_free(self) -> bool:
        waited = self.now_ns >= self.quiet_until_ns
        return waited and self.can_trade and not self.working_orders and self.allowance > 0

    def price(self, side: Side) -> Decimal | None:
        """The worst price to take."""
        quote = self.quote(self.parameters.instrument)
        if quote is None or quote.stale:
            return None
        best = quote.ask_price if side is Side.BUY else quote.bid_price
        if best is None:
            return None
        instrument = self.instrument(self.parameters.instrument)
        worst = best * (1 + side.sign * self.parameters.slippage_bps * BPS)
        return instrument.round_price(worst, side)
