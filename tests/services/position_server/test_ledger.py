"""Whatever the order in which fills and the venue's word arrive, the ledger ends at the truth."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, strategies as st

from common.domain.instrument import Instrument
from common.domain.position import Position
from services.position_server.ledger import Baseline, Ledger, Step
from tests.services.position_server.scenes import DEFINITIONS, LINEAR, PERP, T0, S, fill, report

D = Decimal
INSTRUMENTS = {each.instrument: Instrument(each) for each in DEFINITIONS}
trades = st.lists(
    st.tuples(st.integers(-5, 5).filter(bool), st.integers(90, 110)), min_size=1, max_size=10
)


def said(position: Position):
    """The venue's report; its average is exact here, so that profits can be compared."""
    return report(position.quantity, position.average_price, position.instrument.name)


@given(st.data(), st.sampled_from([PERP, LINEAR]), trades)
def test_any_arrival_ends_at_the_truth(data, name, rows):
    """Fills come one second apart, twice (engine, venue), before or after the baseline that lies
    between two of them or at the very time of two; the venue names quantities in its own order.
    In the last case younger fills come after the venue's words on those two: see the next test."""
    instrument = INSTRUMENTS[name]
    fills = [fill(n, q * 10, p, name, at=n) for n, (q, p) in enumerate(rows)]
    truth, states = Position(instrument), []
    states.append(said(truth))
    for each in fills:
        truth.apply(each)
        states.append(said(truth))
    covered = data.draw(st.integers(0, len(fills)), label="fills in the baseline")
    is_tight = data.draw(st.booleans(), label="baseline at the time of the fills around it")
    from_ns = T0 + (covered - 1) * S + (0 if is_tight else S // 2)
    to_ns = T0 + covered * S if is_tight else from_ns + 10
    order = data.draw(st.permutations(range(len(fills))), label="the engine's fills")
    gate = data.draw(st.integers(0, len(order)), label="of them before the baseline")

    ledger = Ledger(name)
    ledger.define(instrument, 0)
    early = [n for n in order[:gate] if not is_tight or n <= covered]
    ledger.add([fills[n] for n in early], 0)
    ledger.start(Baseline(from_ns, to_ns), states[covered], 0)
    rest = [("engine", n) for n in order if n not in early]
    venue = [("venue", n) for n in range(len(fills))]
    while rest or venue:
        is_held = is_tight and rest and rest[0][1] > covered and venue and venue[0][1] <= covered
        is_engine = rest and not is_held and (not venue or data.draw(st.booleans()))
        kind, n = (rest if is_engine else venue).pop(0)
        if kind == "engine":
            ledger.add([fills[n]], 0)
        else:
            ledger.change([fills[n]], states[n + 1] if n >= covered - 1 else None, 0)
    ledger.hear(states[-1], Baseline(T0 + 99 * S, T0 + 99 * S), 1, 1)

    assert ledger.is_confirmed and ledger.quantity == truth.quantity
    assert ledger.differs_since_ns is None
    assert ledger.next_step(10 * S) is Step.NOTHING
    ledger.position.check()


def test_an_engine_ahead_of_the_venue_at_that_very_time_is_a_difference_and_repaired():
    """A younger fill of the same size looks as if the doubtful one had been counted already."""
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0 + S), report(0, None, LINEAR), 0)
    doubtful, younger = fill(1, 1, 100, LINEAR, at=1), fill(2, 1, 100, LINEAR, at=2)
    ledger.add([doubtful, younger], 0)
    ledger.change([doubtful], report(1, 100, LINEAR), 0)
    ledger.change([younger], report(2, 100, LINEAR), 0)
    assert (ledger.quantity, ledger.next_step(3 * S)) == (1, Step.ASK)
    ledger.ask(3 * S)
    ledger.answer()
    ledger.hear(report(2, 100, LINEAR), Baseline(T0 + 3 * S, T0 + 3 * S), 3 * S, 3 * S)
    assert ledger.next_step(3 * S) is Step.REPAIR
    ledger.repair(None)
    assert ledger.is_confirmed and ledger.quantity == 2


@given(trades, st.integers(0, 10), st.sampled_from([PERP, LINEAR]))
def test_a_restart_in_the_middle_realises_the_same_when_the_desk_was_flat_before(rows, cut, name):
    instrument = INSTRUMENTS[name]
    fills = [fill(n, q * 10, p, name, at=n) for n, (q, p) in enumerate(rows)]
    cut = min(cut, len(fills))
    truth = Position(instrument)
    middle = said(truth)
    for n, each in enumerate(fills):
        truth.apply(each)
        if n == cut - 1:
            middle = said(truth)
    at_ns = T0 + cut * S - S // 2

    ledger = Ledger(name)
    ledger.define(instrument, 0)
    ledger.start(Baseline(at_ns, at_ns), middle, 0)
    ledger.add(fills, 0)
    assert ledger.quantity == truth.quantity
    assert abs(ledger.realized_pnl - truth.realized_pnl) < D("1e-18")


