"""Commands that trade, and those that show what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote as url_quote

import typer

from common import messages as m
from services.cli import linked, output
from services.cli.gateway import Gateway, exit_code
from services.cli.options import (
    Account,
    Currency,
    Display,
    Insensitive,
    Instrument,
    Kind,
    Number,
    Price,
    RequestId,
    Tag,
    TriggerOffset,
    Venue,
    new_request_id,
    number,
)
from services.cli.settings import Settings, UsageError

ORDER_COLUMNS = (
    "client_order_id",
    "instrument",
    "side",
    "type",
    "quantity",
    "price",
    "filled",
    "average",
    "status",
    "note",
)
POSITION_COLUMNS = ("instrument", "quantity", "average", "mark", "unrealized", "realized", "in")
BALANCE_COLUMNS = ("venue", "account", "currency", "equity", "available", "balance", "unrealized")
FILL_COLUMNS = ("instrument", "side", "quantity", "price", "fee", "in", "liquidity", "exec_id")


def register(app: typer.Typer) -> None:
    for command in (place, modify, cancel, orders, positions, balances, fills):
        app.command()(command)
    app.command("cancel-all")(cancel_all)


def place(
    context: typer.Context,
    instrument: Annotated[str, typer.Argument(help="e.g. deribit.BTC-PERPETUAL")],
    side: Annotated[m.Side, typer.Argument(case_sensitive=False)],
    quantity: Annotated[
        str, typer.Argument(callback=number, metavar="QUANTITY", help="In the venue's unit.")
    ],
    price: Price = None,
    order_type: Annotated[m.OrderType | None, typer.Option("--type", case_sensitive=False)] = None,
    tif: Annotated[m.TimeInForce, Insensitive] = m.TimeInForce.GTC,
    post_only: Annotated[bool, typer.Option("--post-only")] = False,
    reprice: Annotated[
        bool, typer.Option("--reprice", help="Let the venue move a crossing post-only order.")
    ] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only")] = False,
    trigger_price: Annotated[
        str | None, typer.Option(callback=number, metavar="NUMBER", help="Of stop orders.")
    ] = None,
    trigger_offset: TriggerOffset = None,
    display: Display = None,
    trigger: Annotated[m.TriggerPrice | None, Insensitive] = None,
    price_type: Annotated[
        m.PriceType | None,
        typer.Option(case_sensitive=False, help="Of an option: what the price counts."),
    ] = None,
    oco: Annotated[
        list[str] | None,
        typer.Option(
            "--oco",
            metavar="ORDER",
            help="Placed with it, as side=sell,price=51000; one cancels the other.",
        ),
    ] = None,
    oto: Annotated[
        list[str] | None,
        typer.Option("--oto", metavar="ORDER", help="Placed by its execution; may be repeated."),
    ] = None,
    otoco: Annotated[
        list[str] | None,
        typer.Option(
            "--otoco", metavar="ORDER", help="Two, placed by its execution, one cancels the other."
        ),
    ] = None,
    fill_condition: Annotated[
        m.FillCondition | None,
        typer.Option(case_sensitive=False, help="Which execution acts on linked orders."),
    ] = None,
    account: Account = None,
    tag: Tag = None,
    request_id: RequestId = None,
) -> None:
    """Place an order; returns when the venue has answered."""
    body = {
        "instrument": instrument,
        "side": side.value,
        "quantity": quantity,
        "type": _order_type(order_type, price, trigger_price, trigger_offset).value,
        "price": price,
        "time_in_force": tif.value,
        "post_only": post_only or None,
        "reprice": reprice or None,
        "reduce_only": reduce_only or None,
        "trigger_price": trigger_price,
        "trigger_offset": trigger_offset,
        "display_quantity": display,
        "trigger": trigger.value if trigger else None,
        "price_type": price_type.value if price_type else None,
        **linked.body(oco, oto, otoco, fill_condition.value if fill_condition else None),
        "account": account,
        "tag": tag,
        "request_id": request_id or new_request_id(),
    }
    _report_order(context.obj, lambda gateway: gateway.call("POST", "orders", body=body))


def _order_type(
    named: m.OrderType | None,
    price: str | None,
    trigger_price: str | None,
    trigger_offset: str | None,
) -> m.OrderType:
    if named is None and trigger_offset is not None:
        return m.OrderType.TRAILING_STOP
    if named is None and price is None and trigger_price is None:
        raise UsageError("give a --price, or --type market", "price")
    if named is not None:
        return named
    if trigger_price is None:
        return m.OrderType.LIMIT
    return m.OrderType.STOP if price is None else m.OrderType.STOP_LIMIT


def modify(
    context: typer.Context,
    client_order_id: str,
    price: Price = None,
    quantity: Annotated[
        str | None,
        typer.Option("--quantity", "-q", callback=number, metavar="NUMBER", help="New total."),
    ] = None,
    trigger_price: Number = None,
    trigger_offset: TriggerOffset = None,
    display: Display = None,
    request_id: RequestId = None,
) -> None:
    """Change price, total quantity or another term of an order in place."""
    changes = {
        "price": price,
        "quantity": quantity,
        "trigger_price": trigger_price,
        "trigger_offset": trigger_offset,
        "display_quantity": display,
    }
    if all(value is None for value in changes.values()):
        text = "give a --price, --quantity, --trigger-price, --trigger-offset or --display"
        raise UsageError(text, "price")
    body = {
        **changes,
        "request_id": request_id or new_request_id(),
    }
    path = _order_path(client_order_id)
    _report_order(context.obj, lambda gateway: gateway.call("PATCH", path, body=body))


def cancel(context: typer.Context, client_order_id: str) -> None:
    """Cancel one order."""
    path = _order_path(client_order_id)
    _report_order(context.obj, lambda gateway: gateway.call("DELETE", path))


def cancel_all(
    context: typer.Context,
    venue: Venue = None,
    account: Account = None,
    instrument: Instrument = None,
    kind: Kind = None,
    currency: Currency = None,
    tag: Annotated[str | None, typer.Option(help="Only orders that carry it.")] = None,
) -> None:
    """Cancel every open order that matches the given filters; without any, all of them."""
    query = {
        "venue": venue,
        "account": account,
        "instrument": instrument,
        "kind": kind.value if kind else None,
        "currency": currency,
        "tag": tag,
    }
    report_canceled(context.obj, "orders", query, "order")


def orders(
    context: typer.Context,
    venue: Venue = None,
    instrument: Instrument = None,
    closed: Annotated[bool, typer.Option("--all", help="Recently closed ones too.")] = False,
) -> None:
    """List open orders."""
    query = {"venue": venue, "instrument": instrument, "status": "all" if closed else None}
    _list(context.obj, "orders", query, "orders", ORDER_COLUMNS, _order_row)


def positions(
    context: typer.Context,
    venue: Venue = None,
    flat: Annotated[bool, typer.Option("--flat", help="Those of quantity 0 too.")] = False,
) -> None:
    """List positions."""
    query = {"venue": venue, "flat": "true" if flat else None}
    _list(context.obj, "positions", query, "positions", POSITION_COLUMNS, _position_row)


def balances(context: typer.Context, venue: Venue = None) -> None:
    """List balances."""
    _list(context.obj, "balances", {"venue": venue}, "balances", BALANCE_COLUMNS, _balance_row)


def fills(
    context: typer.Context,
    instrument: Instrument = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List own executions, newest first."""
    query = {"instrument": instrument, "limit": limit}
    _list(context.obj, "fills", query, "fills", FILL_COLUMNS, _fill_row)


