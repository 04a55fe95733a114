"""Quotes the options of one expiry with mass quotes, under market maker protection.

Each option is quoted around its Black-76 price: the bid at the venue's mark volatility less
spread_vol, the ask at that volatility plus spread_vol, both moved down in volatility by what is
held. All sides go in one mass quote every requote_s; what stands as it is wanted is not sent again.

The strategy sets the protection of its group: what trades within interval_s beyond quantity_limit
or delta_limit makes the venue cancel the group's quotes. The strategy is told, waits cool_down_s,
and resets it. The account needs on_disconnect: cancel.

    crossdesk strategy run strategies/option_quoter.py --config strategies/option_quoter.yaml
"""

from decimal import Decimal

from common import messages as m
from common.domain.instrument import Instrument
from common.domain.pricing import black76_price, years_between
from common.messages import OptionType, ProtectionEvent, Side
from common.strategy import Parameters, Strategy

NS_PER_S = 1_000_000_000
ZERO = Decimal(0)


class OptionQuoterParameters(Parameters):
    """Quantities in the options' own unit, volatilities in percent."""

    expiry: str  # e.g. deribit.BTC-25DEC26
    strikes: list[str]  # e.g. ["60000", "70000"]; calls and puts of each
    mmp_group: str = "options"
    quantity: Decimal = Decimal(1)  # of each side
    max_position: Decimal = Decimal(10)  # of one option, either way
    spread_vol: float = 3.0
    skew_vol: float = 1.0  # how far both sides move at max_position
    requote_s: float = 1.0
    interval_s: int = 5
    quantity_limit: Decimal = Decimal(5)  # coins within interval_s
    delta_limit: Decimal = Decimal(3)
    cool_down_s: float = 5.0  # from a trigger to the reset

    def __post_init__(self) -> None:
        for name in ("quantity", "max_position", "spread_vol", "requote_s", "cool_down_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above 0")
        if not 1 <= self.interval_s <= 3600:
            raise ValueError("interval_s: must be from 1 to 3600")
        if not self.strikes:
            raise ValueError("strikes: name at least one")


class OptionQuoter(Strategy[OptionQuoterParameters]):
    def on_start(self) -> None:
        self.is_frozen = True  # until the protection is known to hold
        self.options = [
            self.instrument(f"{self.parameters.expiry}-{strike}-{kind}")
            for strike in self.parameters.strikes
            for kind in "CP"
        ]
        for option in self.options:
            self.subscribe(option.name, "ticker")
        self.subscribe_protections()
        self.protect()
        self.set_timer("requote", after_s=1.0, every_s=self.parameters.requote_s)

    def on_stop(self) -> None:
        self.log(
            "stopped quoting", positions=[self.position(o.name).quantity for o in self.options]
        )

    def on_parameters(self) -> None:
        self.protect()

    def on_timer(self, name: str) -> None:
        if name == "requote":
            self.requote()
        elif name == "reset":
            self.reset_protection(self.index, self.parameters.mmp_group)

    def on_protection(self, protection: m.ProtectionUpdated) -> None:
        if (protection.index, protection.mmp_group) != (self.index, self.parameters.mmp_group):
            return
        self.is_frozen = protection.frozen_until_ns is not None
        if not self.is_frozen:
            return
        if protection.event is ProtectionEvent.TRIGGERED:
            self.log("protection acted", level="WARNING", cool_down_s=self.parameters.cool_down_s)
        self.set_timer("reset", after_s=self.parameters.cool_down_s)

    # --- protection ---------------------------------------------------------------------------

    @property
    def index(self) -> str:
        return self.options[0].definition.price_index

    def protect(self) -> None:
        """frozen_s stays 0: quotes come back by the reset alone."""
        limits = self.parameters
        self.set_protection(
            m.SetProtection(
                self.index,
                limits.mmp_group,
                limits.interval_s,
                max_quote_quantity=limits.quantity,
                quantity_limit=limits.quantity_limit,
                delta_limit=limits.delta_limit,
            )
        )

    # --- quoting ------------------------------------------------------------------------------

    def requote(self) -> None:
        if not self.can_trade or self.is_frozen or not self.quote_allowance:
            return
        entries = [self.entry(option) for option in self.options]
        self.mass_quote(entries, self.parameters.mmp_group, quote_set=self.name, post_only=True)

    def entry(self, option: Instrument) -> m.QuoteEntry:
        """Both sides of one option; a side that is not to be quoted is taken away."""
        held = self.position(option.name).quantity
        limit = self.parameters.max_position
        bid = self.price(option, Side.BUY) if held < limit else None
        ask = self.price(option, Side.SELL) if held > -limit else None
        quantity = self.parameters.quantity
        return m.QuoteEntry(
            option.name,
            bid,
            quantity if bid is not None else ZERO,
            ask,
            quantity if ask is not None else ZERO,
        )

    def price(self, option: Instrument, side: Side) -> Decimal | None:
        """On its tick, away from the market; None where there is none that can be quoted."""
        ticker, rules = self.ticker(option.name), option.definition
        if ticker is None or rules.strike is None or rules.expiration_ns is None:
            return None
        forward, volatility = ticker.underlying_price, self.volatility(option, ticker, side)
        years = years_between(self.now_ns, rules.expiration_ns)
        if forward is None or volatility is None or years <= 0:
            return None
        is_call = rules.option_type is OptionType.CALL
        premium = black76_price(is_call, forward, float(rules.strike), years, volatility / 100)
        price = option.round_price(premium / forward, side)
        other = ticker.ask_price if side is Side.BUY else ticker.bid_price
        would_cross = bool(other) and (float(price) - other) * side.sign >= 0
        return None if price <= 0 or would_cross else price

    def volatility(self, option: Instrument, ticker: m.Ticker, side: Side) -> float | None:
        if ticker.mark_iv is None:
            return None
        held = float(self.position(option.name).quantity / self.parameters.max_position)
        wanted = ticker.mark_iv - held * self.parameters.skew_vol
        wanted -= side.sign * self.parameters.spread_vol
        return wanted if wanted > 0 else None
