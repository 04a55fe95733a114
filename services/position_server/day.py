"""The day's profit of the account and of each strategy, which the engine's loss limits go by.

A day opens with what is held, at the marks of that moment; from there fills are added, so that its
profit is realized and unrealized at the mark, less fees. It is counted from the start of the day,
or from when the desk first saw the account. Where the venue's quantity differs and no fill explains
it (a delivery, a transfer), the difference is taken over at the mark, without profit. Funding and
interest are not in it. A day that begins while the server is down opens at the last marks it saw.

What is held, and the executions that were counted, are saved, so that a restart goes on counting;
fills of the time in between come with the engine's snapshot. Whatever is missing makes the figures
incomplete, and the engine then takes only orders that lower exposure.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from common.domain.instrument import Instrument, exact
from common.domain.position import Position, plain
from common.messages import ContractType, Exact, Fill, ProfitOfDay
from services.position_server.ledger import Ledger
from services.position_server.valuation import Marks

NS_PER_MINUTE = 60_000_000_000
DAY_NS = 1440 * NS_PER_MINUTE
ALIGN_NS = 5_000_000_000  # how long fills may take to explain a difference
FILLS_KEPT = 2_000
ACCOUNT = ""  # the owner that stands for everybody
ZERO = Decimal(0)


class KeptBook(msgspec.Struct, frozen=True):
    """One Book as it is saved. cost: "" for what it is worth at the mark. profit: in USD, as far as
    it is known; expires_ns: of the instrument. These two stand in for a definition that is gone."""

    owner: str
    instrument: str
    quantity: Exact
    cost: str
    realized: str
    fees: dict[str, str]
    mark: float | None
    index: float | None
    profit: str | None = None
    expires_ns: int | None = None

    def begin(self) -> KeptBook:
        """The same on a new day."""
        cost = "" if self.mark is not None else self.cost
        return msgspec.structs.replace(self, cost=cost, realized="0", fees={}, profit="0")

    def is_over(self, now_ns: int) -> bool:
        """Nothing is held any more, or it has expired: the profit is what it was."""
        has_expired = self.expires_ns is not None and now_ns >= self.expires_ns
        return self.profit is not None and (has_expired or not self.quantity)


class KeptDay(msgspec.Struct, frozen=True):
    """The day as it is saved. fills: venue times of the executions that were counted. unowned: of
    them those that nobody has told the owner of."""

    day_start_ns: int
    since_ns: int
    floor_ns: int
    fills: dict[str, int]
    books: list[KeptBook]
    unowned: list[str] = []


class Book:
    """What one owner does in one instrument in the day. mark, index: the last that were known."""

    def __init__(self, instrument: Instrument) -> None:
        self.position = Position(instrument)
        self.mark: float | None = None
        self.index: float | None = None
        self.differs_since_ns: int | None = None

    def look(self, marks: Marks) -> None:
        if marks.mark_price is not None and marks.mark_price > 0:
            self.mark = marks.mark_price
        if marks.index_price is not None and marks.index_price > 0:
            self.index = marks.index_price

    def profit(self) -> Decimal | None:
        """In USD; None if a price is missing."""
        position = self.position
        total = position.realized_pnl - position.fees_in_currency()
        if position.quantity:
            if self.mark is None:
                return None
            total += position.unrealized_pnl(exact(self.mark))
        if not total or position.instrument.definition.contract_type is not ContractType.INVERSE:
            return total
        return None if not self.index else total * exact(self.index)

    def begin(self) -> Book:
        """The same on a new day."""
        new = Book(self.position.instrument)
        opening = exact(self.mark) if self.mark else self.position.average_price
        new.position.open_at(self.position.quantity, opening)
        new.mark, new.index = self.mark, self.index
        return new

    def has_expired(self, now_ns: int) -> bool:
        """It is delivered, at about its last mark, and no fill will ever say so."""
        expires_ns = self.position.instrument.definition.expiration_ns
        return expires_ns is not None and now_ns >= expires_ns and self.mark is not None

    def align(self, quantity: Decimal) -> None:
        """Take a quantity over, at the mark."""
        assert self.mark is not None
        self.position.trade(quantity - self.position.quantity, exact(self.mark))
        self.differs_since_ns = None


class Day:
    """Args: starts_at: "HH:MM" in UTC, which the configuration has checked. kept: see save()."""

    def __init__(self, starts_at: str = "00:00", kept: KeptDay | None = None) -> None:
        hours, minutes = starts_at.split(":")
        self._offset_ns = (int(hours) * 60 + int(minutes)) * NS_PER_MINUTE
        self._kept = {(b.owner, b.instrument): b for b in kept.books} if kept else {}
        self._books: dict[tuple[str, str], Book] = {}
        self._waiting: list[Fill] = []  # for the opening, or a definition
        self._counted: OrderedDict[str, int] = OrderedDict(kept.fills if kept else {})
        # Of them those with the owner's share counted.
        self._owned = set(self._counted) - set(kept.unowned if kept else ())
        # Executions from before are in what was held, or counted.
        self._floor_ns = (kept.floor_ns or kept.since_ns) if kept else 0
        self.start_ns = kept.day_start_ns if kept else 0
        self.since_ns = kept.since_ns if kept else 0
        self._is_first = kept is None
        self.problem = ""  # why the figures cannot be relied on, besides what they miss
        self.is_changed = False  # since it was saved

    # --- in -----------------------------------------------------------------------------------

    def open(self, now_ns: int, told_ns: int) -> None:
        """The venue told what is held, at that time: on the first day counting begins here."""
        if not self.since_ns:
            self.start_ns, self.since_ns = self._start_of(now_ns), told_ns
            self._floor_ns = told_ns
            self.is_changed = True

    def add(self, fills: Iterable[Fill], instruments: Mapping[str, Instrument]) -> None:
        """Count executions; told twice, or by venue and engine, they count once."""
        self._restore(instruments)
        for fill in fills:
            if not fill.moves_position or fill.filled_ns <= self._floor_ns:
                continue
            if fill.exec_id in (self._owned if fill.owner else self._counted):
                continue
            instrument = instruments.get(fill.instrument) if self.since_ns else None
            if instrument is None or any(name == fill.instrument for _, name in self._kept):
                self._waiting.append(fill)
            else:
                self._count(fill, instrument)
        while len(self._counted) > FILLS_KEPT:
            exec_id, filled_ns = self._counted.popitem(last=False)
            self._owned.discard(exec_id)
            self._floor_ns = max(self._floor_ns, filled_ns)

    def compare(
        self,
        ledgers: Mapping[str, Ledger],
        instruments: Mapping[str, Instrument],
        marks: Callable[[str], Marks],
        now_ns: int,
    ) -> None:
        """Look at prices; begin a new day when it is time; hold what the venue holds."""
        if not self.since_ns:
            return
        waiting, self._waiting = self._waiting, []
        self.add(waiting, instruments)
        for (owner, name), book in self._books.items():
            book.look(marks(name))
            if owner != ACCOUNT and book.has_expired(now_ns):
                book.align(ZERO)
        if now_ns >= self.start_ns + DAY_NS:
            self._begin(now_ns)
        ours = [name for owner, name in self._books if owner == ACCOUNT]
        for name in sorted({*ledgers, *ours}):
            ledger = ledgers.get(name)
            if ledger is None or ledger.position is not None:
                quantity = ledger.quantity if ledger is not None else ZERO
                self._compare(instruments[name], quantity, marks(name), now_ns)

    def held(self) -> set[str]:
        """Instruments whose prices are needed: strategies may hold what cancels out."""
        return {name for (_, name), book in self._books.items() if book.position.quantity}

    # --- out ----------------------------------------------------------------------------------

    def figures(
        self, venue: str, account: str, marks: Callable[[str], Marks], now_ns: int
    ) -> ProfitOfDay:
        sums: dict[str, Decimal] = {ACCOUNT: ZERO}
        missing = [self.problem, self._missing(marks, now_ns)]
        for (owner, _), kept in self._kept.items():
            sums[owner] = sums.get(owner, ZERO) + Decimal(kept.profit or "0")
        for (owner, name), book in self._books.items():
            profit = book.profit()
            if profit is None:
                missing.append(f"no price of {name}")
            sums[owner] = sums.get(owner, ZERO) + (profit or ZERO)
        text = next((each for each in missing if each), "")
        return ProfitOfDay(
            venue=venue,
            account=account,
            day_start_ns=self.start_ns,
            since_ns=self.since_ns,
            pnl=plain(sums.pop(ACCOUNT)),
            strategies={owner: plain(value) for owner, value in sorted(sums.items())},
            complete=not text,
            text=text,
            updated_ns=now_ns,
        )

    def save(self) -> bytes:
        """For load(), on the next start."""
        self.is_changed = False
        kept = [
            KeptBook(
                owner,
                name,
                Exact(plain(book.position.quantity)),
                str(book.position.cost),
                str(book.position.realized_pnl),
                {currency: str(fee) for currency, fee in book.position.fees.items()},
                book.mark,
                book.index,
                None if (profit := book.profit()) is None else str(profit),
                book.position.instrument.definition.expiration_ns,
            )
            for (owner, name), book in self._books.items()
        ]
        books = [*self._kept.values(), *kept]
        times = (self.start_ns, self.since_ns, self._floor_ns)
        unowned = [exec_id for exec_id in self._counted if exec_id not in self._owned]
        day = KeptDay(*times, dict(self._counted), books, unowned)
        return msgspec.json.encode(day, enc_hook=str)

    # --- inside -------------------------------------------------------------------------------

    def _start_of(self, now_ns: int) -> int:
        return (now_ns - self._offset_ns) // DAY_NS * DAY_NS + self._offset_ns

    def _restore(self, instruments: Mapping[str, Instrument]) -> None:
        """What was saved, as soon as the definitions are there."""
        for key in [key for key in self._kept if key[1] in instruments]:
            self._books[key] = _restored(self._kept.pop(key), instruments[key[1]])

    def _count(self, fill: Fill, instrument: Instrument) -> None:
        if fill.exec_id not in self._counted:
            self._counted[fill.exec_id] = fill.filled_ns
            self._apply(ACCOUNT, fill, instrument)
        if fill.owner and fill.exec_id not in self._owned:
            self._owned.add(fill.exec_id)
            self._apply(fill.owner, fill, instrument)

    def _apply(self, owner: str, fill: Fill, instrument: Instrument) -> None:
        book = self._books.setdefault((owner, fill.instrument), Book(instrument))
        if fill.filled_ns > self.since_ns:
            book.position.apply(fill)
        else:  # of a day before, and told late: it changes what is held, at the opening's mark
            price = exact(book.mark) if book.mark is not None else fill.last_price
            book.position.trade(fill.side.sign * fill.last_quantity, price)
        self.is_changed = True

    def _begin(self, now_ns: int) -> None:
        self.start_ns = self.since_ns = self._start_of(now_ns)
        held = {key: book for key, book in self._books.items() if book.position.quantity}
        self._books = {key: book.begin() for key, book in held.items()}
        kept = {key: each for key, each in self._kept.items() if not each.is_over(now_ns)}
        self._kept = {key: each.begin() for key, each in kept.items() if each.quantity}
        self.is_changed = True

    def _compare(
        self, instrument: Instrument, quantity: Decimal, marks: Marks, now_ns: int
    ) -> None:
        """quantity: what the account holds."""
        key = ACCOUNT, instrument.name
        is_new = key not in self._books
        if key in self._kept or (is_new and not quantity):
            return
        book = self._books.setdefault(key, Book(instrument))
        book.look(marks)
        if book.position.quantity == quantity:
            book.differs_since_ns = None
            return
        if book.differs_since_ns is None:
            wait_ns = 0 if self._is_first and is_new else ALIGN_NS
            book.differs_since_ns = now_ns + wait_ns - ALIGN_NS
        if book.mark is not None and now_ns >= book.differs_since_ns + ALIGN_NS:
            book.align(quantity)
            self.is_changed = True
            if not quantity:
                self._close_all(instrument.name)

    def _close_all(self, name: str) -> None:
        """Nothing is held any more, so no strategy holds anything."""
        for (_, each), book in self._books.items():
            if each == name and book.mark is not None:
                book.align(ZERO)

    def _missing(self, marks: Callable[[str], Marks], now_ns: int) -> str:
        """What the figures lack, in words."""
        if not self.since_ns:
            return "the venue has not told the positions yet"
        unknown = {name for (_, name), kept in self._kept.items() if not kept.is_over(now_ns)}
        unknown |= {fill.instrument for fill in self._waiting}
        if unknown:
            return f"no definition of {min(unknown)}"
        for (_, name), book in self._books.items():
            if book.differs_since_ns is not None:
                return f"the fills that led to the position of {name} are not known yet"
            if book.position.quantity and not marks(name).is_fresh:
                return f"no fresh mark of {name}"
        return ""


def load(payload: bytes) -> KeptDay:
    """Raises msgspec.DecodeError: it is damaged."""

    def number(kind: type, value: object) -> object:
        return kind(value)

    return msgspec.json.decode(payload, type=KeptDay, dec_hook=number)


def _restored(kept: KeptBook, instrument: Instrument) -> Book:
    book = Book(instrument)
    position = book.position
    position.quantity = kept.quantity
    if kept.cost:
        position.cost = Decimal(kept.cost)
    else:
        position.open_at(kept.quantity, exact(kept.mark or 0.0))
    position.realized_pnl = Decimal(kept.realized)
    position.fees = {currency: Decimal(fee) for currency, fee in kept.fees.items()}
    book.mark, book.index = kept.mark, kept.index
    return book
