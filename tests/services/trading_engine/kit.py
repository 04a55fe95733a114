"""A bench for the engine: it plays the shell, with time in its hand and a VenueTwin on the link."""

from __future__ import annotations

import json
from collections import deque
from decimal import Decimal
from typing import Any

from common import core as c, messages as m
from common.config import AccountConfig, Credentials, LimitsConfig, Secret
from common.domain.backoff import Backoff
from common.venues import load
from common.venues.deribit.orders import OrderEntry
from services.trading_engine import records
from services.trading_engine.core import TradingEngine
from tests.services.trading_engine.twin import VenueTwin

T0 = 1_700_000_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
PERP = "deribit.BTC-PERPETUAL"
LINK = "orders.deribit.main"
D = Decimal
PERPETUAL = m.InstrumentDefinition(
    instrument=PERP,
    venue="deribit",
    symbol="BTC-PERPETUAL",
    kind=m.InstrumentKind.PERPETUAL,
    contract_type=m.ContractType.INVERSE,
    base="BTC",
    quote="USD",
    settlement="BTC",
    underlying="BTC",
    price_index="btc_usd",
    tick_size=D("0.5"),
    lot_size=D("10"),
    min_quantity=D("10"),
    contract_size=D("10"),
    maker_fee=D("0"),
    taker_fee=D("0.0005"),
    status=m.InstrumentStatus.ACTIVE,
)
QUOTE = m.Quote(PERP, 49999.5, 1000.0, 50000.5, 1000.0)
TICKER = m.Ticker(PERP, 50000.0, 50000.0, 50000.0)


def place(price: str | None = "49000", quantity: str = "100", **more: Any) -> m.PlaceOrder:
    exact = None if price is None else D(price)
    side = more.pop("side", m.Side.BUY)
    return m.PlaceOrder(PERP, side, D(quantity), price=exact, **more)


