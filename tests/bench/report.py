"""Medians, spread and ratios of interleaved rounds, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass
class Row:
    """One figure of both sides: a value per round. factor: printed unit per measured unit."""

    name: str
    unit: str
    ours: Sequence[float]
    other: Sequence[float]
    factor: float = 1.0


def middle(values: Sequence[float]) -> tuple[float, float]:
    """Median and interquartile range."""
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return median(values), high - low


def show(title: str, labels: tuple[str, str], rows: Sequence[Row]) -> None:
    ours, other = labels
    print(f"\n{title}")
    print(f"  {'':34}{ours:>22}{other:>22}{'ratio':>9}")
    for row in rows:
        cells = [_cell(values, row.factor) for values in (row.ours, row.other)]
        ratio = median(row.ours) / median(row.other) if median(row.other) else float("nan")
        print(f"  {row.name + ', ' + row.unit:34}{cells[0]:>22}{cells[1]:>22}{ratio:>9.2f}")


def _cell(values: Sequence[float], factor: float) -> str:
    center, spread = middle(values)
    return f"{_digits(center * factor)} ± {_digits(spread * factor)}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
