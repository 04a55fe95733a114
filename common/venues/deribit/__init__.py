"""Deribit: inverse and linear futures and options, spot. See README.md for documents and quirks.

The parts are imported where they are made, so that a process loads only what it uses.
"""

from __future__ import annotations

from typing import Any

from common.messages import ContingencyType, PriceType
from common.venues.contract import Capabilities, Venue


def _feed(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.feed import Feed

    return Feed(*args, **kwargs)


def _orders(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.orders import OrderEntry

    return OrderEntry(*args, **kwargs)


def _account(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.account import AccountFeed

    return AccountFeed(*args, **kwargs)


def _reference(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.reference import Reference

    return Reference(*args, **kwargs)


def _simulator(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.simulator import Simulator

    return Simulator(*args, **kwargs)


def _emergency(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.emergency import EmergencyCancels

    return EmergencyCancels(*args, **kwargs)


def _recorded_feed(*args: Any, **kwargs: Any) -> Any:
    from common.venues.deribit.recorded import RecordedFeed

    return RecordedFeed(*args, **kwargs)


VENUE = Venue(
    name="deribit",
    capabilities=Capabilities(
        edits_in_place=True,
        cancel_on_disconnect=True,
        options=True,
        contingencies=frozenset(ContingencyType),
        linked_at_most=10,
        price_types=frozenset(PriceType),
    ),
    feed=_feed,
    orders=_orders,
    account=_account,
    reference=_reference,
    simulator=_simulator,
    emergency=_emergency,
    recorded_feed=_recorded_feed,
)
