"""What the tests of the market share: a small universe without a venue's calendar."""

from common.config import SimulatorConfig
from common.messages import (
    ContractType,
    Exact,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OptionType,
)
from services.venue_simulator.market import Market

START_NS = 1_795_000_000_000_000_000
SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
CONFIG = SimulatorConfig(venue="test", port=0, seed=7, updates_per_second=1e9)


def define(symbol, kind, contract_type, base, quote, settlement, index, tick, lot, **extra):
    return InstrumentDefinition(
        instrument=f"test.{symbol}",
        venue="test",
        symbol=symbol,
        kind=kind,
        contract_type=contract_type,
        base=base,
        quote=quote,
        settlement=settlement,
        underlying=base,
        price_index=index,
        tick_size=Exact(tick),
        lot_size=Exact(lot),
        min_quantity=Exact(lot),
        contract_size=Exact(lot),
        maker_fee=Exact("0"),
        taker_fee=Exact("0"),
        status=InstrumentStatus.ACTIVE,
        **extra,
    )


def perpetual():
    return define(
        "BTC-PERP",
        InstrumentKind.PERPETUAL,
        ContractType.INVERSE,
        "BTC",
        "USD",
        "BTC",
        "btc_usd",
        "0.5",
        "10",
    )


def spot():
    return define(
        "BTC_USDC",
        InstrumentKind.SPOT,
        ContractType.SPOT,
        "BTC",
        "USDC",
        "USDC",
        "btc_usdc",
        "1",
        "0.0001",
    )


def future(expiration_ns):
    return define(
        "BTC-FUT",
        InstrumentKind.FUTURE,
        ContractType.INVERSE,
        "BTC",
        "USD",
        "BTC",
        "btc_usd",
        "2.5",
        "10",
        expiration_ns=expiration_ns,
    )


def option(strike, option_type, expiration_ns, *, linear=False):
    prefix = "BTC_USDC" if linear else "BTC"
    return define(
        f"{prefix}-{strike}-{option_type.value[0].upper()}",
        InstrumentKind.OPTION,
        ContractType.LINEAR if linear else ContractType.INVERSE,
        "BTC",
        "USDC" if linear else "BTC",
        "USDC" if linear else "BTC",
        "btc_usdc" if linear else "btc_usd",
        "5" if linear else "0.0001",
        "0.01" if linear else "0.1",
        tick_steps=[] if linear else [(Exact("0.005"), Exact("0.0005"))],
        strike=Exact(str(strike)),
        option_type=option_type,
        expiration_ns=expiration_ns,
    )


STRIKES = list(range(30_000, 120_000, 2_000))


def chain(expiration_ns, *, linear=False):
    return [
        option(strike, option_type, expiration_ns, linear=linear)
        for strike in STRIKES
        for option_type in OptionType
    ]


def make_market(days=30, config=CONFIG):
    expiration_ns = START_NS + days * DAY_NS
    market = Market(config)
    definitions = [perpetual(), spot(), future(expiration_ns)]
    definitions += chain(expiration_ns) + chain(expiration_ns, linear=True)
    market.add(definitions)
    return market, {definition.symbol: definition for definition in definitions}
