"""The simulated list of instruments: a pure function of time and configuration.

Names, figures and the expiry calendar are the venue's. Strikes lie around the index price at the
moment their expiry was listed, so that the list never depends on when somebody asked for it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import msgspec

from common.config import SimulatorConfig
from common.errors import PeerError
from common.messages import (
    Exact,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OptionType,
)
from common.venues.deribit import expiries, products
from common.venues.deribit.expiries import DAY_NS, Expiry, ExpiryClass
from common.venues.deribit.products import Product

VENUE = "deribit"
NEVER_MS = 32503708800000  # what the venue sends as the expiration of what never expires
MS_NS = 1_000_000
ANNUAL_VOLATILITY = 0.6  # strikes of an expiry span this many years' moves
SPAN_DEVIATIONS = 2.2  # ... on each side
STRIKE_GRID = (Decimal(1), Decimal(2), Decimal(4), Decimal(10))
PERIODS = {
    ExpiryClass.DAILY: "day",
    ExpiryClass.WEEKLY: "week",
    ExpiryClass.MONTHLY: "month",
    ExpiryClass.QUARTERLY: "month",
}

ALL_PRODUCTS = (
    *products.SPOT,
    *products.PERPETUALS,
    *products.INVERSE_DATED,
    *products.LINEAR_DATED,
    *products.INVERSE_OPTIONS,
    *products.LINEAR_OPTIONS,
)

IndexAt = Callable[[str, int], float]
"""Price of an index (by name) at a time in ns."""


class Details(msgspec.Struct, frozen=True):
    """What only the venue's own protocol tells of an instrument."""

    instrument_id: int
    index_id: int
    kind: str  # "spot", "future" (perpetuals too), "option"
    instrument_type: str  # "reversed" or "linear"
    counter_currency: str
    settlement_period: str  # "" for spot
    expiration_ms: int
    created_ms: int
    max_leverage: int
    max_non_default_leverage: float
    max_liquidation_commission: float
    block_trade_commission: float
    block_trade_min_trade_amount: float
    block_trade_tick_size: float
    lot_size: int
    product_group: str
    underlying_index: str  # of an option: its future's name or SYN.<name>; else ""


class Listing(msgspec.Struct, frozen=True):
    """One instrument as the desk and as the venue describe it."""

    definition: InstrumentDefinition
    details: Details


