"""The desk's clock when the wall clock is set, and in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.transport import clock
from common.transport.clock import Clock

HOUR_NS = 3_600_000_000_000


class Time:
    """A wall clock that can be set, and a machine that has run for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_ns, self.up_ns = 1_700_000_000_000_000_000, 5_000_000_000
        monkeypatch.setattr(clock, "time_ns", lambda: self.wall_ns)
        monkeypatch.setattr(clock, "clock_gettime_ns", lambda _: self.up_ns)

    def pass_by(self, ns: int) -> None:
        self.wall_ns += ns
        self.up_ns += ns


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.mark.parametrize("jump_ns", [HOUR_NS, -HOUR_NS])
def test_row_83_a_wall_clock_that_is_set_moves_nothing(time: Time, jump_ns: int) -> None:
    ours, begun = Clock(), time.wall_ns
    time.pass_by(100)
    time.wall_ns += jump_ns
    time.pass_by(100)
    assert ours.now_ns() == begun + 200
    assert ours.wall_ahead_ns() == jump_ns


def test_row_83_a_process_that_starts_after_the_jump_agrees_with_the_others(
    time: Time, tmp_path: Path
) -> None:
    first = Clock()
    first.follow(tmp_path / "clock")
    time.wall_ns -= HOUR_NS
    second = Clock()
    second.follow(tmp_path / "clock")
    assert second.now_ns() == first.now_ns()


def test_another_boot_begins_anew_and_a_damaged_file_too(
    time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clock"
    Clock().follow(path)
    monkeypatch.setattr(clock, "_boot_id", lambda: "another")
    time.wall_ns, time.up_ns = time.wall_ns + HOUR_NS, 0
    after = Clock()
    after.follow(path)
    assert after.now_ns() == time.wall_ns and "another" in path.read_text()
    path.write_text("\0")
    after.follow(path)
    assert after.now_ns() == time.wall_ns


def test_a_directory_that_cannot_be_written_leaves_each_its_own(time: Time, tmp_path: Path) -> None:
    ours = Clock()
    ours.follow(tmp_path / "none" / "clock")
    assert ours.now_ns() == time.wall_ns
