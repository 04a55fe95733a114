"""Names of the simulated venue: instruments, currencies, kinds, order and trade ids, times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from common.config import SimulatorConfig
from common.messages import (
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OrderType,
    TriggerPrice,
)
from common.venues.deribit import universe
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.universe import Listing
from common.venues.serving import World
from common.venues.simulation import SimulatedExchange, SimulatedOrder

NS_PER_MS = 1_000_000
STAYS_KNOWN_NS = 86_400_000_000_000  # how long an expired instrument is still listed
# Currencies that may be asked for, whether or not anything is settled in them.
CURRENCIES = ("BTC", "ETH", "SOL", "XRP", "USDC", "USDT", "EURR")
KINDS: dict[str, frozenset[InstrumentKind]] = {
    "future": frozenset({InstrumentKind.FUTURE, InstrumentKind.PERPETUAL}),
    "option": frozenset({InstrumentKind.OPTION}),
    "spot": frozenset({InstrumentKind.SPOT}),
    "future_combo": frozenset({InstrumentKind.FUTURE_COMBO}),
    "option_combo": frozenset({InstrumentKind.OPTION_COMBO}),
    "combo": frozenset({InstrumentKind.FUTURE_COMBO, InstrumentKind.OPTION_COMBO}),
}
_TRIGGER_KINDS = {
    OrderType.TAKE_PROFIT: "TP",
    OrderType.TAKE_PROFIT_LIMIT: "TP",
    OrderType.TRAILING_STOP: "TS",
}
_TRIGGER_LETTERS = {TriggerPrice.MARK: "M", TriggerPrice.INDEX: "I", TriggerPrice.LAST: "T"}


class Identity(msgspec.Struct, frozen=True):
    """An account as the venue shows it."""

    client_id: str
    user_id: int


class Catalog:
    """All instruments, those that expired within a day included."""

    def __init__(
        self, config: SimulatorConfig, exchange: SimulatedExchange, world: World, now_ns: int
    ) -> None:
        self._config, self._exchange, self._world = config, exchange, world
        self._listings: dict[str, Listing] = {}
        self._by_id: dict[int, Listing] = {}
        self._next_change_ns = 0
        self.update(now_ns)

    def update(self, now_ns: int) -> None:
        """List what is new; forget what expired long ago."""
        if now_ns < self._next_change_ns:
            return
        self._next_change_ns = universe.next_change_ns(now_ns)
        for symbol, listing in list(self._listings.items()):
            ended_ns = listing.details.expiration_ms * NS_PER_MS
            if ended_ns + STAYS_KNOWN_NS < now_ns:
                del self._listings[symbol], self._by_id[listing.details.instrument_id]
        added = []
        for listing in self._traded(now_ns):
            symbol = listing.definition.symbol
            if symbol not in self._listings:
                self._listings[symbol] = self._by_id[listing.details.instrument_id] = listing
                added.append(listing.definition)
        self._world.list_instruments(added, now_ns)

    def _traded(self, now_ns: int) -> list[Listing]:
        recorded = self._world.recorded()
        if recorded is not None:
            return universe.listings_of(recorded)
        return universe.listings(now_ns, self._config, self._world.index_price)

    def listing(self, symbol: str) -> Listing:
        """Raises Refused (not_found) for a name that the venue does not know."""
        listing = self._listings.get(symbol)
        if listing is None:
            raise Refused(13020, "not_found")
        return listing

    def find(self, symbol: str) -> Listing | None:
        return self._listings.get(symbol)

    def listing_by_id(self, instrument_id: int) -> Listing:
        listing = self._by_id.get(instrument_id)
        if listing is None:
            raise Refused(13020, "not_found")
        return listing

    def status(self, symbol: str) -> InstrumentStatus:
        definition = self._exchange.instrument(symbol)
        return InstrumentStatus.EXPIRED if definition is None else definition.status

    def redefine(self, definition: InstrumentDefinition) -> None:
        old = self.listing(definition.symbol)
        self.keep(msgspec.structs.replace(old, definition=definition))

    def add(self, listing: Listing, now_ns: int) -> None:
        self.keep(listing)
        self._world.list_instruments([listing.definition], now_ns)

    def keep(self, listing: Listing) -> None:
        self._listings[listing.definition.symbol] = listing
        self._by_id[listing.details.instrument_id] = listing

    def all(self) -> Iterable[Listing]:
        return self._listings.values()

    def select(self, currency: str | None, kind: str | None) -> Iterator[Listing]:
        """Those of a kind that are settled in a currency; spot pairs belong to both of theirs."""
        for listing in self._listings.values():
            definition = listing.definition
            if kind not in (None, "any") and definition.kind not in KINDS[kind]:
                continue
            currencies = {definition.settlement}
            if definition.kind is InstrumentKind.SPOT:
                currencies.add(definition.base)
            if currency in (None, "any") or currency in currencies:
                yield listing

    def currency(self, value: str | None, *, allow_any: bool = True) -> str | None:
        """A currency parameter; None for all of them.

        Raises:
            Refused: -32602 "invalid currency".
        """
        if value is None or (value == "any" and allow_any):
            return None
        if value not in CURRENCIES:
            raise invalid_params("currency", "invalid currency")
        return value


def kinds(kind: str | None) -> frozenset[InstrumentKind] | None:
    """A kind parameter as ours; None for all of them."""
    return None if kind is None or kind == "any" else KINDS[kind]


# --- order and trade ids ---------------------------------------------------------------------


def order_id(order: SimulatedOrder, settlement: str) -> str:
    """BTC's are plain digits, the others prefixed; waiting stops name their kind.

    https://docs.deribit.com (read mid-2026) shows `ETH-584864807` and `USDC-SLMB-19641`.
    """
    if order.link is not None and order.link.is_dormant:
        return f"OTO-{order.number}"
    if order.trigger is not None and order.trigger_order is None:
        kind = _TRIGGER_KINDS.get(order.order_type, "SL")
        letter = _TRIGGER_LETTERS[order.trigger]
        return f"{settlement}-{kind}{letter}{order.side.value[0]}-{order.number}"
    return plain_id(order.number, settlement)


def order_number(text: str) -> int:
    """Raises Refused for a text that cannot be an order id."""
    digits = text.rpartition("-")[2]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise Refused(10025, "invalid_order_id")
    return int(digits)


def plain_id(number: int, settlement: str) -> str:
    """An order's or a trade's number as the venue prints it."""
    return str(number) if settlement == "BTC" else f"{settlement}-{number}"


def trade_number(param: str, text: str) -> int:
    digits = text.rpartition("-")[2]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise invalid_params(param, "invalid trade id")
    return int(digits)


# --- units -----------------------------------------------------------------------------------


def milliseconds(time_ns: int) -> int:
    return time_ns // NS_PER_MS


def number(value: Decimal) -> float:
    """As the venue prints numbers; exact for what has up to 15 digits."""
    return float(value)
