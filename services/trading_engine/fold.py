"""What a journal amounts to: its records folded into the least that says the same.

The fold of a journal can be written as records again. That is a snapshot: folding a snapshot and
what came after it gives the same as folding everything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from common import messages as m
from common.domain.risk import Parent
from services.trading_engine import records as r
from services.trading_engine.ledger import ANSWERS_KEPT
from services.trading_engine.parents import KEPT as PARENTS_KEPT
from services.trading_engine.store import CLOSED_KEPT, FILLS_KEPT, SEEN_KEPT

REPLACING_NS = 60_000_000_000  # after its last moment a call did what it did, and it was asked for


class Fold:
    """State of an engine as its records tell it.

    Attributes:
        open, closed: the newest view of each order; closed ones in the order of their end.
        wanted: by order, the modify that was sent last.
        fills: by exec_id, oldest first. seen: executions whose fills are not kept.
        parents: by owner and name, with what orders that are not kept filled of them.
        requests: without an answer, by key. intents: what they sent. cancels: the orders that they
            concern, of those that name none themselves. answers: those that have one.
    """

    def __init__(self) -> None:
        self.at_ns = 0
        self.start_counter = 0
        self.open: dict[str, m.OrderUpdated] = {}
        self.closed: OrderedDict[str, m.OrderUpdated] = OrderedDict()
        self.wanted: dict[str, r.IntentRecord] = {}
        self.fills: dict[str, m.Fill] = {}
        self.seen: dict[str, None] = {}
        self.fills_dropped = False
        self.requests: dict[str, r.RequestRecord] = {}
        self.intents: dict[str, list[r.IntentRecord]] = {}
        self.cancels: dict[str, r.CancelsRecord] = {}
        self.answers: OrderedDict[str, tuple[r.RequestRecord, r.ReplyRecord]] = OrderedDict()
        self.modes: dict[str, r.ModeRecord] = {}
        self.latches: dict[str, r.LatchRecord] = {}
        self.limits: r.LimitsRecord | None = None
        self.sync: r.SyncRecord | None = None
        self.parents: dict[tuple[str, str], Parent] = {}

    # --- in -----------------------------------------------------------------------------------

    def take_all(self, entries: Iterable[r.Entry]) -> Fold:
        for entry in entries:
            self.at_ns = max(self.at_ns, entry.at_ns)
            for record in entry.records:
                self._take(record)
        return self

    def _take(self, record: r.Record) -> None:
        match record:
            case r.ReportRecord(order):
                self._note(order)
            case r.IntentRecord():
                self._intend(record)
            case r.RequestRecord(key):
                self.requests[key] = record
            case r.ReplyRecord():
                self._answer(record)
            case r.FillRecord(fill):
                self.fills[fill.exec_id] = fill
            case _:
                self._take_rare(record)

    def _take_rare(self, record: r.Record) -> None:
        match record:
            case r.CancelsRecord(key):
                self.cancels[key] = record
            case r.StartRecord(start_counter):
                self.start_counter = max(self.start_counter, start_counter)
            case r.ModeRecord():
                self.modes[record.scope] = record
            case r.LatchRecord():
                self.latches[record.scope] = record
            case r.LimitsRecord():
                self.limits = record
            case r.SyncRecord():
                self.sync = record
            case r.ParentRecord():
                terms = (record.instrument, record.side, record.quantity)
                self.parents[record.owner, record.parent] = Parent(*terms, record.used)
            case r.SeenRecord(exec_ids, fills_dropped):
                self.seen |= dict.fromkeys(exec_ids)
                self.fills_dropped = self.fills_dropped or fills_dropped

    def _note(self, order: m.OrderUpdated) -> None:
        name = order.client_order_id
        known = self.open.get(name) or self.closed.get(name)
        if known is not None and order.revision < known.revision:
            return
        if not order.status.is_final:
            self.open[name] = order
            self.closed.pop(name, None)
            return
        self.open.pop(name, None)
        self.closed[name] = order
        self.closed.move_to_end(name)
        while len(self.closed) > CLOSED_KEPT:
            old, dropped = self.closed.popitem(last=False)
            self.wanted.pop(old, None)
            self._keep_parent(dropped)

    def _keep_parent(self, part: m.OrderUpdated) -> None:
        whole = part.parent_quantity
        if part.parent and whole is not None:
            known = self.parents.get((part.owner, part.parent))
            used = part.cum_quantity + (known.used if known is not None else 0)
            self.parents[part.owner, part.parent] = Parent(part.instrument, part.side, whole, used)

    def _intend(self, record: r.IntentRecord) -> None:
        if record.key:
            self.intents.setdefault(record.key, []).append(record)
        self._note(record.order)
        if record.kind == "modify":
            self.wanted[record.order.client_order_id] = record

    def _answer(self, record: r.ReplyRecord) -> None:
        asked = self.requests.pop(record.key, None)
        self.intents.pop(record.key, None)
        self.cancels.pop(record.key, None)
        if asked is not None:
            self.answers[record.key] = (asked, record)
            self.answers.move_to_end(record.key)
            while len(self.answers) > ANSWERS_KEPT:
                self.answers.popitem(last=False)

    # --- out ----------------------------------------------------------------------------------

    def order(self, client_order_id: str) -> m.OrderUpdated | None:
        return self.open.get(client_order_id) or self.closed.get(client_order_id)

    def entries(self, per_entry: int = 500) -> Iterator[r.Entry]:
        """Records that fold to this again."""
        part: list[r.Record] = []
        for record in self._records():
            part.append(record)
            if len(part) == per_entry:
                yield r.Entry(self.at_ns, part)
                part = []
        yield r.Entry(self.at_ns, part)

    def _records(self) -> Iterator[r.Record]:
        yield r.StartRecord(self.start_counter)
        if self.limits is not None:
            yield self.limits
        if self.sync is not None:
            yield self.sync
        yield from self.modes.values()
        for (owner, name), parent in list(self.parents.items())[-PARENTS_KEPT:]:
            terms = (parent.instrument, parent.side, m.Exact(parent.quantity))
            yield r.ParentRecord(owner, name, *terms, m.Exact(parent.used))
        yield from (latch for latch in self.latches.values() if latch.is_on)
        for asked, reply in self.answers.values():
            yield asked
            yield reply
        yield from self.requests.values()
        yield from self.cancels.values()
        for order in (*self.closed.values(), *self.open.values()):
            yield r.ReportRecord(order, "snapshot")
        for intents in self.intents.values():
            yield from intents
        for name, intent in self.wanted.items():
            # What was sent to replace a quote that has ended may still become another order.
            late = intent.valid_until_ns + REPLACING_NS > self.at_ns
            if name in self.open or (intent.quote_id and late):
                yield msgspec.structs.replace(intent, key="")
        yield from self._fill_records()

    def _fill_records(self) -> Iterator[r.Record]:
        """The newest fills, and all of orders that are kept; of the others only that they were."""
        newest = set(list(self.fills)[-FILLS_KEPT:])
        kept = [
            fill
            for fill in self.fills.values()
            if fill.exec_id in newest or self.order(fill.client_order_id) is not None
        ]
        gone = self.fills.keys() - {fill.exec_id for fill in kept}
        seen = [*self.seen, *(exec_id for exec_id in self.fills if exec_id in gone)]
        dropped = self.fills_dropped or len(self.fills) > FILLS_KEPT
        yield r.SeenRecord(seen[-SEEN_KEPT:], dropped)
        yield from (r.FillRecord(fill) for fill in kept)