def listings(now_ns: int, config: SimulatorConfig, index_at: IndexAt) -> list[Listing]:
    """All instruments that trade now: spot, perpetuals, futures by expiry, options by expiry.

    The list changes at `next_change_ns` at the earliest. Linear products have half the expiries
    and half the strikes of inverse ones.
    """
    found = [_undated(product) for product in (*products.SPOT, *products.PERPETUALS)]
    inverse = expiries.listed(now_ns, config.option_expiries)
    linear = expiries.listed(now_ns, max(1, config.option_expiries // 2))
    strikes = config.strikes_per_expiry
    for product in products.INVERSE_DATED:
        found.extend(_future(product, expiry) for expiry in inverse)
    for product in products.LINEAR_DATED:
        found.extend(_future(product, expiry) for expiry in linear)
    for product in products.INVERSE_OPTIONS:
        for expiry in inverse:
            found.extend(_options(product, expiry, strikes, index_at))
    for product in products.LINEAR_OPTIONS:
        for expiry in linear:
            found.extend(_options(product, expiry, max(1, strikes // 2), index_at))
    return found


def listings_of(definitions: Iterable[InstrumentDefinition]) -> list[Listing]:
    """Recorded instruments as the venue describes them; those of unknown products are left out."""
    found = []
    for definition in definitions:
        product = _product_of(definition)
        if product is None:
            continue
        period = "month" if definition.expiration_ns is not None else "perpetual"
        future = "-".join(definition.symbol.split("-")[:2])
        details = _details(
            product,
            definition,
            "" if definition.kind is InstrumentKind.SPOT else period,
            future if definition.kind is InstrumentKind.OPTION else "",
        )
        found.append(Listing(definition, details))
    return found


def _product_of(definition: InstrumentDefinition) -> Product | None:
    for product in ALL_PRODUCTS:
        if (product.kind, product.contract_type, product.settlement, product.base) == (
            definition.kind,
            definition.contract_type,
            definition.settlement,
            definition.base,
        ):
            return product
    return None


def instruments(
    now_ns: int, config: SimulatorConfig, index_at: IndexAt
) -> list[InstrumentDefinition]:
    """The definitions of `listings`."""
    return [listing.definition for listing in listings(now_ns, config, index_at)]


def next_change_ns(now_ns: int) -> int:
    """When the list may change next."""
    return expiries.next_expiry_ns(now_ns)


def stable_id(name: str) -> int:
    """A number for a name, the same in every process and on every day."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=5).digest(), "big")


def strike_text(strike: Decimal) -> str:
    """As in names: 50000, 1d25."""
    return f"{strike.normalize():f}".replace(".", "d")


def strikes_around(center: float, unit: Decimal, years: float, count: int) -> list[Decimal]:
    """`count` strikes on an even grid around a price, wide enough for a life of `years`."""
    span = 2 * SPAN_DEVIATIONS * ANNUAL_VOLATILITY * math.sqrt(years) * center
    step = _grid_step(span / count, unit)
    middle = int(center / float(step))
    first = max(1, middle - count // 2 + 1)
    return [step * place for place in range(first, first + count)]


def _grid_step(wanted: float, unit: Decimal) -> Decimal:
    """Of 1, 2, 4, 10, 20, ... units the one nearest to the wanted step, by ratio."""
    scale = Decimal(1)
    while float(unit * scale * 10) < wanted:
        scale *= 10
    steps = [unit * scale * factor for factor in STRIKE_GRID]
    return min(steps, key=lambda step: abs(math.log(float(step) / wanted)))


def _undated(product: Product) -> Listing:
    is_spot = product.kind is InstrumentKind.SPOT
    symbol = product.prefix if is_spot else f"{product.prefix}-PERPETUAL"
    period = "" if is_spot else "perpetual"
    return _listing(product, symbol, period=period, created_ns=product.created_ms * MS_NS)


def _future(product: Product, expiry: Expiry) -> Listing:
    return _listing(
        product,
        f"{product.prefix}-{expiry.code}",
        period=PERIODS[expiry.expiry_class],
        created_ns=expiry.listed_ns,
        expiration_ns=expiry.expiration_ns,
    )


def _options(product: Product, expiry: Expiry, count: int, index_at: IndexAt) -> Iterator[Listing]:
    center = index_at(product.price_index, expiry.listed_ns)
    years = (expiry.expiration_ns - expiry.listed_ns) / (365 * DAY_NS)
    for strike in strikes_around(center, product.strike_unit, years, count):
        for option_type in (OptionType.CALL, OptionType.PUT):
            letter = "C" if option_type is OptionType.CALL else "P"
            yield _listing(
                product,
                f"{product.prefix}-{expiry.code}-{strike_text(strike)}-{letter}",
                period=PERIODS[expiry.expiry_class],
                created_ns=expiry.listed_ns,
                expiration_ns=expiry.expiration_ns,
                strike=Exact(f"{strike.normalize():f}"),
                option_type=option_type,
                underlying_index=f"{product.prefix}-{expiry.code}",
            )


def _listing(
    product: Product,
    symbol: str,
    *,
    period: str,
    created_ns: int,
    expiration_ns: int | None = None,
    strike: Exact | None = None,
    option_type: OptionType | None = None,
    underlying_index: str = "",
) -> Listing:
    definition = InstrumentDefinition(
        instrument=f"{VENUE}.{symbol}",
        venue=VENUE,
        symbol=symbol,
        kind=product.kind,
        contract_type=product.contract_type,
        base=product.base,
        quote=product.quote,
        settlement=product.settlement,
        underlying=product.base,
        price_index=product.price_index,
        tick_size=product.tick,
        lot_size=product.amount_step,
        min_quantity=product.min_amount,
        contract_size=product.contract_size,
        maker_fee=product.maker_fee,
        taker_fee=product.taker_fee,
        status=InstrumentStatus.ACTIVE,
        tick_steps=list(product.tick_steps),
        strike=strike,
        option_type=option_type,
        expiration_ns=expiration_ns,
        created_ns=created_ns,
        max_leverage=float(product.leverage),
    )
    return Listing(definition, _details(product, definition, period, underlying_index))


def _details(
    product: Product, definition: InstrumentDefinition, period: str, underlying_index: str
) -> Details:
    is_derivative_future = product.kind in (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE)
    expiration_ns = definition.expiration_ns
    return Details(
        instrument_id=stable_id(definition.symbol),
        index_id=stable_id(product.price_index),
        kind="future" if is_derivative_future else product.kind.value,
        instrument_type="reversed" if product.contract_type == "inverse" else "linear",
        counter_currency=product.counter,
        settlement_period=period,
        expiration_ms=NEVER_MS if expiration_ns is None else expiration_ns // MS_NS,
        created_ms=definition.created_ns // MS_NS,
        max_leverage=product.leverage,
        max_non_default_leverage=min(5.0, float(product.leverage)),
        max_liquidation_commission=product.liquidation_commission,
        block_trade_commission=product.block_commission,
        block_trade_min_trade_amount=product.block_min,
        block_trade_tick_size=product.block_tick,
        lot_size=product.lot,
        product_group=product.group,
        underlying_index=underlying_index,
    )


def named_like(model: Listing, symbol: str, now_ns: int) -> Listing:
    """Another instrument of a model's product, with the expiry and strike of its name.

    Raises:
        PeerError: the name is not one of that product, or has expired.
    """
    held = model.definition
    parts, shape = symbol.split("-"), held.symbol.split("-")
    if parts[0] != shape[0] or len(parts) != len(shape) or held.expiration_ns is None:
        raise PeerError(f"{symbol!r} is no name of an expiry or option like {held.symbol!r}")
    expiration_ns = expiries.expiration_of(parts[1])
    if expiration_ns is None or expiration_ns <= now_ns:
        raise PeerError(f"{symbol!r}: {parts[1]!r} is no expiry in the future")
    changes: dict[str, object] = {"strike": None, "option_type": None}
    if len(parts) == 4:
        changes = {"strike": _strike(parts[2]), "option_type": _OPTION_TYPES.get(parts[3])}
        if None in changes.values():
            raise PeerError(f"{symbol!r}: no strike with C or P")
    definition = msgspec.structs.replace(
        held,
        instrument=f"{VENUE}.{symbol}",
        symbol=symbol,
        expiration_ns=expiration_ns,
        created_ns=now_ns,
        **changes,
    )
    future = f"{parts[0]}-{parts[1]}"
    details = msgspec.structs.replace(
        model.details,
        instrument_id=stable_id(symbol),
        expiration_ms=expiration_ns // MS_NS,
        created_ms=now_ns // MS_NS,
        underlying_index=future if held.option_type is not None else "",
    )
    return Listing(definition, details)


_OPTION_TYPES = {"C": OptionType.CALL, "P": OptionType.PUT}


def _strike(text: str) -> Exact | None:
    """As in names: 50000, 1d25; None if it is none."""
    plain = text.replace("d", ".", 1)
    digits = plain.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12) or not int(digits):
        return None
    return Exact(plain)
