"""One order as the journal tells it: who asked, what was checked, every step and its source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from common import messages as m
from services.trading_engine import records as r


class Step(msgspec.Struct, frozen=True):
    """what: the kind of record. source: who said so, "self", "answer", "stream", "query"."""

    at_ns: int
    what: str
    text: str
    status: str = ""
    source: str = ""
    raw: str = ""  # the venue's words that it follows from


class Story(msgspec.Struct):
    """asked: the requests that concerned the order, each with command, owner and sender."""

    client_order_id: str
    order: m.OrderUpdated | None = None
    asked: list[dict[str, Any]] = []
    checks: list[str] = []
    builds: list[dict[str, Any]] = []
    steps: list[Step] = []


def explain(payloads: Sequence[bytes], client_order_id: str) -> Story:
    """Everything that payloads say about one order.

    Raises:
        LocalError: a record that this build cannot read.
    """
    mark = client_order_id.encode()
    near = [payload for payload in payloads if mark in payload]
    keys = _keys(r.each(near), client_order_id)
    marks = [mark, b"StartRecord", *(name.encode() for name in keys.values() if name)]
    wanted = [payload for payload in payloads if any(name in payload for name in marks)]
    story = Story(client_order_id)
    teller = _Teller(story, set(keys))
    for entry in r.each(wanted):
        teller.take(entry)
    story.steps.sort(key=lambda step: step.at_ns)  # cancels leave before they are written down
    return story


def _keys(entries: Iterable[r.Entry], name: str) -> dict[str, str]:
    """Keys and request_ids of all requests that concern the order."""
    found = {}
    for entry in entries:
        for record in entry.records:
            match record:
                case r.IntentRecord() if record.order.client_order_id == name:
                    found[record.key] = record.request_id
                case r.CancelsRecord() if name in record.client_order_ids:
                    found[record.key] = record.request_id
                case r.RequestRecord() if name in _named(record.command):
                    found[record.key] = record.request_id
    return found


def _named(command: m.Command) -> list[str]:
    match command:
        case m.ModifyOrder() | m.CancelOrder():
            return [command.client_order_id]
        case m.CancelOrders(names):
            return names
    return []


class _Teller:
    """Adds what one entry says to the story."""

    def __init__(self, story: Story, keys: set[str]) -> None:
        self._story = story
        self._name = story.client_order_id
        self._keys = keys
        self._start: tuple[int, r.StartRecord] | None = None
        self._raw = ""

    def take(self, entry: r.Entry) -> None:
        self._raw = ""
        for record in entry.records:
            self._take(record, entry.at_ns)

    def _take(self, record: r.Record, at_ns: int) -> None:
        match record:
            case r.StartRecord():
                self._start = (at_ns, record)
            case r.RawRecord(text):
                self._raw = text.decode("utf-8", "replace")
            case r.RequestRecord() if record.key in self._keys:
                self._ask(record, at_ns)
            case r.ReplyRecord() if record.key in self._keys:
                self._reply(record, at_ns)
            case r.ReportRecord(order) if order.client_order_id == self._name:
                self._report(record, at_ns)
            case _:
                self._take_other(record, at_ns)

    def _take_other(self, record: r.Record, at_ns: int) -> None:
        match record:
            case r.IntentRecord() if record.order.client_order_id == self._name:
                self._intend(record, at_ns)
            case r.SentRecord() if self._name in record.client_order_ids:
                self._step(at_ns, "sent", record.method, source="self")
            case r.FillRecord(fill) if fill.client_order_id == self._name:
                text = f"{fill.last_quantity} at {fill.last_price}, {fill.exec_id}"
                self._step(at_ns, "fill", text, source="venue", raw=self._raw)
            case r.VerdictRecord() if record.client_order_id == self._name:
                self._step(at_ns, "verdict", record.evidence, record.status.value, "self")

    def _step(
        self, at_ns: int, what: str, text: str, status: str = "", source: str = "", raw: str = ""
    ) -> None:
        self._story.steps.append(Step(at_ns, what, text, status, source, raw))

    def _ask(self, record: r.RequestRecord, at_ns: int) -> None:
        self._note_build()
        command = type(record.command).__name__
        owner = getattr(record.command, "owner", None) or ""
        if isinstance(record.command, m.PlaceOrders):
            owner = record.command.orders[0].owner
        asked = {"at_ns": at_ns, "command": command, "request_id": record.request_id}
        self._story.asked.append(asked | {"owner": owner, "sender": record.sender})
        who = " for ".join(part for part in (record.sender, owner) if part)
        why = f": {record.why}" if record.why else ""
        self._step(at_ns, "request", f"{command} {record.request_id}{why}", source=who)

    def _note_build(self) -> None:
        if self._start is None:
            return
        at_ns, start = self._start
        build = {"started_ns": at_ns, "build": start.build, "config_hash": start.config_hash}
        build["start_counter"] = start.start_counter
        if build not in self._story.builds:
            self._story.builds.append(build)

    def _intend(self, record: r.IntentRecord, at_ns: int) -> None:
        self._note_build()
        if record.kind == "place":
            self._story.checks = record.checks
        is_place = record.kind == "place"  # whose checks the story has
        passed = f", passed {', '.join(record.checks)}" if record.checks and not is_place else ""
        valid_s = (record.valid_until_ns - at_ns) / 1e9
        text = f"{record.kind}, valid for {valid_s:.3g} s{passed}"
        self._step(at_ns, "intent", text, record.order.status.value, "self")

    def _report(self, record: r.ReportRecord, at_ns: int) -> None:
        self._note_build()
        order = record.order
        self._story.order = order
        filled = f", {order.cum_quantity} of {order.quantity} filled" if order.cum_quantity else ""
        why = f", {order.text}" if order.text else ""
        raw = self._raw if record.source != "self" else ""
        text = f"{order.event.value}{filled}{why}"
        self._step(at_ns, "report", text, order.status.value, record.source, raw)

    def _reply(self, record: r.ReplyRecord, at_ns: int) -> None:
        reply = record.reply
        word = "accepted" if reply.accepted else "in doubt" if reply.in_doubt else "refused"
        why = f": {reply.reason.value} {reply.text}" if reply.reason else ""
        self._step(at_ns, "reply", f"{word}{why}", source="self")
