"""The dead-man switch: of a strategy whose host is silent for too long the orders are cancelled.

Only strategies of the configuration are judged. A beat ends a silence; so does a stop that was
meant. One that was never heard counts from when the engine was first ready, unless its orders are
to stay when it stops: then it may have been stopped in an earlier life of the engine. While we
stand still nobody is heard, so after that everybody has the whole time again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from common import core as c, messages as m
from common.config import StrategyConfig
from common.domain.order import Order
from common.messages import OrderStatus as S
from services.trading_engine.desk import Desk
from services.trading_engine.state import EngineState

NS_PER_S = 1_000_000_000
LOOK_NS = NS_PER_S // 2
LATE_NS = NS_PER_S  # a look that comes so late: we stood still
AGAIN_NS = 5 * NS_PER_S  # an order whose cancel came to nothing is cancelled again
HOST = "strategy_host"


class _Watch(msgspec.Struct):
    """One strategy. stays: its orders, when it stops. asked: the orders that were cancelled in this
    silence, and when."""

    name: str
    limit_ns: int
    stays: bool
    heard_ns: int | None = None
    has_stopped: bool = False
    is_told: bool = False
    asked: dict[str, int] = {}


def _watch(config: StrategyConfig) -> _Watch:
    limit_ns = int(config.cancel_if_silent_s * NS_PER_S)
    return _Watch(config.name, limit_ns, not config.cancel_on_stop)


class DeadMen:
    """Watches the hosts of one account's strategies."""

    def __init__(
        self, state: EngineState, desk: Desk, strategies: Iterable[StrategyConfig]
    ) -> None:
        self._state = state
        self._desk = desk
        self._watches = {
            each.name: _Watch(
                each.name, int(each.cancel_if_silent_s * NS_PER_S), not each.cancel_on_stop
            )
            for each in strategies
            if each.cancel_if_silent_s
            and (each.venue, each.account) == (state.venue, state.account)
        }
        self._ready_ns: int | None = None  # when the engine was seen to be, first
        self._since_ns = 0  # nobody is judged by what was before
        self._next_ns: int | None = None

    def start(self, now_ns: int) -> None:
        """Their beats are read already; their last word tells a stop that was meant."""
        if self._watches:
            self._state.out.add(c.Subscribe("strategy."))  # old words count as well: no snapshots
            self._next_ns = now_ns + LOOK_NS

    # --- hearing ------------------------------------------------------------------------------

    def on_beat(self, beat: m.Health, now_ns: int) -> None:
        """A host that stops and is to cancel its orders is judged until it says that it has."""
        kind, _, name = beat.process.partition(".")
        watch = self._watches.get(name)
        if watch is None or kind != HOST:
            return
        watch.heard_ns = now_ns
        if beat.state != "stopping":
            watch.has_stopped = False
        elif watch.stays:
            watch.has_stopped = True
        watch.asked.clear()
        if watch.is_told:
            watch.is_told = False
            self._state.out.alert("INFO", "the strategy is heard again", strategy=name)

    def on_state(self, told: m.StrategyState) -> None:
        watch = self._watches.get(told.name)
        if watch is None:
            return
        if told.state == "stopped" or (told.state == "stopping" and watch.stays):
            watch.has_stopped = True

    # --- looking ------------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        return self._next_ns

    def on_time(self, now_ns: int) -> None:
        if self._next_ns is None or now_ns < self._next_ns:
            return
        if now_ns - self._next_ns > LATE_NS:
            self._since_ns = now_ns
        if self._ready_ns is None and self._state.is_ready:
            self._ready_ns = now_ns
        self._next_ns = now_ns + LOOK_NS
        if self._state.logged_in and not self._state.stopping:
            for watch in self._watches.values():
                if self._is_silent(watch, now_ns):
                    self._cancel(watch, now_ns)

    def _is_silent(self, watch: _Watch, now_ns: int) -> bool:
        from_ns = watch.heard_ns
        if from_ns is None and not watch.stays:
            from_ns = self._ready_ns
        if watch.has_stopped or from_ns is None:
            return False
        return now_ns - max(from_ns, self._since_ns) > watch.limit_ns

    def _cancel(self, watch: _Watch, now_ns: int) -> None:
        """What is open and on no way out; the request then concerns all that is open."""
        mine = [o for o in self._state.store.open.values() if o.state.owner == watch.name]
        if not any(self._is_due(order, watch, now_ns) for order in mine):
            return
        why = _why(watch, now_ns)
        if not watch.is_told:
            watch.is_told = True
            text = "a strategy is silent: its orders are cancelled"
            self._state.out.alert("ERROR", text, strategy=watch.name, why=why)
        watch.asked = {order.state.client_order_id: now_ns for order in mine}
        self._desk.cancel_of(watch.name, why, now_ns)

    def _is_due(self, order: Order, watch: _Watch, now_ns: int) -> bool:
        name = order.state.client_order_id
        if order.state.status is S.PENDING_CANCEL or name in self._state.cancels:
            return False
        asked_ns = watch.asked.get(name)
        return asked_ns is None or now_ns >= asked_ns + AGAIN_NS


def _why(watch: _Watch, now_ns: int) -> str:
    limit = f"the limit is {watch.limit_ns / NS_PER_S:g} s"
    if watch.heard_ns is None:
        return f"{watch.name} was not heard since the engine started, {limit}"
    return f"{watch.name} was last heard {(now_ns - watch.heard_ns) / NS_PER_S:.1f} s ago, {limit}"
