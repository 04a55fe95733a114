from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from common.strategy import _shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("50000.50"), "50000.50"),
        (Decimal("NaN"), "NaN"),
        (Decimal("1e60"), "1E+60"),
        (1.5, "1.5"),
        (None, "None"),
    ],
)
def test_what_is_short_is_logged_as_it_is(value: object, text: str) -> None:
    assert _shown(value) == text


def test_long_numbers_are_logged_with_twelve_places() -> None:
    with localcontext(prec=60):
        assert _shown(Decimal(100) / 3) == "33.333333333333"
        assert _shown(Decimal(-1) / 7 * Decimal("1e-6")) == "-0.000000142857"
        assert _shown(Decimal(10) ** 50 / 7) == "1.4285714285714285714e+49"
