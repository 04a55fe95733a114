"""The history of curves: bounds, minutes, and its shape on the wire."""

from __future__ import annotations

import pytest

from services.gateway.history import (
    MINUTES,
    SECOND_NS,
    SECONDS,
    Curve,
    History,
    Kind,
    Resolution,
    Values,
    columns,
)

MAIN, OTHER = ("deribit", "main"), ("deribit", "other")
BTC = Curve.of(Kind.BALANCE, MAIN, "BTC")
T0 = 1_700_000_040 * SECOND_NS  # a full minute


def frame(**values: float | None) -> dict[Curve, Values]:
    return {BTC: dict(values)}


def test_a_quarter_of_an_hour_of_seconds_and_a_day_of_minutes_are_kept():
    history = History()
    for second in range((MINUTES + 2) * 60):
        history.add(T0 + second * SECOND_NS, frame(equity=float(second)))
    seconds = history.columns(Resolution.SECOND, 0, [MAIN])
    assert len(seconds["time_ns"]) == len(seconds["series"][0]["values"]["equity"]) == SECONDS
    minutes = history.columns(Resolution.MINUTE, 0, [MAIN])
    assert len(minutes["time_ns"]) == MINUTES
    assert minutes["series"][0]["values"]["equity"][:2] == [179.0, 239.0]


def test_the_point_of_a_minute_is_the_last_one_in_it():
    history = History()
    for second in (0, 59, 60):
        history.add(T0 + second * SECOND_NS, frame(equity=float(second)))
    found = history.columns(Resolution.MINUTE, 0, [MAIN])
    assert found["series"][0]["values"] == {"equity": [59.0, 60.0]}


def test_what_was_not_known_is_null_in_a_list_as_long_as_the_times():
    history = History()
    history.add(T0, frame(equity=1.0))
    history.add(T0 + 1, {Curve.of(Kind.EXPOSURE, MAIN, "BTC"): {"delta": 2.0}})
    history.add(T0 + 2, frame(equity=3.0, pnl=None))
    found = history.columns(Resolution.SECOND, 0, [MAIN])
    assert found["time_ns"] == [T0, T0 + 1, T0 + 2]
    balance, exposure = found["series"]
    assert balance["values"] == {"equity": [1.0, None, 3.0], "pnl": [None, None, None]}
    assert exposure["values"] == {"delta": [None, 2.0, None]}
    assert balance["kind"] == "balance" and exposure["name"] == "BTC"


def test_only_points_after_a_time_and_curves_of_the_accounts_are_told():
    history = History()
    history.add(T0, frame(equity=1.0))
    history.add(T0 + 1, frame(equity=2.0) | {Curve.of(Kind.BALANCE, OTHER, "BTC"): {"equity": 9.0}})
    found = history.columns(Resolution.SECOND, T0, [OTHER])
    assert found["time_ns"] == [T0 + 1]
    assert [(row["account"], row["values"]) for row in found["series"]] == [
        ("other", {"equity": [9.0]})
    ]


def test_nothing_known_leaves_no_point():
    history = History()
    history.add(T0, {})
    assert history.columns(Resolution.SECOND, 0, [MAIN])["time_ns"] == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_columns_are_the_frames_turned(count):
    frames = [(T0 + index, frame(equity=float(index))) for index in range(count)]
    turned = columns(frames)
    assert turned["time_ns"] == [at for at, _ in frames]
    assert len(turned["series"]) == min(count, 1)
