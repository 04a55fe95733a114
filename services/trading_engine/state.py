"""What all parts of the engine share: who we are, what we know, and what we are about to send."""

from __future__ import annotations

from collections import deque

import msgspec

from common import core as c, messages as m
from common.codec import owner_topic
from common.config import AccountConfig
from common.domain.modes import STRICTNESS, Modes, strategy_scope
from common.domain.order import Order
from common.domain.risk import Limits
from common.venues.contract import Capabilities
from services.trading_engine.builds import Builds
from services.trading_engine.ids import ClientOrderIds
from services.trading_engine.market import MarketView
from services.trading_engine.outbox import Outbox
from services.trading_engine.pacing import Pacer
from services.trading_engine.parents import Parents
from services.trading_engine.profit import Profit
from services.trading_engine.quote_index import QuoteIndex
from services.trading_engine.records import Entry, ModeRecord, ReportRecord
from services.trading_engine.repeats import Repeats
from services.trading_engine.store import OrderStore

MASS_QUOTE = "mass_quote"  # kind of a Call, which has a budget of its own


class Call(msgspec.Struct, eq=False):
    """Context of one call to the venue.

    kind: "place", "modify", "cancel", "cancel_all", "sync", "query", "compare" or MASS_QUOTE.
    orders: what it concerns. answered: yes, but the orders' own reports are still to come. round:
    of a query. is_logged: its outcome; what comes of it later is in the orders' reports.
    """

    kind: str
    sent_ns: int
    client_order_id: str = ""
    method: str = ""
    valid_until_ns: int = 0
    round: int = 0
    orders: list[str] = []
    answered: bool = False
    is_logged: bool = False


class EngineState:
    """State of one engine; its parts hold a reference each, the core owns it."""

    def __init__(
        self,
        venue: str,
        config: AccountConfig,
        limits: Limits,
        start_counter: int,
        capabilities: Capabilities,
    ) -> None:
        self.venue = venue
        self.account = config.name
        self.config = config
        self.limits = limits
        self.capabilities = capabilities
        self.ids = ClientOrderIds(config.engine_number, start_counter)
        self.store = OrderStore()
        self.quotes = QuoteIndex()
        self.market = MarketView(venue)
        self.pacer = Pacer(config.rate_per_second, config.rate_burst)
        self.quote_pacer = Pacer(config.quote_rate_per_second, config.quote_rate_burst)
        share = config.budget_share
        self._query_pacer = Pacer(config.query_rate_per_second * share, config.query_burst * share)
        self._questions: deque[bytes] = deque()  # waiting for the query budget
        self.out = Outbox()
        self.modes = Modes(venue)
        self.repeats = Repeats()
        self.parents = Parents()
        self.builds = Builds()
        self.profit = Profit()
        self.external_orders = 0  # seen since the start
        self.trip = ""  # why the engine has to halt the desk
        self.link = f"orders.{venue}.{config.name}"
        self.logged_in = False  # calls may be sent
        self.is_ready = False  # and the state is the venue's
        self.closed_text = ""  # why the venue takes no orders, "" while it does
        self.stopping = False
        self.received_ns = 0  # of the venue frame that is being handled
        self.cancels: dict[str, None] = {}  # of these orders; they wait for the rate budget
        self.changed: list[tuple[Order, m.OrderUpdated]] = []  # since the last look

    @property
    def may_judge(self) -> bool:
        """What the venue lists, or does not, counts: while it is closed that says nothing."""
        return self.is_ready and not self.closed_text

    @property
    def mode(self) -> m.TradingMode:
        """Of orders that nobody owns."""
        return self.modes.of("").mode

    def begin(self, now_ns: int) -> None:
        """What the journal tells of earlier lives is taken in."""
        self.pacer.begin(now_ns)
        self.quote_pacer.begin(now_ns)

    def spent(self, kind: str, at_ns: int) -> None:
        """An earlier life sent a call of this kind."""
        pacer = self.quote_pacer if kind == MASS_QUOTE else self.pacer
        pacer.spent_earlier(at_ns)

    def forget_spent(self, at_ns: int) -> None:
        """What earlier lives sent before this time is not told."""
        self.pacer.forget(at_ns)
        self.quote_pacer.forget(at_ns)

    def send(
        self,
        frame: bytes,
        *,
        urgent: bool = False,
        sent_record: Entry | None = None,
        order: Order | None = None,
    ) -> None:
        """order: of a place or modify, which the kill switch may still stop at the last moment."""
        command = c.LinkSend(self.link, frame, sent_record=sent_record)
        if order is not None:
            gates, name = self.modes.gates(order.state.owner), order.state.client_order_id
            command = msgspec.structs.replace(command, unless=gates, refers=name)
        if urgent:
            self.out.urgent(command)
        else:
            self.out.add(command)

    def ask(self, frames: list[bytes]) -> None:
        """Queue questions about orders; send_questions() sends what the query budget allows."""
        self._questions.extend(frames)

    def send_questions(self, now_ns: int) -> None:
        while self._questions and self._query_pacer.take(now_ns, is_cancel=True):
            self.send(self._questions.popleft(), urgent=True)

    def forget_questions(self) -> None:
        self._questions.clear()

    def next_question_ns(self, now_ns: int) -> int | None:
        return self._query_pacer.ready_ns(now_ns, is_cancel=True) if self._questions else None

    def publish(self, order: Order, source: str, venue_time_ns: int = 0) -> None:
        """File, journal and tell an order that changed."""
        self.store.put(order)
        self.parents.note(order)
        state = order.state
        self.changed.append((order, state))
        self.out.record(ReportRecord(state, source))
        topic = owner_topic("order", self.venue, self.account, state.owner)
        self.out.add(
            c.Publish(topic, state, venue_time_ns=venue_time_ns, received_ns=self.received_ns)
        )

    def publish_fill(self, fill: m.Fill) -> None:
        self._count_fill(fill)
        topic = owner_topic("fill", self.venue, self.account, fill.owner)
        self.out.add(
            c.Publish(topic, fill, venue_time_ns=fill.filled_ns, received_ns=self.received_ns)
        )

    def _count_fill(self, fill: m.Fill) -> None:
        """Too many fills in quick succession halt their strategy until a person enables it."""
        limit, owner = self.limits.max_fills, fill.owner
        if limit is None or not owner or fill.is_leg:
            return
        count = self.repeats.on_fill(owner, fill.filled_ns, self.limits.fills_within_ns)
        if count > limit:
            within_s = self.limits.fills_within_ns / 1e9
            reason = f"{count} fills in {within_s:g} s, the limit is {limit}"
            code = m.RejectReason.REPEATED_EXECUTION
            self.tighten(strategy_scope(owner), m.TradingMode.HALTED, reason, code)

    def tighten(self, scope: str, mode: m.TradingMode, reason: str, code: m.RejectReason) -> None:
        """Set a mode unless one as strict holds there already; it is journaled and told."""
        if STRICTNESS[self.modes.at(scope)] >= STRICTNESS[mode]:
            return
        self.modes.set(scope, mode, reason, code)
        self.out.record(ModeRecord(mode, reason, "", scope, code))
        self.out.alert("ERROR", f"trading is {mode.value}", scope=scope, why=reason)
