"""Mass quotes: many quotes in one request, and their cancellation.

https://docs.deribit.com/articles/mass-quotes-specifications (read in August 2026). A quote is a
limit order under market maker protection; an account has one per instrument, side and group. Its
amount is what is to remain of it, whatever was filled before; 0 takes it away.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from common.messages import InstrumentKind, Side
from common.venues.deribit.simulator.calls import Call, Handler
from common.venues.deribit.simulator.catalog import NS_PER_MS, Catalog, kinds
from common.venues.deribit.simulator.envelope import Refused, Request, invalid_params
from common.venues.deribit.simulator.orders import OrderMethods
from common.venues.deribit.simulator.parameters import check, parse_line
from common.venues.deribit.simulator.refusals import fault
from common.venues.simulation import (
    OrderChanges,
    OrderFilter,
    OrderRequest,
    OrderState,
    Placed,
    ProtectionTag,
    Refused as ExchangeRefusal,
    SimulatedExchange,
    SimulatedFill,
    SimulatedOrder,
)

MAX_QUOTES = 100
FREEZE_NS = 1_000_000_000
QUOTE = parse_line("instrument_name*:str quote_set_id:str bid:object ask:object")
QUOTE_SIDE = parse_line("price:num amount:num post_only:bool reject_post_only:bool")
SIDES = {"bid": Side.BUY, "ask": Side.SELL}


class _Batch:
    """One mass quote on its way; results gather here."""

    def __init__(self, call: Call, group: str) -> None:
        self.call, self.group = call, group
        self.resting: dict[tuple[str, Side], SimulatedOrder] = {}
        self.orders: list[SimulatedOrder] = []
        self.fills: list[SimulatedFill] = []
        self.errors: list[dict[str, Any]] = []


class QuoteMethods:
    """Handlers by the name of their method."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        catalog: Catalog,
        orders: OrderMethods,
        admitted: frozenset[str],
    ) -> None:
        """admitted: the accounts that may send mass quotes."""
        self._exchange, self._catalog = exchange, catalog
        self._orders, self._admitted = orders, admitted
        self._frozen_until_ns: dict[str, int] = {}
        self.handlers: dict[str, Handler] = {
            "private/mass_quote": self._mass_quote,
            "private/cancel_quotes": self._cancel_quotes,
        }

    def freeze(self, call: Call) -> None:
        """`freeze_quotes` of any cancel: no quotes for a second."""
        if call.params.get("freeze_quotes", False):
            self._frozen_until_ns[call.account] = call.now_ns + FREEZE_NS

    # --- quoting -----------------------------------------------------------------------------

    def _mass_quote(self, call: Call) -> dict[str, Any]:
        self._check(call)
        batch = _Batch(call, call.params["mmp_group"])
        which = OrderFilter(is_quote=True, protection_group=batch.group)
        for order in self._exchange.open_orders(call.account, which):
            batch.resting[order.symbol, order.side] = order
        for element in call.params["quotes"]:
            quote = check(QUOTE, Request("", element))
            for name, side in SIDES.items():
                if name in quote:
                    self._side(batch, quote, name, side)
        return self._result(batch)

    def _check(self, call: Call) -> None:
        params = call.params
        if call.account not in self._admitted:
            raise Refused(13902, "mass_quotes_disabled")
        if not call.cancels_on_disconnect:
            raise Refused(13042, "cod_not_enabled")
        groups = {p.group for p in self._exchange.protections(call.account)}
        if params["mmp_group"] not in groups:
            raise Refused(13040, "mmp_required")
        if call.now_ns < self._frozen_until_ns.get(call.account, 0):
            raise Refused(13043, "quotes_frozen")
        if len(params["quotes"]) > MAX_QUOTES:
            raise Refused(13903, "too_many_quotes")
        until: int | None = params.get("valid_until")
        if until is not None and call.now_ns > until * NS_PER_MS:
            raise Refused(13888, "timed_out", param="valid_until")

    def _side(self, batch: _Batch, quote: dict[str, Any], name: str, side: Side) -> None:
        """One side of one quote; its error concerns nothing else."""
        try:
            terms = check(QUOTE_SIDE, Request("", quote[name]))
            listing = self._catalog.listing(quote["instrument_name"])
            symbol = listing.definition.symbol
            resting = batch.resting.get((symbol, side))
            if resting is None:
                done = self._place(batch, quote, symbol, side, terms)
            else:
                done = self._amend(batch, resting, terms)
        except Refused as refused:
            error: dict[str, Any] = {"code": refused.code, "message": refused.message}
            if refused.data:
                error["data"] = refused.data
            batch.errors.append(
                {"instrument_name": quote["instrument_name"], "side": name, "error": error}
            )
            return
        if done.order.state is OrderState.OPEN:
            batch.resting[symbol, side] = done.order
        else:
            batch.resting.pop((symbol, side), None)
        batch.orders.append(done.order)
        batch.fills += done.fills

    def _place(
        self, batch: _Batch, quote: dict[str, Any], symbol: str, side: Side, terms: dict[str, Any]
    ) -> Placed:
        for name in ("price", "amount"):
            if name not in terms:
                raise invalid_params(name, "required")
        request = OrderRequest(
            symbol,
            side,
            terms["amount"],
            price=terms["price"],
            post_only=terms.get("post_only", False),
            reject_post_only=terms.get("reject_post_only", False),
            session=batch.call.session,
            protection=ProtectionTag(
                batch.group, batch.call.params["quote_id"], quote.get("quote_set_id", "")
            ),
        )
        placed = self._exchange.place(batch.call.account, request, batch.call.now_ns)
        return _accepted(placed)

    def _amend(self, batch: _Batch, resting: SimulatedOrder, terms: dict[str, Any]) -> Placed:
        call = batch.call
        amount: Decimal | None = terms.get("amount")
        if amount is not None and amount <= 0:
            canceled = self._exchange.cancel(call.account, resting.number, call.now_ns)
            if isinstance(canceled, ExchangeRefusal):
                raise fault(canceled)
            return Placed(canceled, [])
        changes = OrderChanges(
            price=terms.get("price"),
            quantity=None if amount is None else self._filled(call, resting) + amount,
            post_only=terms.get("post_only"),
            reject_post_only=terms.get("reject_post_only"),
        )
        return _accepted(self._exchange.edit(call.account, resting.number, changes, call.now_ns))

    def _filled(self, call: Call, resting: SimulatedOrder) -> Decimal:
        """What was filled of it by now: an earlier quote of the batch may have moved it."""
        now = self._exchange.order(call.account, resting.number)
        return now.cum_quantity if isinstance(now, SimulatedOrder) else resting.cum_quantity

    def _result(self, batch: _Batch) -> dict[str, Any]:
        """Everything is carried out at once, so nothing is ever pending."""
        params, owner = batch.call.params, batch.call.owner
        trades = [self._orders.trade_object(fill, owner) for fill in batch.fills]
        detailed = params.get("detailed", False)
        result: dict[str, Any]
        if detailed:
            orders = [self._orders.order_object(order, owner) for order in batch.orders]
            result = {"orders": orders, "trades": trades, "errors": batch.errors}
        else:
            result = {"trades": trades, "errors_count": len(batch.errors)}
        if not params.get("wait_for_response", True):
            result["pending_requests" if detailed else "pending_requests_count"] = (
                [] if detailed else 0
            )
        return result

    # --- cancelling --------------------------------------------------------------------------

    def _cancel_quotes(self, call: Call) -> Any:
        which = self._filter(call)
        self.freeze(call)
        if call.params["cancel_type"] != "delta":
            return self._orders.cancelled(
                call, self._exchange.cancel_matching(call.account, which, call.now_ns)
            )
        canceled = []
        for order in self._exchange.open_orders(call.account, which):
            if self._has_delta(order, call.params["min_delta"], call.params["max_delta"]):
                done = self._exchange.cancel(call.account, order.number, call.now_ns)
                if isinstance(done, SimulatedOrder):
                    canceled.append(done)
        return self._orders.cancelled(call, canceled)

    def _has_delta(self, order: SimulatedOrder, least: Decimal, most: Decimal) -> bool:
        ticker = self._exchange.ticker(order.symbol)
        if ticker is None or ticker.option is None:
            return False
        return float(least) <= ticker.option.delta <= float(most)

    def _filter(self, call: Call) -> OrderFilter:
        params, cancel_type = call.params, call.params["cancel_type"]
        for name in NEEDED[cancel_type]:
            if name not in params:
                raise invalid_params(name, "required")
        match cancel_type:
            case "delta":
                return OrderFilter(is_quote=True, kinds=frozenset({InstrumentKind.OPTION}))
            case "quote_set_id":
                return OrderFilter(is_quote=True, quote_set=params["quote_set_id"])
            case "instrument":
                symbol = self._catalog.listing(params["instrument_name"]).definition.symbol
                return OrderFilter(is_quote=True, symbol=symbol)
            case "currency_pair":
                return OrderFilter(is_quote=True, index=params["currency_pair"])
        return OrderFilter(
            is_quote=True,
            kinds=kinds(params.get("kind")) if cancel_type == "instrument_kind" else None,
            currency=self._catalog.currency(params.get("currency")),
        )


NEEDED: dict[str, tuple[str, ...]] = {
    "delta": ("min_delta", "max_delta"),
    "quote_set_id": ("quote_set_id",),
    "instrument": ("instrument_name",),
    "instrument_kind": ("kind",),
    "currency": ("currency",),
    "currency_pair": ("currency_pair",),
    "all": (),
}


def _accepted(placed: Placed | ExchangeRefusal) -> Placed:
    if isinstance(placed, ExchangeRefusal):
        raise fault(placed)
    return placed
