"""The offline checker of a long run: `python -m tests.longrun.checker DIRECTORY`.

It compares three stories told apart from each other: the venue's own log, the engine's journal and
what the clients wrote down. Every disagreement is one violation of a promise of
docs/reliability.md, with the order or request that it is about.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from common import messages as m
from common.messages import OrderStatus as S
from services.trading_engine import records as r
from services.trading_engine.story import explain
from tests.longrun.evidence import Evidence, Line, is_ours, load

RATE_ERROR = b'"code":10028'
ENDED = {S.FILLED: "filled", S.CANCELED: "canceled", S.EXPIRED: "canceled"}
OPEN = ("open", "untriggered")
MAKES = ("PlaceOrder", "PlaceOrders", "MassQuote")


class Violation(NamedTuple):
    """about: the order, request or execution."""

    promise: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise} {self.about}: {self.text}"


class Venue:
    """Orders and fills by the venue's own log."""

    def __init__(self, truth: list[Line]) -> None:
        self.orders: defaultdict[str, dict[int, Line]] = defaultdict(dict)  # by label, by number
        self.fills: dict[str, Line] = {}  # by number
        self.cum: Counter[str] = Counter()  # by label
        for line in truth:
            label = line["label"]
            if not is_ours(label):
                continue
            if line["kind"] == "order" and line.get("trigger_order") is None:
                self.orders[label][line["number"]] = line
            elif line["kind"] == "fill" and not line.get("combo"):
                self.fills[str(line["trade_number"])] = line
                self.cum[label] += Decimal(line["quantity"])  # type: ignore[assignment]

    def state(self, label: str) -> Line | None:
        """The last word about the order."""
        return next(reversed(self.orders[label].values()), None) if label in self.orders else None


class Book:
    """The same by the engine's journal."""

    def __init__(self, evidence: Evidence) -> None:
        self.intents: set[str] = set()
        self.orders: dict[str, m.OrderUpdated] = {}
        self.fills: defaultdict[str, list[m.Fill]] = defaultdict(list)  # by execution
        self.requests: Counter[str] = Counter()
        self.replies: defaultdict[str, list[m.CommandReply]] = defaultdict(list)
        self.rate_errors = 0
        self.doubts_s: list[float] = []  # how long each lasted
        self._doubtful: dict[str, int] = {}
        self.payloads: defaultdict[str, list[int]] = defaultdict(list)  # by order: where named
        self.starts: list[int] = []
        self._keys: defaultdict[str, list[int]] = defaultdict(list)
        self._orders_of: defaultdict[str, set[str]] = defaultdict(set)
        for number, entry in enumerate(evidence.entries()):
            for record in entry.records:
                self._take(record, number)
                if isinstance(record, r.ReportRecord):
                    self._doubt(record.order, entry.at_ns)

    def index(self) -> dict[str, list[int]]:
        """Of each order, where in the journal something about it stands, starts included."""
        places: defaultdict[str, set[int]] = defaultdict(set)
        for key, names in self._orders_of.items():
            for name in names:
                places[name] |= set(self._keys[key])
        for name in self.intents:
            places[name] |= set(self.payloads[name])
        return {name: self._with_starts(places[name]) for name in self.intents}

    def _with_starts(self, places: set[int]) -> list[int]:
        first, last = min(places), max(places)
        before = [place for place in self.starts if place <= first][-1:]
        return sorted({*places, *before, *(p for p in self.starts if first < p <= last)})

    def _doubt(self, order: m.OrderUpdated, at_ns: int) -> None:
        name = order.client_order_id
        if order.in_doubt_since_ns is not None:
            self._doubtful[name] = order.in_doubt_since_ns
        elif (since_ns := self._doubtful.pop(name, None)) is not None:
            self.doubts_s.append((at_ns - since_ns) / 1e9)

    def _take(self, record: r.Record, number: int) -> None:
        match record:
            case r.StartRecord():
                self.starts.append(number)
            case r.RequestRecord():
                self.requests[record.key] += 1
                self._keys[record.key].append(number)
                self._note_command(record)
            case r.ReplyRecord():
                self.replies[record.key].append(record.reply)
                self._keys[record.key].append(number)
            case r.IntentRecord(order=order):
                self._intend(record, order, number)
            case r.ReportRecord(order):
                self.orders[order.client_order_id] = order
                self.payloads[order.client_order_id].append(number)
            case _:
                self._take_other(record, number)

    def _take_other(self, record: r.Record, number: int) -> None:
        match record:
            case r.FillRecord(fill):
                self.fills[fill.exec_id].append(fill)
                self.payloads[fill.client_order_id].append(number)
            case r.SentRecord(client_order_ids=names):
                for name in names:
                    self.payloads[name].append(number)
            case r.CancelsRecord(key, client_order_ids=names):
                for name in names:
                    self._orders_of[key].add(name)
                    self.payloads[name].append(number)
            case r.VerdictRecord(client_order_id=name):
                self.payloads[name].append(number)
            case r.RawRecord(text):
                self.rate_errors += RATE_ERROR in text

    def _intend(self, record: r.IntentRecord, order: m.OrderUpdated, number: int) -> None:
        name = order.client_order_id
        if record.kind == "place":
            self.intents.add(name)
        self.orders[name] = order
        self.payloads[name].append(number)
        self._orders_of[record.key].add(name)

    def _note_command(self, record: r.RequestRecord) -> None:
        command = record.command
        if isinstance(command, m.ModifyOrder | m.CancelOrder):
            self._orders_of[record.key].add(command.client_order_id)


