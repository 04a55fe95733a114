"""Instruments and what changes about them."""

from __future__ import annotations

from common.messages.base import Exact, Message
from common.messages.words import ContractType, InstrumentKind, InstrumentStatus, OptionType


class InstrumentDefinition(Message):
    """One instrument. Quantity means the venue's own unit (USD for Deribit inverse futures)."""

    instrument: str  # "deribit.BTC-PERPETUAL"
    venue: str
    symbol: str  # the venue's own text, Symbol 55
    kind: InstrumentKind
    contract_type: ContractType
    base: str  # "BTC"
    quote: str  # currency of the price; the coin itself for inverse options
    settlement: str  # currency of profit and margin; of a spot instrument its quote
    underlying: str  # what delta is counted in, e.g. "BTC"
    price_index: str  # the venue's index name, "" if none
    tick_size: Exact
    lot_size: Exact  # quantity step
    min_quantity: Exact
    contract_size: Exact  # quantity units in one contract
    maker_fee: Exact  # fraction of notional; of the underlying for options; negative = rebate
    taker_fee: Exact
    status: InstrumentStatus
    tick_steps: list[tuple[Exact, Exact]] = []  # (above_price, tick_size), ascending
    min_notional: Exact = Exact("0")
    strike: Exact | None = None
    option_type: OptionType | None = None
    expiration_ns: int | None = None  # None: never
    created_ns: int = 0
    max_leverage: float = 0.0
    legs: list[tuple[str, Exact]] = []  # of a combo: instruments, and how many for one; < 0: sold


class InstrumentList(Message):
    """One part of the whole list of a venue, topic `instruments.<venue>`; parts count from 0."""

    venue: str
    part: int
    parts: int
    instruments: list[InstrumentDefinition]


class InstrumentState(Message):
    """An instrument began or stopped trading, topic `instrument.<instrument>`."""

    instrument: str
    status: InstrumentStatus