def test_a_repair_keeps_what_was_realised_and_books_the_close_at_the_mark():
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), report(3, 100, LINEAR), 0)
    ledger.add([fill(1, -1, 110, LINEAR)], 0)
    later = Baseline(T0 + 8 * S, T0 + 8 * S)
    ledger.hear(report(1, 100, LINEAR), Baseline(T0 + 5 * S, T0 + 5 * S), 0, 5 * S)
    assert ledger.next_step(6 * S) is Step.NOTHING
    assert ledger.next_step(8 * S) is Step.ASK
    ledger.ask(8 * S)
    ledger.hear(report(1, 100, LINEAR), later, 8 * S, 9 * S)
    assert ledger.next_step(11 * S) is Step.NOTHING
    ledger.answer()
    assert ledger.next_step(11 * S) is Step.REPAIR
    ledger.repair(D(120))
    assert (ledger.quantity, ledger.realized_pnl) == (1, 30)
    assert ledger.is_confirmed and ledger.next_step(99 * S) is Step.NOTHING
    ledger.add([fill(2, -1, 125, LINEAR, at=4, fee="0.5")], 12 * S)  # what the repair was about
    assert (ledger.quantity, ledger.realized_pnl) == (1, 30)
    assert ledger.position.fees == {"BTC": D("0.5")}
    ledger.add([fill(3, -1, 100, LINEAR, at=9)], 12 * S)
    assert ledger.quantity == 0


def test_a_doubtful_fill_told_late_with_its_opposite_is_counted_when_all_were_asked_for():
    """The venue's word from after both fits without them; another fill could be missing as well."""
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), None, 0)
    ledger.hear(None, Baseline(T0 + 4 * S, T0 + 4 * S), 4 * S, 4 * S)
    ledger.add([fill(1, -1, 110, LINEAR, at=0), fill(2, 1, 100, LINEAR, at=2)], 5 * S)
    assert (ledger.quantity, ledger.is_confirmed) == (1, False)
    ledger.hear(None, Baseline(T0 + 6 * S, T0 + 6 * S), 6 * S, 6 * S)
    assert (ledger.quantity, ledger.next_step(8 * S)) == (1, Step.ASK)
    ledger.ask(8 * S)
    ledger.answer()
    ledger.hear(None, Baseline(T0 + 8 * S, T0 + 8 * S), 8 * S, 8 * S)
    assert (ledger.quantity, ledger.realized_pnl) == (0, 10)
    assert ledger.is_confirmed and ledger.next_step(99 * S) is Step.NOTHING


def test_what_was_asked_and_not_answered_proves_nothing_and_is_asked_again():
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), None, 0)
    listed, heard = Baseline(T0 + S, T0 + S), report(2, 100, LINEAR)
    ledger.hear(heard, listed, 0, 0)
    ledger.ask(3 * S)
    ledger.hear(heard, listed, 3 * S, 4 * S)
    assert ledger.next_step(5 * S) is Step.NOTHING
    assert ledger.next_step(13 * S) is Step.ASK
    ledger.lose_link()
    ledger.answer()
    ledger.hear(heard, listed, 14 * S, 14 * S)
    assert ledger.next_step(15 * S) is Step.NOTHING
    assert ledger.next_step(16 * S) is Step.ASK


def test_only_a_list_from_after_the_last_fill_repairs():
    """Of a list whose answer a fill overtook, and of a change, it is not known what they have."""
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), None, 0)
    ledger.hear(report(2, 100, LINEAR), Baseline(T0 + S, T0 + S), 0, 0)
    ledger.ask(3 * S)
    ledger.answer()
    ledger.hear(report(2, 100, LINEAR), Baseline(T0 + 3 * S, T0 + 3 * S), 3 * S, 4 * S)
    ledger.add([fill(1, 1, 100, LINEAR, at=4)], 4 * S)
    assert ledger.next_step(9 * S) is Step.NOTHING
    ledger.change([], report(3, 100, LINEAR), 9 * S)
    assert ledger.next_step(9 * S) is Step.NOTHING
    ledger.hear(report(3, 100, LINEAR), Baseline(T0 + 9 * S, T0 + 9 * S), 9 * S, 9 * S)
    assert ledger.next_step(9 * S) is Step.REPAIR


def test_fills_too_old_to_be_remembered_are_not_counted_again(monkeypatch):
    monkeypatch.setattr("services.position_server.ledger.MOST_SEEN", 3)
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), None, 0)
    fills = [fill(n, 1, 100, LINEAR, at=n) for n in range(1, 8)]
    ledger.add(fills, 0)
    assert ledger.counts_from_ns == fills[3].filled_ns
    assert not ledger.add(fills, 0)
    assert ledger.quantity == 7


def test_without_a_mark_a_repair_realises_nothing():
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), report(3, 100, LINEAR), 0)
    ledger.hear(None, Baseline(T0, T0), 0, 0)
    ledger.repair(None)
    assert (ledger.quantity, ledger.realized_pnl) == (0, 0)


def test_a_position_of_unknown_average_counts_from_the_mark():
    ledger = Ledger(LINEAR)
    ledger.define(INSTRUMENTS[LINEAR], 0)
    ledger.start(Baseline(T0, T0), report(3, None, LINEAR, mark_price=120.0), 0)
    ledger.add([fill(1, -3, 130, LINEAR)], 0)
    assert ledger.realized_pnl == 30
