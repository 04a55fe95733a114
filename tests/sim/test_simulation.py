"""The whole desk under faults, seed by seed; and the checker against planted errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from tests.sim.__main__ import read, run_all, table
from tests.sim.faults import NS_PER_S
from tests.sim.simulation import ENGINE, VENUE, Outcome, Simulation

CHECKOUT = Path(__file__).parents[2]
SEEDS = range(1, 101)
PER_TEST = 10  # one test of ten seeds costs less than ten of one


def told(outcome: Outcome) -> str:
    return "\n".join([f"seed {outcome.seed}: {outcome.violation}", *outcome.tail])


@pytest.mark.parametrize("first", SEEDS[::PER_TEST])
def test_row_25_every_promise_is_held(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        outcome = Simulation(seed).run()
        assert not outcome.violation, told(outcome)


def test_the_same_seed_gives_the_same_commands_byte_for_byte() -> None:
    script = "from tests.sim.simulation import Simulation; print(Simulation(3).run().trace)"
    traces = set()
    for scatter in ("1", "2"):  # what Python scatters by itself must not matter
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONHASHSEED": scatter},
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(done.stdout.strip())
    assert len(traces) == 1 and len(traces.pop()) == 64
    assert Simulation(4).run().trace not in traces


def test_the_seeds_do_what_they_are_for() -> None:
    """Faults that leave no mark would prove nothing."""
    sums: dict[str, int] = {}
    for seed in range(1, 6):
        for name, count in Simulation(seed).run().counts.items():
            sums[name] = sums.get(name, 0) + count
    assert sums["venue orders"] > 50 and sums["stale"] > 5 and sums["replies"] > 200
    assert sums["linked"] > 10 and sums["quotes"] > 10


# --- planted errors: the checker must find each ----------------------------------------------


def calm(seed: int = 1, *, plain: bool = True, busy_s: float = 4.0) -> Simulation:
    """Traffic without faults, so that what is found is what was planted."""
    made = Simulation(seed, busy_s, plain=plain)
    made._trouble = lambda: [(lambda: None, 1)]  # type: ignore[method-assign]
    return made


def plant(made: Simulation, spoil: Callable[[list[Any]], list[Any]]) -> Outcome:
    """Let the engine's commands pass through this first."""
    core, handle = made.world.nodes[ENGINE].core, made.world.nodes[ENGINE].core.handle
    made.world.nodes[ENGINE].core = Spoiled(core, handle, spoil)
    return made.run()


class Spoiled:
    """A core whose commands are tampered with."""

    def __init__(self, core: Any, handle: Any, spoil: Callable[[list[Any]], list[Any]]) -> None:
        self._core, self._handle, self._spoil = core, handle, spoil
        self._state = core._state

    def handle(self, event: Any, now_ns: int) -> list[Any]:
        return self._spoil(list(self._handle(event, now_ns)))

    def on_time(self, now_ns: int) -> list[Any]:
        return self._spoil(list(self._core.on_time(now_ns)))


def places(command: Any) -> bool:
    return isinstance(command, c.LinkSend) and b"private/buy" in command.payload


@pytest.mark.parametrize("plain", [True, False])
def test_a_calm_desk_breaks_nothing(plain: bool) -> None:
    outcome = calm(plain=plain).run()
    assert not outcome.violation, told(outcome)


def at_rest(made: Simulation, act: Callable[[], None]) -> Outcome:
    """Tamper when the traffic is over: before that, the desk would mend itself."""
    heal = made._heal

    def tampered() -> None:
        heal()
        comparing = made.world.nodes[ENGINE].core._comparing
        comparing.next_ns = lambda: None  # it would find what is planted
        act()

    made._heal = tampered  # type: ignore[method-assign]
    return made.run()


def own_orders(made: Simulation) -> list[m.OrderUpdated]:
    store = made.world.nodes[ENGINE].core._state.store
    return [order for order in store.select() if order.status is m.OrderStatus.NEW]


