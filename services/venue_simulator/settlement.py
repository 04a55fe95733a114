"""Settlement: funding, the daily settlement of profits, and the delivery of what expires."""

from __future__ import annotations

import heapq
from decimal import Decimal

from common.domain.instrument import exact
from common.messages import InstrumentKind, InstrumentStatus, OptionType, TimeInForce
from common.venues.simulation import (
    ZERO,
    BalanceChanged,
    CancelReason,
    DeliveryPrice,
    InstrumentStateChanged,
    LedgerKind,
    PositionChanged,
    Settlement,
    SettlementKind,
)
from services.venue_simulator.accounts import Account, Holding, money
from services.venue_simulator.execution import Execution
from services.venue_simulator.listing import SYNTHETIC, Listing
from services.venue_simulator.margin import coin_size
from services.venue_simulator.rules import DAY_NS, HOUR_NS
from services.venue_simulator.state import State

SAMPLE_NS = HOUR_NS // 60  # the delivery price averages one index price a minute
PUBLIC_MAX = 5_000


class Settler:
    """Carries out what the calendar demands; next_ns says when."""

    def __init__(self, state: State, execution: Execution) -> None:
        self._state = state
        self._execution = execution
        self._expiries: list[tuple[int, str]] = []
        self._next_settlement_ns = 0
        self._funded_ns = 0
        for listing in state.listings.values():
            self.note(listing)

    def note(self, listing: Listing) -> None:
        """A new listing will expire some day, or never."""
        expiry = listing.definition.expiration_ns
        if expiry is not None and listing.status is not InstrumentStatus.EXPIRED:
            heapq.heappush(self._expiries, (expiry, listing.symbol))

    def start(self, now_ns: int) -> None:
        """What lies before the first moment is past: expired then, settled then."""
        offset = self._state.rules.settlement_ns
        self._next_settlement_ns = now_ns - (now_ns - offset) % DAY_NS + DAY_NS
        self._funded_ns = now_ns
        while self._expiries and self._expiries[0][0] <= now_ns:
            listing = self._state.listings[heapq.heappop(self._expiries)[1]]
            listing.status = InstrumentStatus.EXPIRED

    def next_ns(self) -> int:
        """When run() has something to do."""
        if self._expiries:
            return min(self._next_settlement_ns, self._expiries[0][0])
        return self._next_settlement_ns

    def run(self, at_ns: int) -> None:
        """Everything that is due at this moment; the clock of the state stands at it."""
        self.fund(at_ns)
        while self._expiries and self._expiries[0][0] <= at_ns:
            self.expire(self._state.listings[heapq.heappop(self._expiries)[1]], at_ns)
        if at_ns >= self._next_settlement_ns:
            self._next_settlement_ns += DAY_NS
            self._settle(at_ns)

    def fund(self, now_ns: int) -> None:
        """Perpetuals pay funding since the last call; longs pay when the rate is positive."""
        elapsed = Decimal(now_ns - self._funded_ns) / (8 * HOUR_NS)
        self._funded_ns = now_ns
        for account in self._owners():
            for holding in account.holdings.values():
                listing = holding.listing
                if listing.kind is InstrumentKind.PERPETUAL and holding.quantity:
                    rate = exact(self._state.market.funding_rate(listing.symbol, now_ns))
                    mark = exact(self._state.mark(listing))
                    size = coin_size(listing, holding.quantity, mark)
                    value = size if listing.inverse else size * mark
                    holding.funding -= rate * value * elapsed

    # expiry

    def expire(self, listing: Listing, at_ns: int) -> None:
        """Deliver; what has expired before its time is left alone."""
        if listing.is_expired:
            return
        state = self._state
        index = self._delivery_price(listing, at_ns)
        self._cancel_all(listing, CancelReason.EXPIRY, day_only=False)
        price = payoff(listing, index) if listing.is_option else index
        listing.status = InstrumentStatus.EXPIRED
        listing.delivery_price = float(index)
        state.sleep(listing)
        for account in self._owners():
            holding = account.holdings.pop(listing.symbol, None)
            if holding is not None:
                self._deliver(account, holding, price, at_ns)
        if not listing.legs:
            self._publish(listing, SettlementKind.DELIVERY, at_ns)
        state.events.append(InstrumentStateChanged(listing.symbol, listing.status, at_ns))

    def _deliver(self, account: Account, holding: Holding, price: Decimal, at_ns: int) -> None:
        listing = holding.listing
        profit = holding.session.unrealized_pnl(price)
        paid = holding.quantity * price if listing.is_option else profit + holding.realized()
        account.add_balance(listing.definition.settlement, paid)
        if holding.quantity:
            self._record(account, holding, SettlementKind.DELIVERY, profit, holding.funding, at_ns)
        self._report(account, listing, ZERO)

    def _delivery_price(self, listing: Listing, at_ns: int) -> Decimal:
        """The average of the index over the delivery window, the same for all that expire then."""
        index = listing.definition.price_index
        known = self._state.delivery_prices.setdefault(index, [])
        if known and known[-1].delivered_ns == at_ns:
            return exact(known[-1].price)
        first = at_ns - self._state.rules.delivery_window_ns
        moments = range(first + SAMPLE_NS, at_ns + 1, SAMPLE_NS)
        prices = [self._state.market.index_price(index, moment) for moment in moments]
        price = round(sum(prices) / len(prices), 4)
        known.append(DeliveryPrice(index, at_ns, price))
        return exact(price)

    # daily settlement

    def _settle(self, at_ns: int) -> None:
        for listing in self._state.listings.values():
            if listing.is_open and not listing.is_spot:
                listing.settlement_price = self._state.mark(listing)
                if listing.client_orders:
                    self._cancel_all(listing, CancelReason.SETTLEMENT, day_only=True)
                if listing.is_future:
                    self._publish(listing, SettlementKind.SETTLEMENT, at_ns)
            elif listing.client_orders:
                self._cancel_all(listing, CancelReason.SETTLEMENT, day_only=True)
        for account in self._owners():
            for holding in list(account.holdings.values()):
                self._settle_holding(account, holding, at_ns)

    def _settle_holding(self, account: Account, holding: Holding, at_ns: int) -> None:
        listing = holding.listing
        mark = exact(self._state.mark(listing))
        profit = holding.session.unrealized_pnl(mark) + holding.realized()
        if listing.is_future:
            account.add_balance(listing.definition.settlement, profit)
        is_told, funding = bool(holding.quantity) or holding.touched, holding.funding
        holding.restart_session(mark)  # before the record: the profit counts once in the equity
        if is_told:
            self._record(account, holding, SettlementKind.SETTLEMENT, profit, funding, at_ns)
        if not holding.quantity:
            del account.holdings[listing.symbol]
        self._report(account, listing, holding.quantity)

    # common

    def _owners(self) -> list[Account]:
        return [*self._state.accounts.values(), self._state.synthetic]

    def _cancel_all(self, listing: Listing, reason: CancelReason, *, day_only: bool) -> None:
        for account in self._state.accounts.values():
            for order in list(account.open_orders(listing.symbol)):
                if not day_only or order.request.time_in_force is TimeInForce.DAY:
                    self._execution.withdraw(order, reason)

    def _record(
        self,
        account: Account,
        holding: Holding,
        kind: SettlementKind,
        profit: Decimal,
        funding: Decimal,
        at_ns: int,
    ) -> None:
        if account.name == SYNTHETIC:
            return
        state = self._state
        record = Settlement(
            number=next(state.settlement_numbers),
            kind=kind,
            symbol=holding.listing.symbol,
            settled_ns=at_ns,
            mark_price=state.mark(holding.listing),
            index_price=state.index(holding.listing.definition.price_index),
            account=account.name,
            position=holding.quantity,
            session_pnl=money(profit),
            funding=money(funding),
        )
        account.settlements.append(record)
        currency = holding.listing.definition.settlement
        account.ledger.write(LedgerKind(kind.value), currency, at_ns, settlement=record)
        state.events.append(record)

    def _publish(self, listing: Listing, kind: SettlementKind, at_ns: int) -> None:
        state = self._state
        state.settlements.append(
            Settlement(
                number=next(state.settlement_numbers),
                kind=kind,
                symbol=listing.symbol,
                settled_ns=at_ns,
                mark_price=state.mark(listing),
                index_price=state.index(listing.definition.price_index),
            )
        )
        del state.settlements[:-PUBLIC_MAX]

    def _report(self, account: Account, listing: Listing, quantity: Decimal) -> None:
        if account.name == SYNTHETIC:
            return
        self._state.events.append(PositionChanged(account.name, listing.symbol, quantity))
        self._state.events.append(BalanceChanged(account.name, listing.definition.settlement))


def payoff(listing: Listing, index: Decimal) -> Decimal:
    """Of one unit of an option: in coin for inverse options, else in the quote currency."""
    definition = listing.definition
    strike = definition.strike or ZERO
    inside = strike - index if definition.option_type is OptionType.PUT else index - strike
    value = max(ZERO, inside)
    return value / index if definition.quote == definition.base else value
