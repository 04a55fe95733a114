"""Everything known of one account: ledgers, marks, balances, inventory; and the messages of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from common.config import ExposureLimitsConfig
from common.domain.instrument import Instrument, exact
from common.domain.position import plain
from common.messages import (
    AccountSnapshot,
    BalanceUpdated,
    Exposure,
    Fill,
    InstrumentDefinition,
    PositionUpdated,
    Ticker,
)
from common.venues.accounts import BalanceReport, PositionList, PositionReport
from services.position_server.exposure import Inventory, Limits, Totals, add_up
from services.position_server.ledger import Baseline, Ledger
from services.position_server.valuation import (
    NO_MARKS,
    Marks,
    Valuation,
    marks_of_report,
    marks_of_ticker,
    value,
)

UNKNOWN = Valuation()


class Holdings:
    """One account. is_live: the private link is open, so that what the venue said still holds."""

    def __init__(self, venue: str, account: str, limits: ExposureLimitsConfig) -> None:
        self.venue = venue
        self.account = account
        self.ledgers: dict[str, Ledger] = {}
        self.balances: dict[str, BalanceReport] = {}
        self.inventory = Inventory()
        self.limits = Limits(limits, venue, account)
        self.is_live = False
        self.baseline: Baseline | None = None
        self._instruments: dict[str, Instrument] = {}
        self._tickers: dict[str, Marks] = {}

    # --- what comes in ------------------------------------------------------------------------

    def define(self, definition: InstrumentDefinition, now_ns: int) -> bool:
        """Returns whether we have something to do with that instrument."""
        instrument = Instrument(definition)
        self._instruments[instrument.name] = instrument
        ledger = self.ledgers.get(instrument.name)
        if ledger is not None:
            ledger.define(instrument, now_ns)
        return ledger is not None

    def ledger(self, name: str, now_ns: int) -> Ledger:
        """The ledger of an instrument; a new one was flat at the baseline."""
        return self.ledgers.get(name) or self._make_ledger(name, None, now_ns)

    def add_fills(self, fills: Iterable[Fill], now_ns: int) -> set[str]:
        """Returns the instruments that changed."""
        return {
            name
            for name, some in _by_instrument(fills).items()
            if self.ledger(name, now_ns).add(some, now_ns)
        }

    def hear_all(self, listed: PositionList, asked_ns: int, now_ns: int) -> None:
        """The whole truth of the venue; the first one is the baseline."""
        reports = {report.instrument: report for report in listed.reports}
        is_first = self.baseline is None
        truth = Baseline(listed.from_ns, listed.to_ns or now_ns)
        if self.baseline is None:
            self.baseline = truth
            for name, ledger in self.ledgers.items():
                ledger.start(self.baseline, reports.get(name), now_ns)
        for name, report in reports.items():
            if name not in self.ledgers:
                self._make_ledger(name, report if is_first else None, now_ns)
        for name, ledger in self.ledgers.items():
            ledger.hear(reports.get(name), truth, asked_ns, now_ns)

    def hear_change(
        self, fills: Iterable[Fill], reports: Iterable[PositionReport], now_ns: int
    ) -> set[str]:
        """The venue told fills just now, and positions after them. Returns what changed."""
        by_name = _by_instrument(fills)
        # Before the baseline a report says nothing yet.
        said = {report.instrument: report for report in reports} if self.baseline else {}
        changed = set(said)
        for name in {*by_name, *said}:
            ledger = self.ledger(name, now_ns)
            if ledger.change(by_name.get(name, []), said.get(name), now_ns):
                changed.add(name)
        return changed

    def set_ticker(self, ticker: Ticker) -> None:
        self._tickers[ticker.instrument] = marks_of_ticker(ticker)

    def lose_ticker(self, name: str) -> None:
        """Its figures stay the last known, and count as incomplete."""
        if name in self._tickers:
            self._tickers[name] = msgspec.structs.replace(self._tickers[name], is_fresh=False)

    def forget_ticker(self, name: str) -> None:
        self._tickers.pop(name, None)

    def set_balances(self, reports: Iterable[BalanceReport]) -> set[str]:
        """Returns the currencies in use among them; a venue lists many that are empty."""
        for report in reports:
            if report.currency in self.balances or report.balance or report.equity:
                self.balances[report.currency] = report
        return {report.currency for report in reports if report.currency in self.balances}

    # --- what is made of it -------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    def marks(self, name: str) -> Marks:
        ledger = self.ledgers.get(name)
        return self._marks(ledger) if ledger is not None else self._tickers.get(name, NO_MARKS)

    def mark_price(self, name: str) -> Decimal | None:
        mark = self._marks(self.ledgers[name]).mark_price
        return None if mark is None else exact(mark)

    def undefined(self) -> list[str]:
        """Instruments in use whose definition is missing."""
        return sorted(name for name, each in self.ledgers.items() if each.instrument is None)

    def underlying_of(self, name: str) -> str:
        instrument = self._instruments.get(name)
        return instrument.definition.underlying if instrument else ""

    def underlyings(self) -> set[str]:
        held = {self.underlying_of(name) for name in self.ledgers} - {""}
        return held | self.inventory.underlyings() | self.limits.underlyings()

    def position(self, name: str, now_ns: int) -> PositionUpdated:
        ledger = self.ledgers[name]
        marks = self._marks(ledger)
        valuation = self._value(ledger, marks)
        average, currency, unrealized = self._money(ledger, marks)
        report = ledger.report
        return PositionUpdated(
            instrument=name,
            venue=self.venue,
            account=self.account,
            quantity=plain(ledger.quantity),
            average_price=None if average is None else plain(average),
            currency=currency,
            realized_pnl=plain(ledger.realized_pnl),
            unrealized_pnl=None if unrealized is None else plain(unrealized),
            fees=plain(ledger.fees),
            mark_price=marks.mark_price,
            index_price=marks.index_price,
            delta=valuation.delta,
            gamma=valuation.gamma,
            vega=valuation.vega,
            theta=valuation.theta,
            initial_margin=report.initial_margin if report else None,
            maintenance_margin=report.maintenance_margin if report else None,
            confirmed=self.is_live and ledger.is_confirmed,
            updated_ns=now_ns,
            liquidation_price=report.liquidation_price if report else None,
        )

    def balance(self, currency: str, now_ns: int) -> BalanceUpdated:
        report = self.balances[currency]
        return BalanceUpdated(
            venue=self.venue,
            account=self.account,
            currency=currency,
            balance=report.balance,
            equity=report.equity,
            available=report.available,
            initial_margin=report.initial_margin,
            maintenance_margin=report.maintenance_margin,
            unrealized_pnl=report.unrealized_pnl,
            realized_pnl=report.realized_pnl,
            options_value=report.options_value,
            updated_ns=now_ns,
            confirmed=self.is_live,
        )

    def exposure(self, underlying: str, now_ns: int) -> Exposure:
        totals = self._totals(underlying)
        outside = float(self.inventory.total(underlying))
        return Exposure(
            venue=self.venue,
            account=self.account,
            underlying=underlying,
            delta=totals.delta + outside,
            gamma=totals.gamma,
            vega=totals.vega,
            theta=totals.theta,
            inventory=outside,
            updated_ns=now_ns,
            complete=self.is_live and totals.complete,
        )

    def snapshot(self, now_ns: int) -> AccountSnapshot:
        return AccountSnapshot(
            venue=self.venue,
            account=self.account,
            positions=[
                self.position(name, now_ns)
                for name, ledger in sorted(self.ledgers.items())
                if ledger.is_used
            ],
            balances=[self.balance(currency, now_ns) for currency in sorted(self.balances)],
            exposures=[self.exposure(each, now_ns) for each in sorted(self.underlyings())],
            alerts=self.limits.raised,
        )

    def _make_ledger(self, name: str, report: PositionReport | None, now_ns: int) -> Ledger:
        ledger = self.ledgers[name] = Ledger(name)
        if name in self._instruments:
            ledger.define(self._instruments[name], now_ns)
        if self.baseline is not None:
            ledger.start(self.baseline, report, now_ns)
        return ledger

    def _marks(self, ledger: Ledger) -> Marks:
        return self._tickers.get(ledger.name) or marks_of_report(ledger.report)

    def _value(self, ledger: Ledger, marks: Marks) -> Valuation:
        if ledger.instrument is None:
            return UNKNOWN
        return value(ledger.instrument, ledger.quantity, marks)

    def _money(self, ledger: Ledger, marks: Marks) -> tuple[Decimal | None, str, Decimal | None]:
        """Average price, currency and unrealised profit; the venue's until ours can be counted."""
        position, report = ledger.position, ledger.report
        if position is None:
            known = (report.average_price, report.unrealized_pnl) if report else (None, None)
            return known[0], "", known[1]
        mark = marks.mark_price
        if not position.quantity:
            return None, position.currency, Decimal(0)
        average = position.average_price
        if mark is None or average is None or mark <= 0:
            return average, position.currency, None
        return average, position.currency, position.unrealized_pnl(exact(mark))

    def _totals(self, underlying: str) -> Totals:
        parts = []
        for name, ledger in self.ledgers.items():
            if ledger.quantity and self.underlying_of(name) == underlying:
                marks = self._marks(ledger)
                parts.append((self._value(ledger, marks), marks.is_fresh))
        return add_up(parts)


def _by_instrument(fills: Iterable[Fill]) -> dict[str, list[Fill]]:
    by_name: dict[str, list[Fill]] = {}
    for fill in fills:
        if not fill.moves_position:
            continue
        by_name.setdefault(fill.instrument, []).append(fill)
    return by_name
