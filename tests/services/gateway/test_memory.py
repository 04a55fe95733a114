"""What outlives a gateway: kept whole, bounded, and never in the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from common import messages as m
from services.gateway.events import Remember
from services.gateway.history import MINUTE_NS, MINUTES, SECOND_NS, SECONDS, Curve, Kind
from services.gateway.memory import NAME, Memory, Unreadable, set_aside

T0 = 1_790_000_000 * SECOND_NS // MINUTE_NS * MINUTE_NS
REAL, SIMULATED = ("deribit", "main"), ("toy", "main")


def point(at_ns: int, equity: float, fills: list[m.Fill] | None = None) -> Remember:
    values = {
        Curve.of(Kind.BALANCE, REAL, "BTC"): {"equity": equity, "pnl": None},
        Curve.of(Kind.STRATEGY, SIMULATED, "BTC", "quoter"): {"pnl": -equity},
    }
    return Remember(at_ns, values, fills or [])


def fill(number: int | str, venue: str = "deribit") -> m.Fill:
    return m.Fill(
        exec_id=str(number),
        client_order_id="1",
        venue_order_id="1",
        instrument=f"{venue}.BTC-PERPETUAL",
        venue=venue,
        account="main",
        owner="me",
        side=m.Side.BUY,
        last_price=m.Exact("60000.5"),
        last_quantity=m.Exact("10"),
        liquidity=m.Liquidity.MAKER,
        fee=m.Exact("-0.00000001"),
        fee_currency="BTC",
        filled_ns=T0 + int(number),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    made = Memory(path)
    yield made
    made.close()


def test_points_and_fills_come_back_as_they_were(memory: Memory, path: Path) -> None:
    first, second = point(T0, 1.5, [fill(1)]), point(T0 + SECOND_NS, 2.5)
    memory.write([first, second])
    found = Memory(path).read(T0 + 2 * SECOND_NS)
    assert found.frames["second"] == [(T0, first.values), (T0 + SECOND_NS, second.values)]
    assert found.frames["minute"] == [(T0 + SECOND_NS, second.values)]
    assert found.fills == [fill(1)]
    assert isinstance(found.fills[0].last_price, Decimal)
    assert path.stat().st_mode & 0o077 == 0


def test_it_is_bounded_as_the_history_in_memory_is(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.memory.MAX_FILLS", 3)
    end_ns = T0 + 2 * MINUTES * MINUTE_NS
    memory.write([point(at_ns, 1.0) for at_ns in range(T0, end_ns, 7 * MINUTE_NS)])
    memory.write([point(end_ns + n * SECOND_NS, 1.0) for n in range(-2 * SECONDS, 1)])
    memory.write([point(end_ns + SECOND_NS, 1.0, [fill(n) for n in range(5)])])
    found = memory.read(end_ns + SECOND_NS)
    assert len(found.frames["second"]) == SECONDS
    assert found.frames["minute"][0][0] > end_ns - MINUTES * MINUTE_NS
    assert [each.exec_id for each in found.fills] == ["2", "3", "4"]


def test_what_is_too_old_or_of_the_future_is_not_shown(memory: Memory) -> None:
    memory.write([point(T0, 1.0)])
    assert memory.read(T0 - 1).frames == {"second": [], "minute": []}
    later = memory.read(T0 + SECONDS * SECOND_NS)
    assert later.frames["second"] == [] and len(later.frames["minute"]) == 1


def test_a_batch_that_fails_leaves_nothing_of_itself(memory: Memory) -> None:
    memory.write([point(T0, 1.0)])
    broken = Remember(T0 + SECOND_NS, {}, [fill(1), object()])  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        memory.write([broken])
    assert memory.read(T0 + SECOND_NS).fills == []


def test_a_writer_that_dies_in_the_middle_leaves_the_last_batch(path: Path) -> None:
    memory = Memory(path)
    memory.write([point(T0, 1.0, [fill(1)])])
    memory.close()
    script = (
        "import os, sqlite3, sys; file = sqlite3.connect(sys.argv[1]);"
        "file.execute('DELETE FROM fills'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == 9
    assert Memory(path).read(T0).fills == [fill(1)]


def test_a_venue_that_began_anew_is_forgotten(memory: Memory) -> None:
    memory.write([point(T0, 1.0, [fill(1), fill(2, "toy")])])
    memory.forget({"toy"})
    found = memory.read(T0)
    ((_, values),) = found.frames["second"]
    assert list(values) == [Curve.of(Kind.BALANCE, REAL, "BTC")]
    assert found.fills == [fill(1)]
    memory.forget({"deribit"})
    assert memory.read(T0) == ({"second": [], "minute": []}, [])


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_told_apart_and_can_be_set_aside(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        Memory(path).read(T0)
    assert set_aside(path).read_bytes() == content
    Memory(path).read(T0)


def test_damaged_rows_and_other_versions_are_unreadable(memory: Memory, path: Path) -> None:
    memory.write([point(T0, 1.0)])
    with sqlite3.connect(path) as other:
        other.execute("UPDATE points SET body = '[[[\"x\"], {}]]'")
    with pytest.raises(Unreadable):
        Memory(path).read(T0)
    with pytest.raises(Unreadable):
        Memory(path).forget({"toy"})
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version=7")
    with pytest.raises(Unreadable, match="version 7"):
        Memory(path)
