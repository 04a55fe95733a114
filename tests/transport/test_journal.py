from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.errors import ConfigError
from common.transport.journal import Journal, pack, read, scan

PAYLOADS = [b"one", b"two" * 100, b"", b"four"]


def whole() -> bytes:
    return b"".join(pack(number, payload) for number, payload in enumerate(PAYLOADS))


def test_what_was_appended_is_read_back_after_the_callback(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    loop = asyncio.new_event_loop()
    journal = Journal(loop, path)
    errors: list[str] = []

    async def append_all() -> None:
        done = asyncio.Event()

        def on_done(error: str) -> None:
            errors.append(error)
            if len(errors) == len(PAYLOADS):
                done.set()

        for payload in PAYLOADS:
            journal.append(payload, on_done)
        async with asyncio.timeout(60):
            await done.wait()

    loop.run_until_complete(append_all())
    assert errors == [""] * len(PAYLOADS)
    assert read(path) == PAYLOADS
    journal.close()
    loop.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_tail_cut_at_any_byte_leaves_the_whole_prefix() -> None:
    data = whole()
    ends = [len(b"".join(pack(n, p) for n, p in enumerate(PAYLOADS[:k]))) for k in range(5)]
    for cut in range(len(data)):
        found = scan(data[:cut])
        payloads, end = found.payloads, found.end
        assert payloads == PAYLOADS[: len(payloads)]
        assert end == max(e for e in ends if e <= cut)


def test_any_flipped_bit_is_found() -> None:
    data = whole()
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            found = scan(bytes(flipped))
            payloads, end = found.payloads, found.end
            assert end <= position
            assert payloads == PAYLOADS[: len(payloads)]


def test_a_torn_tail_is_cut_and_appending_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(whole()[:-2])
    loop = asyncio.new_event_loop()
    journal = Journal(loop, path)
    journal.append(b"five", lambda error: None)
    journal.close()
    loop.close()
    assert read(path) == [*PAYLOADS[:3], b"five"]


def test_damage_in_the_middle_is_refused_and_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = bytearray(whole())
    data[-len(pack(3, PAYLOADS[3])) - 20] ^= 1  # inside the long second record
    path.write_bytes(bytes(data))
    loop = asyncio.new_event_loop()
    with pytest.raises(ConfigError, match="journal"):
        Journal(loop, path)
    loop.close()
    assert path.read_bytes() == bytes(data)
