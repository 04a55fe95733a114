"""Latch files: set, released, noticed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from common.transport import latch
from tests.transport.still import StillLoop


def test_a_latch_keeps_its_first_reason_and_tells_that_of_its_release(tmp_path: Path) -> None:
    assert latch.latch(tmp_path / "latch", "desk", "first") == ""
    latch.latch(tmp_path / "latch", "desk", "second")
    assert latch.read(tmp_path / "latch") == {"desk": "first"}
    assert latch.release(tmp_path / "latch", "desk", "all clear")
    assert not latch.release(tmp_path / "latch", "desk", "again")
    assert latch.read(tmp_path / "latch") == {}
    assert latch.released_of(tmp_path / "latch") == {"desk": "all clear"}


def test_nobody_sees_a_latch_without_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        seen.append(latch.read(tmp_path))
        return real(file, data)

    monkeypatch.setattr("common.transport.latch.os.write", write)
    latch.latch(tmp_path, "desk", "why")
    assert seen == [{}] and latch.read(tmp_path) == {"desk": "why"}
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_a_latch_is_set_without_links_and_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr("common.transport.latch.os.link", refuse)
        assert latch.latch(tmp_path, "deribit", "why") == ""
    with monkeypatch.context() as patched:
        patched.setattr("common.transport.latch.os.write", refuse)
        assert latch.latch(tmp_path, "desk", "lost") == "no space left"
    assert latch.read(tmp_path) == {"deribit": "why", "desk": "no reason was given"}


def test_an_empty_file_made_by_hand_is_a_latch(tmp_path: Path) -> None:
    (tmp_path / "deribit").touch()
    assert latch.read(tmp_path) == {"deribit": "no reason was given"}


def test_a_directory_that_is_gone_halts_the_desk(tmp_path: Path) -> None:
    assert list(latch.read(tmp_path / "gone")) == ["desk"]


def test_control_characters_of_a_reason_are_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / "desk").write_bytes(b"a\x1b[31m\nb\xff")
    assert latch.read(tmp_path) == {"desk": "a?[31m?b\ufffd"}


def test_row_26_every_change_is_told_by_a_look_and_within_20_ms_without_one(tmp_path: Path) -> None:
    told: list[dict[str, str]] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        watch = latch.LatchWatch(loop, tmp_path, lambda now, _: told.append(dict(now)))
        watch.start()
        assert told == [{}]
        (tmp_path / "desk").touch()
        watch.look()
        assert [*told[-1]] == ["desk"]
        for number in range(20):  # quicker than the steps in which a directory is stamped
            (tmp_path / f"strategy.s{number}").touch()
            watch.look()
            assert len(told[-1]) == number + 2
        (tmp_path / "deribit").touch()
        deadline = loop.time() + 60
        while "deribit" not in told[-1] and loop.time() < deadline:
            await asyncio.sleep(0.001)
        watch.close()

    asyncio.run(scene())
    assert "deribit" in told[-1]


def test_a_latch_within_the_step_of_the_last_stamp_is_seen_by_a_look_that_comes_late(
    tmp_path: Path,
) -> None:
    """The loop stood still since the look before."""
    told: list[dict[str, str]] = []
    loop = StillLoop()
    watch = latch.LatchWatch(loop, tmp_path, lambda now, _: told.append(dict(now)))
    watch.start()
    before = tmp_path.stat()
    (tmp_path / "desk").touch()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    loop.now += 10 * latch.FRESH_S
    watch.look()
    assert [*told[-1]] == ["desk"]
