"""Journal files: how records stand in them, how they are read back, and how damage is found.

A record is `u32 length | u64 sequence | u32 crc32 | payload`, little endian; the checksum covers
sequence and payload. A journal is a directory of segments, `<first sequence>.segment`, and of
snapshots, `<sequence>.snapshot`: the state that all records before that sequence lead to. Each
segment begins with a chain record, and another follows every CHAIN_EVERY records: it holds the hash
of everything before, so that a change shows even where somebody made its checksum right.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from common.errors import ConfigError

HEADER = struct.Struct("<IQI")
MAX_RECORD_BYTES = 16 << 20
CHAIN_EVERY = 1000
SEGMENT_BYTES = 64 << 20
SEGMENT_RECORDS = 50_000
SNAPSHOTS_KEPT = 2
CHAIN_MARK = b"\x92\xa5chain\xc4\x20"  # msgpack: ["chain", 32 bytes]
HASH_BYTES = 32
NAME = re.compile(r"(\d{20})\.(segment|snapshot)\Z")
LOW_BYTES = 3  # of a sequence; the others are the same for all that stand near each other
SEQUENCE_AT = 4  # in the header


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(sequence.to_bytes(8, "little")))


def pack(sequence: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), sequence, _checksum(sequence, payload)) + payload


def is_chain(payload: bytes) -> bool:
    return len(payload) == len(CHAIN_MARK) + HASH_BYTES and payload.startswith(CHAIN_MARK)


class Chain:
    """The hash of all records so far, carried from one chain record to the next.

    Args:
        digest: the hash of what stands before the first record that will be added.
    """

    def __init__(self, digest: bytes = bytes(HASH_BYTES)) -> None:
        self._restart(digest)

    def _restart(self, digest: bytes) -> None:
        self._digest = digest
        self._hasher = blake2b(digest, digest_size=HASH_BYTES)
        self.since = 0  # records since the last chain record

    @property
    def digest(self) -> bytes:
        return self._hasher.digest() if self.since else self._digest

    def add(self, record: bytes | memoryview) -> None:
        self._hasher.update(record)
        self.since += 1

    def link(self) -> bytes:
        """The payload of a chain record that stands here."""
        self._restart(self.digest)
        return CHAIN_MARK + self._digest

    def fits(self, payload: bytes) -> bool:
        """Take a chain record that was read."""
        return self.link() == payload


class Damage(msgspec.Struct, frozen=True):
    """What is wrong with a file, and from which byte on."""

    path: Path
    offset: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: byte {self.offset}: {self.problem}"


class Scan(msgspec.Struct):
    """payloads: of the whole records, chain records too. end: where they end."""

    payloads: list[bytes]
    end: int
    altered: bool = (
        False  # the record at end is whole, but its hash is not that of what stands before
    )


def scan(data: bytes, first: int = 0, chain: Chain | None = None) -> Scan:
    """The whole records at the start of data; first is the sequence of the first."""
    found = Scan([], 0)
    view = memoryview(data)
    payloads, offset, size, sequence = found.payloads, 0, len(data), first
    while offset + HEADER.size <= size:
        length, stated, checksum = HEADER.unpack_from(data, offset)
        end = offset + HEADER.size + length
        if stated != sequence or length > MAX_RECORD_BYTES or end > size:
            break
        payload = data[offset + HEADER.size : end]
        if checksum != _checksum(sequence, payload):
            break
        if chain is None:
            pass
        elif not is_chain(payload):
            chain.add(view[offset:end])
        elif not chain.fits(payload):
            found.altered = True
            break
        payloads.append(payload)
        offset, sequence = end, sequence + 1
    found.end = offset
    return found


def has_record_after(data: bytes, offset: int, sequence: int) -> bool:
    """Whether a whole record that follows `sequence` stands behind the bad byte at offset."""
    for near in (sequence, sequence + (1 << 8 * LOW_BYTES)):
        high = near.to_bytes(8, "little")[LOW_BYTES:]
        at = data.find(high, offset)
        while at >= 0:
            if _stands_at(data, at - LOW_BYTES - SEQUENCE_AT, offset, sequence):
                return True
            at = data.find(high, at + 1)
    return False


def _stands_at(data: bytes, start: int, offset: int, sequence: int) -> bool:
    if start <= offset or start + HEADER.size > len(data):
        return False
    length, stated, checksum = HEADER.unpack_from(data, start)
    end = start + HEADER.size + length
    if stated <= sequence or not 0 < length <= MAX_RECORD_BYTES or end > len(data):
        return False
    return bool(checksum == _checksum(stated, data[start + HEADER.size : end]))


def read(path: Path) -> list[bytes]:
    """All whole records of one file; a torn last record is left out. [] when there is no file."""
    return scan(path.read_bytes()).payloads if path.exists() else []


# --- the directory -----------------------------------------------------------------------------


def segment_path(directory: Path, first: int) -> Path:
    return directory / f"{first:020d}.segment"


def snapshot_path(directory: Path, sequence: int) -> Path:
    return directory / f"{sequence:020d}.snapshot"


def listed(directory: Path, kind: str) -> list[tuple[int, Path]]:
    """Sequence and path of all segments or snapshots, oldest first."""
    found = []
    for path in directory.iterdir() if directory.is_dir() else ():
        match = NAME.match(path.name)
        if match is not None and match[2] == kind:
            found.append((int(match[1]), path))
    return sorted(found)


class Loaded(msgspec.Struct):
    """A journal as it was read.

    snapshot: payloads of the newest good snapshot. tail: of the records behind it, without chain
    records. sequence, chain, path, end: where the next record goes; path is None before the first.
    damage: what a person must look at; then nothing may be appended. notes: what was passed over.
    """

    snapshot: list[bytes]
    tail: list[bytes]
    sequence: int
    chain: Chain
    path: Path | None = None
    end: int = 0
    records: int = 0  # in the last segment
    damage: Damage | None = None
    notes: list[str] = []
    snapshot_sequence: int = 0


def load(directory: Path, *, whole: bool = False, until: int | None = None) -> Loaded:
    """Read the newest good snapshot and all that follows it.

    Args:
        whole: read every segment that is kept, from the oldest on, and no snapshot.
        until: stop before the segment of this sequence.

    Raises:
        OSError: a file cannot be read.
    """
    segments = listed(directory, "segment")
    if until is not None:
        segments = [item for item in segments if item[0] < until]
    loaded = Loaded([], [], 0, Chain())
    oldest = segments[0][0] if segments else 0
    if whole:
        _begin_at(loaded, segments)
    else:
        _take_snapshot(loaded, directory, until)
        if loaded.snapshot_sequence == 0 and oldest > 0:
            missing = segment_path(directory, 0)
            loaded.damage = Damage(missing, 0, "is missing, and no good snapshot stands for it")
            return loaded
    wanted = [item for item in segments if item[0] >= loaded.sequence]
    for number, (first, path) in enumerate(wanted):
        _take_segment(loaded, first, path, is_last=number == len(wanted) - 1)
        if loaded.damage is not None:
            break
    return loaded


def _begin_at(loaded: Loaded, segments: Sequence[tuple[int, Path]]) -> None:
    """The oldest segment that is kept tells in its first record the hash of what is gone."""
    if segments and segments[0][0] > 0:
        first, path = segments[0]
        payload = path.read_bytes()[HEADER.size : HEADER.size + len(CHAIN_MARK) + HASH_BYTES]
        loaded.sequence = first
        if is_chain(payload):
            loaded.chain = Chain(payload[len(CHAIN_MARK) :])


def _take_snapshot(loaded: Loaded, directory: Path, until: int | None) -> None:
    for sequence, path in reversed(listed(directory, "snapshot")):
        if until is not None and sequence >= until:
            continue
        taken = read_snapshot(path, sequence)
        if isinstance(taken, Damage):
            loaded.notes.append(f"{taken}; an older one is used")
            continue
        loaded.snapshot, digest = taken
        loaded.sequence = loaded.snapshot_sequence = sequence
        loaded.chain = Chain(digest)
        return


def _take_segment(loaded: Loaded, first: int, path: Path, *, is_last: bool) -> None:
    if first != loaded.sequence:
        problem = f"begins with record {first}, but the one before ends with {loaded.sequence - 1}"
        loaded.damage = Damage(path, 0, problem)
        return
    data = path.read_bytes()
    found = scan(data, first, loaded.chain)
    loaded.path, loaded.end, loaded.records = path, found.end, len(found.payloads)
    loaded.sequence = first + len(found.payloads)
    loaded.damage = _damage(path, data, found, loaded.sequence, is_last=is_last)
    loaded.tail += [payload for payload in found.payloads if not is_chain(payload)]
    if loaded.damage is None and found.end < len(data):
        loaded.notes.append(f"{path}: {len(data) - found.end} bytes of a torn record are cut")


def _damage(path: Path, data: bytes, found: Scan, sequence: int, *, is_last: bool) -> Damage | None:
    if found.payloads and not is_chain(found.payloads[0]):
        return Damage(path, 0, "does not begin with the hash of what stands before")
    if found.altered:
        return Damage(path, found.end, "something before this was altered: the hashes differ")
    if found.end == len(data):
        return None
    if not is_last:
        return Damage(path, found.end, f"record {sequence} is bad, and a segment follows")
    if has_record_after(data, found.end, sequence):
        return Damage(path, found.end, f"record {sequence} is bad, and good ones follow")
    return None


# --- snapshots ---------------------------------------------------------------------------------


def write_snapshot(
    directory: Path, sequence: int, digest: bytes, payloads: Iterable[bytes]
) -> Path:
    """A new file, synced and then renamed, so that there is a whole one or none."""
    chain, packed = Chain(digest), []
    for number, payload in enumerate(payloads):
        packed.append(pack(number + 1, payload))
        chain.add(packed[-1])
    head = pack(0, CHAIN_MARK + digest)
    tail = pack(len(packed) + 1, chain.link())
    path = snapshot_path(directory, sequence)
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=_private) as file:
        file.write(b"".join([head, *packed, tail]))
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    sync_directory(directory)
    return path


def read_snapshot(path: Path, sequence: int) -> tuple[list[bytes], bytes] | Damage:
    """Its payloads and the hash of the journal before `sequence`."""
    data = path.read_bytes()
    head = data[HEADER.size : HEADER.size + len(CHAIN_MARK) + HASH_BYTES]
    if not is_chain(head):
        return Damage(path, 0, "is not a snapshot")
    digest = head[len(CHAIN_MARK) :]
    found = scan(data, 0, Chain(digest))
    is_whole = found.end == len(data) and len(found.payloads) >= 2 and is_chain(found.payloads[-1])
    if found.altered or not is_whole:
        return Damage(path, found.end, f"the snapshot of record {sequence} is damaged")
    return found.payloads[1:-1], digest


def prune(directory: Path, keep: int) -> list[Path]:
    """Remove the oldest segments beyond `keep` that the older kept snapshot covers."""
    snapshots = listed(directory, "snapshot")
    gone = [path for _, path in snapshots[:-SNAPSHOTS_KEPT]]
    if len(snapshots) >= SNAPSHOTS_KEPT:
        covered = snapshots[-SNAPSHOTS_KEPT][0]
        segments = listed(directory, "segment")
        gone += [path for first, path in segments[: -max(keep, 1)] if first < covered]
    for path in gone:
        path.unlink()
    return gone


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_damage(damage: Damage) -> ConfigError:
    """The sentence a process ends with when its journal needs a person."""
    problem = (
        f"byte {damage.offset}: {damage.problem}; nothing is traded until you have looked: run"
        " `crossdesk journal verify`, then `crossdesk journal set-aside` to begin a new one"
    )
    return ConfigError(str(damage.path), "", problem)
