"""May the account, and this strategy, do that now: mode, limits, repetition, exposure, loss."""

from __future__ import annotations

from decimal import Decimal

from common.domain.exposure import Holding, total
from common.domain.risk.facts import Case, Change, Refusal
from common.domain.risk.limits import keys_of, limit_of
from common.messages import RejectReason as R, TradingMode

NS_PER_MS = 1_000_000


def check_mode(case: Case) -> Refusal | None:
    state = case.state
    if state.mode is TradingMode.HALTED:
        text = f"{state.mode_text or 'trading is HALTED'}: only cancels are taken"
        return Refusal(state.mode_code, "", text)
    if state.mode is TradingMode.REDUCING and not case.only_lowers:
        positions = ", ".join(str(change.holding.position) for change in case.changes)
        held = f"position {positions}" if positions else "its legs are not known"
        text = f"{state.mode_text or 'trading is REDUCING'} and this could open or flip ({held})"
        return Refusal(state.mode_code, "side", text)
    return None


def check_allowed(case: Case) -> Refusal | None:
    owner, allowed = case.order.owner, case.limits.allowed_to(case.order.owner)
    if allowed is None or not allowed.isdisjoint(keys_of(case.instrument)):
        return None
    text = f"{owner or 'an order of nobody'} may not trade {case.instrument.name}"
    return Refusal(R.INSTRUMENT_NOT_ALLOWED, "instrument", text)


def check_limits_exist(case: Case) -> Refusal | None:
    limits = case.limits
    if not limits.strict:
        return None
    underlying, owner = case.instrument.definition.underlying, case.order.owner
    touched = [change.holding.instrument for change in case.changes] or [case.instrument]
    given = {
        "max_quantity": limit_of(limits.max_quantity, case.instrument)[1],
        "max_position": None
        if any(limit_of(limits.max_position, each)[1] is None for each in touched)
        else limits.max_position,
        "max_underlying_exposure": limits.max_underlying_exposure.get(underlying),
        "max_account_exposure": limits.max_account_exposure,
        "max_notional": limits.max_notional,
        "price_collar_percent": limits.collar_of(case.instrument),
        "max_open_orders": limits.max_open_orders,
        "max_orders_per_second": limits.max_orders_per_second,
        "max_strategy_orders_per_second": limits.max_strategy_orders_per_second,
        "max_fills": limits.max_fills,
        "max_same_orders": limits.max_same_orders,
        "max_age_ms": limits.max_age_ms,
        "max_external_orders": limits.max_external_orders,
        "max_daily_loss": limits.max_loss,
        "max_strategy_daily_loss": limits.loss_of(owner),
        "allowed_instruments": limits.allowed_to(owner),
    }
    missing = [name for name, value in given.items() if value is None]
    if not missing:
        return None
    text = f"no {', '.join(missing)} is set for {case.instrument.name}"
    return Refusal(R.NO_LIMIT, "instrument", f"{text}, and a missing limit refuses")


# --- how often -------------------------------------------------------------------------------


def check_rate(case: Case) -> Refusal | None:
    limits, state, owner = case.limits, case.state, case.order.owner
    rates = (
        ("", limits.max_orders_per_second, state.orders_last_second),
        (f" of {owner}", limits.max_strategy_orders_per_second, state.strategy_orders_last_second),
    )
    for whose, limit, count in rates:
        if limit is not None and count >= limit:
            return Refusal(
                R.RATE_LIMIT, "", f"more than {limit:g} orders{whose} in the last second"
            )
    return None


def check_same(case: Case) -> Refusal | None:
    limit, count = case.limits.max_same_orders, case.state.same_orders
    if limit is None or count < limit:
        return None
    text = (
        f"{count} orders with this side, price and quantity were sent in the last"
        f" {case.limits.same_within_ns // NS_PER_MS} ms, the limit is {limit}"
    )
    return Refusal(R.DUPLICATE_ORDER, "", text)


