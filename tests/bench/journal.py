"""What the journal costs: `python -m tests.bench.journal [DIRECTORY]`, on the disk of DIRECTORY.

Per order: the time from append() to the report that lets the order leave, alone and in bursts, with
both durabilities. Per start: the time to read and fold 200,000 records of a busy engine.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

from common.config import LimitsConfig
from common.transport import segments
from common.transport.journal import Journal, SegmentedLog
from services.trading_engine import snapshot
from tests.services.trading_engine.kit import Bench

RECORD = b"x" * 900  # request, intent and report of one order
ALONE, BURSTS, BURST = 2000, 40, 200
RECORDS = 200_000
SYNC_AFTER_S = 0.01


def main() -> None:
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-journal-") as name:
        print(f"{'durability':12}{'p50 us':>9}{'p99 us':>9}{'max us':>9}{'burst of 200, ms':>19}")
        for durability, sync_after_s in (("always", None), ("group", SYNC_AFTER_S)):
            alone, burst_s = asyncio.run(_appends(Path(name) / durability, sync_after_s))
            p50, p99, most = alone[len(alone) // 2], alone[len(alone) * 99 // 100], alone[-1]
            row = f"{p50 * 1e6:9.0f}{p99 * 1e6:9.0f}{most * 1e6:9.0f}{burst_s * 1e3:19.2f}"
            print(f"{durability:12}{row}")
        _starts(Path(name) / "start")


async def _appends(directory: Path, sync_after_s: float | None) -> tuple[list[float], float]:
    """Times of single appends, sorted, and the mean time until a whole burst may leave."""
    loop = asyncio.get_running_loop()
    log = SegmentedLog(directory, segments.load(directory))
    journal = Journal(loop, log, sync_after_s=sync_after_s)
    alone = sorted([await _time(journal, 1) for _ in range(ALONE)])
    bursts = [await _time(journal, BURST) for _ in range(BURSTS)]
    journal.close()
    return alone, sum(bursts) / len(bursts)


async def _time(journal: Journal, count: int) -> float:
    done = asyncio.get_running_loop().create_future()
    left = count

    def on_done(error: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(error)

    began = time.perf_counter()
    for _ in range(count):
        journal.append(RECORD, on_done)
    assert await done == ""
    return time.perf_counter() - began


def _starts(directory: Path) -> None:
    payloads = _busy_engine()
    log = SegmentedLog(directory, segments.load(directory))
    for start in range(0, RECORDS, 1000):
        log.write([payloads[n % len(payloads)] for n in range(start, start + 1000)])
    log.finish()
    log.close()
    gc.disable()
    whole_s = _read(directory)
    first = segments.listed(directory, "segment")[-1][0]
    began = time.perf_counter()
    snapshot.write(directory, first, keep=50)
    wrote_s = time.perf_counter() - began
    print(f"start with {RECORDS} records: {whole_s:.2f} s without a snapshot,", end=" ")
    print(f"{_read(directory):.2f} s with one; writing it took {wrote_s:.2f} s elsewhere")


def _read(directory: Path) -> float:
    began = time.perf_counter()
    loaded = segments.load(directory)
    assert loaded.damage is None
    snapshot.fold_of(loaded)
    return time.perf_counter() - began


def _busy_engine() -> list[bytes]:
    """Records of orders that are placed and, in part, filled."""
    limits = LimitsConfig(max_open_orders=100_000)
    bench = Bench(limits=limits, rate_per_second=1e6, rate_burst=1e6).start()
    while len(bench.journal) < 10_000:
        bench.placed()
        bench.deliver(bench.twin.fill(bench.twin.open_ids[-1], 40))
        bench.commands.clear()
        bench.wakes = bench.wakes[-5:]
        bench.now += 10_000_000
    return bench.journal


if __name__ == "__main__":
    main()