# --- helpers ---


def _order_path(client_order_id: str) -> str:
    return f"orders/{url_quote(client_order_id, safe='')}"


def _report_order(settings: Settings, call: Callable[[Gateway], dict[str, Any]]) -> None:
    answer = call(Gateway(settings))
    if settings.as_json:
        output.print_json(answer)
    else:
        _print_order(answer)
        for linked_order in answer.get("linked_orders", []):
            _print_order(linked_order)
        print_reason(answer)
    raise typer.Exit(exit_code(answer))


def _print_order(order: dict[str, Any]) -> None:
    if not order.get("client_order_id") or not order.get("status"):
        return  # refused before it became an order, or nobody knows
    price = f" at {order['price']}" if order.get("price") else ""
    price += f" {order['price_type']}" if order.get("price_type") else ""
    price += f", trigger {order['trigger_price']}" if order.get("trigger_price") else ""
    filled = order.get("cum_quantity")
    progress = f", {filled} filled at {output.price(order.get('avg_price'))}"
    print(
        f"{order.get('status', 'UNKNOWN')} {order.get('client_order_id', '')}:"
        f" {order.get('side', '')} {order.get('quantity', '')} {order.get('instrument', '')}{price}"
        + (progress if filled and float(filled) else "")
    )


def report_canceled(settings: Settings, path: str, query: dict[str, Any], what: str) -> None:
    """Cancel all that match; say how many there were, and which account refused."""
    answer = Gateway(settings).call("DELETE", path, query=query)
    if settings.as_json:
        output.print_json(answer)
    else:
        count = len(answer.get("orders", []))
        print(f"{count} {what}{'' if count == 1 else 's'} canceled")
        for result in answer.get("results", []):
            print_reason(result)
    raise typer.Exit(exit_code(answer))


