"""Channels of the desk's own: orders, fills, positions, balances, risk, strategies, health.

Everything on them is delivered, nothing is merged. A client sees the orders and fills of its owner,
an admin those of all; each view is encoded once. A channel begins with what is there.
"""

from __future__ import annotations

from common import messages as m, parts
from services.gateway.calls import Answer
from services.gateway.channels import Channel
from services.gateway.events import GatewayCommand
from services.gateway.feeds import Feed
from services.gateway.reading import Reading
from services.gateway.rows import row
from services.gateway.states import Row
from services.gateway.strategies import Strategies

View = tuple[str, str | None]  # channel, owner (None: all)
RECENT = 200
ORDER_COMMANDS = (
    m.PlaceOrder,
    m.ModifyOrder,
    m.CancelOrder,
    m.CancelAll,
    m.MassQuote,
    m.CancelQuotes,
)


class Private:
    """The readers of these channels."""

    def __init__(self, reading: Reading, strategies: Strategies) -> None:
        self._reading = reading
        self._strategies = strategies
        self._feeds: dict[View, Feed] = {}
        self._parts = parts.Gathering()

    def join(
        self, client: int, binary: bool, channel: Channel, owner: str | None
    ) -> list[GatewayCommand]:
        view = channel.name, owner if channel.kind in ("orders", "fills") else None
        feed = self._feeds.setdefault(view, Feed(channel))
        feed.join(client, binary)
        return feed.tell(client, self._snapshot(*view))

    def leave(self, client: int, channel: Channel) -> None:
        for view in [view for view in self._feeds if view[0] == channel.name]:
            self._feeds[view].leave(client)
            if not self._feeds[view].clients:
                del self._feeds[view]

    def _snapshot(self, kind: str, owner: str | None) -> Row | None:
        accounts, holdings = self._reading.accounts, self._reading.holdings
        messages: list[m.Message] = []
        if kind == "strategies":
            return {"type": "snapshot", kind: self._strategies.rows()}
        if kind == "orders":
            messages = [*self._reading.orders.find(accounts, owner, closed=False)]
        elif kind == "fills":
            messages = [*self._reading.fills.find(accounts, owner)[:RECENT]]
        elif kind == "positions":
            messages = [*holdings.positions(accounts, flat=False)]
        elif kind == "balances":
            messages = [*holdings.balances(accounts)]
        elif kind == "risk":
            messages = [*holdings.alerts(accounts)]
        elif kind == "protections":
            messages = [*holdings.protections(accounts)]
        else:
            return None
        return {"type": "snapshot", kind: [row(message) for message in messages]}

    def on_answer(self, answer: Answer | None) -> list[GatewayCommand]:
        """The engine's answer may overtake its event, which is no news then: it is told now."""
        if answer is None or answer.reply is None:
            return []
        if not isinstance(answer.command, ORDER_COMMANDS):
            return []
        orders = self._reading.orders
        return self._orders([order for order in answer.reply.orders if orders.apply_reply(order)])

    def on_message(self, message: m.Event, start_ns: int, sent_ns: int = 0) -> list[GatewayCommand]:
        """Take it into the mirrors and tell the readers what is news."""
        orders = self._reading.orders
        match message:
            case m.OrderUpdated():
                return self._orders([message] if orders.apply(message, start_ns) else [])
            case m.OrderSnapshot():
                whole = self._parts.take(message)
                if whole is None:
                    return []
                news = orders.apply_snapshot(whole, start_ns, sent_ns)
                return self._orders(news) if message.owner else self._again("orders")
            case m.Fill():
                return self._fills([message] if self._reading.fills.apply(message) else [])
            case m.FillSnapshot():
                found = self._reading.fills.apply_snapshot(message)
                return self._fills(found) if message.owner else self._again("fills")
            case m.ProtectionUpdated() | m.ProtectionSnapshot():
                return self._protections(message)
            case m.StrategyState():
                return self._strategy(self._strategies.apply(message))
            case _:
                return self._holdings(message)

    def on_strategy_lost(self, topic: str) -> list[GatewayCommand]:
        """A strategy's host is not heard any more."""
        return self._strategy(self._strategies.lose(topic))

    def _strategy(self, fields: Row | None) -> list[GatewayCommand]:
        return self.say("strategies", {"type": "strategy"} | fields) if fields else []

    def _orders(self, orders: list[m.OrderUpdated]) -> list[GatewayCommand]:
        return [c for order in orders for c in self._to_owner("orders", "order", order)]

    def _fills(self, fills: list[m.Fill]) -> list[GatewayCommand]:
        return [c for fill in fills for c in self._to_owner("fills", "fill", fill)]

    def _to_owner(
        self, kind: str, word: str, message: m.OrderUpdated | m.Fill
    ) -> list[GatewayCommand]:
        data = {"type": word} | row(message)
        return [*self.say(kind, data), *self.say(kind, data, message.owner)]

    def _holdings(self, message: m.Event) -> list[GatewayCommand]:
        holdings = self._reading.holdings
        if isinstance(message, m.AccountSnapshot):
            holdings.apply_snapshot(message)
            return self._again("positions") + self._again("balances") + self._again("risk")
        if isinstance(message, m.PositionUpdated | m.BalanceUpdated | m.Exposure):
            holdings.apply(message)
        if isinstance(message, m.PositionUpdated):
            return self.say("positions", {"type": "position"} | row(message))
        if isinstance(message, m.BalanceUpdated):
            return self.say("balances", {"type": "balance"} | row(message))
        if isinstance(message, m.RiskAlert | m.PositionDifference):
            holdings.alert(message)
            word = "alert" if isinstance(message, m.RiskAlert) else "difference"
            return self.say("risk", {"type": word} | row(message))
        return []

    def _protections(
        self, message: m.ProtectionUpdated | m.ProtectionSnapshot
    ) -> list[GatewayCommand]:
        self._reading.holdings.protect(message)
        if isinstance(message, m.ProtectionSnapshot):
            return self._again("protections")
        return self.say("protections", {"type": "protection"} | row(message))

    def _again(self, kind: str) -> list[GatewayCommand]:
        """A fresh snapshot to every reader: it also tells what is there no more."""
        commands: list[GatewayCommand] = []
        for name, owner in list(self._feeds):
            if name == kind and (data := self._snapshot(name, owner)):
                commands += self.say(name, data, owner)
        return commands

    def say(self, kind: str, data: Row, owner: str | None = None) -> list[GatewayCommand]:
        feed = self._feeds.get((kind, owner))
        return feed.say(data) if feed else []
