"""What the desk's accounts hold: orders, fills, positions, balances and exposures.

Mirrors of the engines' and position servers' topics. Snapshots and events may overlap and come in
any order: of two states of an order the greater revision holds, a fill counts once by its exec_id,
of two states of a position the later one holds.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

from common import messages as m

MAX_CLOSED = 5000
MAX_FILLS = 5000
MAX_DIFFERENCES = 100
MAX_FLAT = 2000  # positions of quantity 0
ENGINE_SHIFT = 55  # of a client_order_id: design of the ids in services/trading_engine
FIRST_ID = 2**63
Account = tuple[str, str]  # venue, account
Row = dict[str, Any]


class Orders:
    """Open orders, and the closed ones of late."""

    def __init__(self, engines: dict[int, Account]) -> None:
        self._engines = engines
        self._orders: OrderedDict[str, m.OrderUpdated] = OrderedDict()
        self._versions: dict[str, tuple[int, int]] = {}  # start of the engine, revision
        self._starts: dict[Account, int] = {}
        self._listed_ns: dict[Account, int] = {}  # when its engine last named all open orders
        self._closed = 0
        self.synced: set[Account] = set()

    def get(self, client_order_id: str) -> m.OrderUpdated | None:
        return self._orders.get(client_order_id)

    def apply(self, order: m.OrderUpdated, start_ns: int = 0) -> bool:
        """Whether this was news. start_ns: when its engine started, 0 if that is not told."""
        name, account = order.client_order_id, (order.venue, order.account)
        start_ns = self._hear(account, start_ns)
        version = start_ns, order.revision
        known = self._orders.get(name)
        if known is not None and self._version(name, start_ns) >= version:
            return False
        was_closed = known is not None and known.status.is_final
        self._orders[name], self._versions[name] = order, version
        self._closed += order.status.is_final - was_closed
        if self._closed > MAX_CLOSED:
            self._forget()
        return True

    def apply_reply(self, order: m.OrderUpdated) -> bool:
        """Whether an order in the answer to a command was news. The answer to a repeated request is
        the first one: its order may have ended since, before we were told of any."""
        is_unknown = order.client_order_id not in self._orders and not order.status.is_final
        if is_unknown and order.updated_ns <= self._listed_ns.get((order.venue, order.account), 0):
            return False
        return self.apply(order)

    def apply_snapshot(
        self, snapshot: m.OrderSnapshot, start_ns: int = 0, sent_ns: int = 0
    ) -> list[m.OrderUpdated]:
        """What was news in it. A snapshot of all owners ends what it does not name."""
        if not snapshot.owner:
            account = snapshot.venue, snapshot.account
            self._listed_ns[account] = sent_ns
            self.synced.add(account)
            self._hear(account, start_ns)
            named = {order.client_order_id for order in snapshot.orders}
            for order in self.find([account], None, closed=False):
                if order.client_order_id not in named:
                    self._drop(order.client_order_id)
        return [order for order in snapshot.orders if self.apply(order, start_ns)]

    def _hear(self, account: Account, start_ns: int) -> int:
        """When the engine of this account started, as far as we know by now."""
        start_ns = self._starts[account] = max(start_ns, self._starts.get(account, 0))
        return start_ns

    def _version(self, name: str, start_ns: int) -> tuple[int, int]:
        """What a reply told before we had heard of the engine's start is of the one we hear."""
        known_ns, revision = self._versions[name]
        return known_ns or start_ns, revision

    def _drop(self, name: str) -> None:
        del self._orders[name]
        del self._versions[name]

    def _forget(self) -> None:
        """The oldest half of the closed orders."""
        closed = [name for name, order in self._orders.items() if order.status.is_final]
        for name in closed[: MAX_CLOSED // 2]:
            self._drop(name)
        self._closed = len(closed) - MAX_CLOSED // 2

    def find(
        self, accounts: list[Account], owner: str | None, closed: bool
    ) -> list[m.OrderUpdated]:
        """Orders of these accounts, newest first; owner None: of all."""
        found = [
            order
            for order in self._orders.values()
            if (order.venue, order.account) in accounts
            and owner in (None, order.owner)
            and (closed or not order.status.is_final)
        ]
        return sorted(found, key=lambda order: order.created_ns, reverse=True)

    def account_of(self, client_order_id: str) -> Account | None:
        """Whose engine knows an order: the number inside its id tells, or that we have seen it."""
        known = self._orders.get(client_order_id)
        if known is not None:
            return known.venue, known.account
        if not (client_order_id.isascii() and client_order_id.isdigit()):
            return None
        number = int(client_order_id[:20])
        if not FIRST_ID <= number < 2 * FIRST_ID:
            return None
        return self._engines.get((number - FIRST_ID) >> ENGINE_SHIFT)


class Fills:
    """The recent fills of all accounts, in the order of their arrival."""

    def __init__(self) -> None:
        self._fills: OrderedDict[tuple[str, str, str], m.Fill] = OrderedDict()
        self._news: list[m.Fill] = []
        self.synced: set[Account] = set()

    def take_news(self) -> list[m.Fill]:
        """What was applied since the last call."""
        news, self._news = self._news, []
        return news

    def recall(self, fills: Iterable[m.Fill]) -> None:
        """Those of an earlier run, oldest first; they are no news."""
        for fill in fills:
            self.apply(fill)
        self._news.clear()

    def apply(self, fill: m.Fill) -> bool:
        key = fill.venue, fill.account, fill.exec_id
        if key in self._fills:
            return False
        self._fills[key] = fill
        self._news.append(fill)
        if len(self._fills) > MAX_FILLS:
            self._fills.popitem(last=False)
        return True

    def apply_snapshot(self, snapshot: m.FillSnapshot) -> list[m.Fill]:
        if not snapshot.owner:
            self.synced.add((snapshot.venue, snapshot.account))
        return [fill for fill in snapshot.fills if self.apply(fill)]

    def find(self, accounts: list[Account], owner: str | None) -> list[m.Fill]:
        """Newest first."""
        found = [
            fill
            for fill in self._fills.values()
            if (fill.venue, fill.account) in accounts and owner in (None, fill.owner)
        ]
        return sorted(found, key=lambda fill: fill.filled_ns, reverse=True)


class Holdings:
    """Positions, balances and exposures."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str, str], m.PositionUpdated] = {}
        self._flat: dict[tuple[str, str, str], None] = {}  # of the positions, oldest first
        self._balances: dict[tuple[str, str, str], m.BalanceUpdated] = {}
        self._exposures: dict[tuple[str, str, str], m.Exposure] = {}
        self._alerts: dict[tuple[str, str, str, str], m.RiskAlert] = {}
        self._protections: dict[tuple[str, str, str, str], m.ProtectionUpdated] = {}
        self._differences: deque[m.PositionDifference] = deque(maxlen=MAX_DIFFERENCES)
        self.synced: set[Account] = set()

    def apply(self, message: m.PositionUpdated | m.BalanceUpdated | m.Exposure) -> None:
        where = message.venue, message.account
        if isinstance(message, m.PositionUpdated):
            self._keep_position((*where, message.instrument), message)
        elif isinstance(message, m.BalanceUpdated):
            self._balances[*where, message.currency] = message
        else:
            self._exposures[*where, message.underlying] = message

    def _keep_position(self, key: tuple[str, str, str], position: m.PositionUpdated) -> None:
        """The latest state; of flat ones, such as expired instruments leave, the newest."""
        self._flat.pop(key, None)
        self._positions[key] = position
        if position.quantity:
            return
        self._flat[key] = None
        if len(self._flat) > MAX_FLAT:
            oldest = next(iter(self._flat))
            del self._flat[oldest], self._positions[oldest]

    def apply_snapshot(self, snapshot: m.AccountSnapshot) -> None:
        where = snapshot.venue, snapshot.account
        for table in (self._positions, self._flat, self._balances, self._exposures):
            for key in [key for key in table if key[:2] == where]:
                del table[key]
        self._alerts = {key: alert for key, alert in self._alerts.items() if key[:2] != where}
        for position in snapshot.positions:
            self.apply(position)
        for balance in snapshot.balances:
            self.apply(balance)
        for exposure in snapshot.exposures:
            self.apply(exposure)
        for alert in snapshot.alerts:
            self.alert(alert)
        self.synced.add(where)

    def alert(self, message: m.RiskAlert | m.PositionDifference) -> None:
        if isinstance(message, m.PositionDifference):
            self._differences.append(message)
            return
        key = message.venue, message.account, message.limit, message.subject
        self._alerts.pop(key, None)
        if message.raised:
            self._alerts[key] = message

    def alerts(self, accounts: list[Account]) -> list[m.RiskAlert]:
        """The limits that are broken now."""
        return [alert for key, alert in self._alerts.items() if key[:2] in accounts]

    def protect(self, message: m.ProtectionUpdated | m.ProtectionSnapshot) -> None:
        where = message.venue, message.account
        if isinstance(message, m.ProtectionSnapshot):
            for key in [key for key in self._protections if key[:2] == where]:
                del self._protections[key]
            for protection in message.protections:
                self.protect(protection)
        elif message.event is m.ProtectionEvent.REMOVED:
            self._protections.pop((*where, message.index, message.mmp_group), None)
        else:
            self._protections[*where, message.index, message.mmp_group] = message

    def protections(self, accounts: list[Account]) -> list[m.ProtectionUpdated]:
        return [item for key, item in sorted(self._protections.items()) if key[:2] in accounts]

    def differences(self, accounts: list[Account]) -> list[m.PositionDifference]:
        return [item for item in self._differences if (item.venue, item.account) in accounts]

    def positions(self, accounts: list[Account], flat: bool) -> list[m.PositionUpdated]:
        return [
            position
            for key, position in sorted(self._positions.items())
            if key[:2] in accounts and (flat or position.quantity)
        ]

    def balances(self, accounts: list[Account]) -> list[m.BalanceUpdated]:
        return [item for key, item in sorted(self._balances.items()) if key[:2] in accounts]

    def exposures(self, accounts: list[Account]) -> list[m.Exposure]:
        return [item for key, item in sorted(self._exposures.items()) if key[:2] in accounts]