class Bench:
    """Feeds a TradingEngine and executes what it returns, as the shell would.

    Attributes:
        held: a list when what the venue sends is to be kept back, else None.
        losing: frames of the engine do not arrive.
    """

    def __init__(
        self,
        twin: VenueTwin | None = None,
        journal: list[bytes] | None = None,
        start_counter: int = 1,
        now_ns: int = T0,
        **config: Any,
    ) -> None:
        config = {"rate_per_second": 100.0, "rate_burst": 200.0} | config
        self.twin = twin or VenueTwin(T0 // MS)
        self.now = now_ns
        self.start_counter = start_counter
        self.journal = journal if journal is not None else []
        self.commands: list[c.CoreCommand] = []
        self.held: list[bytes] | None = None
        self.losing = False
        self.up = False
        self.wakes: list[int] = []
        self.prices = True
        self._inbox: deque[c.Event | None] = deque()
        self._request = 0
        strategies = config.pop("strategies", [])
        self.engine = TradingEngine(
            "deribit",
            AccountConfig(limits=config.pop("limits", LimitsConfig()), **config),
            "ws://venue",
            OrderEntry(
                Credentials("key", Secret("secret")),
                cancel_on_disconnect=config.get("on_disconnect") == "cancel",
            ),
            Backoff(lambda: 0.0),
            start_counter=start_counter,
            journal=records.decode(self.journal),
            capabilities=load("deribit").capabilities,
            strategies=strategies,
        )

    # --- driving ------------------------------------------------------------------------------

    def start(self, *, prices: bool = True) -> Bench:
        """Bring it up, ready to trade."""
        self.feed(c.Started())
        self.prices = prices
        self.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [PERPETUAL]))
        self.connect()
        return self

    def connect(self) -> None:
        self.up = True
        self.feed(c.LinkUp(LINK))

    def cut(self) -> None:
        self.up = False
        self.feed(c.LinkDown(LINK, "cut"))

    def feed(self, event: c.Event | None) -> None:
        """One event, or None for a wake, and then all that it brings about."""
        self._inbox.append(event)
        if len(self._inbox) == 1:
            while self._inbox:
                self._execute(self._commands_for(self._inbox[0]))
                self._inbox.popleft()

    def _commands_for(self, event: c.Event | None) -> list[c.CoreCommand]:
        if event is None:
            return list(self.engine.on_time(self.now))
        return list(self.engine.handle(event, self.now))

    def _execute(self, commands: list[c.CoreCommand]) -> None:
        self.commands += commands
        for command in commands:
            match command:
                case c.WakeAt(ns):
                    self.wakes.append(ns)
                case c.Journal(record):
                    assert isinstance(record, records.Entry)
                    self.journal.append(records.encode(record))
                case c.LinkSend(_, payload):
                    self._to_venue(payload)
                case c.LinkClose() if self.up:
                    self.cut()
                case c.Subscribe(topic) if topic == f"quote.{PERP}" and self.prices:
                    self.bus(topic, QUOTE)
                    self.bus(f"ticker.{PERP}", TICKER)

    def _to_venue(self, payload: bytes) -> None:
        if not self.up or self.losing:
            return
        self.twin.keep_up(self.now // MS)
        self.deliver(self.twin.receive(payload))

    def deliver(self, frames: list[bytes]) -> None:
        """What the venue sends arrives, unless it is held."""
        for frame in frames:
            if self.held is not None and not self._is_upkeep(frame):
                self.held.append(frame)
            elif self.up:
                self.feed(c.VenueFrame(LINK, frame, self.now))

    @staticmethod
    def _is_upkeep(frame: bytes) -> bool:
        return any(x in frame for x in (b'"access_token"', b'"result": "ok"', b'"result": ["user.'))

    def release(self) -> None:
        frames, self.held = self.held or [], None
        self.deliver(frames)

    def bus(
        self,
        topic: str,
        message: m.Event,
        venue_ns: int = 0,
        received_ns: int = 0,
        sent_ns: int = 0,
    ) -> None:
        times = venue_ns, received_ns or self.now, sent_ns or self.now
        self.feed(c.BusMessage(topic, message, 1, 1, 0, *times))

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the engine whenever it asked for it."""
        end = self.now + int(seconds * SECOND)
        while self.wakes and min(self.wakes) <= end:
            due = min(self.wakes)
            self.wakes = [ns for ns in self.wakes if ns > due]
            self.now = max(self.now, due)
            self.feed(None)
        self.now = end

    def ask(
        self, command: m.Command, request_id: str = "", peer: bytes = b"p", sent_ns: int = 0
    ) -> str:
        self._request += 1
        request_id = request_id or f"r{self._request}"
        sent_ns = sent_ns or self.now
        self.feed(c.CommandReceived(peer, request_id, "gateway", sent_ns, command))
        return request_id

    def asked(self, command: m.Command, **more: Any) -> m.CommandReply:
        """Ask, and the one answer, which must be there at once."""
        (reply,) = self.replies(self.ask(command, **more))
        return reply

    # --- looking ------------------------------------------------------------------------------

    def replies(self, request_id: str) -> list[m.CommandReply]:
        found = [x.reply for x in self.commands if isinstance(x, c.Reply)]
        return [reply for reply in found if reply.request_id == request_id]

    def events(self, client_order_id: str = "") -> list[tuple[m.OrderTrigger, m.OrderStatus]]:
        found = [x.message for x in self.commands if isinstance(x, c.Publish)]
        orders = [message for message in found if isinstance(message, m.OrderUpdated)]
        return [
            (order.event, order.status)
            for order in orders
            if client_order_id in ("", order.client_order_id)
        ]

    def fills(self) -> list[m.Fill]:
        found = [x.message for x in self.commands if isinstance(x, c.Publish)]
        return [message for message in found if isinstance(message, m.Fill)]

    def open_orders(self, **filters: Any) -> list[m.OrderUpdated]:
        return self.asked(m.QueryOrders(**filters)).orders

    def order(self, client_order_id: str) -> m.OrderUpdated:
        (order,) = self.asked(m.QueryOrders(client_order_id)).orders
        return order

    def placed(self, **more: Any) -> m.OrderUpdated:
        """An order that rests at the venue."""
        reply = self.asked(place(**more))
        assert reply.accepted, reply
        return reply.orders[0]

    def sent(self) -> list[str]:
        """Methods of all calls that left, whether they arrived or not."""
        frames = [x.payload for x in self.commands if isinstance(x, c.LinkSend)]
        return [json.loads(frame)["method"] for frame in frames]

    def restart(self, **config: Any) -> Bench:
        """Kill the engine; another one starts on its journal."""
        self.up = False
        return Bench(self.twin, self.journal, self.start_counter + 1, self.now, **config)