def print_reason(answer: dict[str, Any]) -> None:
    if answer.get("in_doubt"):
        print("the venue has not answered yet; `crossdesk orders` shows what becomes of it")
    elif not answer.get("accepted", True):
        print(f"refused: {answer.get('reason')}: {answer.get('text', '')}")


def _list(
    settings: Settings,
    path: str,
    query: dict[str, Any],
    field: str,
    columns: tuple[str, ...],
    row: Callable[[dict[str, Any]], tuple[Any, ...]],
) -> None:
    answer = Gateway(settings).call("GET", path, query=query)
    if settings.as_json:
        output.print_json(answer)
        return
    right = [name for name in columns if name in NUMBERS]
    output.table(columns, (row(item) for item in answer[field]), right)


NUMBERS = {"quantity", "price", "filled", "average", "mark", "unrealized", "realized"} | {
    "equity",
    "available",
    "balance",
    "fee",
}


TERMS = (
    ("trigger_price", "trigger"),
    ("trigger_offset", "trails by"),
    ("display_quantity", "shows"),
    ("contingency_type", "linked:"),
)


def _order_row(order: dict[str, Any]) -> tuple[Any, ...]:
    return (
        order["client_order_id"],
        order["instrument"],
        output.side(order["side"]),
        order.get("order_type"),
        order["quantity"],
        order.get("price"),
        order.get("cum_quantity"),
        output.price(order.get("avg_price")),
        order["status"],
        _order_note(order),
    )


def _order_note(order: dict[str, Any]) -> str:
    """What the other columns do not tell: doubt, where from, and what the order waits for."""
    notes = [
        "in doubt" if order.get("in_doubt_since_ns") else "",
        "external" if order.get("external") else order.get("tag", ""),
        *(f"{words} {order[name]}" for name, words in TERMS if order.get(name)),
    ]
    return ", ".join(note for note in notes if note)


def _position_row(position: dict[str, Any]) -> tuple[Any, ...]:
    return (
        position["instrument"],
        position["quantity"],
        output.price(position.get("average_price")),
        position.get("mark_price"),
        output.money(position.get("unrealized_pnl")),
        output.money(position.get("realized_pnl")),
        position.get("currency"),
    )


def _balance_row(balance: dict[str, Any]) -> tuple[Any, ...]:
    figures = (output.money(balance.get(name)) for name in ("equity", "available", "balance"))
    return (
        balance.get("venue"),
        balance.get("account"),
        balance["currency"],
        *figures,
        output.money(balance.get("unrealized_pnl")),
    )


def _fill_row(fill: dict[str, Any]) -> tuple[Any, ...]:
    return (
        fill["instrument"],
        output.side(fill["side"]),
        fill["last_quantity"],
        fill["last_price"],
        fill["fee"],
        fill["fee_currency"],
        fill["liquidity"],
        fill["exec_id"],
    )