def test_a_lost_order_is_found() -> None:
    """One that rests at the venue and that the engine forgot."""
    made = calm()

    def lose() -> None:
        store = made.world.nodes[ENGINE].core._state.store
        name = own_orders(made)[0].client_order_id
        key, quantity = store._counted.pop(name)
        store._working[key] -= quantity
        del store.open[name]

    outcome = at_rest(made, lose)
    assert outcome.promise == "P6" and "could make it" in outcome.violation


def test_row_38_reports_that_got_lost_on_live_links_are_found_by_comparison() -> None:
    """Nothing else goes wrong, so nothing else would ever look."""
    found = 0
    for seed in range(1, 6):
        made = calm(seed)
        made.world.after(NS_PER_S, made.lose_reports)
        outcome = made.run()
        assert not outcome.violation, told(outcome)
        found += outcome.counts.get("reports_lost", 0)
    assert found >= 3


def test_an_order_sent_twice_is_found() -> None:
    outcome = plant(calm(), lambda commands: commands + [x for x in commands if places(x)])
    assert outcome.promise == "P1" and "twice" in outcome.violation


def quoting() -> Simulation:
    """A calm desk with a market maker on it."""
    made = (calm(seed, plain=False) for seed in SEEDS)
    return next(each for each in made if each.extras is not None and each.extras.quotes)


def test_quotes_sent_twice_are_found() -> None:
    def spoil(commands: list[Any]) -> list[Any]:
        return commands + [x for x in commands if quotes(x)]

    outcome = plant(quoting(), spoil)
    assert outcome.promise == "P1" and "twice" in outcome.violation


def quotes(command: Any) -> bool:
    return isinstance(command, c.LinkSend) and b"private/mass_quote" in command.payload


def test_a_quote_that_is_not_counted_is_found() -> None:
    """The sums are right by what is counted, and less than what the venue could fill."""
    made = quoting()

    def spoil(commands: list[Any]) -> list[Any]:
        store = made.world.nodes[ENGINE].core._state.store
        for name, order in list(store.open.items()):
            if order.state.quote_id and order.state.status is m.OrderStatus.NEW:
                key, quantity = store._counted.pop(name)
                store._working[key] -= quantity
                del store.open[name]
        return commands

    outcome = plant(made, spoil)
    assert outcome.promise == "P6" and "could make it" in outcome.violation


def test_an_order_doubled_by_the_network_is_found() -> None:
    made = calm()
    send = made.world._send_up

    def doubled(number: int, payload: bytes) -> None:
        send(number, payload)
        if b"private/buy" in payload:
            send(number, payload)

    made.world._send_up = doubled  # type: ignore[method-assign]
    outcome = made.run()
    assert outcome.promise == "P1" and "2 orders" in outcome.violation


def test_a_phantom_order_is_found() -> None:
    """One that the engine believes in and the venue has no more."""
    made = calm()

    def vanish() -> None:
        made.truth.vanish(int(own_orders(made)[0].venue_order_id))

    outcome = at_rest(made, vanish)
    assert outcome.promise == "P3" and "here only" in outcome.violation


def test_an_order_without_an_intent_is_found() -> None:
    def spoil(commands: list[Any]) -> list[Any]:
        return [x for x in commands if not isinstance(x, c.Journal)]

    assert plant(calm(), spoil).promise == "P1"


def test_a_wrong_verdict_is_found() -> None:
    made = calm()

    def spoil(commands: list[Any]) -> list[Any]:
        return [rejected(x) for x in commands]

    def rejected(command: Any) -> Any:
        match command:
            case c.Publish(topic, m.OrderUpdated(status=m.OrderStatus.NEW) as order):
                wrong = msgspec.structs.replace(order, status=m.OrderStatus.REJECTED)
                return c.Publish(topic, wrong)
        return command

    assert plant(made, spoil).promise == "P2"


def test_a_fill_counted_twice_is_found() -> None:
    def spoil(commands: list[Any]) -> list[Any]:
        fills = [x for x in commands if isinstance(x, c.Publish) and isinstance(x.message, m.Fill)]
        return commands + fills

    assert plant(calm(3), spoil).promise == "P12"