def check_open_orders(case: Case) -> Refusal | None:
    """A modify counts among the open ones already."""
    limit, count = case.limits.max_open_orders, case.state.open_orders
    if limit is None or count < limit or not case.is_new:
        return None
    return Refusal(R.MAX_OPEN_ORDERS, "", f"{count} orders are open, the limit is {limit}")


# --- how much --------------------------------------------------------------------------------


def check_parent(case: Case) -> Refusal | None:
    order, known, field = case.order, case.state.parent, "parent_quantity"
    if not order.parent:
        if order.parent_quantity is None:
            return None
        return Refusal(R.BAD_REQUEST, "parent", f"{field} needs the name of the parent")
    whole = order.parent_quantity
    if whole is None or not whole.is_finite() or whole <= 0:
        return Refusal(R.BAD_QUANTITY, field, f"a parent needs a {field} above 0")
    if known is None:
        used = Decimal(0)
    elif (known.instrument, known.side, known.quantity) != (order.instrument, order.side, whole):
        text = (
            f"the parent {order.parent} is {known.side.value} {known.quantity} {known.instrument}"
        )
        return Refusal(R.BAD_REQUEST, "parent", text)
    else:
        used = known.used
    if used + order.quantity <= whole:
        return None
    text = f"{used} of the parent {order.parent} are filled or open, and it has {whole} in all"
    return Refusal(R.PARENT_CAP, "quantity", text)


def check_exposure(case: Case) -> Refusal | None:
    limits, changes = case.limits, case.changes
    if not limits.bounds_exposure:
        return None
    if not changes:
        text = f"the legs of {case.instrument.name} are not known, and exposure is limited"
        return Refusal(R.NO_MARKET_DATA, "instrument", text)
    for change in changes:
        refusal = _check_position(case, change)
        if refusal is not None:
            return refusal
    if not limits.values_exposure:
        return None
    after = [change.after for change in changes]
    if all(new.worst <= old.holding.worst for new, old in zip(after, changes, strict=True)):
        return None  # whatever the limits, it adds nothing to the value
    return _check_value(case, after)


def _check_position(case: Case, change: Change) -> Refusal | None:
    """By its own side: that the other one could go further still is no excuse."""
    limits, instrument = case.limits.max_position, change.holding.instrument
    key, limit = limit_of(limits, instrument)
    reach = change.holding.reach(change.side) + change.quantity
    if reach <= 0:
        return None  # it can only close
    if limit is None and limits and case.instrument.is_combo:
        text = f"positions are limited, and max_position says nothing of the leg {instrument.name}"
        return Refusal(R.NO_LIMIT, "instrument", text)
    if limit is None or reach <= limit:
        return None
    text = f"a position of {reach} could come of it, the limit is {limit} for {key}"
    return Refusal(R.EXPOSURE, "quantity", text)


def _check_value(case: Case, after: list[Holding]) -> Refusal | None:
    limits, underlying = case.limits, case.instrument.definition.underlying
    everything = [*after, *case.state.others]
    near = [h for h in everything if h.instrument.definition.underlying == underlying]
    parts = (
        (underlying, limits.max_underlying_exposure.get(underlying), near),
        ("the account", limits.max_account_exposure, everything),
    )
    for name, limit, holdings in parts:
        if limit is None:
            continue
        value = total(holdings)
        if value is None:
            text = f"no price to value the exposure to {name} with"
            return Refusal(R.NO_MARKET_DATA, "instrument", text)
        if value > limit:
            text = f"an exposure to {name} of {value:.2f} could come of it, the limit is {limit}"
            return Refusal(R.EXPOSURE, "quantity", text)
    return None


def check_profit(case: Case) -> Refusal | None:
    """A loss that nobody can tell is taken for one that is too large: REDUCING."""
    limits, state = case.limits, case.state
    if limits.max_loss is None and limits.loss_of(case.order.owner) is None:
        return None
    age_ns = state.profit_age_ns
    if (age_ns is not None and age_ns <= limits.max_profit_age_ns) or case.only_lowers:
        return None
    told = state.profit_text or "the position server does not tell it"
    text = f"the day's profit is not known ({told}): only orders that lower exposure are taken"
    return Refusal(R.STALE_DATA, "", text)
