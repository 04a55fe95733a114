"""Combos: made on request, named as the venue names them, traded as any instrument.

https://docs.deribit.com (private/create_combo, public/get_combo_details), read in August 2026. The
venue's rule for which combos exist is not documented: here those whose name can be told from their
legs, one unit of each, all of one currency.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common.messages import ContractType, InstrumentKind, InstrumentStatus, OptionType
from common.venues.deribit.simulator.calls import Call, Handler
from common.venues.deribit.simulator.catalog import Catalog, milliseconds, number
from common.venues.deribit.simulator.envelope import Refused, Request, invalid_params
from common.venues.deribit.simulator.parameters import check, parse_line
from common.venues.deribit.universe import Listing, stable_id, strike_text
from common.venues.simulation import ComboLeg, SimulatedExchange

LEG = parse_line("instrument_name*:str direction*:str{buy/sell} amount:num")
MAX_COMBOS = 100  # active at once
FUTURES = (InstrumentKind.FUTURE, InstrumentKind.PERPETUAL)
Signed = tuple[Listing, int]  # a leg and its sign


class Combo(msgspec.Struct, frozen=True):
    listing: Listing
    legs: tuple[ComboLeg, ...]
    created_ns: int


class ComboMethods:
    """Handlers by the name of their method."""

    def __init__(self, exchange: SimulatedExchange, catalog: Catalog) -> None:
        self._exchange, self._catalog = exchange, catalog
        self._combos: dict[str, Combo] = {}
        self.handlers: dict[str, Handler] = {
            "private/create_combo": self._create,
            "public/get_combos": self._all,
            "public/get_combo_ids": self._ids,
            "public/get_combo_details": self._details,
        }

    def of_leg(self, symbol: str) -> list[str]:
        """The combos that an instrument is a leg of."""
        return [
            name
            for name, combo in self._combos.items()
            if any(leg.symbol == symbol for leg in combo.legs)
        ]

    def _create(self, call: Call) -> dict[str, Any]:
        """The combo of these legs, which may exist already."""
        legs = self._legs(call.params["trades"])
        name, signs = named(legs)
        if name not in self._combos:
            if sum(self._is_active(combo) for combo in self._combos.values()) >= MAX_COMBOS:
                raise Refused(13035, "active_combo_limit_reached")
            self._combos[name] = self._make(name, signs, call.now_ns)
        return self._object(self._combos[name])

    def _legs(self, trades: list[dict[str, Any]]) -> list[Signed]:
        found: list[Signed] = []
        for trade in trades:
            leg = check(LEG, Request("", trade))
            listing = self._catalog.listing(leg["instrument_name"])
            if self._status(listing) is not InstrumentStatus.ACTIVE:
                raise Refused(13019, "orderbook_closed")
            if leg.get("amount", Decimal(1)) <= 0:
                raise invalid_params("amount", "must be positive")
            found.append((listing, 1 if leg["direction"] == "buy" else -1))
        if len({trade.get("amount") for trade in trades}) > 1:
            raise Refused(13036, "unavailable_for_combo_books")
        return found

    def _make(self, name: str, signs: list[Signed], now_ns: int) -> Combo:
        listing = _listing(name, [leg for leg, _ in signs], now_ns)
        legs = tuple(ComboLeg(leg.definition.symbol, Decimal(sign)) for leg, sign in signs)
        self._exchange.list_combo(listing.definition, legs, now_ns)
        self._catalog.keep(listing)
        return Combo(listing, legs, now_ns)

    def _all(self, call: Call) -> list[dict[str, Any]]:
        return [self._object(combo) for combo in self._of(call)]

    def _ids(self, call: Call) -> list[str]:
        wanted = call.params.get("state")
        return [
            combo.listing.definition.symbol
            for combo in self._of(call)
            if wanted in (None, "active" if self._is_active(combo) else "inactive")
        ]

    def _of(self, call: Call) -> list[Combo]:
        currency = self._catalog.currency(call.params["currency"])
        return [
            combo
            for combo in self._combos.values()
            if currency in (None, combo.listing.definition.settlement)
        ]

    def _details(self, call: Call) -> dict[str, Any]:
        combo = self._combos.get(call.params["combo_id"])
        if combo is None:
            raise Refused(13020, "not_found")
        return self._object(combo)

    def _status(self, listing: Listing) -> InstrumentStatus:
        return self._catalog.status(listing.definition.symbol)

    def _is_active(self, combo: Combo) -> bool:
        return self._status(combo.listing) is InstrumentStatus.ACTIVE

    def _object(self, combo: Combo) -> dict[str, Any]:
        active = self._is_active(combo)
        ended_ms = combo.listing.details.expiration_ms
        return {
            "id": combo.listing.definition.symbol,
            "instrument_id": combo.listing.details.instrument_id,
            "state": "active" if active else "inactive",
            "state_timestamp": milliseconds(combo.created_ns) if active else ended_ms,
            "creation_timestamp": milliseconds(combo.created_ns),
            "legs": [
                {"instrument_name": leg.symbol, "amount": number(leg.quantity)}
                for leg in combo.legs
            ],
        }


# --- names -----------------------------------------------------------------------------------


def named(legs: list[Signed]) -> tuple[str, list[Signed]]:
    """The name of a combo, and its legs in the order and with the signs that go with it.

    What is bought may be asked for as what is sold: the combo is the same.

    Raises:
        Refused: 13036 if these legs make no combo.
    """
    if len(legs) == 2 and legs[0][0] is not legs[1][0] and _are_alike(legs[0][0], legs[1][0]):
        ordered = sorted(legs, key=lambda leg: _place(leg[0]))
        if legs[0][0].definition.kind in FUTURES:
            found = _future_spread(ordered)
        else:
            found = _option_combo(ordered)
        if found is not None:
            return found
    raise Refused(13036, "unavailable_for_combo_books")


def _are_alike(first: Listing, second: Listing) -> bool:
    """Settled in the same coin, on the same index, and both futures or both options."""
    a, b = first.definition, second.definition
    same = (a.settlement, a.price_index) == (b.settlement, b.price_index)
    kinds = {a.kind, b.kind}
    return same and (kinds <= set(FUTURES) or kinds == {InstrumentKind.OPTION})


def _place(listing: Listing) -> tuple[int, Decimal, str]:
    definition = listing.definition
    option_type = definition.option_type.value if definition.option_type is not None else ""
    return listing.details.expiration_ms, definition.strike or Decimal(0), option_type


def _future_spread(legs: list[Signed]) -> tuple[str, list[Signed]] | None:
    """Bought: the later leg bought, the nearer one sold; a perpetual counts as the nearest."""
    (first, one), (second, two) = legs
    if one == two:
        return None
    if second.definition.kind is InstrumentKind.PERPETUAL:
        far, near = first, second
    else:
        far, near = second, first
    codes = [leg.definition.symbol.split("-")[1] for leg in (far, near)]
    codes = ["PERP" if code == "PERPETUAL" else code for code in codes]
    return f"{_prefix(far)}-FS-{codes[0]}_{codes[1]}", [(far, 1), (near, -1)]


def _option_combo(legs: list[Signed]) -> tuple[str, list[Signed]] | None:
    (first, one), (second, two) = legs
    a, b = first.definition, second.definition
    strikes = [strike_text(d.strike) for d in (a, b) if d.strike is not None]
    codes = [d.symbol.split("-")[1] for d in (a, b)]
    prefix = _prefix(first)
    is_call = a.option_type is OptionType.CALL
    if a.option_type is not b.option_type:
        if one != two or codes[0] != codes[1]:
            return None
        kind, shown = ("STRD", strikes[:1]) if a.strike == b.strike else ("STRG", strikes)
        if kind == "STRG" and is_call:
            return None  # a strangle has its put at the lower strike
        return f"{prefix}-{kind}-{codes[0]}-{'_'.join(shown)}", [(first, 1), (second, 1)]
    if one == two:
        return None
    letter = "C" if is_call else "P"
    if codes[0] == codes[1]:
        bought, sold = (first, second) if is_call else (second, first)
        name = f"{prefix}-{letter}S-{codes[0]}-{strikes[0]}_{strikes[1]}"
        if not is_call:
            name = f"{prefix}-PS-{codes[0]}-{strikes[1]}_{strikes[0]}"
        return name, [(bought, 1), (sold, -1)]
    if a.strike != b.strike:
        return None
    name = f"{prefix}-{letter}CAL-{codes[1]}_{codes[0]}-{strikes[0]}"
    return name, [(second, 1), (first, -1)]


def _prefix(listing: Listing) -> str:
    return listing.definition.symbol.split("-")[0]


def _listing(name: str, legs: list[Listing], now_ns: int) -> Listing:
    """A combo has the steps of its coarsest leg, and ends with the first of them."""
    definitions = [leg.definition for leg in legs]
    dated = [d.expiration_ns for d in definitions if d.expiration_ns is not None]
    is_option = definitions[0].kind is InstrumentKind.OPTION
    definition = msgspec.structs.replace(
        definitions[0],
        instrument=f"{definitions[0].venue}.{name}",
        symbol=name,
        kind=InstrumentKind.OPTION_COMBO if is_option else InstrumentKind.FUTURE_COMBO,
        tick_size=max(d.tick_size for d in definitions),
        tick_steps=[],
        lot_size=max(d.lot_size for d in definitions),
        min_quantity=max(d.min_quantity for d in definitions),
        strike=None,
        option_type=None,
        expiration_ns=min(dated),
        created_ns=now_ns,
    )
    details = msgspec.structs.replace(
        legs[0].details,
        instrument_id=stable_id(name),
        kind=definition.kind.value,
        instrument_type=(
            "reversed" if definition.contract_type is ContractType.INVERSE else "linear"
        ),
        expiration_ms=milliseconds(min(dated)),
        created_ms=milliseconds(now_ns),
        underlying_index="",
    )
    return Listing(definition, details)
