"""Mass quotes and market maker protection of Deribit: calls to JSON-RPC, answers to records.

https://docs.deribit.com/articles/mass-quotes-specifications (read in August 2026). A quote has no
label; its order and its trades carry quote_id, quote_set_id and mmp_group:

    {"orders":[{"order_id":"12","quote":true,"quote_id":"9","quote_set_id":"s","mmp_group":"mm",..}],
     "trades":[],"errors":[{"instrument_name":"BTC-PERPETUAL","side":"bid",
                            "error":{"code":10043,"message":"price_wrong_tick"}}]}
    {"index_name":"btc_usd","mmp_group":"mm","interval":5,"frozen_time":10,"max_quote_quantity":10.0}
    {"index_name":"btc_usd","mmp_group":"mm","frozen_until":1700000000000}

The amount of a quote is what is to remain of it, 0 takes it away. frozen_until 0: until a reset.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from common.errors import VenueProtocolError
from common.messages import CancelQuotes, InstrumentKind, ResetProtection, SetProtection, Side
from common.venues import order_entry as entry
from common.venues.deribit.order_errors import refusal
from common.venues.deribit.order_payloads import (
    VENUE_NAME,
    decode_as,
    decode_orders,
    decode_trades,
    plain,
)
from common.venues.deribit.session import RpcError
from common.venues.deribit.whole_numbers import Count, Milliseconds, Seconds

PROTECTION_CHANNEL = "user.mmp_trigger.any"
MAX_QUOTES = 100
NS_PER_MS = 1_000_000
WORDS = {Side.BUY: "bid", Side.SELL: "ask"}
SIDES = {word: side for side, word in WORDS.items()}
LIMITS = ("quantity_limit", "delta_limit", "vega_limit", "trade_count_limit")
FUTURES = frozenset({InstrumentKind.PERPETUAL, InstrumentKind.FUTURE})

# (method, params, shape of the answer, context)
Request = Callable[[str, dict[str, Any], str, object], entry.VenueCall]


class _Fault(msgspec.Struct, gc=False):
    code: int
    message: str
    data: Any = None


class _Error(msgspec.Struct, gc=False):
    instrument_name: str
    side: str
    error: _Fault


class _Quoted(msgspec.Struct, gc=False):
    orders: msgspec.Raw = msgspec.Raw(b"[]")
    trades: msgspec.Raw = msgspec.Raw(b"[]")
    errors: list[_Error] = []


class _Settings(msgspec.Struct, gc=False):
    index_name: str
    interval: Seconds
    frozen_time: Seconds
    mmp_group: str = ""
    max_quote_quantity: Decimal | None = None
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    trade_count_limit: Count | None = None


class _Frozen(msgspec.Struct, gc=False):
    index_name: str
    frozen_until: Milliseconds
    mmp_group: str = ""


class QuoteCalls:
    """The calls; request makes a frame of each and remembers what its answer looks like."""

    max_quotes = MAX_QUOTES
    needs_cancel_on_disconnect = True

    def __init__(self, request: Request, venue_ms: Callable[[int], int]) -> None:
        """venue_ms: our time as the venue's, in milliseconds."""
        self._request, self._venue_ms = request, venue_ms

    def mass_quote(
        self,
        names: entry.QuoteTag,
        sides: list[entry.QuoteSide],
        valid_until_ns: int,
        context: object,
    ) -> entry.VenueCall:
        quotes: dict[str, dict[str, Any]] = {}
        for side in sides:
            quote = {"instrument_name": side.symbol, "quote_set_id": names.quote_set}
            quotes.setdefault(side.symbol, quote)[WORDS[side.side]] = _side(side)
        params = {
            "quote_id": names.quote_id,
            "mmp_group": names.group,
            "quotes": list(quotes.values()),
            "detailed": True,
            "valid_until": self._venue_ms(valid_until_ns),
        }
        return self._request("private/mass_quote", params, "quoted", context)

    def cancel_quotes(
        self, filters: CancelQuotes, symbol: str, context: object
    ) -> entry.VenueCall | None:
        params = _which(filters, symbol)
        if params is None:
            return None
        return self._request("private/cancel_quotes", params, "count", context)

    def protections(self, context: object) -> list[entry.VenueCall]:
        return [
            self._request("private/get_mmp_config", {}, "protections", context),
            self._request("private/get_mmp_status", {}, "frozen", context),
        ]

    def set_protection(self, command: SetProtection, context: object) -> entry.VenueCall:
        params: dict[str, Any] = {
            **_names(command),
            "interval": command.interval_s,
            "frozen_time": command.frozen_s,
            "max_quote_quantity": command.max_quote_quantity or Decimal(1),
        }
        for name in LIMITS:
            if getattr(command, name) is not None:
                params[name] = getattr(command, name)
        return self._request("private/set_mmp_config", params, "protections", context)

    def reset_protection(self, command: ResetProtection, context: object) -> entry.VenueCall:
        return self._request("private/reset_mmp", _names(command), "count", context)


