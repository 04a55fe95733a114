"""Reference data of Deribit over REST: instruments, and single books for checks.

https://docs.deribit.com/api-reference/market-data/public-get_instruments, read in August 2026.
A combo is an instrument like others, but its prices may be negative and nobody holds it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import TypeVar
from urllib.parse import quote

import msgspec

from common.core import HttpCall
from common.errors import VenueProtocolError
from common.messages import (
    ContractType,
    Exact,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OptionType,
)
from common.venues.deribit.session import EMPTY, NS_PER_MS, VENUE_NAME, RpcError
from common.venues.deribit.states import status_of
from common.venues.deribit.whole_numbers import Count, Milliseconds
from common.venues.streams import RestBook

SYMBOL = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
CONTRACT_TYPES = {"reversed": ContractType.INVERSE, "linear": ContractType.LINEAR}
OPTIONS = (InstrumentKind.OPTION, InstrumentKind.OPTION_COMBO)
COMBO_SYMBOL = re.compile(r"[A-Z0-9_]+-[A-Z]+-")  # BTC-FS-25DEC26_PERP, ETH-CCAL-...
ZERO = Decimal(0)
T = TypeVar("T")


class _Reply(msgspec.Struct):
    result: msgspec.Raw = EMPTY
    error: RpcError | None = None


class _TickStep(msgspec.Struct):
    above_price: Decimal
    tick_size: Decimal


class _Instrument(msgspec.Struct):
    """The instrument object; what has a default here was missing in some recorded year."""

    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    min_trade_amount: Decimal
    contract_size: Decimal
    counter_currency: str = ""
    settlement_currency: str = ""
    settlement_period: str = ""
    instrument_type: str = ""
    future_type: str = ""
    price_index: str = ""
    tick_size_steps: list[_TickStep] = []
    maker_commission: Decimal = ZERO
    taker_commission: Decimal = ZERO
    strike: Decimal | None = None
    option_type: str = ""
    creation_timestamp: Milliseconds = 0
    expiration_timestamp: int | None = None
    is_active: bool = True
    state: str = ""
    max_leverage: float = 0.0


class _Leg(msgspec.Struct):
    """amount: how many for one combo; negative is sold when the combo is bought."""

    instrument_name: str
    amount: Decimal


class _Combo(msgspec.Struct):
    """https://docs.deribit.com/api-reference/combo-books/public-get_combos, read in August 2026:
    {"id": "BTC-FS-25DEC26_PERP", "state": "active", "legs": [{"instrument_name": "BTC-25DEC26",
    "amount": 1}, {"instrument_name": "BTC-PERPETUAL", "amount": -1}], ...}"""

    id: str
    legs: list[_Leg]


class _OrderBook(msgspec.Struct):
    instrument_name: str
    timestamp: Milliseconds
    change_id: Count
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


_replies = msgspec.json.Decoder(_Reply)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_instruments = msgspec.json.Decoder(_Instrument)
_combos = msgspec.json.Decoder(list[_Combo])
_order_books = msgspec.json.Decoder(_OrderBook)


class Reference:
    """Makes calls and reads their replies.

    Args:
        http_url: as in the configuration, up to and with "/api/v2".
    """

    def __init__(self, http_url: str) -> None:
        self._url = http_url.rstrip("/")

    def instruments_call(self, call_id: str) -> HttpCall:
        """All instruments that are not expired, of every currency."""
        query = "currency=any&expired=false"
        return HttpCall(call_id, "GET", f"{self._url}/public/get_instruments?{query}")

    def parse_instruments(self, body: bytes) -> tuple[list[InstrumentDefinition], list[str]]:
        """Definitions, and a sentence for each entry that could not be used.

        Raises:
            VenueProtocolError: there is no list in the reply.
        """
        try:
            entries = _lists.decode(result_of(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueProtocolError(VENUE_NAME, f"instruments: {error}", body) from None
        definitions, problems = [], []
        for entry in entries:
            try:
                definitions.append(parse_instrument(entry))
            except VenueProtocolError as error:
                problems.append(str(error))
        return definitions, problems

    def legs_call(self, call_id: str) -> HttpCall:
        return HttpCall(call_id, "GET", f"{self._url}/public/get_combos?currency=any")

    def parse_legs(self, body: bytes) -> dict[str, list[tuple[str, Exact]]]:
        """Of each combo its legs, and how many of them are in one.

        Raises:
            VenueProtocolError: there is no list in the reply, or a number in it of no use.
        """
        try:
            return {
                f"{VENUE_NAME}.{combo.id}": [
                    (f"{VENUE_NAME}.{leg.instrument_name}", _exact(leg.amount))
                    for leg in combo.legs
                ]
                for combo in _decoded(_combos, body)
            }
        except ValueError as error:
            raise VenueProtocolError(VENUE_NAME, f"combos: {error}", body) from None

    def book_call(self, call_id: str, instrument: str, depth: int = 20) -> HttpCall:
        query = f"instrument_name={_symbol(instrument)}&depth={depth}"
        return HttpCall(call_id, "GET", f"{self._url}/public/get_order_book?{query}")

    def parse_book(self, body: bytes) -> RestBook:
        """Raises VenueProtocolError."""
        book = _decoded(_order_books, body)
        return RestBook(
            f"{VENUE_NAME}.{book.instrument_name}",
            [number for level in book.bids for number in level],
            [number for level in book.asks for number in level],
            book.change_id,
            book.timestamp * NS_PER_MS,
        )


@lru_cache(maxsize=4096)
def lowest_price(instrument: str) -> float:
    """Above what prices of an instrument must be, told by its name; of a combo they may be any."""
    return -inf if COMBO_SYMBOL.match(instrument.removeprefix(f"{VENUE_NAME}.")) else 0.0


def result_of(body: bytes) -> msgspec.Raw:
    """The result of a JSON-RPC reply.

    Raises:
        VenueProtocolError: it is an error, or no JSON-RPC reply.
    """
    try:
        reply = _replies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VenueProtocolError(VENUE_NAME, str(error), body) from None
    if reply.error is not None:
        raise VenueProtocolError(VENUE_NAME, f"{reply.error.text} ({reply.error.code})")
    if not bytes(reply.result):
        raise VenueProtocolError(VENUE_NAME, "no result and no error", body)
    return reply.result


def parse_instrument(entry: msgspec.Raw) -> InstrumentDefinition:
    """One instrument object.

    Raises:
        VenueProtocolError: it lacks what a definition needs, or a word in it is not known.
    """
    try:
        return _definition(_instruments.decode(entry))
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, ValueError) as error:
        raise VenueProtocolError(VENUE_NAME, f"instrument: {error}", bytes(entry)) from None


def _definition(data: _Instrument) -> InstrumentDefinition:
    if not SYMBOL.match(data.instrument_name):
        raise ValueError(f"instrument_name {ascii(data.instrument_name[:70])}")
    if min(data.tick_size, data.min_trade_amount, data.contract_size) <= 0:
        raise ValueError("tick_size, min_trade_amount and contract_size must be above 0")
    kind = _kind(data)
    contract_type = _contract_type(data, kind)
    inverse = contract_type is ContractType.INVERSE
    is_option = kind in OPTIONS
    # In 2021 the quote currency of inverse options read USD; their price was in the coin even then.
    quote_currency = data.base_currency if inverse and is_option else data.quote_currency
    counter = data.counter_currency or data.quote_currency
    return InstrumentDefinition(
        instrument=f"{VENUE_NAME}.{data.instrument_name}",
        venue=VENUE_NAME,
        symbol=data.instrument_name,
        kind=kind,
        contract_type=contract_type,
        base=data.base_currency,
        quote=quote_currency,
        settlement=data.settlement_currency
        or (data.base_currency if inverse else data.quote_currency),
        underlying=data.base_currency,
        price_index=data.price_index or f"{data.base_currency}_{counter}".lower(),
        tick_size=_exact(data.tick_size),
        lot_size=_exact(data.min_trade_amount if is_option else data.contract_size),
        min_quantity=_exact(data.min_trade_amount),
        contract_size=_exact(data.contract_size),
        maker_fee=_exact(data.maker_commission),
        taker_fee=_exact(data.taker_commission),
        status=_status(data),
        tick_steps=sorted(
            (_exact(step.above_price), _exact(step.tick_size)) for step in data.tick_size_steps
        ),
        strike=None if data.strike is None else _exact(data.strike),
        option_type=OptionType(data.option_type) if kind is InstrumentKind.OPTION else None,
        expiration_ns=_expiration_ns(data, kind),
        created_ns=data.creation_timestamp * NS_PER_MS,
        max_leverage=data.max_leverage,
    )


def _kind(data: _Instrument) -> InstrumentKind:
    if data.kind == "future":
        endless = data.settlement_period == "perpetual" or data.instrument_name.endswith(
            "-PERPETUAL"
        )
        return InstrumentKind.PERPETUAL if endless else InstrumentKind.FUTURE
    return InstrumentKind(data.kind)


def _contract_type(data: _Instrument, kind: InstrumentKind) -> ContractType:
    """Older records do not say: what is valued in dollars that are no coin is inverse."""
    if kind is InstrumentKind.SPOT:
        return ContractType.SPOT
    stated = data.instrument_type or data.future_type
    if stated:
        return CONTRACT_TYPES[stated] if stated in CONTRACT_TYPES else ContractType(stated)
    counter = data.counter_currency or data.quote_currency
    return ContractType.INVERSE if counter == "USD" else ContractType.LINEAR


def _status(data: _Instrument) -> InstrumentStatus:
    status = status_of(data.state) if data.state else None
    if status is not None and status is not InstrumentStatus.ACTIVE:
        return status
    return InstrumentStatus.ACTIVE if data.is_active else InstrumentStatus.HALTED


def _expiration_ns(data: _Instrument, kind: InstrumentKind) -> int | None:
    """None for what never expires; the venue writes the year 3000 there."""
    if kind in (InstrumentKind.SPOT, InstrumentKind.PERPETUAL):
        return None
    if data.expiration_timestamp is None:
        raise ValueError("expiration_timestamp is missing")
    if not 0 <= data.expiration_timestamp * NS_PER_MS < 2**63:
        raise ValueError("an expiration_timestamp of unusable size")
    return data.expiration_timestamp * NS_PER_MS


@lru_cache(maxsize=4096)
def _exact(value: Decimal) -> Exact:
    """Plain digits without trailing zeros: the venue prints 10.0 and 1.583e-5."""
    if not value.is_finite() or abs(value.adjusted()) > 20:
        raise ValueError("a number of unusable size")
    text = format(value, "f")
    return Exact(text.rstrip("0").rstrip(".") if "." in text else text)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(result_of(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise VenueProtocolError(VENUE_NAME, str(error), body) from None


def _symbol(instrument: str) -> str:
    return quote(instrument.removeprefix(f"{VENUE_NAME}."), safe="")
