"""What the pre-trade checks are told about market and account."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from common import messages as m
from common.domain import risk
from common.domain.exposure import Holding
from common.domain.order import Order
from services.trading_engine.state import EngineState

NS_PER_S = 1_000_000_000


class RiskFacts:
    """Gathers them from the engine's state, and counts what was sent in the last second."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._sent: dict[str, deque[int]] = {}  # by owner; places and modifies

    def on_sent(self, owner: str, now_ns: int) -> None:
        self._sent.setdefault(owner, deque()).append(now_ns)

    def of(self, command: m.PlaceOrder, now_ns: int, modified: Order | None = None) -> risk.State:
        """modified: the order that is to become what the command says."""
        state, name, limits = self._state, command.instrument, self._state.limits
        without = modified.state.client_order_id if modified else ""
        setting = state.modes.of(command.owner)
        legs = self._legs(name, without, now_ns)
        counts = self._counts(now_ns)
        age_ns, profit_text = state.profit.age_ns(now_ns), state.profit.problem
        return risk.State(
            instrument=state.market.instrument(name),
            market=state.market.prices(name, now_ns),
            mode=setting.mode,
            mode_text=setting.text,
            mode_code=setting.code,
            open_orders=len(state.store.open),
            orders_last_second=sum(counts.values()),
            strategy_orders_last_second=counts.get(command.owner, 0),
            same_orders=state.repeats.same_orders(command, now_ns - limits.same_within_ns),
            filled=modified.state.cum_quantity if modified else risk.ZERO,
            holding=self._holding(name, without, now_ns),
            legs=legs,
            others=self._others(name, now_ns) if limits.values_exposure else [],
            parent=state.parents.find(command.owner, command.parent, modified),
            profit_age_ns=age_ns,
            profit_text=profit_text,
        )

    def _counts(self, now_ns: int) -> dict[str, int]:
        for owner, times in list(self._sent.items()):
            while times and times[0] <= now_ns - NS_PER_S:
                times.popleft()
            if not times:
                del self._sent[owner]
        return {owner: len(times) for owner, times in self._sent.items()}

    # --- exposure -----------------------------------------------------------------------------

    def _holding(self, name: str, without: str, now_ns: int) -> Holding | None:
        """What is held of an instrument, and open in it: its own orders and those of combos that
        it is a leg of."""
        state = self._state
        instrument = state.market.instrument(name)
        if instrument is None:
            return None
        prices = state.market.prices(name, now_ns)
        return Holding(
            instrument,
            state.store.positions.get(name, risk.ZERO),
            self._open(name, m.Side.BUY, without),
            self._open(name, m.Side.SELL, without),
            prices.known("mark") or prices.mid,
            prices.known("index"),
        )

    def _open(self, name: str, side: m.Side, without: str) -> Decimal:
        store = self._state.store
        found = store.open_quantity(name, side, without)
        for combo, ratio in self._state.market.combos_with(name).items():
            combo_side = side if ratio > 0 else side.opposite
            found += store.open_quantity(combo, combo_side, without) * abs(ratio)
        return found

    def _legs(self, name: str, without: str, now_ns: int) -> list[tuple[Holding, Decimal]]:
        found = []
        for leg, ratio in self._state.market.legs_of(name):
            holding = self._holding(leg, without, now_ns)
            if holding is not None:
                found.append((holding, ratio))
        return found

    def _others(self, name: str, now_ns: int) -> list[Holding]:
        """What else is held or ordered; its prices are followed from now on."""
        state = self._state
        touched = {name, *(leg for leg, _ in state.market.legs_of(name))}
        found = []
        for other in self._by_leg(state.store.held_instruments()) - touched:
            for command in state.market.watch(other, now_ns):
                state.out.add(command)
            holding = self._holding(other, "", now_ns)
            if holding is not None:
                found.append(holding)
        return found

    def _by_leg(self, names: Iterable[str]) -> set[str]:
        """A combo is what its legs are; by itself only while those are not known."""
        found: set[str] = set()
        for name in names:
            legs = self._state.market.legs_of(name)
            found |= {leg for leg, _ in legs} if legs else {name}
        return found
