"""StrategyState: how a strategy does, for pages and the command line; and parameters as text."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from enum import Enum

import msgspec

from common import messages as m
from common.domain.position import plain
from common.own_orders import ZERO, OwnPosition
from common.strategy import ParameterError, Parameters
from services.strategy_host.workbench import Workbench


def state_of(
    bench: Workbench, *, state: str, error: str, slow_calls: int, started_ns: int
) -> m.StrategyState:
    held = bench.held()
    working = bench.oms.working
    return m.StrategyState(
        name=bench.name,
        venue=bench.config.venue,
        account=bench.config.account,
        state=state,
        file=bench.config.file,
        parameters=as_texts(bench.parameters),
        positions=[_position(bench, position) for position in held],
        pnl=pnl_of(held),
        open_orders=len(working),
        in_doubt=bench.oms.in_doubt,
        placed=bench.oms.placed,
        fills=bench.memory.fills,
        rejects=dict(sorted(bench.oms.rejects.items())),
        slow_calls=slow_calls,
        last_error=error,
        started_ns=started_ns,
        updated_ns=bench.now_ns,
        set_at_run_time=dict(bench.memory.parameters),
    )


def _position(bench: Workbench, position: OwnPosition) -> m.StrategyPosition:
    average, unrealized = position.average_price, position.unrealized_pnl
    return m.StrategyPosition(
        instrument=position.instrument,
        quantity=plain(position.quantity),
        average_price=None if average is None else plain(average),
        currency=position.currency,
        realized_pnl=plain(position.realized_pnl),
        unrealized_pnl=None if unrealized is None else plain(unrealized),
        fees=plain(position.fees),
        mark_price=bench.market.mark(position.instrument),
        working_buy=plain(position.working_buy),
        working_sell=plain(position.working_sell),
    )


def pnl_of(held: list[OwnPosition]) -> dict[str, Decimal]:
    """Realized and unrealized profit less fees, by currency."""
    pnl: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for position in held:
        if position.currency:
            profit = position.realized_pnl + (position.unrealized_pnl or ZERO)
            pnl[position.currency] += profit - position.fees
    return {currency: plain(value) for currency, value in sorted(pnl.items())}


def as_texts(parameters: Parameters) -> dict[str, str]:
    return {name: _text(getattr(parameters, name)) for name in parameters.__struct_fields__}


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, (list, tuple, dict, set, frozenset, bool)):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)


def from_texts(values: dict[str, str]) -> dict[str, object]:
    """Texts as they were typed; lists, objects and null are JSON.

    Raises:
        ParameterError: one is not JSON and looks as if it were meant to be.
    """
    read: dict[str, object] = {}
    for name, text in values.items():
        read[name] = text
        if text[:1] in ("[", "{") or text == "null":
            try:
                read[name] = msgspec.json.decode(text.encode())
            except msgspec.DecodeError as error:
                raise ParameterError(name, f"is not JSON: {error}") from None
    return read
