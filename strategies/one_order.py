"""The life of one order: place it below the market, move it, cancel it, and print what is told.

python strategies/one_order.py deribit.BTC-PERPETUAL 100 --run-dir run
"""

import argparse
import os
import sys
from decimal import Decimal

from common import messages as m
from common.client import Client, Lost, Received
from common.errors import CrossdeskError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("instrument", help="e.g. deribit.BTC-PERPETUAL")
    parser.add_argument("quantity", help="in the venue's own unit of the instrument")
    parser.add_argument("--price", help="default: ten percent below the best bid")
    parser.add_argument("--run-dir", default=os.environ.get("CROSSDESK_RUN_DIR", "run"))
    given = parser.parse_args()
    try:
        with Client(given.run_dir, sender="one_order") as desk:
            return trade(desk, given.instrument, given.quantity, given.price)
    except (CrossdeskError, ValueError) as error:
        print(f"one_order: {error}", file=sys.stderr)
        return 1


def trade(desk: Client, instrument: str, quantity: str, price: str | None) -> int:
    desk.subscribe_orders(instrument.partition(".")[0])
    price = price or price_below(desk, instrument)
    side, size = m.Side.BUY, Decimal(quantity)
    placed = desk.place(instrument, side, size, price=price, post_only=True)
    if not placed.accepted:
        print(f"refused: {placed.reason}: {placed.text}", file=sys.stderr)
        return 1
    order = placed.orders[0]
    for reply in (desk.modify(order, quantity=size * 2), desk.cancel(order)):
        if not reply.accepted:
            print(f"refused: {reply.reason}: {reply.text}", file=sys.stderr)
    return print_life(desk, order.client_order_id)


def price_below(desk: Client, instrument: str) -> str:
    """A price the order will rest at: a whole number ten percent below the best bid."""
    desk.subscribe_quote(instrument)
    for received in desk.messages(timeout_s=10):
        match received:
            case Received(message=m.Quote(bid_price=float(bid), stale=False)):
                return str(int(bid * 0.9))
    raise CrossdeskError(f"no quote of {instrument} came; does a desk run there? See --run-dir")


def print_life(desk: Client, client_order_id: str) -> int:
    """Print the events of one order until its last; they waited for us in the subscription."""
    for received in desk.messages(timeout_s=5):
        match received:
            case Lost(topic, reason):
                print(f"lost {topic}: {reason}")
            case Received(message=m.OrderUpdated() as order):
                if order.client_order_id != client_order_id:
                    continue
                print(
                    f"{order.event:<14} {order.status:<16} {order.side} {order.quantity}"
                    f" {order.instrument} at {order.price}, {order.cum_quantity} filled"
                )
                if order.status.is_final:
                    return 0
    print("the order did not end; crossdesk orders shows it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
