"""Market maker protection: too much traded in too short a time cancels the orders under it."""

from __future__ import annotations

from decimal import Decimal

from common.domain.instrument import exact
from common.messages import OrderType
from common.venues.simulation import (
    ZERO,
    CancelReason,
    OrderRequest,
    Protection,
    ProtectionActed,
    ProtectionStatus,
    Refused,
    SimulatedFill,
    SimulatedRefusal,
)
from services.venue_simulator.execution import Execution
from services.venue_simulator.listing import Listing
from services.venue_simulator.state import State

Key = tuple[str, str, str]  # account, index, group


class Guard:
    """One protection and what was traded under it in the running interval."""

    __slots__ = ("config", "count", "delta", "frozen_until_ns", "quantity", "since_ns", "vega")

    def __init__(self, config: Protection) -> None:
        self.config = config
        self.frozen_until_ns: int | None = None
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        self.since_ns = now_ns
        self.quantity = self.delta = self.vega = ZERO
        self.count = 0

    def add(self, quantity: Decimal, delta: Decimal, vega: Decimal, now_ns: int) -> None:
        if not self.count or now_ns - self.since_ns > self.config.interval_ns:
            self.restart(now_ns)
        self.quantity += quantity
        self.delta += delta
        self.vega += vega
        self.count += 1

    def is_exceeded(self) -> bool:
        config = self.config
        values = (
            (self.quantity, config.quantity_limit),
            (abs(self.delta), config.delta_limit),
            (abs(self.vega), config.vega_limit),
            (Decimal(self.count), config.trade_count_limit),
        )
        return any(limit is not None and value > limit for value, limit in values)

    def is_frozen(self, now_ns: int) -> bool:
        until_ns = self.frozen_until_ns
        return until_ns is not None and (until_ns == 0 or now_ns < until_ns)


class Protections:
    """All protections of an exchange."""

    def __init__(self, state: State, execution: Execution) -> None:
        self._state, self._execution = state, execution
        self._guards: dict[Key, Guard] = {}

    def set(self, account: str, wanted: Protection) -> None:
        key = (account, wanted.index, wanted.group)
        if not wanted.interval_ns:
            self._guards.pop(key, None)
            self._cancel(key, CancelReason.PROTECTION_CHANGED)
            return
        known = self._guards.get(key)
        if known is None:
            self._guards[key] = Guard(wanted)
            return
        known.config = wanted
        self._cancel(key, CancelReason.PROTECTION_CHANGED, above=wanted.max_quantity)

    def all(self, account: str) -> list[Protection]:
        return [guard.config for key, guard in self._guards.items() if key[0] == account]

    def status(self, account: str) -> list[ProtectionStatus]:
        now_ns = self._state.now_ns
        return [
            ProtectionStatus(
                key[1], key[2], guard.frozen_until_ns if guard.is_frozen(now_ns) else None
            )
            for key, guard in self._guards.items()
            if key[0] == account
        ]

    def reset(self, account: str, index: str, group: str) -> bool:
        guard = self._guards.get((account, index, group))
        if guard is None:
            return False
        guard.frozen_until_ns = None
        guard.restart(self._state.now_ns)
        return True

    def check(self, account: str, request: OrderRequest, listing: Listing) -> Refused | None:
        """Whether a protected order may be placed."""
        if request.protection is None:
            return None
        if request.order_type is not OrderType.LIMIT:
            return Refused(SimulatedRefusal.PROTECTION_TYPE, "order_type")
        index = listing.definition.price_index
        guard = self._guards.get((account, index, request.protection.group))
        if guard is None:
            return Refused(SimulatedRefusal.PROTECTION_MISSING)
        if guard.is_frozen(self._state.now_ns):
            return Refused(SimulatedRefusal.PROTECTION_FROZEN)
        return self.check_quantity(guard, request.quantity)

    def check_edit(self, account: str, request: OrderRequest, leaves: Decimal) -> Refused | None:
        """Whether a protected order may have so much left."""
        index = self._state.listings[request.symbol].definition.price_index
        tag = request.protection
        guard = self._guards.get((account, index, tag.group)) if tag is not None else None
        return self.check_quantity(guard, leaves) if guard is not None else None

    def check_quantity(self, guard: Guard, quantity: Decimal) -> Refused | None:
        most = guard.config.max_quantity
        if quantity <= most:
            return None
        return Refused(SimulatedRefusal.PROTECTION_QUANTITY, "quantity", most)

    def run(self) -> None:
        """Count the fills of protected orders; freeze what they exceed."""
        fills, self._state.guarded = self._state.guarded, []
        for fill in fills:
            index = self._state.listings[fill.symbol].definition.price_index
            group = fill.protection.group if fill.protection is not None else ""
            key = (fill.account, index, group)
            guard = self._guards.get(key)
            if guard is None or guard.is_frozen(self._state.now_ns):
                continue
            guard.add(*self._weights(fill), self._state.now_ns)
            if guard.is_exceeded():
                self._freeze(key, guard)

    def _weights(self, fill: SimulatedFill) -> tuple[Decimal, Decimal, Decimal]:
        """(quantity, delta, vega) of a fill: in coin, the last two signed."""
        listing = self._state.listings[fill.symbol]
        coins = fill.quantity / fill.price if listing.inverse else fill.quantity
        signed = coins * fill.side.sign
        if not listing.is_option:
            return coins, signed, ZERO
        figures = self._state.market.option_figures(fill.symbol, self._state.now_ns)
        if figures is None:
            return coins, ZERO, ZERO
        return coins, signed * exact(figures.delta), signed * exact(figures.vega)

    def _freeze(self, key: Key, guard: Guard) -> None:
        frozen_ns = guard.config.frozen_ns
        guard.frozen_until_ns = self._state.now_ns + frozen_ns if frozen_ns else 0
        guard.restart(self._state.now_ns)
        self._cancel(key, CancelReason.PROTECTION)
        self._state.events.append(ProtectionActed(*key, guard.frozen_until_ns))

    def _cancel(self, key: Key, reason: CancelReason, above: Decimal = ZERO) -> None:
        """Its orders that have more left than this."""
        account, index, group = key
        for order in self._state.account_orders(account):
            tag = order.request.protection
            if tag is None or tag.group != group or order.leaves_quantity <= above:
                continue
            if self._state.listings[order.symbol].definition.price_index == index:
                self._execution.withdraw(order, reason)
