"""Quotes one perpetual on both sides, leaning against its inventory.

Both quotes stand around the mark price, half_spread_bps away. With inventory they move together
away from more of it: by skew_bps at max_position. A quote is moved, in place, when it is further
than requote_bps from where it should be, or when little of it is left. Quotes are post-only, keep
to ticks, lots and the least quantity, stay behind the other side's best price, and are pulled when
the market cannot be trusted.

    crossdesk strategy run strategies/quoter.py --config strategies/quoter.yaml
"""

from decimal import Decimal

from common import messages as m
from common.domain.instrument import Instrument
from common.messages import Side
from common.strategy import OwnOrder, Parameters, Strategy

NS_PER_S = 1_000_000_000
BPS = 1e-4
ZERO = Decimal(0)
OVERTAKEN = {m.RejectReason.ORDER_CLOSED, m.RejectReason.UNKNOWN_ORDER}  # by a fill


class QuoterParameters(Parameters):
    """Quantities in the instrument's own unit: USD for inverse perpetuals, else coins."""

    instrument: str  # e.g. deribit.BTC-PERPETUAL
    quantity: Decimal = Decimal(100)  # of each quote
    max_position: Decimal = Decimal(1000)  # beyond it only the side that reduces is quoted
    half_spread_bps: float = 2.0  # of each quote from the mark price, 1 = 0.01 %
    skew_bps: float = 2.0  # how far both quotes move at max_position
    requote_bps: float = 0.5  # a quote that is less wrong than this stays
    refill_below: float = 0.5  # a quote with less than this part left is filled up again
    pause_s: float = 1.0  # after a refusal

    def __post_init__(self) -> None:
        for name in ("quantity", "max_position", "half_spread_bps", "requote_bps"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")
        for name in ("skew_bps", "pause_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: must not be below 0")
        if not 0 <= self.refill_below <= 1:
            raise ValueError("refill_below: must be from 0 to 1")


class Quoter(Strategy[QuoterParameters]):
    def on_start(self) -> None:
        self.paused_until_ns = 0
        self.subscribe(self.parameters.instrument, "quote", "ticker")
        self.set_timer("requote", after_s=1.0, every_s=1.0)
        self.requote()

    def on_stop(self) -> None:
        held = self.position(self.parameters.instrument)
        self.log("stopped quoting", position=held.quantity, realized_pnl=held.realized_pnl)

    def on_quote(self, quote: m.Quote) -> None:
        self.requote()

    def on_ticker(self, ticker: m.Ticker) -> None:
        self.requote()

    def on_fill(self, fill: m.Fill) -> None:
        self.requote()

    def on_timer(self, name: str) -> None:
        self.requote()

    def on_parameters(self) -> None:
        self.requote()

    def on_order(self, order: OwnOrder) -> None:
        if order.refusal is not None:
            refusal, order.refusal = order.refusal, None
            if refusal not in OVERTAKEN:
                self.pause()
        self.requote()

    def pause(self) -> None:
        self.paused_until_ns = self.now_ns + int(self.parameters.pause_s * NS_PER_S)

    # --- quoting ------------------------------------------------------------------------------

    def requote(self) -> None:
        if not self.can_trade or self.now_ns < self.paused_until_ns:
            return
        name = self.parameters.instrument
        quote, ticker = self.quote(name), self.ticker(name)
        instrument = self.instrument(name)
        tradable = instrument.definition.status is m.InstrumentStatus.ACTIVE
        if not is_usable(quote, ticker) or not tradable:
            self.pull()
            return
        bid, ask = self.targets(instrument, quote, ticker)
        # The quote that makes room goes first, so that ours never meet.
        current = self.current(Side.BUY)
        rises = current is not None and current.price is not None and bid > current.price
        sides = (
            ((Side.SELL, ask), (Side.BUY, bid)) if rises else ((Side.BUY, bid), (Side.SELL, ask))
        )
        for side, price in sides:
            self.keep(instrument, side, price)

    def targets(
        self, instrument: Instrument, quote: m.Quote, ticker: m.Ticker
    ) -> tuple[Decimal, Decimal]:
        """Where bid and ask belong now."""
        held = float(self.position(instrument.name).quantity)
        fullness = max(-1.0, min(1.0, held / float(self.parameters.max_position)))
        fair = ticker.mark_price * (1 - self.parameters.skew_bps * BPS * fullness)
        width = fair * self.parameters.half_spread_bps * BPS
        low, high = ticker.min_price or 0.0, ticker.max_price or float("inf")
        bid = instrument.round_price(min(max(fair - width, low), high), Side.BUY)
        ask = instrument.round_price(min(max(fair + width, low), high), Side.SELL)
        best_bid = instrument.round_price(quote.bid_price, Side.BUY)
        best_ask = instrument.round_price(quote.ask_price, Side.SELL)
        bid = min(bid, best_ask - instrument.tick_at(best_ask))
        ask = max(ask, best_bid + instrument.tick_at(best_bid))
        return bid, ask

    def wanted(self, instrument: Instrument, side: Side) -> Decimal:
        """How much to quote: less, or nothing, where it would exceed the position's bound."""
        held = self.position(instrument.name).quantity * side.sign
        room = self.parameters.max_position - held
        quantity = instrument.round_quantity(max(ZERO, min(self.parameters.quantity, room)))
        return quantity if quantity >= instrument.definition.min_quantity else ZERO

    def keep(self, instrument: Instrument, side: Side, price: Decimal) -> None:
        """Bring one side's quote to where it belongs, one step at a time."""
        order, quantity = self.current(side), self.wanted(instrument, side)
        if order is None:
            if quantity and self.allowance and not self.meets_own(side, price):
                self.place(
                    instrument.name, side, quantity, price=price, post_only=True, reprice=True
                )
        elif not quantity:
            self.cancel(order)
        elif not (order.is_settled and self.allowance) or self.meets_own(side, price):
            return
        elif self.is_wrong(order, price, quantity):
            self.modify(order, price=price, quantity=order.cum_quantity + quantity)

    def is_wrong(self, order: OwnOrder, price: Decimal, quantity: Decimal) -> bool:
        off = abs(float(order.price - price)) / float(price)
        left = order.leaves_quantity
        too_little = left < quantity * Decimal(str(self.parameters.refill_below))
        return off > self.parameters.requote_bps * BPS or too_little or left > quantity

    def meets_own(self, side: Side, price: Decimal) -> bool:
        """A quote at this price could trade with our own other one, or with where that was."""
        other = self.current(side.opposite)
        return other is not None and (price - other.price) * side.sign >= 0

    def current(self, side: Side) -> OwnOrder | None:
        """The quote of this side; a second one, of an earlier run, is cancelled."""
        name = self.parameters.instrument
        found = [o for o in self.working_orders if o.instrument == name and o.side is side]
        for extra in found[1:]:
            self.cancel(extra)
        return found[0] if found else None

    def pull(self) -> None:
        """Take the quotes out of a market that cannot be trusted."""
        for order in self.working_orders:
            if not order.cancel_wanted:
                self.cancel(order)


def is_usable(quote: m.Quote | None, ticker: m.Ticker | None) -> bool:
    if quote is None or quote.stale or ticker is None or not ticker.mark_price:
        return False
    return quote.bid_price is not None and quote.ask_price is not None
