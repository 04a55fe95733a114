"""A desk made of one thread: publishers and routers that the gateway cannot tell from real ones.

It lists instruments, moves the books that somebody reads, accepts every order, fills what crosses,
and keeps positions. Nothing is random: the same subscriptions see the same market.
"""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import zmq

from common import codec, messages as m
from common.messages import Exact
from common.rundir import RunDir

VENUE, ACCOUNT, STRATEGY = "deribit", "main", "quoter"
PLACE = f"{VENUE}.{ACCOUNT}"
TICK_S = 0.1
BEAT_S = 0.4
FIRST_ORDER = 2**63 + (1 << 55) + (1 << 39)
FINAL = m.FINAL_STATUSES


def definition(
    symbol: str, kind: m.InstrumentKind, base: str, **more: object
) -> m.InstrumentDefinition:
    fields: dict[str, object] = dict(
        instrument=f"{VENUE}.{symbol}",
        venue=VENUE,
        symbol=symbol,
        kind=kind,
        contract_type=m.ContractType.INVERSE,
        base=base,
        quote="USD",
        settlement=base,
        underlying=base,
        price_index=f"{base.lower()}_usd",
        tick_size=Exact("0.5"),
        lot_size=Exact("10"),
        min_quantity=Exact("10"),
        contract_size=Exact("10"),
        maker_fee=Exact("0"),
        taker_fee=Exact("0.0005"),
        status=m.InstrumentStatus.ACTIVE,
    )
    return m.InstrumentDefinition(**(fields | more))  # type: ignore[arg-type]


