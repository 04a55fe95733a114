"""Order entry of Deribit: calls to JSON-RPC frames; answers and private channels to records.

https://docs.deribit.com/articles/order-management-best-practices, read in August 2026. The answer
to a call and the notifications about the same order overtake each other, so both carry the whole
order and the reader takes the newer one. A fill is known by its trade_id and may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from common.config import Credentials
from common.domain.order import TERMS, Facts
from common.errors import VenueProtocolError
from common.messages import (
    CancelAll,
    ContingencyType,
    InstrumentDefinition,
    InstrumentKind,
    OrderType,
    OrderUpdated,
    PriceType,
    TimeInForce,
    TriggerPrice,
)
from common.venues import order_entry as entry
from common.venues.deribit import quotes, session as link
from common.venues.deribit.order_errors import RATE_LIMIT_CODE, TOO_LATE_CODE, refusal
from common.venues.deribit.order_payloads import (
    decode_as,
    decode_order,
    decode_placed,
    decode_positions,
    read_orders,
    read_trades,
)
from common.venues.deribit.states import PLATFORM_CHANNEL, Platform
from common.venues.deribit.venue_clock import VenueClock

ORDERS_CHANNEL = "user.orders.any.any.raw"
TRADES_CHANNEL = "user.trades.any.any.raw"
CHANNELS = [ORDERS_CHANNEL, TRADES_CHANNEL, quotes.PROTECTION_CHANNEL, PLATFORM_CHANNEL]
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")
HISTORY_COUNT = 1000
NS_PER_MS = 1_000_000
SILENT_AFTER_BREACH_NS = 5_000_000_000  # the default pool of 50,000 credits refills in 5 s

ORDER_TYPES = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOP: "stop_market",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TAKE_PROFIT: "take_market",
    OrderType.TAKE_PROFIT_LIMIT: "take_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
    OrderType.MARKET_TO_LIMIT: "market_limit",
}
TIMES_IN_FORCE = {
    TimeInForce.GTC: "good_til_cancelled",
    TimeInForce.DAY: "good_til_day",
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
}
TRIGGERS = {
    TriggerPrice.MARK: "mark_price",
    TriggerPrice.INDEX: "index_price",
    TriggerPrice.LAST: "last_price",
}


LINKS = {
    ContingencyType.OCO: "one_cancels_other",
    ContingencyType.OTO: "one_triggers_other",
    ContingencyType.OTOCO: "one_triggers_one_cancels_other",
}
PRICE_TYPES = {PriceType.USD: "usd", PriceType.IMPLIED_VOLATILITY: "implv"}


class _Asked(msgspec.Struct, frozen=True):
    """What a request was for, so that its answer can be read."""

    shape: str  # names the decoder in _done, e.g. "placed", or "count" for none
    context: object
    method: str = ""
    params: dict[str, Any] = {}


class OrderEntry:
    """One account's order entry over one link.

    Args:
        cancel_on_disconnect: what happens to this link's orders when it drops; set at each login.
    """

    def __init__(self, credentials: Credentials, *, cancel_on_disconnect: bool) -> None:
        self._session = link.Session(credentials, cancel_on_disconnect=cancel_on_disconnect)
        self.quoting: entry.Quoting | None = quotes.QuoteCalls(self._request, self._venue_ms)

    # --- the link -----------------------------------------------------------------------------

    @property
    def next_wake_ns(self) -> int | None:
        return self._session.next_wake_ns

    @property
    def clock_doubt(self) -> str:
        if not self._session.clock.is_doubted:
            return ""
        return "the venue's clock has to be measured again; try again in a moment"

    @property
    def skew_ns(self) -> int | None:
        clock = self._session.clock
        return clock.skew_ns if clock.measured_ns else None

    def hear_time(self, venue_ns: int, received_ns: int, now_ns: int) -> None:
        self._session.clock.hear(venue_ns, received_ns, now_ns)

    def on_up(self, now_ns: int) -> list[bytes]:
        channels = {"channels": CHANNELS}
        subscribe = self._request("private/subscribe", channels, "subscribed", None)
        return [*self._session.on_up(now_ns), subscribe.frame]

    def on_down(self) -> list[object]:
        lost = self._session.on_down()
        return [asked.context for asked in lost if isinstance(asked, _Asked) and asked.context]

    def on_time(self, now_ns: int) -> list[bytes]:
        return self._session.on_time(now_ns)

    def is_silent(self, now_ns: int) -> bool:
        return self._session.is_silent(now_ns)

    def logout(self) -> bytes:
        return self._session.logout()

    # --- calls --------------------------------------------------------------------------------

    def place(
        self,
        order: OrderUpdated,
        symbol: str,
        valid_until_ns: int,
        reprice: bool,
        context: object,
        linked: Sequence[OrderUpdated] = (),
    ) -> entry.VenueCall:
        params: dict[str, Any] = {
            "instrument_name": symbol,
            "valid_until": self._venue_ms(valid_until_ns),
            **_terms(order, not reprice),
        }
        if order.contingency_type is not None and order.fill_condition is not None:
            params["linked_order_type"] = LINKS[order.contingency_type]
            params["trigger_fill_condition"] = order.fill_condition.value.lower()
            params["otoco_config"] = [_linked_terms(other) for other in linked]
        return self._request(f"private/{order.side.value.lower()}", params, "placed", context)

    def modify(
        self, order: OrderUpdated, wanted: Facts, valid_until_ns: int, context: object
    ) -> entry.VenueCall:
        """amount is the new total, as ours is; what stays the same is sent again."""
        order = _with(order, wanted)
        params: dict[str, Any] = {
            "order_id": order.venue_order_id,
            "amount": order.quantity,
            "valid_until": self._venue_ms(valid_until_ns),
        }
        for name in ("price", "trigger_price"):
            value = getattr(order, name)
            if value is not None:
                params[name] = value
        params |= _extras(order) | _post_only(order.post_only, True)
        return self._request("private/edit", params, "placed", context)

    def cancel(self, order: OrderUpdated, currency: str, context: object) -> entry.VenueCall:
        """By id; while the venue's id is not known by label, a quote with all in its instrument."""
        if order.venue_order_id:
            params: dict[str, Any] = {"order_id": order.venue_order_id}
            return self._request("private/cancel", params, "order", context)
        if order.quote_id:
            symbol = order.instrument.removeprefix(f"{order.venue}.")
            params = {"cancel_type": "instrument", "instrument_name": symbol}
            return self._request("private/cancel_quotes", params, "count", context)
        params = {"label": order.client_order_id}
        if currency:  # not known before the instruments are
            params["currency"] = currency
        return self._request("private/cancel_by_label", params, "count", context)

    def cancel_all(
        self, filters: CancelAll, symbol: str, context: object
    ) -> entry.VenueCall | None:
        if filters.owner is not None or filters.tag is not None:
            return None
        if filters.kind in (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE):
            return None  # the venue's kind "future" means both
        if filters.instrument is not None:
            if filters.kind is not None or filters.currency is not None:
                return None
            params: dict[str, Any] = {"instrument_name": symbol}
            method = "private/cancel_all_by_instrument"
        elif filters.kind is not None:
            currency = [filters.currency] if filters.currency else list(CURRENCIES)
            params = {"currency": currency, "kind": filters.kind.value}
            method = "private/cancel_all_by_kind_or_type"
        elif filters.currency is not None:
            params, method = {"currency": filters.currency}, "private/cancel_all_by_currency"
        else:
            params, method = {}, "private/cancel_all"
        return self._request(method, params, "count", context)

    def account_calls(self, since_ns: int, context: object) -> list[entry.VenueCall]:
        calls = [
            self._request("private/get_open_orders", {}, "open", context),
            self._request("private/get_positions", {"currency": "any"}, "positions", context),
        ]
        for currency in CURRENCIES:
            recent = {"currency": currency, "count": HISTORY_COUNT}
            method = "private/get_order_history_by_currency"
            params = recent | {"include_unfilled": True}
            calls.append(self._request(method, params, "orders", context))
            method = "private/get_user_trades_by_currency"
            params = recent | {"start_timestamp": since_ns // NS_PER_MS, "sorting": "asc"}
            calls.append(self._request(method, params, "trades", context))
        return calls

    def comparison_calls(
        self, since_ns: Mapping[str, int], context: object
    ) -> list[entry.VenueCall]:
        calls = [self._request("private/get_open_orders", {}, "open", context)]
        for currency, each_ns in since_ns.items():
            params = {"currency": currency, "count": HISTORY_COUNT, "sorting": "asc"}
            params["start_timestamp"] = self._since_ms(each_ns)
            method = "private/get_user_trades_by_currency"
            calls.append(self._request(method, params, "trades", context))
        return calls

    def listings(
        self, orders: Sequence[entry.OrderOf], context: Callable[[Sequence[str]], object]
    ) -> list[entry.VenueCall]:
        """Three calls an instrument, or three a currency where several instruments share it."""
        calls: list[entry.VenueCall] = []
        by_currency: dict[str, list[entry.OrderOf]] = {}
        for order, definition in orders:
            by_currency.setdefault(definition.settlement, []).append((order, definition))
        for currency, of_currency in by_currency.items():
            symbols = {definition.symbol for _, definition in of_currency}
            scope, params = "currency", {"currency": currency}
            if len(symbols) == 1:
                scope, params = "instrument", {"instrument_name": symbols.pop()}
            since_ms = self._since_ms(min(order.created_ns for order, _ in of_currency)) - 1000
            names = [order.client_order_id for order, _ in of_currency]
            for question in _listings(scope, params, since_ms):
                calls.append(self._request(*question, context(names)))
        return calls

    def order_calls(
        self,
        order: OrderUpdated,
        definition: InstrumentDefinition,
        context: Callable[[Sequence[str]], object],
    ) -> list[entry.VenueCall]:
        """By the venue's id, and by label, which an order that becomes another one hands on; a
        quote has none."""
        asked: list[tuple[str, dict[str, Any], str]] = []
        if order.venue_order_id:
            state = {"order_id": order.venue_order_id}
            asked.append(("private/get_order_state", state, "order"))
        waits = order.trigger_price is not None or order.trigger_offset is not None
        waits = waits or order.is_secondary
        if not order.quote_id and (waits or not order.venue_order_id):
            label = {"currency": definition.settlement, "label": order.client_order_id}
            asked.append(("private/get_order_state_by_label", label, "orders"))
        return [self._request(*each, context([order.client_order_id])) for each in asked]

    def next_page(self, page: entry.Page, context: object) -> entry.VenueCall:
        return self._request(page.method, page.params, "trades", context)

    # --- answers ------------------------------------------------------------------------------

    def parse(self, payload: bytes, now_ns: int) -> list[entry.EntryEvent]:
        """What one frame means.

        Raises:
            VenueProtocolError: the frame is not what the venue's protocol says.
        """
        events: list[entry.EntryEvent] = []
        for event in self._session.parse(payload, now_ns):
            events += self._read(event, now_ns)
        return events

    def _read(self, event: link.SessionEvent, now_ns: int) -> list[entry.EntryEvent]:
        match event:
            case link.Send(frame):
                return [entry.SendFrame(frame)]
            case link.Notification(channel, data):
                return self._notified(channel, data, now_ns)
            case link.Answer():
                return self._answered(event, now_ns)
            case link.LoginFailed(code, message):
                final = code in link.CREDENTIALS_WRONG
                return [entry.LinkRefused(f"login refused: {message} ({code})", final)]
            case link.ClockMoved(by_ns, is_first):
                text = f"the venue's clock moved against ours by {by_ns / 1e9:.1f} s"
                told: list[entry.EntryEvent] = [entry.Warned(text)]
                return told if is_first else [*told, entry.ClockMoved(by_ns)]
            case link.SetupFailed(method, error):
                return [entry.Warned(f"{method} was refused: {error.text} ({error.code})")]
        return []

    def _notified(self, channel: str, data: msgspec.Raw, now_ns: int) -> list[entry.EntryEvent]:
        if channel.startswith("user.orders."):
            orders, bad = read_orders(data)
            for order in orders:
                self.hear_time(order.updated_ns, now_ns, now_ns)
            return [*(entry.OrderSeen(order) for order in orders), *bad]
        if channel.startswith("user.trades."):
            fills, bad, _ = read_trades(data)
            for fill in fills:
                self.hear_time(fill.filled_ns, now_ns, now_ns)
            return [*(entry.FillSeen(fill) for fill in fills), *bad]
        if channel.startswith("user.mmp_trigger."):
            return [*quotes.decode_frozen(data, self._session.clock.skew_ns)]
        if channel == PLATFORM_CHANNEL:
            is_closed = decode_as(data, Platform).maintenance
            why = "the venue is in maintenance" if is_closed else ""
            return [] if is_closed is None else [entry.VenueClosed(why)]
        return []

    def _answered(self, answer: link.Answer, now_ns: int) -> list[entry.EntryEvent]:
        asked, error = answer.context, answer.error
        if error is not None:
            if error.code == TOO_LATE_CODE:  # by a clock that is not where we take it to be
                self._session.clock.doubt(now_ns)
            limited = [entry.RateLimited(SILENT_AFTER_BREACH_NS)]
            events: list[entry.EntryEvent] = [*limited] if error.code == RATE_LIMIT_CODE else []
            if isinstance(asked, _Asked):
                events.insert(0, self._refused(asked, error))
            return events
        if not isinstance(asked, _Asked) or answer.result is None:
            return []
        try:
            clock = self._session.clock
            return [_done(asked, answer.result, answer.us_out, clock)]
        except VenueProtocolError as broken:
            if asked.context is None:
                raise
            unknown = refusal(link.RpcError(0, f"unreadable answer: {broken.problem}"))
            return [
                entry.CallDone(asked.context, unknown, complete=False),
                entry.Warned(str(broken)),
            ]

    def _refused(self, asked: _Asked, error: link.RpcError) -> entry.EntryEvent:
        if asked.shape == "subscribed":
            return entry.LinkRefused(f"private channels refused: {error.text}", False)
        return entry.CallDone(asked.context, refusal(error), complete=False)

    def _venue_ms(self, our_ns: int) -> int:
        return (our_ns + self._session.clock.skew_ns) // NS_PER_MS

    def _since_ms(self, our_ns: int) -> int:
        return self._session.clock.since_ns(our_ns) // NS_PER_MS

    def _request(
        self, method: str, params: dict[str, Any], shape: str, context: object
    ) -> entry.VenueCall:
        asked = _Asked(shape, context, method, params)
        return entry.VenueCall(method, self._session.request(method, params, asked))


def _terms(order: OrderUpdated, reject_post_only: bool) -> dict[str, Any]:
    """What describes a new order, besides its instrument and side."""
    params: dict[str, Any] = {
        "amount": order.quantity,
        "type": ORDER_TYPES[order.order_type],
        "label": order.client_order_id,
    }
    if order.price is not None:
        params["price"] = order.price
    if order.order_type is not OrderType.MARKET or order.time_in_force is not TimeInForce.GTC:
        params["time_in_force"] = TIMES_IN_FORCE[order.time_in_force]
    if order.trigger_price is not None:
        params["trigger_price"] = order.trigger_price
    if order.trigger_price is not None or order.trigger_offset is not None:
        params["trigger"] = TRIGGERS[order.trigger or TriggerPrice.MARK]
    return params | _extras(order) | _post_only(order.post_only, reject_post_only)


def _linked_terms(order: OrderUpdated) -> dict[str, Any]:
    return {"direction": order.side.value.lower(), **_terms(order, True)}


def _with(order: OrderUpdated, wanted: Facts) -> OrderUpdated:
    """The order as the modify wants it."""
    names = ("quantity", *TERMS)
    values = {name: getattr(wanted, name) for name in names}
    changes = {name: value for name, value in values.items() if value is not None}
    return msgspec.structs.replace(order, **changes)


def _extras(order: OrderUpdated) -> dict[str, Any]:
    """What an edit must repeat too."""
    params: dict[str, Any] = {}
    if order.reduce_only:
        params["reduce_only"] = True
    if order.trigger_offset is not None:
        params["trigger_offset"] = order.trigger_offset
    if order.display_quantity is not None:
        params["display_amount"] = order.display_quantity
    if order.price_type is not None:
        params["advanced"] = PRICE_TYPES[order.price_type]
    return params


def _listings(
    scope: str, params: dict[str, Any], since_ms: int
) -> list[tuple[str, dict[str, Any], str]]:
    """Open orders, history and trades by "instrument" or "currency"; the parameters name which."""
    history = params | {"count": HISTORY_COUNT, "include_unfilled": True}
    since = {"start_timestamp": since_ms, "sorting": "asc"}
    return [
        (f"private/get_open_orders_by_{scope}", params, "orders"),
        (f"private/get_order_history_by_{scope}", history, "orders"),
        (
            f"private/get_user_trades_by_{scope}",
            params | {"count": HISTORY_COUNT} | since,
            "trades",
        ),
    ]


def _post_only(post_only: bool, reject: bool) -> dict[str, bool]:
    """Both flags: post_only alone lets the venue move the price."""
    return {"post_only": True, "reject_post_only": reject} if post_only else {}


def _page_after(asked: _Asked, last: entry.VenueFill) -> entry.Page:
    """From the time of the last one on. Times are in ms: of more than a page within one of them,
    what is beyond the page cannot be asked for."""
    last_ms, from_ms = last.filled_ns // NS_PER_MS, asked.params["start_timestamp"]
    start = {"start_timestamp": last_ms if last_ms > from_ms else from_ms + 1}
    return entry.Page(asked.method, asked.params | start)


def _done(asked: _Asked, result: msgspec.Raw, us_out: int, clock: VenueClock) -> entry.EntryEvent:
    context = asked.context
    match asked.shape:
        case "placed":
            order, fills = decode_placed(result)
            return entry.CallDone(context, orders=[order], fills=fills)
        case "order":
            return entry.CallDone(context, orders=[decode_order(result)])
        case "orders" | "open":  # open ones are never cut off
            orders, bad = read_orders(result)
            complete = asked.shape == "open" or len(orders) + len(bad) < HISTORY_COUNT
            return entry.CallDone(
                context, orders=orders, complete=complete, unreadable=bad, skew_ns=clock.lowest_ns
            )
        case "trades":
            fills, bad, complete = read_trades(result)
            following = None if complete or not fills else _page_after(asked, fills[-1])
            return entry.CallDone(
                context, fills=fills, complete=complete, unreadable=bad, following=following
            )
        case "positions":
            positions = decode_positions(result)
            return entry.CallDone(context, positions=positions, told_ns=us_out * 1000)
        case "subscribed":
            return _subscribed(result)
        case "quoted":
            return quotes.decode_quoted(context, result)
        case "protections":
            return entry.CallDone(context, protections=quotes.decode_protections(result))
        case "frozen":
            return entry.CallDone(context, frozen=quotes.decode_frozen(result, clock.skew_ns))
    return entry.CallDone(context)


def _subscribed(result: msgspec.Raw) -> entry.EntryEvent:
    """Forbidden channels are silently missing from the answer."""
    try:
        named = decode_as(result, list[str])
    except VenueProtocolError as error:
        return entry.LinkRefused(f"private channels: {error}", False)
    missing = {ORDERS_CHANNEL, TRADES_CHANNEL} - set(named)
    if missing:
        return entry.LinkRefused(f"channels refused: {', '.join(sorted(missing))}", True)
    return entry.LinkReady()
