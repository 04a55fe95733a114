"""What a strategy is written with: subclass Strategy, name its parameters, override what you need.

    class Settings(Parameters):
        instrument: str
        quantity: Decimal = Decimal(100)

    class Greeter(Strategy[Settings]):
        def on_start(self) -> None:
            self.subscribe(self.parameters.instrument, "quote")

        def on_quote(self, quote: m.Quote) -> None:
            ...

A strategy is pure: it takes the time from self.now_ns, keeps its state in itself and acts through
the methods below, which only make commands. So the same class runs live and in simulated time, and
the same events lead to the same orders. It needs no lock: one handler runs at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar, dataclass_transform, get_args, get_origin

import msgspec

from common import messages as m
from common.domain.book import OrderBook
from common.domain.instrument import Instrument
from common.domain.position import plain
from common.errors import LocalError
from common.messages import OrderType, Side, TimeInForce
from common.own_orders import OwnOrder, OwnPosition
from common.strategy_quotes import QuoteHost, Quoting

__all__ = ("OwnOrder", "OwnPosition", "ParameterError", "Parameters", "Strategy", "read_parameters")

KINDS = ("book", "quote", "trade", "ticker")
NOT_FINITE = frozenset({"nan", "snan", "inf", "infinity"})
Number = str | int | Decimal


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Parameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
):
    """Base of a strategy's parameters; a field without a default must be given.

    Raise ValueError in __post_init__ for values that make no sense.
    """


P = TypeVar("P", bound=Parameters)
DIGITS = 20  # longer numbers are cut in the log


class Host(QuoteHost, Protocol):
    """What a Strategy asks of what runs it; its methods say what they mean."""

    @property
    def name(self) -> str: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def parameters(self) -> Parameters: ...
    @property
    def can_trade(self) -> bool: ...
    @property
    def allowance(self) -> int: ...
    @property
    def working_orders(self) -> list[OwnOrder]: ...
    def place(self, command: m.PlaceOrder) -> OwnOrder: ...
    def modify(self, order: OwnOrder, change: m.ModifyOrder) -> bool: ...
    def cancel(self, order: OwnOrder) -> bool: ...
    def cancel_all(self, instrument: str | None) -> None: ...
    def subscribe(self, instrument: str, kinds: tuple[str, ...]) -> None: ...
    def subscribe_account(self) -> None: ...
    def instrument(self, name: str) -> Instrument | None: ...
    def quote(self, name: str) -> m.Quote | None: ...
    def ticker(self, name: str) -> m.Ticker | None: ...
    def book(self, name: str) -> OrderBook | None: ...
    def position(self, name: str) -> OwnPosition: ...
    def account_positions(self) -> list[m.PositionUpdated]: ...
    def exposure(self, underlying: str) -> m.Exposure | None: ...
    def set_timer(self, name: str, after_s: float, every_s: float | None) -> None: ...
    def cancel_timer(self, name: str) -> None: ...
    def log(self, level: str, text: str, fields: dict[str, str]) -> None: ...


class Strategy(Quoting, Generic[P]):
    """Base of strategies: handlers to override, and what they may call.

    Handlers run after on_start, which comes once the instruments, the strategy's own orders and
    fills are known and the engine is ready. An exception in a handler stops the strategy and
    cancels its orders; nothing that the failing handler asked for is done.
    """

    parameters_type: type[Parameters] = Parameters
    _host: Host | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            named = get_args(base) if get_origin(base) is Strategy else ()
            if named and isinstance(named[0], type):
                cls.parameters_type = named[0]

    def attach(self, host: Host) -> None:
        """For the host: connect the strategy, before its first handler."""
        self._host = host

    @property
    def _desk(self) -> Host:
        if self._host is None:
            raise LocalError("a strategy acts in its handlers, from on_start on")
        return self._host

    # --- handlers -----------------------------------------------------------------------------

    def on_start(self) -> None:
        """Subscribe here; self.working_orders may hold orders of an earlier run."""

    def on_stop(self) -> None:
        """The strategy ends; its orders are cancelled after this, if so configured."""

    def on_book(self, book: OrderBook) -> None:
        """A book changed. It is empty while it cannot be trusted."""

    def on_quote(self, quote: m.Quote) -> None:
        """The best prices changed. stale: do not trade on it."""

    def on_trade(self, trade: m.Trade) -> None:
        """Somebody traded."""

    def on_ticker(self, ticker: m.Ticker) -> None:
        """Mark, index, funding or Greeks changed."""

    def on_order(self, order: OwnOrder) -> None:
        """An own order changed, or a modify or cancel of it was refused."""

    def on_fill(self, fill: m.Fill) -> None:
        """An own order traded; self.position() holds it already. Each fill comes once."""

    def on_position(self, position: m.PositionUpdated) -> None:
        """A position of the whole account changed; after subscribe_account()."""

    def on_exposure(self, exposure: m.Exposure) -> None:
        """The account's net Greeks in an underlying changed; after subscribe_account()."""

    def on_timer(self, name: str) -> None:
        """A timer of set_timer() is due."""

    def on_parameters(self) -> None:
        """self.parameters changed at run time."""

    # --- orders -------------------------------------------------------------------------------

    def place(
        self,
        instrument: str,
        side: Side,
        quantity: Number,
        *,
        price: Number | None = None,
        order_type: OrderType | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        reprice: bool = False,
        reduce_only: bool = False,
        trigger_price: Number | None = None,
        trigger: m.TriggerPrice | None = None,
        tag: str = "",
        trigger_offset: Number | None = None,
        display_quantity: Number | None = None,
        price_type: m.PriceType | None = None,
        contingency_type: m.ContingencyType | None = None,
        fill_condition: m.FillCondition | None = None,
        linked_orders: Sequence[m.LinkedOrder] = (),
        parent: str = "",
        parent_quantity: Number | None = None,
    ) -> OwnOrder:
        """Place an order: a LIMIT with a price, else a MARKET. on_order tells what comes of it.

        linked_orders: made by linked_order() of common/linked.py; each is an order of its own in
        `linked` of the one that is returned. parent: your name of a larger order of which it is a
        part; filled and open parts together never exceed parent_quantity.

        Raises:
            ValueError: a number that is not exact; floats go through Instrument.round_price.
        """
        kind = order_type or (OrderType.MARKET if price is None else OrderType.LIMIT)
        return self._desk.place(
            m.PlaceOrder(
                instrument,
                side,
                exact_number("quantity", quantity),
                kind,
                _optional("price", price),
                time_in_force,
                post_only,
                reduce_only,
                _optional("trigger_price", trigger_price),
                trigger,
                owner=self.name,
                tag=tag,
                reprice=reprice,
                trigger_offset=_optional("trigger_offset", trigger_offset),
                display_quantity=_optional("display_quantity", display_quantity),
                contingency_type=contingency_type,
                fill_condition=fill_condition,
                linked_orders=list(linked_orders),
                price_type=price_type,
                parent=parent,
                parent_quantity=_optional("parent_quantity", parent_quantity),
            )
        )

    def modify(
        self,
        order: OwnOrder,
        *,
        price: Number | None = None,
        quantity: Number | None = None,
        trigger_price: Number | None = None,
        trigger_offset: Number | None = None,
        display_quantity: Number | None = None,
    ) -> bool:
        """Change price, total quantity or another term in place.

        Returns:
            False when nothing was sent, since the order is not settled.
        """
        change = m.ModifyOrder(
            order.client_order_id,
            _optional("price", price),
            _optional("quantity", quantity),
            _optional("trigger_price", trigger_price),
            trigger_offset=_optional("trigger_offset", trigger_offset),
            display_quantity=_optional("display_quantity", display_quantity),
        )
        return self._desk.modify(order, change)

    def cancel(self, order: OwnOrder) -> bool:
        """Cancel; an order that has no name yet as soon as it has. False: it is closed already."""
        return self._desk.cancel(order)

    def cancel_all(self, instrument: str | None = None) -> None:
        """Cancel all own orders, or those in one instrument. Orders of others stay."""
        self._desk.cancel_all(instrument)

    @property
    def working_orders(self) -> list[OwnOrder]:
        """Own orders that work or may work, oldest first."""
        return self._desk.working_orders

    @property
    def can_trade(self) -> bool:
        """The engine is ready and our view of orders and fills is complete."""
        return self._desk.can_trade

    @property
    def allowance(self) -> int:
        """How many orders or modifies our part of the account's rate allows now; cancels go on."""
        return self._desk.allowance

    # --- looking ------------------------------------------------------------------------------

    def subscribe(self, instrument: str, *kinds: str) -> None:
        """Follow an instrument: "book", "quote", "trade", "ticker"; without kinds the quote."""
        for kind in kinds:
            if kind not in KINDS:
                raise ValueError(f"subscribe: {kind!r} is not one of {', '.join(KINDS)}")
        self._desk.subscribe(instrument, kinds or ("quote",))

    def subscribe_account(self) -> None:
        """Follow the positions and Greeks of the whole account, other owners' included."""
        self._desk.subscribe_account()

    def instrument(self, name: str) -> Instrument:
        """An instrument's rules: ticks, lots, conversions.

        Raises:
            KeyError: there is none of that name at the strategy's venue.
        """
        known = self._desk.instrument(name)
        if known is None:
            raise KeyError(f"there is no instrument {name}")
        return known

    def quote(self, instrument: str) -> m.Quote | None:
        """The last quote of a subscribed instrument."""
        return self._desk.quote(instrument)

    def ticker(self, instrument: str) -> m.Ticker | None:
        return self._desk.ticker(instrument)

    def book(self, instrument: str) -> OrderBook | None:
        return self._desk.book(instrument)

    def position(self, instrument: str) -> OwnPosition:
        """What our own fills add up to, and what we have working."""
        return self._desk.position(instrument)

    @property
    def account_positions(self) -> list[m.PositionUpdated]:
        """All positions of the account; after subscribe_account()."""
        return self._desk.account_positions()

    def exposure(self, underlying: str) -> m.Exposure | None:
        """Net Greeks of the account; None while they are not known."""
        return self._desk.exposure(underlying)

    # --- everything else ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The strategy's name, which owns its orders."""
        return self._desk.name

    @property
    def now_ns(self) -> int:
        """The time, in nanoseconds since 1970 UTC; simulated in a simulation."""
        return self._desk.now_ns

    @property
    def parameters(self) -> P:
        """The parameters now; see on_parameters()."""
        return self._desk.parameters  # type: ignore[return-value]

    def set_timer(self, name: str, *, after_s: float, every_s: float | None = None) -> None:
        """Call on_timer(name) after this time, and then every `every_s`. The same name replaces."""
        self._desk.set_timer(name, after_s, every_s)

    def cancel_timer(self, name: str) -> None:
        self._desk.cancel_timer(name)

    def log(self, text: str, /, *, level: str = "INFO", **fields: object) -> None:
        """A line in the strategy's log. level: DEBUG, INFO, WARNING or ERROR."""
        self._desk.log(level, text, {key: _shown(value) for key, value in fields.items()})