class Checker:
    """One run's evidence, and what is wrong with it.

    Attributes:
        looked: how many things each promise was checked on.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._venue = Venue(evidence.truth)
        self._book = Book(evidence)
        self.looked: Counter[str] = Counter()

    @property
    def doubts_s(self) -> list[float]:
        """How long orders were in doubt, shortest first; faults of venue and desk included."""
        return sorted(self._book.doubts_s)

    def run(self) -> list[Violation]:
        found: list[Violation] = []
        for check in self._checks():
            found += check()
        return found

    def _checks(self) -> list[Callable[[], Iterator[Violation]]]:
        return [
            self._journal,
            self._orders_at_the_venue,
            self._requests,
            self._clients,
            self._verdicts,
            self._fills,
            self._told_fills,
            self._end,
            self._stories,
        ]

    def _journal(self) -> Iterator[Violation]:
        if self._evidence.damage:
            yield Violation("P20", "journal", self._evidence.damage)
        self.looked["P7"] += len(self._book.intents)
        if self._book.rate_errors:
            yield Violation("P7", "journal", f"{self._book.rate_errors} rate errors of the venue")

    def _orders_at_the_venue(self) -> Iterator[Violation]:
        for label, orders in self._venue.orders.items():
            self.looked["P1"] += 1
            if len(orders) > 1:
                yield Violation("P1", label, f"sent twice: the venue made orders {sorted(orders)}")
            if label not in self._book.intents:
                yield Violation("P1", label, "phantom: the venue has it, no intent is journaled")

    def _requests(self) -> Iterator[Violation]:
        """Each that reached the disk: taken once, answered once, in that life or the next."""
        for key, taken in self._book.requests.items():
            self.looked["P1"] += 1
            if taken > 1:
                yield Violation("P1", key, f"taken {taken} times, though it was on disk")
            replies = self._book.replies.get(key, [])
            if not replies:
                yield Violation("P1", key, "missing reply: the request was never answered")
            if any(reply != replies[0] for reply in replies):
                yield Violation("P1", key, "two different answers")

    def _clients(self) -> Iterator[Violation]:
        for owner, history in self._evidence.histories.items():
            answers: defaultdict[str, list[Line]] = defaultdict(list)
            for line in history:
                if line["kind"] == "answered":
                    answers[line["request_id"]].append(line)
            for name in {line["request_id"] for line in history if line["kind"] == "asked"}:
                self.looked["P1"] += 1
                yield from self._answered(owner, name, answers[name])

    def _answered(self, owner: str, name: str, answers: list[Line]) -> Iterator[Violation]:
        """The answers to one request, as its client has them."""
        key = f"{owner}/{owner}:{name}"
        said = self._book.replies.get(key, [])
        final = [line for line in answers if is_final(line)] or (answers if said else [])
        if not final:
            yield Violation("P1", f"{owner} {name}", "missing reply: the client was never told")
            return
        results = [line["result"] for line in final if "result" in line]
        if len({(row["accepted"], row.get("client_order_id")) for row in results}) > 1:
            yield Violation("P1", f"{owner} {name}", "two different answers")
        if results and results[-1]["accepted"] and not said:
            yield Violation("P1", f"{owner} {name}", "accepted, and not in the journal")
        if results and said and results[-1]["accepted"] != said[0].accepted:
            yield Violation("P1", f"{owner} {name}", "told otherwise than the journal says")

    def _verdicts(self) -> Iterator[Violation]:
        """The journal's last word about each order against the venue's."""
        for name in sorted(self._book.intents):
            self.looked["P2"] += 1
            order, state = self._book.orders[name], self._venue.state(name)
            yield from self._verdict(name, order, state)

    def _verdict(self, name: str, order: m.OrderUpdated, state: Line | None) -> Iterator[Violation]:
        if state is None:
            if order.status is not S.REJECTED:
                text = f"lost: {order.status.value} by the journal, the venue never had it"
                yield Violation("P1", name, text)
            return
        if order.status is S.REJECTED:
            yield Violation("P2", name, f"called REJECTED, at the venue it is {state['state']}")
            return
        wanted = ENDED.get(order.status, "open")
        is_same = state["state"] in OPEN if wanted == "open" else state["state"] == wanted
        if not is_same:
            text = f"{order.status.value} by the journal, {state['state']} at the venue"
            yield Violation("P2", name, text)
        if order.cum_quantity != self._venue.cum[name]:
            text = f"{order.cum_quantity} filled by the journal, {self._venue.cum[name]} in fact"
            yield Violation("P12", name, text)

    def _fills(self) -> Iterator[Violation]:
        mine = {number_of(name): fills for name, fills in self._book.fills.items()}
        for number, line in self._venue.fills.items():
            self.looked["P12"] += 1
            fills = mine.get(number, [])
            if not fills:
                yield Violation("P12", number, f"a fill of {line['label']} is not in the journal")
            if len(fills) > 1:
                yield Violation("P12", number, f"counted {len(fills)} times")
            for fill in fills[:1]:
                yield from _compared(number, line, fill)
        for number, fills in mine.items():
            if is_ours(fills[0].client_order_id) and number not in self._venue.fills:
                yield Violation("P12", number, "a fill that the venue does not know")

    def _told_fills(self) -> Iterator[Violation]:
        """What clients were told about executions."""
        for owner, history in self._evidence.histories.items():
            for line in history:
                if line["kind"] != "fill":
                    continue
                self.looked["P12"] += 1
                number = number_of(line["exec_id"])
                real = self._venue.fills.get(number)
                told = Decimal(line["last_price"]), Decimal(line["last_quantity"])
                if real is None:
                    yield Violation("P12", number, f"{owner} was told of a fill that was none")
                elif told != (Decimal(real["price"]), Decimal(real["quantity"])):
                    yield Violation("P12", number, f"{owner} was told another price or quantity")

    def _end(self) -> Iterator[Violation]:
        final = self._evidence.final
        self.looked["P3"] += 1
        if sorted(final.desk_orders) != sorted(final.venue_orders):
            text = f"open orders differ: {final.desk_orders} and {final.venue_orders} at the venue"
            yield Violation("P3", "at the end", text)
        ours, theirs = (
            {name: Decimal(quantity) for name, quantity in held.items() if Decimal(quantity)}
            for held in (final.desk_positions, final.venue_positions)
        )
        if ours != theirs:
            text = f"positions differ: {ours} and {theirs} at the venue"
            yield Violation("P3", "at the end", text)

    def _stories(self) -> Iterator[Violation]:
        payloads = self._evidence.payloads
        for name, places in self._book.index().items():
            self.looked["P20"] += 1
            story = explain([payloads[place] for place in places], name)
            asked = any(one["owner"] and one["command"] in MAKES for one in story.asked)
            kinds = {step.what for step in story.steps}
            parts = {
                "who asked": asked,
                "the checks": bool(story.checks),
                "the build": bool(story.builds),
                "its intent": "intent" in kinds,
                "how it ended": story.order is not None,
                "when and by whom": all(step.at_ns and step.source for step in story.steps),
                "the answer": "reply" in kinds,
            }
            lacking = [what for what, is_there in parts.items() if not is_there]
            if lacking:
                yield Violation("P20", name, f"explain lacks {', '.join(lacking)}")


def _compared(number: str, line: Line, fill: m.Fill) -> Iterator[Violation]:
    theirs = (line["label"], Decimal(line["price"]), Decimal(line["quantity"]), line["side"])
    ours = fill.client_order_id, fill.last_price, fill.last_quantity, fill.side.value
    if theirs != ours:
        yield Violation("P12", number, f"altered: {ours} by the journal, {theirs} in fact")


def is_final(line: Line) -> bool:
    """Whether an answer settles its request: anything but doubt and nobody there."""
    if "result" in line:
        return not line["result"].get("in_doubt")
    return line["error"]["data"]["reason"] not in ("UNAVAILABLE", "NO_ANSWER", "INTERNAL")


def number_of(exec_id: str) -> str:
    """The venue's number of an execution; some ids have a currency before it."""
    return exec_id.rpartition("-")[2]


def main(directory: Path) -> int:
    checker = Checker(load(directory))
    found = checker.run()
    for violation in found[:50]:
        print(violation)
    looked = ", ".join(f"{promise} {count}" for promise, count in sorted(checker.looked.items()))
    print(f"checked {looked}: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
