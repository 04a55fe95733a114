"""The figures of each product, as the venue's instruments showed them.

Read on 20 Sep 2026 where the venue's data could be had, else the latest seen (linear perpetuals
2022 to 2026, ETH 2021). Figures of linear options other than XRP and of spot were not recorded
anywhere; they are chosen so that a tick and a lot are worth what they are on their neighbours.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common.messages import ContractType, Exact, InstrumentKind

NO_STEPS: tuple[tuple[Exact, Exact], ...] = ()


def _exact(text: str) -> Exact:
    return Exact(text)


class Product(msgspec.Struct, frozen=True):
    """What all instruments of one kind on one pair share. Venue words where ours are fewer."""

    kind: InstrumentKind
    contract_type: ContractType
    base: str
    quote: str  # currency of the price
    settlement: str
    counter: str  # what the underlying is valued in
    price_index: str
    prefix: str  # what the symbol begins with
    tick: Exact
    contract_size: Exact
    min_amount: Exact
    amount_step: Exact
    maker_fee: Exact
    taker_fee: Exact
    tick_steps: tuple[tuple[Exact, Exact], ...] = NO_STEPS
    leverage: int = 0
    created_ms: int = 0  # of what never expires
    block_commission: float = 0.0
    block_min: float = 0.0
    block_tick: float = 0.0
    liquidation_commission: float = 0.0
    lot: int = 1  # the venue's own lot_size, whose meaning it does not tell
    group: str = ""
    strike_unit: Decimal = Decimal(0)  # the finest strike spacing; 0: no options


def _spot(base: str, quote: str, tick: str, amount: str, created_ms: int) -> Product:
    return Product(
        kind=InstrumentKind.SPOT,
        contract_type=ContractType.SPOT,
        base=base,
        quote=quote,
        settlement=quote,
        counter=quote,
        price_index=f"{base}_{quote}".lower(),
        prefix=f"{base}_{quote}",
        tick=_exact(tick),
        contract_size=_exact(amount),
        min_amount=_exact(amount),
        amount_step=_exact(amount),
        maker_fee=_exact("0"),
        taker_fee=_exact("0"),
        created_ms=created_ms,
        group=base,
    )


def _inverse(
    base: str, kind: InstrumentKind, tick: str, size: str, fees: tuple[str, str], created_ms: int
) -> Product:
    """Inverse futures: amounts in USD, profit in the coin."""
    return Product(
        kind=kind,
        contract_type=ContractType.INVERSE,
        base=base,
        quote="USD",
        settlement=base,
        counter="USD",
        price_index=f"{base}_usd".lower(),
        prefix=base,
        tick=_exact(tick),
        contract_size=_exact(size),
        min_amount=_exact(size),
        amount_step=_exact(size),
        maker_fee=_exact(fees[0]),
        taker_fee=_exact(fees[1]),
        leverage=50 if kind is InstrumentKind.PERPETUAL else 25,
        created_ms=created_ms,
        block_commission=0.00025,
        block_min=200_000,
        block_tick=0.01,
        liquidation_commission=0.01,
        group=base,
    )


def _linear(
    base: str,
    tick: str,
    size: str,
    created_ms: int,
    *,
    kind: InstrumentKind = InstrumentKind.PERPETUAL,
    leverage: int = 25,
) -> Product:
    """Linear futures: amounts in the coin, price and profit in USDC."""
    return _in_usdc(
        base,
        tick,
        size,
        kind=kind,
        maker_fee=_exact("0"),
        taker_fee=_exact("0.0005"),
        leverage=leverage,
        created_ms=created_ms,
        block_commission=0.0001,
        block_min=float(size) * 1000,
        liquidation_commission=0.0075,
    )


def _in_usdc(base: str, tick: str, size: str, **rest: Any) -> Product:
    """What linear futures and options share."""
    return Product(
        contract_type=ContractType.LINEAR,
        base=base,
        quote="USDC",
        settlement="USDC",
        counter="USDC",
        price_index=f"{base}_usdc".lower(),
        prefix=f"{base}_USDC",
        tick=_exact(tick),
        contract_size=_exact(size),
        min_amount=_exact(size),
        amount_step=_exact(size),
        block_tick=float(tick),
        group=base if base in ("BTC", "ETH") else "TIER_2",
        **rest,
    )


def _inverse_option(
    base: str, tick: str, steps: tuple[tuple[str, str], ...], minimum: str, strike_unit: str
) -> Product:
    """Inverse options: price, amount and profit in the coin."""
    return Product(
        kind=InstrumentKind.OPTION,
        contract_type=ContractType.INVERSE,
        base=base,
        quote=base,
        settlement=base,
        counter="USD",
        price_index=f"{base}_usd".lower(),
        prefix=base,
        tick=_exact(tick),
        tick_steps=tuple((_exact(above), _exact(size)) for above, size in steps),
        contract_size=_exact("1"),
        min_amount=_exact(minimum),
        amount_step=_exact(minimum),
        maker_fee=_exact("0.0003"),
        taker_fee=_exact("0.0003"),
        block_commission=0.0003,
        block_min=25 if base == "BTC" else 250,
        block_tick=0.0001,
        group=base,
        strike_unit=Decimal(strike_unit),
    )


def _linear_option(
    base: str, tick: str, size: str, strike_unit: str, block_min: float, lot: int = 1
) -> Product:
    """Linear options: price and profit in USDC, amount in the coin."""
    return _in_usdc(
        base,
        tick,
        size,
        kind=InstrumentKind.OPTION,
        maker_fee=_exact("0.0003"),
        taker_fee=_exact("0.0003"),
        block_commission=0.0003,
        block_min=block_min,
        lot=lot,
        strike_unit=Decimal(strike_unit),
    )


_PERPETUAL, _DATED = InstrumentKind.PERPETUAL, InstrumentKind.FUTURE
_BTC_FEES, _ETH_FEES = ("0.00015", "0.00035"), ("0", "0.0005")

SPOT = (
    _spot("BTC", "USDC", "1", "0.0001", 1678838400000),
    _spot("ETH", "USDC", "0.1", "0.001", 1678838400000),
    _spot("ETH", "BTC", "0.00001", "0.001", 1678838400000),
    _spot("BTC", "USDT", "1", "0.0001", 1694160000000),
    _spot("ETH", "USDT", "0.1", "0.001", 1694160000000),
    _spot("SOL", "USDC", "0.01", "0.01", 1710403200000),
    _spot("XRP", "USDC", "0.0001", "1", 1710403200000),
    _spot("USDC", "USDT", "0.0001", "1", 1694160000000),
)

PERPETUALS = (
    _inverse("BTC", _PERPETUAL, "0.5", "10", _BTC_FEES, 1534242287000),
    _inverse("ETH", _PERPETUAL, "0.05", "1", _ETH_FEES, 1552568454000),
    _linear("BTC", "1", "0.001", 1647262800000, leverage=50),
    _linear("ETH", "0.05", "0.001", 1647262800000, leverage=50),
    _linear("SOL", "0.01", "0.1", 1647349200000),
    _linear("XRP", "0.0001", "10", 1647349200000),
    _linear("DOGE", "0.00001", "100", 1651149400000),
    _linear("LINK", "0.001", "1", 1651149412000),
    _linear("AVAX", "0.01", "0.1", 1647522000000),
    _linear("LTC", "0.01", "0.1", 1651149339000),
    _linear("BCH", "0.01", "0.02", 1651151821000),
    _linear("DOT", "0.001", "1", 1647954000000),
    _linear("UNI", "0.001", "1", 1651149400000),
    _linear("NEAR", "0.001", "1", 1651149424000),
    _linear("ALGO", "0.0001", "10", 1651149419000),
    _linear("TRX", "0.00001", "100", 1651151781000),
)

INVERSE_DATED = (
    _inverse("BTC", _DATED, "2.5", "10", _BTC_FEES, 0),
    _inverse("ETH", _DATED, "0.05", "1", _ETH_FEES, 0),
)

LINEAR_DATED = (
    _linear("BTC", "1", "0.001", 0, kind=_DATED, leverage=25),
    _linear("ETH", "0.05", "0.001", 0, kind=_DATED, leverage=25),
    _linear("SOL", "0.01", "0.1", 0, kind=_DATED),
    _linear("XRP", "0.0001", "10", 0, kind=_DATED),
)

INVERSE_OPTIONS = (
    _inverse_option("BTC", "0.0001", (("0.005", "0.0005"),), "0.1", "500"),
    _inverse_option("ETH", "0.0005", (), "1", "25"),
)

LINEAR_OPTIONS = (
    _linear_option("BTC", "5", "0.01", "500", 25),
    _linear_option("ETH", "0.2", "0.1", "25", 250),
    _linear_option("SOL", "0.05", "10", "1", 2500),
    _linear_option("XRP", "0.0005", "1000", "0.025", 75_000, lot=10_000),
)

INDEXES = sorted(
    {product.price_index for product in (*SPOT, *PERPETUALS)} | {"usdc_usd", "usdt_usd"}
)
