"""What a handler of a method gets, and what handlers of several modules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from common.venues.deribit.simulator.catalog import (
    NS_PER_MS,
    Catalog,
    Identity,
    kinds,
    trade_number,
)
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.simulation import TradeFilter

MAX_COUNT = 1000


class Call(msgspec.Struct):
    """One checked call. session: what its orders belong to, "" over HTTP, and whether they end
    with it."""

    method: str
    params: dict[str, Any]
    now_ns: int
    identity: Identity | None = None
    session: str = ""
    cancels_on_disconnect: bool = False

    @property
    def account(self) -> str:
        return self.owner.client_id

    @property
    def owner(self) -> Identity:
        if self.identity is None:
            raise Refused(13009, "unauthorized")
        return self.identity


Handler = Callable[[Call], Any]


def count_of(call: Call, default: int, most: int = MAX_COUNT) -> int:
    count: int = call.params.get("count", default)
    if not 1 <= count <= most:
        raise invalid_params("count", f"must be from 1 to {most}")
    return count


def begin_ns(timestamp_ms: int | None) -> int | None:
    return None if timestamp_ms is None else timestamp_ms * NS_PER_MS


def end_ns(timestamp_ms: int | None) -> int | None:
    """The end of this millisecond, so that the bound is inclusive."""
    return None if timestamp_ms is None else (timestamp_ms + 1) * NS_PER_MS - 1


def trade_filter(call: Call, catalog: Catalog) -> TradeFilter:
    """What the get_last_trades and get_user_trades families ask for.

    Newest first unless a start is given; `sorting` decides if present.
    """
    params = call.params
    symbol = params.get("instrument_name")
    if symbol is not None:
        catalog.listing(symbol)
    sorting = params.get("sorting", "default")
    has_start = any(name in params for name in ("start_timestamp", "start_seq", "start_id"))
    return TradeFilter(
        symbol=symbol,
        kinds=kinds(params.get("kind")),
        currency=catalog.currency(params.get("currency")),
        from_ns=begin_ns(params.get("start_timestamp")),
        to_ns=end_ns(params.get("end_timestamp")),
        from_number=_trade_bound(params, "start_id"),
        to_number=_trade_bound(params, "end_id"),
        from_sequence=params.get("start_seq"),
        to_sequence=params.get("end_seq"),
        count=count_of(call, 10),
        ascending=has_start if sorting == "default" else sorting == "asc",
    )


def _trade_bound(params: dict[str, Any], name: str) -> int | None:
    return trade_number(name, params[name]) if name in params else None
