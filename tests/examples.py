"""How many examples a hypothesis test tries: a few in `make test`, many in part H."""

from __future__ import annotations

import os

VARIABLE = "CROSSDESK_EXAMPLES"


def examples(usual: int) -> int:
    """usual, or what the environment asks for if that is more."""
    return max(usual, int(os.environ.get(VARIABLE, 0)))


def is_long() -> bool:
    return VARIABLE in os.environ