def instruments(options: int = 1000) -> list[m.InstrumentDefinition]:
    """Two perpetuals, some futures, and as many options as wanted."""
    found = [
        definition(f"{base}-PERPETUAL", m.InstrumentKind.PERPETUAL, base) for base in ("BTC", "ETH")
    ]
    expiries = ("27NOV26", "25DEC26", "26MAR27", "25JUN27")
    for base in ("BTC", "ETH"):
        found += [definition(f"{base}-{day}", m.InstrumentKind.FUTURE, base) for day in expiries]
    for number in range(options):
        base = ("BTC", "ETH")[number % 2]
        strike = (20_000 if base == "BTC" else 1_000) + 500 * (number // 16)
        letter = "CP"[number // 2 % 2]
        symbol = f"{base}-{expiries[number // 4 % 4]}-{strike}-{letter}"
        found.append(
            definition(
                symbol,
                m.InstrumentKind.OPTION,
                base,
                quote=base,
                tick_size=Exact("0.0001"),
                lot_size=Exact("0.1"),
                min_quantity=Exact("0.1"),
                contract_size=Exact("1"),
                strike=Exact(str(strike)),
                option_type=m.OptionType.CALL if letter == "C" else m.OptionType.PUT,
            )
        )
    return found


class Publisher:
    """An XPUB that numbers its topics and knows who reads what."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, process: str
    ) -> None:
        self.process = process
        self.start_ns = time.time_ns()
        self.sequences: dict[str, int] = {}
        self.topics: set[str] = set()
        self.changed: dict[str, int] = {}
        self.beat = 0
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.bind(endpoint)

    def publish(self, topic: str, message: m.Event, snapshot: bool = False) -> None:
        sequence = self.sequences.get(topic, 0)
        if not snapshot:
            sequence = self.sequences[topic] = self.changed[topic] = sequence + 1
        now = time.time_ns()
        self.socket.send(
            codec.encode(
                topic,
                message,
                publisher_start_ns=self.start_ns,
                sequence=sequence,
                sent_ns=now,
                venue_sequence=sequence,
                venue_time_ns=now,
                received_ns=now,
            )
        )

    def joined(self) -> list[str]:
        """Exact topics that somebody asked for since the last look."""
        found = []
        while self.socket.poll(0):
            frame = self.socket.recv()
            topic = frame[1:].removesuffix(b"\0").decode()
            if frame[0] == 1 and frame.endswith(b"\0"):
                self.topics.add(topic)
                found.append(topic)
            elif frame[0] == 0:
                self.topics.discard(topic)
        return found

    def send_beat(self) -> None:
        self.beat += 1
        links = {"public-1": True} if self.process.startswith("market") else {"private": True}
        beat = m.Health(self.process, "ready", 4242, self.beat, dict(self.changed), links)
        self.changed.clear()
        self.publish(f"health.{self.process}", beat)


class Book:
    """A book around a price that wanders on a curve."""

    def __init__(self, instrument: str, price: float, tick: float) -> None:
        self.instrument, self.price, self.tick, self.step = instrument, price, tick, 0
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.move()

    def mid(self) -> float:
        drift = 12 * math.sin(self.step / 9) + 5 * math.sin(self.step / 2.3)
        return self.price + round(drift) * self.tick

    def move(self) -> tuple[list[float], list[float]]:
        """The changed levels of both sides."""
        self.step += 1
        mid = self.mid()
        bids = self._side(mid, -1)
        asks = self._side(mid, 1)
        changes = _changes(self.bids, bids), _changes(self.asks, asks)
        self.bids, self.asks = bids, asks
        return changes

    def _side(self, mid: float, sign: int) -> dict[float, float]:
        side = {}
        for level in range(1, 41):
            price = round(mid + sign * level * self.tick, 8)
            wave = 1 + math.sin(price / self.tick * 0.7 + self.step * 0.05 * (level % 3))
            side[price] = float(10 * round(40 + 30 * level**0.7 + 120 * wave))
        return side

    def flat(self, levels: int = 1000) -> tuple[list[float], list[float]]:
        bids = [x for pair in sorted(self.bids.items(), reverse=True)[:levels] for x in pair]
        asks = [x for pair in sorted(self.asks.items())[:levels] for x in pair]
        return bids, asks


def _changes(before: dict[float, float], after: dict[float, float]) -> list[float]:
    changed = {price: 0.0 for price in before if price not in after}
    changed |= {p: q for p, q in after.items() if before.get(p) != q}
    return [x for pair in changed.items() for x in pair]


class FakeDesk:
    """Start it with start(), end it with stop()."""

    def __init__(self, run_dir: Path, options: int = 200) -> None:
        self.run_dir = RunDir(run_dir)
        self.run_dir.create()
        self.instruments = {item.instrument: item for item in instruments(options)}
        self.books: dict[str, Book] = {}
        self.orders: dict[str, m.OrderUpdated] = {}
        self.fills: list[m.Fill] = []
        self.positions: dict[str, m.PositionUpdated] = {}
        self.commands: list[m.Command] = []
        self.answers_commands = True
        self.parameters = {"quantity": "100", "max_position": "1000"}
        self.start_ns = time.time_ns()
        self._ticks = 0
        self._replies: dict[tuple[str, str], m.CommandReply] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> FakeDesk:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        at = self.run_dir.endpoint
        self.market = Publisher(context, at(f"md.{VENUE}"), f"market_data.{VENUE}")
        self.events = Publisher(context, at(f"order_events.{PLACE}"), f"trading_engine.{PLACE}")
        self.accounts = Publisher(context, at(f"positions.{PLACE}"), f"position_server.{PLACE}")
        simulator = f"venue_simulator.{VENUE}"
        host = f"strategy_host.{STRATEGY}"
        self.host = Publisher(context, at(f"health.{host}"), host)
        self.venue = Publisher(context, at(f"health.{simulator}"), simulator)
        publishers = [self.market, self.events, self.accounts, self.host, self.venue]
        routers = [context.socket(zmq.ROUTER) for _ in range(3)]
        routers[0].bind(at(f"orders.{PLACE}"))
        routers[1].bind(at(f"position_queries.{PLACE}"))
        routers[2].bind(at(f"strategies.{STRATEGY}"))
        poller = zmq.Poller()
        for socket in (*routers, *(publisher.socket for publisher in publishers)):
            poller.register(socket, zmq.POLLIN)
        next_tick = next_beat = time.monotonic()
        while not self._stopping.is_set():
            poller.poll(20)
            self._greet()
            for router in routers:
                self._answer(router)
            if time.monotonic() >= next_tick:
                next_tick += TICK_S
                self._tick()
            if time.monotonic() >= next_beat:
                next_beat += BEAT_S
                for publisher in publishers:
                    publisher.send_beat()
        context.destroy(linger=0)

    def _greet(self) -> None:
        """Snapshots for those who joined."""
        self.venue.joined()  # it has none
        for topic in self.market.joined():
            self._greet_market(topic)
        for topic in self.events.joined():
            if topic == f"order.{PLACE}":
                snapshot = m.OrderSnapshot(VENUE, ACCOUNT, "", list(self.orders.values()))
                self.events.publish(topic, snapshot, snapshot=True)
            if topic == f"fill.{PLACE}":
                fills = m.FillSnapshot(VENUE, ACCOUNT, "", list(self.fills))
                self.events.publish(topic, fills, snapshot=True)
        for topic in self.host.joined():
            if topic == f"strategy.{STRATEGY}":
                self.host.publish(topic, self._strategy(), snapshot=True)
        for topic in self.accounts.joined():
            if topic == f"account.{PLACE}":
                self.accounts.publish(topic, self._account(), snapshot=True)

    def _greet_market(self, topic: str) -> None:
        kind, _, instrument = topic.partition(".")
        if topic == f"instruments.{VENUE}":
            listed = list(self.instruments.values())
            parts = [listed[start : start + 500] for start in range(0, len(listed), 500)]
            for number, part in enumerate(parts):
                message = m.InstrumentList(VENUE, number, len(parts), part)
                self.market.publish(topic, message, snapshot=True)
        if topic == f"index.{VENUE}.btc_usd":
            index = m.IndexPrice(VENUE, "btc_usd", 62_000.0)
            self.market.publish(topic, index, snapshot=True)
        if instrument not in self.instruments:
            return
        book = self._book(instrument)
        if kind == "book":
            snapshot = m.BookSnapshot(instrument, *book.flat())
            self.market.publish(topic, snapshot, snapshot=True)
        if kind == "quote":
            self.market.publish(topic, self._quote(book), snapshot=True)
        if kind == "ticker":
            self.market.publish(topic, self._ticker(book), snapshot=True)

    def _book(self, instrument: str) -> Book:
        if instrument not in self.books:
            item = self.instruments[instrument]
            is_option = item.kind is m.InstrumentKind.OPTION
            price = 0.045 if is_option else (62_000.0 if item.base == "BTC" else 3_000.0)
            self.books[instrument] = Book(instrument, price, float(item.tick_size))
        return self.books[instrument]

    def _quote(self, book: Book) -> m.Quote:
        bids, asks = book.flat(1)
        return m.Quote(book.instrument, *bids, *asks)

    def _ticker(self, book: Book) -> m.Ticker:
        mid = book.mid()
        return m.Ticker(
            book.instrument,
            mark_price=round(mid + book.tick * 0.4, 4),
            index_price=round(mid - book.tick * 3, 4),
            last_price=mid,
            open_interest=182_340_110.0,
            funding_rate=0.00013,
            volume_24h=10_412.5,
            high_24h=mid * 1.012,
            low_24h=mid * 0.981,
            price_change_24h=1.37,
        )

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks % 10 == 0:
            self.host.publish(f"strategy.{STRATEGY}", self._strategy())
            self.accounts.publish(f"account.{PLACE}", self._exposure())
        for instrument, book in self.books.items():
            bids, asks = book.move()
            if f"book.{instrument}" in self.market.topics:
                self.market.publish(f"book.{instrument}", m.BookDelta(instrument, bids, asks))
            if f"depth.{instrument}" in self.market.topics:
                self.market.publish(f"depth.{instrument}", m.Depth(instrument, *book.flat(20)))
            if f"quote.{instrument}" in self.market.topics:
                self.market.publish(f"quote.{instrument}", self._quote(book))
            if f"ticker.{instrument}" in self.market.topics:
                self.market.publish(f"ticker.{instrument}", self._ticker(book))
            if f"trade.{instrument}" in self.market.topics and book.step % 3 == 0:
                side = m.Side.BUY if book.step % 2 else m.Side.SELL
                quantity = float(10 * (1 + book.step * 7 % 40))
                trade = m.Trade(instrument, book.mid(), quantity, side, f"{book.step}")
                self.market.publish(f"trade.{instrument}", trade)

    # --- commands

    def _answer(self, router: zmq.Socket[bytes]) -> None:
        while router.poll(0):
            peer, *frames = router.recv_multipart()
            header, command = codec.decode_header(frames[0]), codec.decode_command(frames[1])
            self.commands.append(command)
            if not self.answers_commands:
                continue
            owner = getattr(command, "owner", "") or ""
            known = self._replies.get((owner, header.request_id))
            reply = known or self._reply(header.request_id, command)
            self._replies[owner, header.request_id] = reply
            router.send_multipart([peer, *codec.encode_reply("fake", time.time_ns(), reply)])

    def _reply(self, request_id: str, command: m.Command) -> m.CommandReply:
        match command:
            case m.PlaceOrder():
                return self._place(request_id, command)
            case m.ModifyOrder():
                return self._change(request_id, command)
            case m.CancelOrder():
                return self._cancel(request_id, [command.client_order_id])
            case m.CancelAll():
                chosen = [
                    order.client_order_id
                    for order in self.orders.values()
                    if not order.status.is_final
                    and command.owner in (None, order.owner)
                    and command.instrument in (None, order.instrument)
                    and command.tag in (None, order.tag)
                ]
                return self._cancel(request_id, chosen)
            case m.QueryPositions():
                return m.CommandReply(request_id, True, account=self._account())
            case m.QueryFills():
                return m.CommandReply(request_id, True, fills=list(self.fills))
            case m.SetParameters():
                return self._set_parameters(request_id, command.values)
            case m.SetMode():
                return m.CommandReply(request_id, True, mode=command.mode)
            case _:
                return m.CommandReply(request_id, True, orders=list(self.orders.values()))

    def _place(self, request_id: str, command: m.PlaceOrder) -> m.CommandReply:
        item = self.instruments[command.instrument]
        if command.price is not None and command.price % item.tick_size:
            reason, text = m.RejectReason.PRICE_OFF_TICK, f"tick is {item.tick_size}"
            return m.CommandReply(request_id, False, reason, text, "price")
        if command.display_quantity is not None and command.display_quantity > command.quantity:
            reason, text = m.RejectReason.BAD_QUANTITY, "it shows more than there is"
            return m.CommandReply(request_id, False, reason, text, "display_quantity")
        order_id = str(FIRST_ORDER + len(self.orders))
        now = time.time_ns()
        book = self._book(command.instrument)
        best = min(book.asks) if command.side is m.Side.BUY else max(book.bids)
        crosses = command.price is None or (float(command.price) - best) * command.side.sign >= 0
        waits = command.trigger_price is not None or command.trigger_offset is not None
        fills = crosses and not waits and command.price_type is None
        price = Exact(str(best)) if fills else None
        order = m.OrderUpdated(
            order_id,
            f"V-{order_id[-5:]}",
            command.instrument,
            VENUE,
            ACCOUNT,
            command.owner,
            command.side,
            command.order_type,
            command.price,
            command.quantity,
            command.time_in_force,
            m.OrderStatus.FILLED if fills else m.OrderStatus.NEW,
            command.quantity if fills else Exact("0"),
            Exact("0") if fills else command.quantity,
            price,
            m.OrderTrigger.FILL if fills else m.OrderTrigger.ACCEPTED,
            1,
            now,
            now,
            post_only=command.post_only,
            reduce_only=command.reduce_only,
            trigger_price=command.trigger_price,
            trigger=command.trigger,
            request_id=request_id,
            tag=command.tag,
            trigger_offset=command.trigger_offset,
            display_quantity=command.display_quantity,
            contingency_type=command.contingency_type,
            price_type=command.price_type,
        )
        self._tell(order)
        if price is not None:
            self._fill(order, price)
        return m.CommandReply(request_id, True, orders=[order])

    def _fill(self, order: m.OrderUpdated, price: Exact) -> None:
        fill = m.Fill(
            f"F-{len(self.fills) + 1}",
            order.client_order_id,
            order.venue_order_id,
            order.instrument,
            VENUE,
            ACCOUNT,
            order.owner,
            order.side,
            price,
            order.quantity,
            m.Liquidity.TAKER,
            Exact("0.00000081"),
            "BTC",
            time.time_ns(),
            tag=order.tag,
        )
        self.fills.append(fill)
        self.events.publish(f"fill.{PLACE}.{order.owner or '-'}", fill)
        before = self.positions.get(order.instrument)
        held = before.quantity if before else Exact("0")
        quantity = Exact(str(held + order.side.sign * order.quantity))
        position = m.PositionUpdated(
            order.instrument,
            VENUE,
            ACCOUNT,
            quantity,
            price,
            "BTC",
            Exact("0.00012"),
            Exact("-0.00003"),
            Exact("0.0000008"),
            float(price),
            float(price) - 2,
            float(quantity) / float(price),
            0.0,
            0.0,
            0.0,
            Exact("0.0001"),
            Exact("0.00005"),
            True,
            time.time_ns(),
        )
        self.positions[order.instrument] = position
        self.accounts.publish(f"account.{PLACE}", position)

    def _change(self, request_id: str, command: m.ModifyOrder) -> m.CommandReply:
        order = self.orders.get(command.client_order_id)
        if order is None or order.status.is_final:
            return self._unknown(request_id)
        quantity = command.quantity or order.quantity
        names = ("price", "trigger_price", "trigger_offset", "display_quantity")
        terms = {name: getattr(command, name) or getattr(order, name) for name in names}
        changed = _replace(
            order,
            **terms,
            quantity=quantity,
            leaves_quantity=quantity,
            event=m.OrderTrigger.REPLACED,
        )
        self._tell(changed)
        return m.CommandReply(request_id, True, orders=[changed])

    def _cancel(self, request_id: str, order_ids: list[str]) -> m.CommandReply:
        orders = []
        for order_id in order_ids:
            order = self.orders.get(order_id)
            if order is None or order.status.is_final:
                return self._unknown(request_id)
            orders.append(
                _replace(
                    order,
                    status=m.OrderStatus.CANCELED,
                    leaves_quantity=Exact("0"),
                    event=m.OrderTrigger.CANCELED,
                )
            )
            self._tell(orders[-1])
        return m.CommandReply(request_id, True, orders=orders)

    def _unknown(self, request_id: str) -> m.CommandReply:
        reason = m.RejectReason.UNKNOWN_ORDER
        return m.CommandReply(request_id, False, reason, "there is no such open order")

    def _tell(self, order: m.OrderUpdated) -> None:
        self.orders[order.client_order_id] = order
        self.events.publish(f"order.{PLACE}.{order.owner or '-'}", order)

    def _account(self) -> m.AccountSnapshot:
        zero, now = Exact("0"), time.time_ns()
        balances = [
            m.BalanceUpdated(
                VENUE, ACCOUNT, name, amount, amount, amount, zero, zero, zero, zero, zero, now
            )
            for name, amount in (("BTC", Exact("10.01423511")), ("USDC", Exact("500000")))
        ]
        positions = list(self.positions.values())
        return m.AccountSnapshot(VENUE, ACCOUNT, positions, balances, [self._exposure()])

    def _exposure(self) -> m.Exposure:
        delta = 1.25 + 0.1 * math.sin(self._ticks / 40)
        return m.Exposure(VENUE, ACCOUNT, "BTC", delta, 0.0002, 31.5, -12.1, 0.0, time.time_ns())

    def _strategy(self) -> m.StrategyState:
        """A strategy that holds a little, earns on a curve, and complains of its last error."""
        zero, name = Exact("0"), f"{VENUE}.BTC-PERPETUAL"
        profit = Exact(f"{0.001 * math.sin(self._ticks / 50):.8f}")
        held = m.StrategyPosition(
            name,
            Exact("300"),
            Exact("62000"),
            "BTC",
            profit,
            zero,
            zero,
            62_000.0,
            Exact("100"),
            zero,
        )
        return m.StrategyState(
            STRATEGY,
            VENUE,
            ACCOUNT,
            "running",
            "strategies/quoter.py",
            dict(self.parameters),
            [held],
            {"BTC": profit},
            open_orders=1,
            in_doubt=0,
            placed=12,
            fills=4,
            rejects={"POST_ONLY_WOULD_CROSS": 2},
            slow_calls=0,
            last_error="quoter.py:42: ValueError: no mark `price = mark * 2`",
            started_ns=self.start_ns,
            updated_ns=time.time_ns(),
        )

    def _set_parameters(self, request_id: str, values: dict[str, str]) -> m.CommandReply:
        for name, value in values.items():
            if name not in self.parameters or not value.isdigit():
                text = f"{name}: a whole number is wanted"
                return m.CommandReply(request_id, False, m.RejectReason.BAD_REQUEST, text, name)
        self.parameters |= values
        self.host.publish(f"strategy.{STRATEGY}", self._strategy())
        return m.CommandReply(request_id, True)


def _replace(order: m.OrderUpdated, **changes: object) -> m.OrderUpdated:
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    fields |= {"revision": order.revision + 1, "updated_ns": time.time_ns()}
    return m.OrderUpdated(**(fields | changes))
