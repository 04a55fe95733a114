"""What a venue folder offers, so that nothing outside it names the venue.

A venue is one folder with the same files everywhere, all pure: bytes in, messages and requests out.
`VENUE` in its __init__.py is a Venue; `load(name)` in common/venues finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from common.messages import ContingencyType, PriceType


class Capabilities(msgspec.Struct, frozen=True):
    """What differs between venues, as data."""

    edits_in_place: bool = True  # a modify keeps the venue's order id
    cancels_by_client_order_id: bool = False
    cancel_on_disconnect: bool = False
    options: bool = False
    contingencies: frozenset[ContingencyType] = frozenset()  # linked orders that it takes
    linked_at_most: int = 0  # of OTO, besides the first order
    price_types: frozenset[PriceType] = frozenset()  # of options


class Venue(msgspec.Struct, frozen=True):
    """One venue. Each field is the constructor of the object of that name in its folder."""

    name: str
    capabilities: Capabilities
    feed: Callable[..., Any]
    orders: Callable[..., Any]
    account: Callable[..., Any]
    reference: Callable[..., Any]
    simulator: Callable[..., Any]
    emergency: Callable[..., Any]  # (http_url, credentials) -> emergency.Emergency
    recorded_feed: Callable[..., Any] | None = None  # reads frames that somebody recorded
