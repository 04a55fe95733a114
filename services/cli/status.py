"""`crossdesk status`: supervisord's view, /proc and the beats, put together.

Strategies run by hand are shown while they beat; nobody restarts them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import messages as m
from common.rundir import RunDir
from services.cli.health import READY, Beats
from services.cli.lifecycle import AT_REST
from services.cli.processes import Process
from services.cli.supervisor import Supervisor

BEAT_WAIT_S = 1.2
CPU_SAMPLE_S = 0.4
BY_HAND = "BY HAND"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    cpu_seconds: float
    rss_mb: float


def usage(pid: int) -> Usage | None:
    """CPU time and resident memory of a process; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    rss_kb = next((line.split()[1] for line in status.splitlines() if "VmRSS" in line), "0")
    cpu_seconds = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
    return Usage(cpu_seconds, int(rss_kb) / 1024)


def uptime_s(pid: int) -> int:
    """0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now_s = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0
    return max(0, int(now_s - int(fields[19]) / TICKS_PER_SECOND))


def collect(
    processes: Sequence[Process], run_dir: RunDir, by_hand: Sequence[Process] = ()
) -> list[dict[str, Any]]:
    """One row per process, JSON-ready; takes about half a second while all is well.

    by_hand: processes that nobody supervises; those that do not beat have no row.
    """
    states = {row["name"]: row for row in Supervisor(run_dir).states()}
    running = [p for p in processes if states.get(p.name, {}).get("pid")]
    pids = {p.name: int(states[p.name]["pid"]) for p in running}
    started = time.monotonic()
    before = {name: usage(pid) for name, pid in pids.items()}
    maybe = [p for p in by_hand if run_dir.socket_path(p.beat).exists()]
    with Beats([*running, *maybe], run_dir) as beats:
        beats.wait_for_all([*pids, *(p.name for p in maybe)], BEAT_WAIT_S)
        found = [p for p in maybe if p.name in beats.last]
        before |= {p.name: usage(beats.last[p.name].pid) for p in found}
        states |= {p.name: _own_state(beats.last[p.name].pid) for p in found}
        sampled = time.monotonic() if found else started
        time.sleep(max(0.0, CPU_SAMPLE_S - (time.monotonic() - sampled)))
        now, last = time.monotonic(), dict(beats.last)
    rows = []
    for p in [*processes, *found]:
        seconds = now - (sampled if p in found else started)
        row = _row(p, run_dir, states.get(p.name), before.get(p.name), seconds, last.get(p.name))
        row["next"] = _next_step(row, is_up=bool(states))
        rows.append(row | {"supervised": p not in found})
    return rows


def _next_step(row: dict[str, Any], *, is_up: bool) -> str:
    """What a person does about a process that nobody starts again by himself, else ""."""
    if row["state"] not in AT_REST:
        return ""
    return f"crossdesk restart {row['name']}" if is_up else "crossdesk up"


def _own_state(pid: int) -> dict[str, Any]:
    """As supervisord's, of a process that it does not know."""
    return {"statename": BY_HAND, "pid": pid, "spawnerr": "", "start": 0, "now": uptime_s(pid)}


def _row(
    process: Process,
    run_dir: RunDir,
    state: dict[str, Any] | None,
    before: Usage | None,
    seconds: float,
    beat: m.Health | None,
) -> dict[str, Any]:
    pid = int(state["pid"]) if state and state["pid"] else None
    if beat is not None and beat.pid != pid:
        beat = None
    after = usage(pid) if pid else None
    return {
        "name": process.name,
        "state": state["statename"] if state else "STOPPED",
        "pid": pid,
        "healthy": beat is not None and beat.state == READY,
        "health": beat.state if beat else ("silent" if pid else "not running"),
        "text": beat.text if beat else (state["spawnerr"] if state else ""),
        "cpu_percent": _cpu_percent(before, after, seconds),
        "rss_mb": round(after.rss_mb, 1) if after else 0.0,
        "uptime_s": max(0, state["now"] - state["start"]) if state and pid else 0,
        "endpoints": process.endpoints(run_dir),
        "links": beat.links if beat else {},
        "counters": beat.counters if beat else {},
        "log": str(run_dir.logs / f"{process.name}.log"),
    }


def _cpu_percent(before: Usage | None, after: Usage | None, seconds: float) -> float:
    if before is None or after is None or seconds <= 0:
        return 0.0
    return round(100 * (after.cpu_seconds - before.cpu_seconds) / seconds, 1)
