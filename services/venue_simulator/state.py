"""The state of a simulated exchange that its parts share, and the events it owes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import count

from common.domain.instrument import exact
from common.messages import InstrumentDefinition, InstrumentKind, TriggerPrice
from common.venues.simulation import (
    ZERO,
    ComboLeg,
    DeliveryPrice,
    InstrumentListed,
    OrderChanged,
    Settlement,
    SimulatedEvent,
    SimulatedFill,
    SimulatedMarket,
    SimulatedOrder,
)
from services.venue_simulator.accounts import Account
from services.venue_simulator.listing import SYNTHETIC, Leg, Listing
from services.venue_simulator.margin import Prices
from services.venue_simulator.orders import ClientOrder
from services.venue_simulator.rules import ExchangeRules
from services.venue_simulator.statistics import Volumes

CLOSED_MAX = 50_000  # closed orders that can be asked for by number
WAKES_PER_PASS = 8
PASS_NS = 10_000_000


class State:
    """Listings, accounts, orders, time and events."""

    def __init__(
        self,
        definitions: Iterable[InstrumentDefinition],
        market: SimulatedMarket,
        balances: Mapping[str, Mapping[str, Decimal]],
        rules: ExchangeRules,
        first_number: int,
    ) -> None:
        self.market = market
        self.rules = rules
        self.now_ns = 0
        self.events: list[SimulatedEvent] = []
        self.order_numbers: Iterator[int] = count(first_number)
        self.trade_numbers: Iterator[int] = count(first_number)
        self.settlement_numbers: Iterator[int] = count(first_number)
        self._change_ids: Iterator[int] = count(first_number)
        self.listings: dict[str, Listing] = {}
        for definition in definitions:
            self._add_listing(definition)
        market.add(listing.definition for listing in self.listings.values())
        self.accounts = {
            name: Account(name, dict(money), rules.history, self.mark)
            for name, money in balances.items()
        }
        self.synthetic = Account(SYNTHETIC, {}, 0)
        self.volumes = Volumes()
        self.orders: dict[int, ClientOrder] = {}
        self.closed: dict[int, SimulatedOrder] = {}
        self.linked: dict[int, ClientOrder] = {}  # those something happened to
        self.guarded: list[SimulatedFill] = []  # of protected orders, not yet counted
        self.with_stops: dict[str, Listing] = {}  # those without are dropped when looked at
        self.settlements: list[Settlement] = []
        self.delivery_prices: dict[str, list[DeliveryPrice]] = {}
        self._marks: dict[str, tuple[int, float]] = {}
        self._indexes: dict[str, tuple[int, float]] = {}
        self._due: list[tuple[int, str]] = []
        self._woken = 0  # since the synthetic orders were last played

    # time and books

    def move_to(self, now_ns: int) -> int:
        """Time never goes back; the time it is."""
        self.now_ns = max(self.now_ns, now_ns)
        return self.now_ns

    def list_instrument(self, definition: InstrumentDefinition) -> None:
        self._add_listing(definition)
        self.market.add([definition])
        self.events.append(InstrumentListed(definition.symbol, self.now_ns))

    def list_combo(self, definition: InstrumentDefinition, legs: Sequence[ComboLeg]) -> None:
        self._add_listing(definition)
        listing = self.listings[definition.symbol]
        listing.legs = tuple(Leg(self.listings[leg.symbol], leg.quantity) for leg in legs)
        self.events.append(InstrumentListed(definition.symbol, self.now_ns))

    def wake(self, listing: Listing) -> None:
        """Make the book of a listing that sleeps, and keep it for a while."""
        listing.alive_until_ns = self.now_ns + self.rules.linger_ns
        if listing.awake or not listing.is_open:
            return
        if listing.legs:
            listing.wake((), self.now_ns - 1)  # its quotes come with the first step
        else:
            listing.wake(self.market.seed_book(listing.symbol, self.now_ns), self.now_ns)
            self.market.set_awake(listing.symbol, True)
        # a first step is costly: those of books that wake together are spread over time
        delay_ns = self._woken // WAKES_PER_PASS * PASS_NS
        self._woken += 1
        due_ns = self.now_ns + self._step_ns(listing) + delay_ns
        heapq.heappush(self._due, (due_ns, listing.symbol))

    def sleep(self, listing: Listing) -> None:
        """Forget the book of a listing in which no client has orders."""
        if listing.awake:
            listing.sleep()
            if listing.legs:
                return
            self.market.set_awake(listing.symbol, False)

    def take_due(self) -> Iterator[Listing]:
        """Listings whose synthetic orders are to be played now; those nobody needs fall asleep."""
        self._woken = 0
        while self._due and self._due[0][0] <= self.now_ns:
            _, symbol = self._due[0]
            listing = self.listings[symbol]
            if listing.is_expired or not listing.is_needed(self.now_ns):
                heapq.heappop(self._due)
                self.sleep(listing)
                continue
            heapq.heapreplace(self._due, (self.now_ns + self._step_ns(listing), symbol))
            yield listing

    # prices

    def mark(self, listing: Listing) -> float:
        """The mark price; it moves every rules.mark_every_ns."""
        if listing.delivery_price is not None:
            return listing.delivery_price
        if listing.legs:
            parts = (float(leg.quantity) * self.mark(leg.listing) for leg in listing.legs)
            return round(sum(parts), 8)
        moment = self._moment()
        known = self._marks.get(listing.symbol)
        if known is None or known[0] != moment:
            known = (moment, self.market.fair_price(listing.symbol, moment))
            self._marks[listing.symbol] = known
        return known[1]

    def index(self, name: str) -> float:
        """The index price; it moves as the marks do. 0.0 for an instrument without one."""
        if not name:
            return 0.0
        moment = self._moment()
        known = self._indexes.get(name)
        if known is None or known[0] != moment:
            known = (moment, self.market.index_price(name, moment))
            self._indexes[name] = known
        return known[1]

    def prices(self, listing: Listing) -> Prices:
        return Prices(exact(self.mark(listing)), exact(self.index(listing.definition.price_index)))

    def trigger_price(self, listing: Listing, source: TriggerPrice) -> Decimal | None:
        """The price that a stop looks at; None before the first trade."""
        if source is TriggerPrice.LAST:
            return listing.last_price
        if source is TriggerPrice.INDEX:
            return exact(self.index(listing.definition.price_index))
        return exact(self.mark(listing))

    def band(self, listing: Listing) -> tuple[Decimal, Decimal]:
        """(least, greatest) price: sells are held above the first, buys below the second."""
        prices = self.prices(listing)
        tick = listing.scale.tick
        is_combo = bool(listing.legs)
        if listing.is_option or listing.kind is InstrumentKind.OPTION_COMBO:
            definition = listing.definition
            unit = Decimal(1) if definition.quote == definition.base else prices.underlying
            width = self.rules.option_band * unit + abs(prices.mark) / 2
        elif is_combo:
            width = prices.underlying * self.rules.future_band
        else:
            part = self.rules.spot_band if listing.is_spot else self.rules.future_band
            width = prices.mark * part
        scale = listing.scale
        lowest = scale.ceil(float(prices.mark - width))
        if is_combo:
            return scale.price(lowest), scale.price(scale.floor(float(prices.mark + width)))
        low = scale.price(max(1, lowest))
        return max(tick, low), scale.price(scale.floor(float(prices.mark + width)))

    # orders

    def add_order(self, order: ClientOrder) -> None:
        self.orders[order.number] = order
        self.accounts[order.account].add_order(order)
        self.listings[order.symbol].client_orders += 1

    def close_order(self, order: ClientOrder) -> None:
        """Take a final order out of what is open, keep and report its last state."""
        account = self.accounts[order.account]
        if order.number in self.orders:
            del self.orders[order.number]
            account.remove_order(order)
            self.listings[order.symbol].client_orders -= 1
        if order.link is not None:
            self.linked[order.number] = order
        record = self.record(order)
        account.closed.append(record)
        self.closed[order.number] = record
        if len(self.closed) > CLOSED_MAX:
            del self.closed[next(iter(self.closed))]
        self.events.append(OrderChanged(record))

    def report_order(self, order: ClientOrder) -> None:
        """Report an open order's state; final ones are reported by close_order."""
        self.events.append(OrderChanged(self.record(order)))

    def record(self, order: ClientOrder) -> SimulatedOrder:
        listing = self.listings[order.symbol]
        if order.display_quantity is None:
            return order.record(listing.inverse)
        resting = listing.engine.orders.get(order.number)
        shown = min(order.display_quantity, order.leaves_quantity)
        if resting is not None:
            shown = listing.scale.quantity(resting.leaves)
        return order.record(listing.inverse, shown)

    def account_orders(self, account: str) -> list[ClientOrder]:
        known = self.accounts.get(account)
        return list(known.orders.values()) if known is not None else []

    def owner(self, name: str) -> Account:
        return self.accounts[name] if name != SYNTHETIC else self.synthetic

    def open_interest(self, listing: Listing) -> Decimal:
        """The sum of all long positions, and what the rest of the world holds."""
        owners = (*self.accounts.values(), self.synthetic)
        own = sum((max(ZERO, owner.quantity(listing.symbol)) for owner in owners), ZERO)
        if listing.is_expired or listing.is_spot or listing.legs:
            return own
        return own + exact(self.market.open_interest(listing.symbol, self.now_ns))

    def _add_listing(self, definition: InstrumentDefinition) -> None:
        listing = Listing(definition, self._change_ids, self.rules.trade_history)
        self.listings[definition.symbol] = listing

    def _step_ns(self, listing: Listing) -> int:
        return self.rules.step_ns[listing.kind]

    def _moment(self) -> int:
        return self.now_ns - self.now_ns % self.rules.mark_every_ns
