"""Whose an order is, read from an engine's journal, whether the engine lives or not."""

from __future__ import annotations

from common.rundir import RunDir
from common.transport import segments
from common.venues.order_entry import quote_key
from services.trading_engine import records
from services.trading_engine.storage import journal_directory


def orders_of(run_dir: RunDir, venue: str, account: str, owner: str) -> set[str]:
    """The client_order_ids of an owner's orders, and what names its quotes.

    Raises:
        ConfigError: the journal cannot be read.
    """
    loaded = segments.load(journal_directory(run_dir, venue, account))
    payloads = [*loaded.snapshot, *loaded.tail]
    found = set()
    for entry in records.each(payloads):
        for record in entry.records:
            order = getattr(record, "order", None)
            if order is not None and order.owner == owner:
                found.add(order.client_order_id)
                if order.quote_id:  # at the venue it carries this in place of our id
                    symbol = order.instrument.removeprefix(f"{venue}.")
                    found.add(quote_key(order.quote_id, symbol, order.side))
    return found
