"""What strategies and tools need to attach to a running desk: plain blocking calls.

    with Client("run", sender="my_strategy") as desk:
        desk.subscribe_quote("deribit.BTC-PERPETUAL")
        for received in desk.messages(timeout_s=10):
            ...
        reply = desk.place("deribit.BTC-PERPETUAL", m.Side.BUY, "100", price="50000.5")

A topic begins with a snapshot. When messages of a topic were lost, a Lost comes instead: the copy
of the caller is worthless from there on, and a fresh snapshot follows by itself. Not thread-safe:
one Client per thread.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import zmq

from common import codec, config as configuration, messages as m, parts
from common.errors import BadMessage, CrossdeskError
from common.following import PARTS_MISSING, Topic
from common.rundir import RunDir
from common.transport import bus
from common.transport.clock import Clock
from common.transport.joining import Awaited
from common.transport.requests import Connection

SILENT_S = 1.5
LATE_S = 1.0  # between two looks: then beats may lie unread that were sent in time
CONNECT_S = 1.0
PUBLISHERS = dict.fromkeys(("order", "fill", "protection"), "order_events") | dict.fromkeys(
    ("account", "position", "balance", "risk"), "positions"
)

Number = str | int | Decimal


class NotRunning(CrossdeskError):
    """The process a command was for is not there; nothing was sent."""


class NoAnswer(CrossdeskError):
    """A command was sent and not answered in time: its fate is in doubt.

    Sending it again with the same request_id is safe: it is carried out at most once.
    """

    def __init__(self, request_id: str, timeout_s: float) -> None:
        self.request_id = request_id
        super().__init__(f"no answer to {request_id} within {timeout_s:g} s")


class Received(NamedTuple):
    """One message of the bus, in its order within its topic."""

    topic: str
    message: m.Event
    sequence: int
    venue_time_ns: int
    received_ns: int
    sent_ns: int


class Lost(NamedTuple):
    """What is known of this topic is stale until the next Received of it."""

    topic: str
    reason: str


class Client:
    """A connection to the desk in one run directory.

    Args:
        sender: name of the caller; also the owner of the orders it places.
        timeout_s: how long a command may take.
        config: the desk's file, where processes of the desk run on other hosts.
    """

    def __init__(
        self, run_dir: str | RunDir, sender: str, *, timeout_s: float = 5.0, config: str = ""
    ) -> None:
        elsewhere = bus.load(configuration.load(config).bus, Path(config)) if config else None
        self.run_dir = run_dir if isinstance(run_dir, RunDir) else RunDir(run_dir, elsewhere)
        self.sender = sender
        self.timeout_s = timeout_s
        self.bad_frames = 0
        self._clock = Clock()
        if self.run_dir.clock.exists():
            self._clock.follow(self.run_dir.clock)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscriber = self._socket(zmq.SUB)
        self._subscriber.setsockopt(zmq.SNDHWM, 0)  # else subscriptions above 1,000 are lost
        self._subscriber.setsockopt(zmq.RCVHWM, 100_000)
        self._topics: dict[str, Topic] = {}
        self._connected: set[str] = set()
        self._looked = time.monotonic()
        self._beats: dict[int, float] = {}  # publisher start -> when it was last heard
        self._awaited = Awaited()
        self._dealers: dict[str, zmq.Socket[bytes]] = {}
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for name, dealer in self._dealers.items():
            self._connections[name].close()
            dealer.close()
        self._subscriber.close()
        self._context.term()

    # --- reading ---

    def subscribe(self, topic: str) -> None:
        """Follow one exact topic, e.g. "ticker.deribit.ETH-PERPETUAL"; docs/wire.md lists them."""
        publisher = publisher_of(topic)
        if publisher not in self._connected:
            self._connected.add(publisher)
            bus.connect(self._subscriber, self.run_dir.address(publisher))
            self._subscriber.subscribe(b"health.")
        if topic not in self._topics:
            self._topics[topic] = Topic()
            self._awaited.ask(topic, time.monotonic())
            self._subscriber.subscribe(codec.subscription(topic))

    def unsubscribe(self, topic: str) -> None:
        self._awaited.end(topic)
        if self._topics.pop(topic, None) is not None:
            self._subscriber.unsubscribe(codec.subscription(topic))

    def subscribe_book(self, instrument: str) -> None:
        """BookSnapshot, then BookDelta; BookStale in between when it is not to be trusted."""
        self.subscribe(f"book.{instrument}")

    def subscribe_quote(self, instrument: str) -> None:
        self.subscribe(f"quote.{instrument}")

    def subscribe_trades(self, instrument: str) -> None:
        self.subscribe(f"trade.{instrument}")

    def subscribe_ticker(self, instrument: str) -> None:
        self.subscribe(f"ticker.{instrument}")

    def subscribe_orders(self, venue: str, account: str = "main") -> None:
        """OrderSnapshot, then OrderUpdated, of our own orders. Over 500 orders come in parts, which
        common/parts.py puts together."""
        self.subscribe(codec.owner_topic("order", venue, account, self.sender))

    def subscribe_fills(self, venue: str, account: str = "main") -> None:
        """FillSnapshot, then Fill, of our own orders; keep what has a new exec_id."""
        self.subscribe(codec.owner_topic("fill", venue, account, self.sender))

    def subscribe_account(self, venue: str, account: str = "main") -> None:
        """AccountSnapshot, then PositionUpdated, BalanceUpdated and Exposure."""
        self.subscribe(f"account.{venue}.{account}")

    def messages(self, timeout_s: float | None = None) -> Iterator[Received | Lost]:
        """What arrives, until nothing did for timeout_s (None: for ever)."""
        quiet_since = time.monotonic()
        while timeout_s is None or time.monotonic() - quiet_since < timeout_s:
            if not self._subscriber.poll(0):
                yield from self._silent_topics()
                yield from self._ask_for_missing()
                if not self._subscriber.poll(100):
                    continue
            for received in self._take(self._subscriber.recv()):
                yield received
                quiet_since = time.monotonic()

    def _take(self, frame: bytes) -> list[Received | Lost]:
        try:
            topic, envelope = codec.decode(frame)
        except BadMessage:
            self.bad_frames += 1
            return []
        if isinstance(envelope.message, m.Health):
            return self._on_beat(topic, envelope)
        known = self._topics.get(topic)
        return [] if known is None else self._in_order(topic, known, envelope)

    def _in_order(
        self, topic: str, known: Topic, envelope: codec.Envelope
    ) -> list[Received | Lost]:
        start, sequence = envelope.publisher_start_ns, envelope.sequence
        if start < known.start_ns:
            return []  # late, of the one before, or the clock went back: see _silent_topics
        self._hear(start)
        was_whole = known.is_whole
        step = known.take(envelope, from_snapshot=True)
        told: list[Received | Lost] = [self._tell_lost(topic, step.lost)] if step.lost else []
        if known.is_whole and (step.lost or not was_whole):
            self._awaited.end(topic)
        if not step.is_next:
            return told
        if not known.is_whole and isinstance(envelope.message, parts.Part):
            self._awaited.go_on(topic, time.monotonic())  # to the last part
        times = envelope.venue_time_ns, envelope.received_ns, envelope.sent_ns
        return [*told, Received(topic, envelope.message, sequence, *times)]

    def _lose(self, topic: str, reason: str) -> Lost:
        """Forget the topic's state and ask for a snapshot."""
        self._topics[topic].synced = False
        return self._tell_lost(topic, reason)

    def _tell_lost(self, topic: str, reason: str) -> Lost:
        """What is awaited anyway is asked for in its time."""
        if topic not in self._awaited:
            self._ask(topic)
        return Lost(topic, reason)

    def _ask(self, topic: str) -> None:
        self._awaited.ask(topic, time.monotonic())
        self._subscriber.unsubscribe(codec.subscription(topic))
        self._subscriber.subscribe(codec.subscription(topic))

    def _ask_for_missing(self) -> list[Lost]:
        """Only when nothing is waiting to be read: what is missing might be there."""
        due = self._awaited.due(time.monotonic()) if self._beats else []  # else nobody is asked
        lost = [self._lose(topic, PARTS_MISSING) for topic in due if self._topics[topic].synced]
        for topic in due:
            self._ask(topic)
        return lost

    def _hear(self, start: int) -> None:
        """A publisher lives."""
        now = time.monotonic()
        if start not in self._beats:
            self._awaited.begin_again(now)
        self._beats[start] = now

    def _on_beat(self, health_topic: str, envelope: codec.Envelope) -> list[Received | Lost]:
        beat, start = envelope.message, envelope.publisher_start_ns
        assert isinstance(beat, m.Health)
        self._hear(start)
        lost: list[Received | Lost] = []
        for topic, sequence in beat.sequences.items():
            known = self._topics.get(topic)
            if known and known.synced and known.start_ns == start and sequence > known.sequence:
                lost.append(self._lose(topic, "the last messages are missing"))
        if health_topic in self._topics:
            times = envelope.venue_time_ns, envelope.received_ns, envelope.sent_ns
            lost.append(Received(health_topic, beat, envelope.sequence, *times))
        return lost

    def _silent_topics(self) -> list[Lost]:
        """Judged only when nothing is waiting to be read, so that a slow caller blames nobody, and
        not at once after a standstill.

        Whoever speaks next on a silent publisher's topics is the new one, even if its start is the
        lower one because the wall clock was set back between the two.
        """
        now = time.monotonic()
        is_late, self._looked = now - self._looked > LATE_S, now
        if is_late:
            return []
        silent = {start for start, seen in self._beats.items() if now - seen > SILENT_S}
        for start in silent:
            del self._beats[start]
        gone = {name: known for name, known in self._topics.items() if known.start_ns in silent}
        for known in gone.values():
            known.start_ns = 0
        return [
            self._lose(topic, "the publisher is silent")
            for topic, known in gone.items()
            if known.synced
        ]

    # --- commands ---

    def place(
        self,
        instrument: str,
        side: m.Side,
        quantity: Number,
        *,
        price: Number | None = None,
        order_type: m.OrderType | None = None,
        time_in_force: m.TimeInForce = m.TimeInForce.GTC,
        post_only: bool = False,
        reduce_only: bool = False,
        tag: str = "",
        account: str = "main",
        request_id: str | None = None,
        display_quantity: Number | None = None,
        price_type: m.PriceType | None = None,
        contingency_type: m.ContingencyType | None = None,
        fill_condition: m.FillCondition | None = None,
        linked_orders: Sequence[m.LinkedOrder] = (),
        parent: str = "",
        parent_quantity: Number | None = None,
    ) -> m.CommandReply:
        """Place an order; a LIMIT with a price, else a MARKET. Other kinds: command().

        linked_orders: made by linked_order() of common/linked.py; they follow the first order in
        the reply's orders. parent: of which it is a part; the parts never exceed parent_quantity.

        Raises:
            NotRunning, NoAnswer, ValueError: a number that is not exact.
        """
        kind = order_type or (m.OrderType.MARKET if price is None else m.OrderType.LIMIT)
        order = m.PlaceOrder(
            instrument,
            side,
            exact_text(quantity),
            kind,
            _optional(price),
            time_in_force,
            post_only,
            reduce_only,
            owner=self.sender,
            tag=tag,
            display_quantity=_optional(display_quantity),
            contingency_type=contingency_type,
            fill_condition=fill_condition,
            linked_orders=list(linked_orders),
            price_type=price_type,
            parent=parent,
            parent_quantity=_optional(parent_quantity),
        )
        venue = instrument.partition(".")[0]
        return self.command(f"orders.{venue}.{account}", order, request_id)

    def modify(
        self,
        order: m.OrderUpdated,
        *,
        price: Number | None = None,
        quantity: Number | None = None,
        request_id: str | None = None,
        trigger_price: Number | None = None,
        trigger_offset: Number | None = None,
        display_quantity: Number | None = None,
    ) -> m.CommandReply:
        """Change price, total quantity or another term of an order in place."""
        change = m.ModifyOrder(
            order.client_order_id,
            _optional(price),
            _optional(quantity),
            _optional(trigger_price),
            self.sender,
            trigger_offset=_optional(trigger_offset),
            display_quantity=_optional(display_quantity),
        )
        return self.command(f"orders.{order.venue}.{order.account}", change, request_id)

    def cancel(self, order: m.OrderUpdated, request_id: str | None = None) -> m.CommandReply:
        command = m.CancelOrder(order.client_order_id, self.sender)
        return self.command(f"orders.{order.venue}.{order.account}", command, request_id)

    def cancel_all(self, venue: str, account: str = "main") -> m.CommandReply:
        """Cancel all our own orders at a venue; those of others stay."""
        return self.command(f"orders.{venue}.{account}", m.CancelAll(owner=self.sender))

    def quote(
        self,
        quotes: Sequence[m.QuoteEntry],
        mmp_group: str,
        *,
        quote_set: str = "",
        post_only: bool = False,
        tag: str = "",
        account: str = "main",
        request_id: str | None = None,
    ) -> m.CommandReply:
        """Quote many instruments of one venue at once; results has one reply per side.

        Raises:
            NotRunning, NoAnswer, ValueError: there is no quote.
        """
        if not quotes:
            raise ValueError("quote: give at least one QuoteEntry")
        command = m.MassQuote(list(quotes), mmp_group, quote_set, self.sender, tag, post_only)
        venue = quotes[0].instrument.partition(".")[0]
        return self.command(f"orders.{venue}.{account}", command, request_id)

    def cancel_quotes(
        self,
        venue: str,
        account: str = "main",
        *,
        instrument: str | None = None,
        quote_set: str | None = None,
        mmp_group: str | None = None,
    ) -> m.CommandReply:
        """Cancel all our own quotes at a venue, or those that match; those of others stay."""
        command = m.CancelQuotes(
            instrument, quote_set=quote_set, mmp_group=mmp_group, owner=self.sender
        )
        return self.command(f"orders.{venue}.{account}", command)

    def query_protections(self, venue: str, account: str = "main") -> list[m.ProtectionUpdated]:
        """Market maker protection of the account; SetProtection, ResetProtection: command()."""
        return self.command(f"orders.{venue}.{account}", m.QueryProtections()).protections

    def subscribe_protections(self, venue: str, account: str = "main") -> None:
        """ProtectionSnapshot, then ProtectionUpdated."""
        self.subscribe(f"protection.{venue}.{account}")

    def query_orders(
        self, venue: str, account: str = "main", *, closed: bool = False
    ) -> list[m.OrderUpdated]:
        """Our own open orders; with closed the recently closed ones too."""
        query = m.QueryOrders(owner=self.sender, closed=closed)
        return self.command(f"orders.{venue}.{account}", query).orders

    def query_account(self, venue: str, account: str = "main") -> m.AccountSnapshot | None:
        """Positions, balances and exposure; None while the position server knows nothing."""
        return self.command(f"position_queries.{venue}.{account}", m.QueryPositions()).account

    def command(
        self, target: str, command: m.Command, request_id: str | None = None
    ) -> m.CommandReply:
        """Any command to any process, e.g. target "orders.deribit.main"; waits for its answer.

        Raises:
            NotRunning, NoAnswer
        """
        request_id = request_id or f"{self.sender[:40]}-{secrets.token_hex(8)}"
        dealer = self._dealer(target)
        if not dealer.poll(int(CONNECT_S * 1000), zmq.POLLOUT):
            raise NotRunning(f"{target}: nobody answers at {_shown(self.run_dir.address(target))}")
        frames = codec.encode_command(request_id, self.sender, self._clock.now_ns(), command)
        self._connections[target].catch_up()
        dealer.send_multipart(frames)
        deadline = time.monotonic() + self.timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if self._wait(target, frames, left):
                reply = codec.decode_reply(dealer.recv_multipart()[-1])
                if reply.request_id == request_id:
                    return reply
        raise NoAnswer(request_id, self.timeout_s)

    def _wait(self, target: str, frames: list[bytes], left_s: float) -> bool:
        """Until something came. What a process did not answer before it died goes to the next one:
        under the same request_id it is carried out at most once."""
        dealer, connection = self._dealers[target], self._connections[target]
        poller = zmq.Poller()
        poller.register(dealer, zmq.POLLIN)
        poller.register(connection.monitor, zmq.POLLIN)
        ready = dict(poller.poll(int(left_s * 1000) + 1))
        if connection.monitor in ready:
            came_back = connection.came_back(connection.monitor.recv_multipart())
            if came_back and dealer.poll(int(CONNECT_S * 1000), zmq.POLLOUT):
                dealer.send_multipart(frames)
        return dealer in ready

    def push_inventory(
        self, venue: str, source: str, underlying: str, quantity: Number, account: str = "main"
    ) -> None:
        """Tell the position server what is held outside; replaces what this source said before.

        Raises:
            NotRunning
        """
        socket = self._socket(zmq.PUSH)
        try:
            socket.setsockopt(zmq.IMMEDIATE, 1)
            socket.setsockopt(zmq.LINGER, 1000)
            bus.connect(socket, self.run_dir.address(f"inventory.{venue}.{account}"))
            if not socket.poll(int(CONNECT_S * 1000), zmq.POLLOUT):
                raise NotRunning(f"inventory.{venue}.{account}: nobody listens")
            now_ns = self._clock.now_ns()
            holding = m.InventoryDelta(source, underlying, exact_text(quantity), now_ns)
            socket.send(codec.encode_inventory(holding))
        finally:
            socket.close()

    def _dealer(self, target: str) -> zmq.Socket[bytes]:
        if target not in self._dealers:
            dealer = self._socket(zmq.DEALER)
            dealer.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a process that is away
            self._connections[target] = Connection(dealer)
            bus.connect(dealer, self.run_dir.address(target))
            self._dealers[target] = dealer
        return self._dealers[target]

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, 1 << 20)
        return socket


def _shown(address: str | bus.Secured) -> str:
    return address if isinstance(address, str) else address.address


def _optional(value: Number | None) -> m.Exact | None:
    return None if value is None else exact_text(value)


def exact_text(value: Number) -> m.Exact:
    """A number for an order.

    Raises:
        ValueError: a float, or not a finite number.
    """
    if isinstance(value, float):
        raise ValueError(f"give {value!r} as text or Decimal; floats do not commit")
    return m.Exact(str(value))


def publisher_of(topic: str) -> str:
    """The endpoint that publishes a topic, e.g. "md.deribit" for "book.deribit.BTC-PERPETUAL"."""
    kind, _, rest = topic.partition(".")
    parts = rest.split(".")
    if kind == "strategy":
        return f"health.strategy_host.{rest}"
    if kind not in PUBLISHERS:
        return f"md.{parts[0]}"
    return f"{PUBLISHERS[kind]}.{'.'.join(parts[:2])}"
