"""What a strategy says about quotes: many at once, their cancellation, market maker protection."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

from common import messages as m
from common.own_orders import OwnOrder

SIDES = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")


class QuoteHost(Protocol):
    """What is asked of what runs the strategy."""

    @property
    def quote_allowance(self) -> int: ...
    @property
    def protections(self) -> list[m.ProtectionUpdated]: ...
    def mass_quote(self, command: m.MassQuote) -> list[OwnOrder]: ...
    def cancel_quotes(self, filters: m.CancelQuotes) -> None: ...
    def change_protection(self, command: m.SetProtection | m.ResetProtection) -> None: ...
    def subscribe_protections(self) -> None: ...


class Quoting:
    """Part of Strategy."""

    name: Any
    _desk: Any

    def on_protection(self, protection: m.ProtectionUpdated) -> None:
        """Protection was set, removed or reset, or it acted (event TRIGGERED) and the venue
        cancelled the quotes of its group; after subscribe_protections()."""

    def mass_quote(
        self,
        quotes: Sequence[m.QuoteEntry],
        mmp_group: str,
        *,
        quote_set: str = "",
        post_only: bool = False,
        tag: str = "",
    ) -> list[OwnOrder]:
        """Quote many instruments at once. Each side is an order: on_order tells what comes of it.

        There is one quote per instrument, side and group; a new one replaces it. A side that stands
        as it is wanted, or whose last change is still under way, is not sent.

        Returns:
            The orders of the sides that were given.

        Raises:
            ValueError: a number that is not exact; floats go through Instrument.round_price.
        """
        for entry in quotes:
            for field in SIDES:
                value = getattr(entry, field)
                if value is not None and not isinstance(value, Decimal):
                    text = f"{field} of {entry.instrument}: {value!r} is not a Decimal"
                    raise ValueError(f"{text}; round it with the instrument's rules")
        command = m.MassQuote(list(quotes), mmp_group, quote_set, self.name, tag, post_only)
        orders: list[OwnOrder] = self._host_of_quotes.mass_quote(command)
        return orders

    def cancel_quotes(
        self,
        *,
        instrument: str | None = None,
        mmp_group: str | None = None,
        quote_set: str | None = None,
    ) -> None:
        """Cancel all own quotes, or those that match. Other orders stay."""
        filters = m.CancelQuotes(
            instrument, quote_set=quote_set, mmp_group=mmp_group, owner=self.name
        )
        self._host_of_quotes.cancel_quotes(filters)

    @property
    def quote_allowance(self) -> int:
        """How many mass quotes our part of the account's rate allows now."""
        return self._host_of_quotes.quote_allowance

    # --- protection ---------------------------------------------------------------------------

    def subscribe_protections(self) -> None:
        """Follow market maker protection of the account."""
        self._host_of_quotes.subscribe_protections()

    @property
    def protections(self) -> list[m.ProtectionUpdated]:
        """All protections of the account; after subscribe_protections()."""
        return self._host_of_quotes.protections

    def set_protection(self, command: m.SetProtection) -> None:
        """Set or remove a protection; on_protection tells when it holds."""
        self._host_of_quotes.change_protection(command)

    def reset_protection(self, index: str, mmp_group: str) -> None:
        """Take quotes again after protection acted."""
        self._host_of_quotes.change_protection(m.ResetProtection(index, mmp_group))

    @property
    def _host_of_quotes(self) -> QuoteHost:
        host: QuoteHost = self._desk
        return host
