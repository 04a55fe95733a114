"""The private methods of trading: place, edit, cancel, close, and queries of orders and trades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from common.messages import Side
from common.venues.deribit.simulator import order_objects as objects
from common.venues.deribit.simulator.calls import (
    Call,
    Handler,
    count_of,
    trade_filter,
)
from common.venues.deribit.simulator.catalog import (
    Catalog,
    Identity,
    kinds,
    number,
    order_id,
    order_number,
)
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.order_requests import (
    TYPE_FILTERS,
    continuation_after,
    order_changes,
    order_request,
    paging_of,
)
from common.venues.deribit.simulator.refusals import fault
from common.venues.simulation import (
    HistoryFilter,
    OrderFilter,
    Placed,
    Refused as ExchangeRefusal,
    SimulatedExchange,
    SimulatedFill,
    SimulatedOrder,
    TradeFilter,
)

RECENT_ORDERS_NS = 30 * 60 * 1_000_000_000
RECENT_TRADES_NS = 24 * 3600 * 1_000_000_000


class OrderMethods:
    """Handlers by the name of their method.

    Attributes:
        freeze_quotes: told of every mass cancel, whose `freeze_quotes` it obeys.
        combos_of: the combos that an instrument is a leg of.
    """

    def __init__(self, exchange: SimulatedExchange, catalog: Catalog) -> None:
        self._exchange, self._catalog = exchange, catalog
        self.freeze_quotes: Callable[[Call], None] = lambda call: None
        self.combos_of: Callable[[str], list[str]] = lambda symbol: []
        self.handlers: dict[str, Handler] = {
            "private/buy": lambda call: self._place(call, Side.BUY),
            "private/sell": lambda call: self._place(call, Side.SELL),
            "private/edit": self._edit,
            "private/edit_by_label": self._edit_by_label,
            "private/cancel": self._cancel,
            "private/cancel_by_label": self._cancel_by_label,
            "private/cancel_all": self._cancel_all,
            "private/cancel_all_by_currency": self._cancel_all,
            "private/cancel_all_by_currency_pair": self._cancel_all,
            "private/cancel_all_by_instrument": self._cancel_all,
            "private/cancel_all_by_kind_or_type": self._cancel_all_by_kind,
            "private/close_position": self._close_position,
            "private/get_open_orders": self._open_orders,
            "private/get_open_orders_by_currency": self._open_orders,
            "private/get_open_orders_by_instrument": self._open_orders,
            "private/get_open_orders_by_label": self._open_orders,
            "private/get_order_state": self._order_state,
            "private/get_order_state_by_label": self._order_state_by_label,
            "private/get_order_history_by_currency": self._order_history,
            "private/get_order_history_by_instrument": self._order_history,
            "private/get_user_trades_by_currency": self._user_trades,
            "private/get_user_trades_by_currency_and_time": self._user_trades,
            "private/get_user_trades_by_instrument": self._user_trades,
            "private/get_user_trades_by_instrument_and_time": self._user_trades,
            "private/get_user_trades_by_order": self._trades_of_order,
            "private/get_trigger_order_history": self._trigger_history,
            "private/get_order_margin_by_ids": self._order_margins,
            "private/get_margins": self._margins,
        }

    # --- objects -----------------------------------------------------------------------------

    def order_object(self, order: SimulatedOrder, owner: Identity) -> dict[str, Any]:
        listing, link = self._catalog.listing(order.symbol), order.link
        if order.trigger_order is None and link is None:
            return objects.order(order, listing, owner.user_id)
        parent, primary = order.trigger_order, None
        if link is not None:
            parent, primary = parent or link.secondary, link.primary
        found = [self._found(order.account, number) for number in (parent, primary)]
        return objects.order(order, listing, owner.user_id, *found)

    def _found(self, account: str, number: int | None) -> SimulatedOrder | None:
        found = None if number is None else self._exchange.order(account, number)
        return None if isinstance(found, ExchangeRefusal) else found

    def trade_object(self, fill: SimulatedFill, owner: Identity) -> dict[str, Any]:
        result = objects.user_trade(fill, self._catalog.listing(fill.symbol), owner.user_id)
        if fill.legs:
            result["combo_id"] = fill.symbol
            result["legs"] = [self.trade_object(leg, owner) for leg in fill.legs]
        return result

    def _placed(self, call: Call, placed: Placed | ExchangeRefusal, symbol: str) -> dict[str, Any]:
        if isinstance(placed, ExchangeRefusal):
            status = self._catalog.status(symbol) if symbol else None
            raise fault(placed, status)
        return {
            "order": self.order_object(placed.order, call.owner),
            "trades": [self.trade_object(fill, call.owner) for fill in placed.fills],
        }

    # --- placing -----------------------------------------------------------------------------

    def _place(self, call: Call, side: Side) -> dict[str, Any]:
        params = call.params
        listing = self._catalog.listing(params["instrument_name"])
        request = order_request(params, listing, side, call.session)
        placed = self._exchange.place(call.account, request, call.now_ns)
        return self._placed(call, placed, listing.definition.symbol)

    def _edit(self, call: Call) -> dict[str, Any]:
        order = self._own_order(call)
        listing = self._catalog.listing(order.symbol)
        changes = order_changes(call.params, listing, order.price_type)
        placed = self._exchange.edit(call.account, order.number, changes, call.now_ns)
        return self._placed(call, placed, order.symbol)

    def _edit_by_label(self, call: Call) -> dict[str, Any]:
        symbol, label = call.params["instrument_name"], call.params["label"]
        listing = self._catalog.listing(symbol)
        which = OrderFilter(symbol=symbol, label=label)
        found = self._exchange.open_orders(call.account, which)
        price_type = found[0].price_type if len(found) == 1 else None
        changes = order_changes(call.params, listing, price_type)
        placed = self._exchange.edit_by_label(call.account, symbol, label, changes, call.now_ns)
        return self._placed(call, placed, symbol)

    def _close_position(self, call: Call) -> dict[str, Any]:
        symbol, price = call.params["instrument_name"], call.params.get("price")
        self._catalog.listing(symbol)
        if call.params["type"] == "market":
            price = None
        elif price is None:
            raise invalid_params("price", "required")
        placed = self._exchange.close_position(
            call.account, symbol, price, call.session, call.now_ns
        )
        return self._placed(call, placed, symbol)

    # --- cancelling --------------------------------------------------------------------------

    def _cancel(self, call: Call) -> dict[str, Any]:
        order = self._own_order(call)
        cancelled = self._exchange.cancel(call.account, order.number, call.now_ns)
        if isinstance(cancelled, ExchangeRefusal):
            raise fault(cancelled)
        return self.order_object(cancelled, call.owner)

    def _cancel_by_label(self, call: Call) -> int:
        currency = self._catalog.currency(call.params.get("currency"))
        which = OrderFilter(label=call.params["label"], currency=currency)
        return len(self._exchange.cancel_matching(call.account, which, call.now_ns))

    def _cancel_all(self, call: Call) -> Any:
        which = self._order_filter(call)
        self.freeze_quotes(call)
        canceled = self._matching(call, which)
        if call.params.get("include_combos", False):
            for combo in self.combos_of(call.params["instrument_name"]):
                also = msgspec.structs.replace(which, symbol=combo)
                canceled += self._matching(call, also)
        return self.cancelled(call, canceled)

    def _cancel_all_by_kind(self, call: Call) -> Any:
        cancelled = []
        for currency in dict.fromkeys(call.params["currency"]):
            params = call.params | {"currency": currency}
            which = self._order_filter(Call(call.method, params, call.now_ns, call.identity))
            cancelled.extend(self._matching(call, which))
        self.freeze_quotes(call)
        return self.cancelled(call, cancelled)

    def _matching(self, call: Call, which: OrderFilter) -> list[SimulatedOrder]:
        return self._exchange.cancel_matching(call.account, which, call.now_ns)

    def cancelled(self, call: Call, cancelled: list[SimulatedOrder]) -> Any:
        """The number of orders; with `detailed` the orders, grouped by instrument."""
        if not call.params.get("detailed", False):
            return len(cancelled)
        groups: dict[str, list[dict[str, Any]]] = {}
        for order in cancelled:
            groups.setdefault(order.symbol, []).append(self.order_object(order, call.owner))
        return [
            {
                "currency": self._catalog.listing(symbol).definition.settlement,
                "instrument_name": symbol,
                "type": "trigger" if "trigger" in orders[0] else "limit",
                "result": orders,
            }
            for symbol, orders in groups.items()
        ]

    def _order_filter(self, call: Call) -> OrderFilter:
        params = call.params
        symbol = params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        pair = params.get("currency_pair")
        if pair is not None and pair not in self._exchange.index_names():
            raise invalid_params("currency_pair", "invalid currency_pair")
        return OrderFilter(
            symbol=symbol,
            kinds=kinds(params.get("kind")),
            currency=self._catalog.currency(params.get("currency")),
            index=pair,
            order_types=TYPE_FILTERS[params.get("type", "all")],
            label=params.get("label"),
        )

    # --- queries -----------------------------------------------------------------------------

    def _own_order(self, call: Call) -> SimulatedOrder:
        """The order that `order_id` names, whatever its state."""
        text = call.params["order_id"]
        order = self._exchange.order(call.account, order_number(text))
        if isinstance(order, ExchangeRefusal):
            raise fault(order)
        if order_id(order, self._catalog.listing(order.symbol).definition.settlement) != text:
            raise Refused(10004, "order_not_found")
        return order

    def _open_orders(self, call: Call) -> list[dict[str, Any]]:
        orders = self._exchange.open_orders(call.account, self._order_filter(call))
        return [self.order_object(order, call.owner) for order in orders]

    def _order_state(self, call: Call) -> dict[str, Any]:
        return self.order_object(self._own_order(call), call.owner)

    def _order_state_by_label(self, call: Call) -> list[dict[str, Any]]:
        """The open ones and those closed lately."""
        label, currency = call.params.get("label"), call.params["currency"]
        which = self._order_filter(call)
        history = HistoryFilter(
            currency=self._catalog.currency(currency),
            include_unfilled=True,
            from_ns=call.now_ns - RECENT_ORDERS_NS,
            count=1000,
        )
        closed = self._exchange.order_history(call.account, history)
        found = [
            *self._exchange.open_orders(call.account, which),
            *(order for order in closed if label is None or order.label == label),
        ]
        return [self.order_object(order, call.owner) for order in found]

    def _order_history(self, call: Call) -> Any:
        params = call.params
        symbol = params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        count = count_of(call, 20)
        border_ns, historical = call.now_ns - RECENT_ORDERS_NS, params.get("historical", False)
        history = HistoryFilter(
            symbol=symbol,
            kinds=kinds(params.get("kind")),
            currency=self._catalog.currency(params.get("currency")),
            include_unfilled=params.get("include_unfilled", False),
            from_ns=None if historical else border_ns,
            to_ns=border_ns if historical else None,
            count=count,
        )
        found, continuation = self._page(call, history)
        if not params.get("with_continuation", False):
            return found
        return {"orders": found, "continuation": continuation}

    def _page(self, call: Call, which: HistoryFilter) -> tuple[list[dict[str, Any]], str | None]:
        """Orders, and what to ask for the next ones with; None when there are none."""
        paging = paging_of(call.params)
        more = msgspec.structs.replace(
            which,
            offset=paging.offset,
            closed_before=paging.closed_before,
            count=which.count + 1,
        )
        found = self._exchange.order_history(call.account, more)
        page = found[: which.count]
        rest = len(found) > len(page)
        shown = [self.order_object(order, call.owner) for order in page]
        return shown, continuation_after(page[-1]) if rest else None

    def _user_trades(self, call: Call) -> dict[str, Any]:
        which = _of_age(call, trade_filter(call, self._catalog))
        page = self._exchange.fills(call.account, which)
        trades = [self.trade_object(fill, call.owner) for fill in page.fills]
        return {"trades": trades, "has_more": page.has_more}

    def _trigger_history(self, call: Call) -> dict[str, Any]:
        """Stops that were triggered or cancelled, and those that wait."""
        params, count = call.params, count_of(call, 20)
        symbol = params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        history = HistoryFilter(
            symbol=symbol,
            currency=self._catalog.currency(params["currency"]),
            include_unfilled=True,
            only_triggers=True,
            count=count,
        )
        found, continuation = self._page(call, history)
        return {"entries": [trigger_entry(order) for order in found], "continuation": continuation}

    def _trades_of_order(self, call: Call) -> list[dict[str, Any]]:
        number_of_order = self._own_order(call).number
        ascending = call.params.get("sorting") == "asc"
        which = TradeFilter(order_number=number_of_order, count=1000, ascending=ascending)
        page = self._exchange.fills(call.account, _of_age(call, which))
        return [self.trade_object(fill, call.owner) for fill in page.fills]

    def _order_margins(self, call: Call) -> list[dict[str, Any]]:
        found = []
        for text in call.params["ids"]:
            margin = self._exchange.order_margin(call.account, order_number(text))
            order = self._exchange.order(call.account, order_number(text))
            if margin is None or isinstance(order, ExchangeRefusal):
                continue
            currency = self._catalog.listing(order.symbol).definition.settlement
            found.append(
                {
                    "order_id": text,
                    "initial_margin": number(margin),
                    "initial_margin_currency": currency,
                }
            )
        return found

    def _margins(self, call: Call) -> dict[str, float]:
        symbol = call.params["instrument_name"]
        self._catalog.listing(symbol)
        amount, price = call.params["amount"], call.params["price"]
        if amount <= 0:
            raise invalid_params("amount", "must be positive")
        if price <= 0:
            raise invalid_params("price", "must be positive")
        margins = self._exchange.margins(call.account, symbol, amount, price)
        return {
            "buy": number(margins.buy),
            "sell": number(margins.sell),
            "min_price": number(margins.min_price),
            "max_price": number(margins.max_price),
        }


def _of_age(call: Call, which: TradeFilter) -> TradeFilter:
    """Trades of the last day, or with `historical` only the older ones."""
    border_ns = call.now_ns - RECENT_TRADES_NS
    if call.params.get("historical", False):
        to_ns = border_ns if which.to_ns is None else min(which.to_ns, border_ns)
        return msgspec.structs.replace(which, to_ns=to_ns)
    return msgspec.structs.replace(which, from_ns=max(which.from_ns or 0, border_ns))


def trigger_entry(order: dict[str, Any]) -> dict[str, Any]:
    """An order object as private/get_trigger_order_history shows it."""
    state = order["order_state"]
    copied = (
        "instrument_name",
        "order_type",
        "direction",
        "amount",
        "price",
        "trigger",
        "trigger_price",
        "trigger_offset",
        "label",
        "post_only",
        "reduce_only",
        "order_state",
        "last_update_timestamp",
    )
    return {name: order[name] for name in copied if name in order} | {
        "trigger_order_id": order["order_id"],
        "timestamp": order["creation_timestamp"],
        "request": "trigger:cancel" if state == "cancelled" else "trigger:order",
        "source": "api",
    }