def test_a_wrong_book_is_found() -> None:
    made = calm()
    node = made.world.nodes[f"market_data.{VENUE}"]
    publish = made.world._carry_out

    def spoiled(where: Any, commands: Any) -> bool:
        if where is node:
            commands = (
                [x for x in commands if not _is_delta(x)] if made.world.events > 300 else commands
            )
        return publish(where, commands)

    def _is_delta(command: Any) -> bool:
        delta = isinstance(command, c.Publish) and isinstance(command.message, m.BookDelta)
        return delta and made.world.events % 3 == 0

    made.world._carry_out = spoiled  # type: ignore[method-assign]
    assert made.run().promise == "P8"


def test_an_order_that_leaves_in_spite_of_the_kill_switch_is_found() -> None:
    """The latch is set where the frame leaves; the engine has not heard of it yet."""
    made = calm()
    made.world.after(3 * NS_PER_S, lambda: made.world.latches.update(desk="planted"))

    def spoil(commands: list[Any]) -> list[Any]:
        return [
            msgspec.structs.replace(x, unless=()) if isinstance(x, c.LinkSend) else x
            for x in commands
        ]

    assert plant(made, spoil).promise == "P4"


def halting() -> Simulation:
    """Trading is halted for a second, again and again."""
    made = calm(busy_s=20.0)
    for at_s in range(1, 20, 2):
        made.world.after(at_s * NS_PER_S, made.halt)
    return made


def test_an_order_that_is_decided_while_trading_is_halted_is_found() -> None:
    assert not halting().run().violation
    made = halting()

    def spoil(commands: list[Any]) -> list[Any]:
        made.world.nodes[ENGINE].core._state.modes.set("desk", m.TradingMode.ACTIVE, "planted")
        return commands

    outcome = plant(made, spoil)
    assert outcome.promise == "P6" and "sent while the desk is halted" in outcome.violation


def test_an_order_that_is_held_back_and_leaves_while_trading_is_halted_is_found() -> None:
    made = halting()
    append = made.world._append

    def late(node: Any, entry: Any, covered: Any, wait_ns: int) -> None:
        kept = [x for x in covered if isinstance(x, c.LinkSend)]
        append(node, entry, [x for x in covered if x not in kept], wait_ns)
        made.world.after(NS_PER_S // 2, lambda: made.world._carry_out(node, kept))

    made.world._append = late  # type: ignore[method-assign]
    outcome = made.run()
    assert outcome.promise == "P6" and "left while the desk is halted" in outcome.violation


def test_more_open_orders_than_allowed_are_found() -> None:
    made = calm()
    made.checker._max_open = 2
    outcome = made.run()
    assert outcome.promise == "P6" and "3 open orders" in outcome.violation


def test_more_quotes_than_allowed_are_found() -> None:
    made = quoting()
    made.checker._max_open = 0
    made.checker._check_placing = lambda params: None  # type: ignore[method-assign]
    outcome = made.run()
    assert outcome.promise == "P6" and "open orders" in outcome.violation


def test_an_order_that_leaves_without_a_disk_is_found() -> None:
    made = calm()
    made.world.disks[ENGINE].failure = "write"  # and nobody is told
    made.world._drop = made.world._carry_out  # type: ignore[method-assign, assignment]
    assert made.run().promise == "P1"


def test_a_sum_of_open_orders_that_is_off_is_found() -> None:
    made = calm()

    def spoil(commands: list[Any]) -> list[Any]:
        store = made.world.nodes[ENGINE].core._state.store
        for key in store._working:
            store._working[key] += made.world.events > 400
        return commands

    assert plant(made, spoil).promise == "P6"


def test_a_process_that_spins_is_found() -> None:
    made = calm()

    def spoil(commands: list[Any]) -> list[Any]:
        return [*commands, c.WakeAt(0)]

    assert plant(made, spoil).promise == "P18"


# --- running ranges --------------------------------------------------------------------------


def test_ranges_are_kept_and_reported(tmp_path: Path) -> None:
    results = tmp_path / "sim.jsonl"
    first = list(run_all([1, 2], 1, results))
    assert [outcome.seed for outcome in read(results)] == [1, 2]
    text = table(first)
    assert all(promise in text for promise in ("P1", "P2", "P3", "P6", "P8", "P12"))
    broken = Outcome(seed=9, violation="P1: x", promise="P1")
    assert "BROKEN by seeds [9]" in table([*first, broken])
