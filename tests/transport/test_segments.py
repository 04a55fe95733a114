"""Rows 8 and 81: whatever happens to the files, what is read back is right or called damaged."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from common.errors import ConfigError
from common.transport import segments
from common.transport.journal import SegmentedLog
from tests.examples import examples

PER_SEGMENT = 7
PAYLOADS = [b"record %d " % number * (1 + number % 5) for number in range(20)]


def append(directory: Path, payloads: list[bytes], *, finish: bool = True) -> None:
    log = SegmentedLog(directory, segments.load(directory), segment_records=PER_SEGMENT)
    for payload in payloads:
        log.write([payload])
        log.sync()
    if finish:
        log.finish()
    log.close()


@pytest.fixture(scope="module")
def good() -> Iterator[dict[str, bytes]]:
    """Three segments and a snapshot of the first, by file name."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        append(directory, PAYLOADS)
        first = segments.load(directory, until=PER_SEGMENT)
        segments.write_snapshot(directory, PER_SEGMENT, first.chain.digest, [b"state", b"of it"])
        yield {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture
def directory(good: dict[str, bytes], tmp_path: Path) -> Path:
    return fill(tmp_path / "journal", good)


def fill(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def last_segment(directory: Path) -> Path:
    return segments.listed(directory, "segment")[-1][1]


def test_what_was_written_is_read_back_whole_or_behind_a_snapshot(directory: Path) -> None:
    whole = segments.load(directory, whole=True)
    assert (whole.damage, whole.tail, whole.snapshot) == (None, PAYLOADS, [])
    quick = segments.load(directory)
    assert quick.snapshot == [b"state", b"of it"]
    assert quick.tail == PAYLOADS[PER_SEGMENT - 1 :]  # a segment holds its chain record too
    assert quick.sequence == whole.sequence
    assert quick.chain.digest == whole.chain.digest


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    append(tmp_path / "journal", PAYLOADS)
    first = segments.load(tmp_path / "journal", until=PER_SEGMENT)
    segments.write_snapshot(tmp_path / "journal", PER_SEGMENT, first.chain.digest, [b"state"])
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "journal").iterdir()}
    assert modes == {0o600}
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_row_81_any_altered_byte_is_found(good: dict[str, bytes], data: st.DataObject) -> None:
    names = [name for name in good if name.endswith("segment")]
    name = data.draw(st.sampled_from(names))
    position = data.draw(st.integers(0, len(good[name]) - 1))
    change = data.draw(st.integers(1, 255))
    altered = bytearray(good[name])
    altered[position] ^= change
    with tempfile.TemporaryDirectory() as made:
        directory = fill(Path(made), good | {name: bytes(altered)})
        found = segments.load(directory, whole=True)
        assert found.tail == PAYLOADS[: len(found.tail)]
        if found.damage is None:  # like a torn end: the last record, which is cut and told
            assert name == names[-1]
            assert position >= len(good[name]) - len(segments.CHAIN_MARK) - 32 - 16
            assert "torn" in found.notes[0]
        else:
            assert name in str(found.damage)


def test_a_record_that_was_altered_together_with_its_checksum_is_found(directory: Path) -> None:
    path = segments.listed(directory, "segment")[0][1]
    data = path.read_bytes()
    payloads = segments.scan(data).payloads
    payloads[3] = payloads[3].replace(b"record", b"RECORD")
    path.write_bytes(b"".join(segments.pack(n, payload) for n, payload in enumerate(payloads)))
    found = segments.load(directory, whole=True)
    assert found.damage is not None and "altered" in found.damage.problem


@settings(max_examples=examples(100), deadline=None)
@given(data=st.data())
def test_an_altered_snapshot_is_passed_over(good: dict[str, bytes], data: st.DataObject) -> None:
    (name,) = (name for name in good if name.endswith("snapshot"))
    position = data.draw(st.integers(0, len(good[name]) - 1))
    altered = bytearray(good[name])
    altered[position] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as made:
        directory = fill(Path(made), good | {name: bytes(altered)})
        found = segments.load(directory)
        # A hash in its head that no journal has is found by the segment that follows.
        assert found.damage is not None or found.tail == PAYLOADS and found.notes


def test_row_81_a_tail_cut_at_every_byte_leaves_the_whole_prefix(
    good: dict[str, bytes], tmp_path: Path
) -> None:
    name = max(name for name in good if name.endswith("segment"))
    for cut in range(len(good[name])):
        directory = fill(tmp_path / "journal", good | {name: good[name][:cut]})
        before = segments.load(directory)
        assert before.damage is None
        assert PAYLOADS[PER_SEGMENT - 1 :][: len(before.tail)] == before.tail
        append(directory, [b"next"])
        after = segments.load(directory, whole=True)
        assert after.damage is None and after.tail[-1] == b"next"
        assert after.tail[:-1] == PAYLOADS[: len(after.tail) - 1]
        shutil.rmtree(directory)


