"""Everything about quotes as the rest of the engine sees it: quoting, quote_calls, protections.

The desk hands commands in, the core hands in what the venue says and the passing of time.
"""

from __future__ import annotations

from common import messages as m
from common.messages import RejectReason as R
from common.venues.order_entry import CallDone, OrderEntry, ProtectionActed
from services.trading_engine.answers import Answers
from services.trading_engine.calls import Calls
from services.trading_engine.ledger import Request
from services.trading_engine.placing import Placing
from services.trading_engine.protections import Protections
from services.trading_engine.quote_calls import QuoteCall, QuoteCalls
from services.trading_engine.quoting import Quoting
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.reports import Reports
from services.trading_engine.state import Call, EngineState


class Quotes:
    """Quotes and market maker protection of one account."""

    def __init__(
        self,
        state: EngineState,
        entry: OrderEntry,
        reports: Reports,
        doubts: Reconciler,
        calls: Calls,
        answers: Answers,
        placing: Placing,
    ) -> None:
        venue = entry.quoting
        self.calls = QuoteCalls(state, venue, calls, reports, doubts, answers)
        self._protections = Protections(state, venue)
        self._quoting = Quoting(
            state, venue, placing, calls, self.calls, answers, self._protections
        )

    def take(self, request: Request, sent_ns: int, now_ns: int) -> bool:
        """False: the command is not about quotes."""
        match request.command:
            case m.MassQuote() as command:
                self._quoting.take(request, command, sent_ns, now_ns)
            case m.CancelQuotes() as filters:
                self._quoting.cancel(request, filters, now_ns)
            case m.SetProtection() | m.ResetProtection() | m.QueryProtections():
                self._protections.take(request, now_ns)
            case _:
                return False
        return True

    def snapshot(self, topic: str) -> m.ProtectionSnapshot | None:
        """What a joiner of `protection.<venue>.<account>` needs; None for other topics."""
        return self._protections.snapshot(topic)

    # --- the venue ----------------------------------------------------------------------------

    def on_logged_in(self, now_ns: int) -> None:
        self._protections.on_logged_in(now_ns)

    def on_answer(self, call: Call, done: CallDone, now_ns: int) -> bool:
        """False: the call is not about quotes."""
        if isinstance(call, QuoteCall):
            self.calls.on_answer(call, done, now_ns)
        elif call.kind == "protection":
            self._protections.on_answer(call, done, now_ns)
        else:
            return False
        return True

    def on_lost(self, call: Call) -> bool:
        """The link dropped before the answer; False: others care for that."""
        if call.kind == "protection":
            self._protections.on_lost(call)
        return call.kind == "protection"

    def on_acted(self, acted: ProtectionActed, now_ns: int) -> None:
        self._protections.on_acted(acted, now_ns)

    # --- time ---------------------------------------------------------------------------------

    def next_ns(self, now_ns: int) -> int | None:
        due = self._quoting.next_ns(now_ns), self.calls.next_ns(), self._protections.next_ns()
        return min((ns for ns in due if ns is not None), default=None)

    def on_time(self, now_ns: int) -> None:
        self.calls.on_time(now_ns)
        self._protections.on_time(now_ns)
        self.retry(now_ns)

    def retry(self, now_ns: int) -> None:
        """Prices came, or time passed: try what waits again."""
        self._quoting.retry(now_ns)

    def give_up(self, reason: R, text: str) -> None:
        self._quoting.give_up(reason, text)
