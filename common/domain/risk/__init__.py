"""Pre-trade checks: may this order be sent? A refusal is data, never an exception.

check() is pure: the order, the configured limits and what is known about market and account go in.
It fails closed: a limit that needs a price refuses when there is none. A user's order is never
rounded or moved; a refusal names the field and says what would pass.

`limits` is what the configuration allows, `facts` what the checks are given; `form`, `value` and
`account` hold the checks themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from common.domain.risk import account, form, value
from common.domain.risk.facts import (
    PRICED,
    TRAILING,
    TRIGGERED,
    WAITING,
    Case,
    Market,
    Parent,
    Refusal,
    State,
)
from common.domain.risk.limits import OTHERS, ZERO, Limits, Loss
from common.messages import PlaceOrder, RejectReason

__all__ = [
    "OTHERS",
    "PASSED_BY_MODIFY",
    "PASSED_BY_PLACE",
    "PRICED",
    "RULES",
    "TRAILING",
    "TRIGGERED",
    "WAITING",
    "ZERO",
    "Limits",
    "Loss",
    "Market",
    "Parent",
    "Refusal",
    "State",
    "check",
]

Rule = Callable[[Case], Refusal | None]

RULES: tuple[Rule, ...] = (
    form.check_trading,
    form.check_quantity,
    form.check_price,
    form.check_trigger,
    form.check_display,
    form.check_flags,
    account.check_mode,
    account.check_allowed,
    account.check_limits_exist,
    value.check_data,
    value.check_max_quantity,
    value.check_notional,
    value.check_collar,
    account.check_rate,
    account.check_same,
    account.check_parent,
    account.check_exposure,
    account.check_profit,
    account.check_open_orders,
)
"""In this order; the first refusal is the answer."""

# What an order passed that was not refused, for the journal.
PASSED_BY_PLACE = ["instrument", *(rule.__name__.removeprefix("check_") for rule in RULES)]
PASSED_BY_MODIFY = [name for name in PASSED_BY_PLACE if name != "open_orders"]


def check(
    order: PlaceOrder, limits: Limits, state: State, *, is_new: bool = True
) -> Refusal | None:
    """The first reason not to send the order, None if there is none.

    Args:
        is_new: False for a modify, whose order counts among the open ones already.
    """
    if state.instrument is None:
        text = f"there is no instrument {order.instrument}; try `crossdesk instruments`"
        return Refusal(RejectReason.UNKNOWN_INSTRUMENT, "instrument", text)
    case = Case(order, limits, state, state.instrument, is_new)
    for rule in RULES:
        refusal = rule(case)
        if refusal is not None:
            return refusal
    return None
