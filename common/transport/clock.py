"""The wall clock, in one place."""

from __future__ import annotations

from time import time_ns


def now_ns() -> int:
    """Nanoseconds since 1970 UTC."""
    return time_ns()