def _shown(value: object) -> str:
    """Money is kept with up to 60 digits; twelve places are enough to read."""
    if isinstance(value, Decimal) and value.is_finite() and len(value.as_tuple().digits) > DIGITS:
        return f"{plain(value):f}" if value.adjusted() < DIGITS else f"{value:.{DIGITS}g}"
    return str(value)


def exact_number(field: str, value: Number) -> Decimal:
    """A number for an order.

    Raises:
        ValueError: a float, or not a finite number; names the field.
    """
    if isinstance(value, float):
        raise ValueError(f"{field}: {value!r} is a float; round it with the instrument's rules")
    try:
        return m.Exact(value if isinstance(value, Decimal) else str(value))
    except (ValueError, ArithmeticError):
        raise ValueError(f"{field}: {value!r} is not a number of usable size") from None


def _optional(field: str, value: Number | None) -> Decimal | None:
    return None if value is None else exact_number(field, value)


def read_parameters(kind: type[P], values: dict[str, Any]) -> P:
    """Parameters from YAML or text.

    Raises:
        ParameterError: names the parameter that is unknown, missing or bad.
    """
    known = set(kind.__struct_fields__)
    for name, value in values.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ParameterError(name, f"no such parameter (known: {listed})")
        if str(value).strip("+-").lower() in NOT_FINITE:
            raise ParameterError(name, f"{value} is not a finite number")
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        if "required field" in problem:
            path = problem.partition("`")[2].rstrip("`")
            problem = "is missing"
        raise ParameterError(path.strip("`."), problem) from None
    except ArithmeticError as error:
        raise ParameterError("", f"cannot be checked: {error!r}") from None


class ParameterError(ValueError):
    """A parameter cannot be used; name is "" when it is about several."""

    def __init__(self, name: str, problem: str) -> None:
        self.name, self.problem = name, problem
        super().__init__(f"{name}: {problem}" if name else problem)