def _names(command: SetProtection | ResetProtection) -> dict[str, Any]:
    """No group: the protection of plain orders."""
    group = {"mmp_group": command.mmp_group} if command.mmp_group else {}
    return {"index_name": command.index, **group}


def _side(side: entry.QuoteSide) -> dict[str, Any]:
    values: dict[str, Any] = {"amount": side.quantity}
    if side.price is not None:
        values["price"] = side.price
    if side.post_only:
        values |= {"post_only": True, "reject_post_only": True}
    return values


def _which(filters: CancelQuotes, symbol: str) -> dict[str, Any] | None:
    """The venue cancels by one thing at a time, and by neither owner nor group."""
    if filters.owner is not None or filters.mmp_group is not None or filters.kind in FUTURES:
        return None
    ways: list[dict[str, Any]] = []
    if filters.instrument is not None:
        ways.append({"cancel_type": "instrument", "instrument_name": symbol})
    if filters.kind is not None:
        ways.append({"cancel_type": "instrument_kind", "kind": filters.kind.value})
    if filters.currency is not None:
        ways.append({"cancel_type": "currency", "currency": filters.currency})
    if filters.quote_set is not None:
        ways.append({"cancel_type": "quote_set_id", "quote_set_id": filters.quote_set})
    if filters.min_delta is not None and filters.max_delta is not None:
        delta = {"min_delta": filters.min_delta, "max_delta": filters.max_delta}
        ways.append({"cancel_type": "delta"} | delta)
    return None if len(ways) > 1 else ways[0] if ways else {"cancel_type": "all"}


def decode_quoted(context: object, result: msgspec.Raw) -> entry.CallDone:
    """The answer to a mass quote. Raises: VenueProtocolError, as all functions here."""
    quoted = decode_as(result, _Quoted)
    errors = []
    for each in quoted.errors:
        if each.side not in SIDES:
            raise VenueProtocolError(VENUE_NAME, "unknown side of a quote", each.side)
        refused = refusal(RpcError(each.error.code, each.error.message, each.error.data))
        errors.append(entry.QuoteError(each.instrument_name, SIDES[each.side], refused))
    return entry.CallDone(
        context,
        orders=decode_orders(quoted.orders),
        fills=decode_trades(quoted.trades)[0],
        quote_errors=errors,
    )


def decode_protections(result: msgspec.Raw | bytes) -> list[entry.VenueProtection]:
    """One setting or a list of them."""
    if bytes(result).lstrip().startswith(b"["):
        return [_protection(each) for each in decode_as(result, list[_Settings])]
    return [_protection(decode_as(result, _Settings))]


def _protection(settings: _Settings) -> entry.VenueProtection:
    return entry.VenueProtection(
        settings.index_name,
        settings.mmp_group,
        settings.interval,
        settings.frozen_time,
        _plain(settings.max_quote_quantity),
        _plain(settings.quantity_limit),
        _plain(settings.delta_limit),
        _plain(settings.vega_limit),
        settings.trade_count_limit,
    )


def _plain(number: Decimal | None) -> Decimal | None:
    return None if number is None else plain(number)


def decode_frozen(result: msgspec.Raw | bytes, skew_ns: int) -> list[entry.ProtectionActed]:
    """One notification, or the list of all that are frozen.

    Args:
        skew_ns: how far the venue's clock is ahead of ours, in which the end is told.
    """
    if bytes(result).lstrip().startswith(b"["):
        return [_acted(each, skew_ns) for each in decode_as(result, list[_Frozen])]
    return [_acted(decode_as(result, _Frozen), skew_ns)]


def _acted(frozen: _Frozen, skew_ns: int) -> entry.ProtectionActed:
    until_ns = frozen.frozen_until * NS_PER_MS - skew_ns if frozen.frozen_until else 0
    return entry.ProtectionActed(frozen.index_name, frozen.mmp_group, until_ns)
