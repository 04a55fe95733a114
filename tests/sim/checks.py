"""The promises of docs/reliability.md, asserted after every event of a simulated desk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from common import core as c, messages as m
from common.domain.modes import DESK, strategy_scope
from common.messages import OrderStatus as S
from common.venues.order_entry import quote_key
from services.strategy_host.virtual import Node
from services.trading_engine import groups, records
from services.trading_engine.store import OrderStore
from tests.sim.truth import Resting, Truth, is_ours, shown
from tests.sim.world import World

VENUE = "deribit"
PEER = b"load"  # who asks in the name of strategies; b"check" asks for the checker
ZERO = Decimal(0)
PLACING = ("private/buy", "private/sell")
QUOTING = "private/mass_quote"
SIDES = {"bid": m.Side.BUY, "ask": m.Side.SELL}
SPIN = 20_000  # steps of all processes in one instant


class Violation(Exception):
    """A promise was broken."""

    def __init__(self, promise: str, text: str) -> None:
        super().__init__(f"{promise}: {text}")
        self.promise = promise


class Frame(msgspec.Struct):
    method: str = ""
    params: dict[str, Any] = {}


class Book:
    """A reader of one published book."""

    def __init__(self) -> None:
        self.levels: tuple[dict[float, float], dict[float, float]] | None = None  # None: stale

    def take(self, message: m.BookSnapshot | m.BookDelta | m.BookStale) -> bool:
        """False: a delta where only a snapshot may come."""
        if isinstance(message, m.BookStale):
            self.levels = None
            return True
        if isinstance(message, m.BookSnapshot):
            self.levels = ({}, {})
        if self.levels is None:
            return False
        for side, flat in zip(self.levels, (message.bids, message.asks), strict=True):
            for price, quantity in zip(flat[::2], flat[1::2], strict=True):
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        return True


class Checker:
    """A witness (world.py) that objects.

    Args:
        max_open, max_quantity, max_position: what the checks are to keep to.

    Attributes:
        seen: counts of what was looked at, by promise.
    """

    def __init__(
        self,
        desk: World,
        truth: Truth,
        engine: str,
        *,
        max_open: int,
        max_quantity: int,
        max_position: int,
    ) -> None:
        self._desk, self._truth, self._engine = desk, truth, engine
        self._max_open, self._max_quantity = max_open, max_quantity
        self._max_position = max_position
        self.seen: Counter[str] = Counter()
        self.symbols: tuple[str, ...] = ()
        self._decode = msgspec.json.Decoder(Frame).decode
        self._intents: set[str] = set()  # durable, by name
        self._quoters: dict[str, str] = {}  # quote_id -> owner
        self._sent: Counter[str] = Counter()  # frames that place, by label or quote_id
        self._orders: dict[str, m.OrderUpdated] = {}  # as this life of the engine told them
        self._net: Counter[str] = Counter()  # what our orders filled by their own word, by symbol
        self._fills: set[str] = set()  # told in this life
        self._books: dict[str, Book] = {}
        self._quotes: dict[str, m.Quote | None] = {}  # as the engine got them in this life
        self._halted = False
        self._halting: set[str] = set()  # requests that will do that once they are durable
        self.replies: dict[str, m.CommandReply] = {}
        self._owed: Counter[str] = Counter()  # answers that this life of the engine owes
        self._last: list[m.CommandReply] = []
        self._instant = (0, 0)  # time, steps

    # --- the witness --------------------------------------------------------------------------

    def on_event(self, node: Node, event: Any) -> None:
        if node.name == self._engine:
            match event:
                case c.Started():
                    store = node.core._state.store
                    known = store.select(closed=True)
                    self._orders = {order.client_order_id: order for order in known}
                    self._net.clear()
                    for order in (*store.open.values(), *store._closed.values()):
                        self._note_filled(None, order.state)
                    self._fills, self._quotes = set(), {}
                    self._owed.clear()
                case c.BusMessage(message=m.Quote() as quote):
                    self._quotes[quote.instrument] = quote
                case c.TopicLost(topic) if topic.startswith("quote."):
                    self._quotes[topic.removeprefix("quote.")] = None
                case c.CommandReceived(peer=peer, request_id=request_id) if peer == PEER:
                    self._owed[request_id] += 1
                    self._note_mode(request_id, event.command)
        elif isinstance(event, c.Started) and node.name.startswith("market_data"):
            self._books.clear()

    def _note_mode(self, request_id: str, command: m.Command) -> None:
        """What is asked again is answered again, and halts only if it is not known yet."""
        if _releases(command):
            self._halted = False
            self._halting.clear()
        elif _halts(command) and self._owed[request_id] == 1:
            self._halting.add(request_id)

    def on_commands(self, node: Node, commands: Sequence[Any]) -> None:
        """What one event made a process decide, all at once."""
        self._check_progress(node)
        if node.name != self._engine:
            return
        for command in commands:
            match command:
                case c.Publish(message=m.OrderUpdated() as order):
                    self._on_order(order)
                case c.Count("reports_lost"):
                    self.seen["reports_lost"] += 1
                case c.Count("positions_unexplained"):
                    raise Violation("P3", "a position changed without a fill, it is said")
                case c.LinkSend(payload=payload) if b"private/" in payload:
                    self._check_decision(self._decode(payload))
        self._check_working(node.core._state.store)

    def _check_working(self, store: OrderStore) -> None:
        """The sums that the checks go by are those of the open orders, and no less than what the
        venue could fill."""
        sums: dict[tuple[str, m.Side], Decimal] = {}
        ours: Counter[tuple[str, m.Side]] = Counter()
        for state, quantity in _counted(store):
            key = state.instrument, state.side
            sums[key] = sums.get(key, ZERO) + quantity
            ours[key] += ZERO if state.external else quantity  # type: ignore[assignment]
        for order, quantity in store._reserved.values():
            key = order.state.instrument, order.state.side
            sums[key] = sums.get(key, ZERO) + quantity
            ours[key] += quantity  # type: ignore[assignment]
        for instrument in {name for name, _ in sums} | store.held_instruments():
            for side in m.Side:
                kept = store.open_quantity(instrument, side)
                if kept != sums.get((instrument, side), ZERO):
                    raise Violation("P6", f"{kept} kept as working, {sums} are open")
        self._check_reach(ours)

    def _check_reach(self, working: Counter[tuple[str, m.Side]]) -> None:
        """How far our orders could move the position, and how far we think they could."""
        for (symbol, side), quantity in self._truth.could_fill().items():
            there = quantity + side.sign * self._truth.net[symbol]
            here = working[f"{VENUE}.{symbol}", side] + side.sign * self._net[symbol]
            if there > here:
                text = f"our orders could make it {there} {side} of {symbol}, {here} is counted"
                raise Violation("P6", text)

    def _check_progress(self, node: Node) -> None:
        now_ns, (at_ns, steps) = self._desk.now_ns, self._instant
        self._instant = (now_ns, steps + 1 if at_ns == now_ns else 1)
        if steps > SPIN:
            raise Violation("P18", f"{node.name} spins")

    def on_command(self, node: Node, command: Any) -> None:
        match command:
            case c.Publish(message=m.Fill() as fill) if node.name == self._engine:
                self._on_fill(fill)
            case c.LinkSend(payload=payload) if node.name == self._engine:
                self._check_durable(payload)
            case c.Reply(peer, reply) if node.name == self._engine:
                self._on_reply(peer, reply)
            case c.Publish(message=message, venue_sequence=sequence) if isinstance(
                message, m.BookSnapshot | m.BookDelta | m.BookStale
            ):
                self._on_book(message, sequence)

    def on_durable(self, node: Node, payload: bytes) -> None:
        for entry in records.decode([payload]):
            for record in entry.records:
                if isinstance(record, records.IntentRecord):
                    self._note_intent(record)
                elif isinstance(record, records.RequestRecord):
                    self._halted = self._halted or record.request_id in self._halting

    def _note_intent(self, record: records.IntentRecord) -> None:
        """What replaces a quote may become an order of its own."""
        order = record.order
        if record.quote_id:
            self._quoters[record.quote_id] = order.owner
            self._intents.add(quote_key(record.quote_id, _symbol(order.instrument), order.side))
        elif record.kind == "place":
            self._intents.add(order.client_order_id)

    def on_venue(self) -> None:
        """The venue did something."""
        truth = self._truth
        truth.look(self.symbols)
        if len(truth.placed) == self.seen["venue orders"]:
            return
        self.seen["venue orders"] = len(truth.placed)
        for label, count in truth.placed.items():
            if not is_ours(label):
                continue
            self.seen["P1"] += 1
            if count > 1:
                raise Violation("P1", f"{count} orders {label} at the venue")
            if label not in self._intents:
                raise Violation("P1", f"order {label} at the venue has no durable intent")
            told = self._told(label)
            if told is not None and told.status is S.REJECTED:
                raise Violation("P2", f"order {label} was called REJECTED, then placed")

    # --- orders -------------------------------------------------------------------------------

    def _told(self, name: str) -> m.OrderUpdated | None:
        if "/" not in name:
            return self._orders.get(name)
        return next((o for o in self._orders.values() if o.quote_id and _name(o) == name), None)

    def _note_filled(self, before: m.OrderUpdated | None, order: m.OrderUpdated) -> None:
        if not order.external:
            more = order.cum_quantity - (before.cum_quantity if before is not None else ZERO)
            self._net[_symbol(order.instrument)] += order.side.sign * more  # type: ignore[assignment]

    def _on_order(self, order: m.OrderUpdated) -> None:
        name = _name(order)
        self._note_filled(self._orders.get(order.client_order_id), order)
        self._orders[order.client_order_id] = order
        self.seen["P2"] += 1
        if order.status is S.REJECTED and not order.external and self._truth.placed[name]:
            raise Violation("P2", f"{name} is at the venue, yet called REJECTED: {order.text}")
        if is_ours(name) and not order.external:
            self.seen["P12"] += 1
            if order.cum_quantity > self._truth.cum[name]:
                there = self._truth.cum[name]
                raise Violation("P12", f"{name}: {order.cum_quantity} filled here, {there} there")

    def _check_durable(self, payload: bytes) -> None:
        owner = self._sender(payload)
        if owner is not None:
            self.seen["P4"] += 1
            if {DESK, VENUE, strategy_scope(owner)} & set(self._desk.latches):
                raise Violation("P4", f"left with {self._desk.latches}: {payload!r}")
        frame = self._decode(payload)
        if frame.method not in (*PLACING, QUOTING):
            return
        if self._halted and any(_quantities(frame)):
            raise Violation("P6", f"left while the desk is halted: {frame.params}")
        names, once = _names_of(frame)
        self._sent[once] += 1
        if missing := [name for name in names if name not in self._intents]:
            raise Violation("P1", f"{missing} left before its intent was durable")
        if self._sent[once] > 1:
            raise Violation("P1", f"{once} was sent twice")

    def _sender(self, payload: bytes) -> str | None:
        """Whose new order or modify this frame is; None: it is neither."""
        frame = self._decode(payload)
        if frame.method == QUOTING:
            return self._quoters.get(frame.params["quote_id"], "")
        if frame.method in PLACING:
            order = self._orders.get(frame.params["label"])
        elif frame.method == "private/edit":
            number = frame.params["order_id"]
            order = next((o for o in self._orders.values() if o.venue_order_id == number), None)
        else:
            return None
        return "" if order is None else order.owner

    def _check_decision(self, frame: Frame) -> None:
        """Nothing may be decided that the checks refuse."""
        if frame.method not in (*PLACING, QUOTING, "private/edit"):
            return
        self.seen["P6"] += 1
        quantities = _quantities(frame)
        if any(quantity > self._max_quantity for quantity in quantities):
            raise Violation("P6", f"quantity above the limit: {frame.params}")
        if self._halted and any(quantities):
            raise Violation("P6", f"sent while the desk is halted: {frame.params}")
        if frame.method in PLACING:
            self._check_placing(frame.params)
        elif frame.method == QUOTING:
            self._check_quoting(frame)

    def _check_placing(self, params: dict[str, Any]) -> None:
        order = self._orders.get(params["label"])
        if order is None:
            raise Violation("P6", f"sent without being told: {params}")
        if order.tag.startswith("bad"):
            raise Violation("P6", f"to be refused ({order.tag}), yet sent: {params}")
        others = [self._orders[each["label"]] for each in params.get("otoco_config", [])]
        self.seen["linked"] += len(others)
        counted = self._desk.nodes[self._engine].core._state.store._counted
        self._check_count()
        adding = [each for each in (order, *others) if counted[each.client_order_id][1]]
        self._check_sides({(each.instrument, each.side) for each in adding})

    def _check_quoting(self, frame: Frame) -> None:
        self.seen["quotes"] += 1
        sides = {
            (f"{VENUE}.{quote['instrument_name']}", side)
            for quote in frame.params["quotes"]
            for word, side in SIDES.items()
            if word in quote and quote[word]["amount"]
        }
        name = frame.params["quote_id"]
        if any(o.quote_id == name and o.status is S.PENDING_NEW for o in self._orders.values()):
            self._check_count()  # what replaces a quote adds none
        if sides:
            self._check_sides(sides)

    def _check_count(self) -> None:
        count = sum(not each.status.is_final for each in self._orders.values())
        if count > self._max_open:
            raise Violation("P6", f"{count} open orders, those in doubt included")

    def _check_sides(self, sides: set[tuple[str, m.Side]]) -> None:
        """The market was known, and all that may still fill there, in doubt or not, with the
        position keeps to the limits."""
        store = self._desk.nodes[self._engine].core._state.store
        for instrument, side in sides:
            quote = self._quotes.get(instrument)
            if quote is None or quote.stale:
                raise Violation("P6", f"sent on a stale book: {instrument}")
            held = store.positions.get(instrument, ZERO) * side.sign
            working = store.open_quantity(instrument, side)
            if held + working > self._max_position:
                raise Violation("P6", f"exposure {held} + {working}, those in doubt included")

    def orders(self) -> list[m.OrderUpdated]:
        """As the engine of this life told them."""
        return list(self._orders.values())

    # --- fills --------------------------------------------------------------------------------

    def _on_fill(self, fill: m.Fill) -> None:
        self.seen["P12"] += 1
        if fill.exec_id in self._fills:
            raise Violation("P12", f"fill {fill.exec_id} was told twice")
        self._fills.add(fill.exec_id)
        known = self._truth.fills.get(_number(fill.exec_id))
        if known is None:
            raise Violation("P12", f"fill {fill.exec_id} never happened")
        ours = (fill.last_quantity, fill.last_price, fill.side)
        if ours != (known.quantity, known.price, known.side):
            raise Violation("P12", f"fill {fill.exec_id}: {ours} here, {known} there")

    # --- books --------------------------------------------------------------------------------

    def _on_book(self, message: m.BookSnapshot | m.BookDelta | m.BookStale, sequence: int) -> None:
        name = message.instrument
        book = self._books.setdefault(name, Book())
        self.seen["P8"] += 1
        if not book.take(message):
            raise Violation("P8", f"a delta of {name} between stale and snapshot")
        if book.levels is None:
            self.seen["stale"] += 1
            return
        truth = self._truth.books.get((name.partition(".")[2], sequence))
        if truth is None:
            raise Violation("P8", f"{name} has no state {sequence} at the venue")
        if truth != book.levels:
            raise Violation("P8", f"the published {name} is not the venue's at {sequence}")

    # --- replies ------------------------------------------------------------------------------

    def _on_reply(self, peer: bytes, reply: m.CommandReply) -> None:
        if peer != PEER:
            self._last.append(reply)
            return
        self.seen["replies"] += 1
        name = reply.request_id
        self._owed[name] -= 1
        if self._owed[name] < 0:
            raise Violation("P1", f"request {name} was answered more often than asked")
        if self._desk.disks[self._engine].failure:
            return  # it could not be written down: after the next start it may be another
        before = self.replies.setdefault(name, reply)
        if before != reply:
            raise Violation("P1", f"request {name} got another answer: {before} then {reply}")

    def owed(self) -> list[str]:
        return [name for name, count in self._owed.items() if count > 0]

    # --- at rest ------------------------------------------------------------------------------

    def _ask(self, name: str, command: m.Command) -> m.CommandReply | None:
        self._last.clear()
        node = self._desk.nodes[name]
        event = c.CommandReceived(b"check", "check", "check", self._desk.now_ns, command)
        for told in node.core.handle(event, self._desk.now_ns):
            if isinstance(told, c.Reply):
                return told.reply
        return None

    def differences(self, positions: str) -> str:
        """Where confirmed state and the venue's differ: "" if the hashes are equal."""
        reply = self._ask(self._engine, m.QueryOrders())
        ours = reply.orders if reply else []
        unsure = {_name(o) for o in ours if _is_unsure(o)}
        here = Counter(_resting(o) for o in ours if not _is_unsure(o))
        there = Counter({r: n for r, n in self._truth.resting().items() if r.label not in unsure})
        if here != there:
            return f"orders: here only {here - there}, there only {there - here}"
        held = self._truth.positions()
        account = self._ask(positions, m.QueryPositions())
        if account is None or account.account is None:
            return "no positions"
        mine = {_symbol(p.instrument): p.quantity for p in account.account.positions if p.quantity}
        if mine != held:
            return f"positions: {mine} here, {held} there"
        store = self._desk.nodes[self._engine].core._state.store
        counted = {_symbol(name): q for name, q in store.positions.items() if q}
        return "" if counted == held else f"the engine counts {counted}, the venue {held}"

    def doubts(self) -> list[str]:
        reply = self._ask(self._engine, m.QueryOrders())
        return [o.client_order_id for o in (reply.orders if reply else []) if _is_unsure(o)]

    def late_ns(self, up_ns: int) -> int:
        """How long the order that is late most has been in doubt after its horizon, or after the
        venue answers again, if that was later."""
        engine, now_ns = self._desk.nodes[self._engine].core, self._desk.now_ns
        late = [0]
        for name in self.doubts():
            doubt = engine._doubts._doubts.get(name)
            horizon_ns = doubt.horizon_ns if doubt is not None else now_ns
            late.append(now_ns - max(horizon_ns, up_ns))
        return max(late)

    def check_rest(self) -> None:
        """Nothing forgotten, every fill counted once."""
        core = self._desk.nodes[self._engine].core
        store = core._state.store
        known = {_name(each.state) for each in (*store.open.values(), *store._closed.values())}
        for label in self._truth.placed:
            if is_ours(label) and label not in known:
                raise Violation("P1", f"order {label} of the venue is forgotten")
        reply = self._ask(self._engine, m.QueryFills())
        here = Counter(_number(fill.exec_id) for fill in (reply.fills if reply else []))
        there = Counter(self._truth.fills.keys())
        if here != there:
            text = f"fills: here only {here - there}, there only {there - here}"
            raise Violation("P12", text)
        self._check_sums()

    def _check_sums(self) -> None:
        reply = self._ask(self._engine, m.QueryOrders(closed=True))
        for order in reply.orders if reply else []:
            name = _name(order)
            if order.external or not is_ours(name):
                continue
            there = self._truth.cum[name]
            if order.cum_quantity != there:
                raise Violation("P12", f"{name}: {order.cum_quantity} filled here, {there} there")
            if order.status is S.REJECTED and self._truth.placed[name]:
                raise Violation("P2", f"{name} is at the venue, yet called REJECTED")