def test_damage_in_the_middle_is_refused_with_a_way_out(directory: Path) -> None:
    path = last_segment(directory)
    data = bytearray(path.read_bytes())
    data[70] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"segment: byte \d+: .*crossdesk journal verify"):
        SegmentedLog(directory, segments.load(directory))
    assert path.read_bytes() == bytes(data)


def test_a_hole_of_zeros_before_good_records_is_damage_and_found_quickly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quickly: what is read is summed up at most once."""
    records = b"".join(segments.pack(number, b"x" * 700) for number in range(20_000))
    data = records[:700] + bytes(300_000) + records[300_700:]
    summed, checksum = [0], segments._checksum

    def counted(sequence: int, payload: bytes) -> int:
        summed[0] += len(payload)
        return checksum(sequence, payload)

    monkeypatch.setattr(segments, "_checksum", counted)
    assert segments.has_record_after(data, 0, 0)
    assert not segments.has_record_after(data[:300_000], 0, 0)
    assert 0 < summed[0] <= len(data)


def test_a_missing_segment_is_damage(directory: Path) -> None:
    segments.listed(directory, "segment")[1][1].unlink()
    found = segments.load(directory)
    assert found.damage is not None and "begins with record" in found.damage.problem


def test_old_segments_go_only_where_two_snapshots_cover_them(directory: Path) -> None:
    assert segments.prune(directory, 2) == []
    until = segments.listed(directory, "segment")[2][0]
    before = segments.load(directory, until=until)
    segments.write_snapshot(directory, until, before.chain.digest, [b"later"])
    assert segments.prune(directory, 5) == []
    (gone,) = segments.prune(directory, 1)
    assert gone.name == f"{0:020d}.segment"
    assert segments.load(directory).snapshot == [b"later"]
    rest = segments.load(directory, whole=True)
    assert rest.damage is None and rest.tail == PAYLOADS[PER_SEGMENT - 1 :]


class Killed(BaseException):
    """The process died here."""


class Killer:
    """Dies at the nth call that changes the disk, before or after it is carried out."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left = -1
        for owner, name in [
            (os, "write"),
            (os, "open"),
            (os, "ftruncate"),
            (os, "fdatasync"),
            (os, "fsync"),
            (Path, "rename"),
            (Path, "unlink"),
        ]:
            patch.setattr(owner, name, self._wrap(getattr(owner, name), name))

    def _wrap(self, call: Callable[..., object], name: str) -> Callable[..., object]:
        def wrapped(*args: object, **more: object) -> object:
            self.left -= 1
            if self.left == 0 and name == "write":  # half of it reaches the disk
                call(args[0], bytes(args[1])[: len(bytes(args[1])) // 2])  # type: ignore[call-overload]
            if self.left == 0:
                raise Killed
            return call(*args, **more)

        return wrapped


def test_row_08_killed_at_every_step_of_a_turn_of_segment_and_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killer = Killer(patch)
        steps = 0
        while True:
            steps += 1
            directory = tmp_path / str(steps)
            safe, done = work_until_killed(directory, killer, steps)
            killer.left = -1
            found = segments.load(directory)
            assert found.damage is None
            held = [payload for part in found.snapshot for payload in part.split(b"|") if payload]
            assert [*held, *found.tail][: len(safe)] == safe
            append(directory, [b"after"])
            assert segments.load(directory, whole=True).damage is None
            if done:
                break
    assert steps > 100


def work_until_killed(directory: Path, killer: Killer, step: int) -> tuple[list[bytes], bool]:
    """The payloads that were reported as written, and whether all work was done."""
    safe: list[bytes] = []
    killer.left = step

    def turned(first: int) -> None:
        before = segments.load(directory, until=first)
        folded = b"|".join([*before.snapshot, *before.tail])
        segments.write_snapshot(directory, first, before.chain.digest, [folded])
        segments.prune(directory, 2)

    try:
        log = SegmentedLog(
            directory, segments.load(directory), on_turn=turned, segment_records=PER_SEGMENT
        )
        for number in range(30):
            payload = b"p%d" % number
            log.write([payload])
            log.sync()
            safe.append(payload)
        log.finish()
        log.close()
    except Killed:
        return safe, False
    return safe, True