def _halts(command: m.Command) -> bool:
    return isinstance(command, m.SetMode) and command.mode is m.TradingMode.HALTED


def _releases(command: m.Command) -> bool:
    return isinstance(command, m.SetMode) and command.mode is not m.TradingMode.HALTED


def _name(order: m.OrderUpdated) -> str:
    """As name_of() of the venue's orders."""
    if order.quote_id:
        return quote_key(order.quote_id, _symbol(order.instrument), order.side)
    return order.tag if order.external else order.client_order_id


def _names_of(frame: Frame) -> tuple[list[str], str]:
    """Names of all orders that a frame may make, and what may leave once only."""
    params = frame.params
    if frame.method == QUOTING:
        number = params["quote_id"]
        keys = [
            quote_key(number, quote["instrument_name"], side)
            for quote in params["quotes"]
            for word, side in SIDES.items()
            if word in quote
        ]
        return keys, number
    linked = [each["label"] for each in params.get("otoco_config", [])]
    return [params["label"], *linked], params["label"]


def _quantities(frame: Frame) -> list[Decimal]:
    if frame.method == QUOTING:
        sides = [quote[word] for quote in frame.params["quotes"] for word in SIDES if word in quote]
    else:
        sides = [frame.params, *frame.params.get("otoco_config", [])]
    return [Decimal(str(each["amount"])) for each in sides if "amount" in each]


def _counted(store: OrderStore) -> Iterator[tuple[m.OrderUpdated, Decimal]]:
    """Each open order and what it is to count."""
    links: dict[str, None] = {}
    for order in store.open.values():
        if order.state.link_id:
            links[order.state.link_id] = None
        else:
            replaced = {id(each) for each, _ in store._reserved.values()}
            leaves = order.state.leaves_quantity
            yield order.state, leaves if id(order) in replaced else groups.leaves_of(order)
    for link_id in links:
        for order, quantity in groups.counted(list(store._groups[link_id].values())):
            if not order.is_final:
                yield order.state, quantity


def _is_unsure(order: m.OrderUpdated) -> bool:
    return order.in_doubt_since_ns is not None or order.status.value.startswith("PENDING")


def _symbol(instrument: str) -> str:
    return instrument.partition(".")[2]


def _number(exec_id: str) -> int:
    return int(exec_id.rpartition("-")[2])


def _resting(order: m.OrderUpdated) -> Resting:
    return Resting(
        _name(order),
        _symbol(order.instrument),
        order.side.value,
        order.price,
        order.quantity,
        order.cum_quantity,
        shown(order),
    )
