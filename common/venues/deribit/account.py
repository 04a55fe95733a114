"""Deribit's private account data: positions, balances and own trades, on one link.

Channels `user.changes.any.any.raw` and `user.portfolio.any`; calls private/get_positions and
private/get_account_summaries. A change carries the trades of one instrument together with the
position after them, which is what lets a snapshot and the trades around it be told apart.
https://docs.deribit.com/api-reference/account-management and /subscriptions, read in August 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, TypeVar

import msgspec

from common.config import Credentials
from common.errors import VenueProtocolError
from common.messages import Fill
from common.venues.accounts import (
    AccountCallFailed,
    AccountEvent,
    AccountOpened,
    AccountRefused,
    BalanceList,
    BalanceReport,
    FillsTold,
    PositionList,
    PositionReport,
    PositionsChanged,
)
from common.venues.deribit.order_payloads import decode_trades, plain
from common.venues.deribit.session import (
    CREDENTIALS_WRONG,
    Answer,
    LoggedIn,
    LoginFailed,
    Notification,
    Send,
    Session,
)
from common.venues.order_entry import VenueFill
from common.venues.streams import FrameToSend

VENUE_NAME = "deribit"
CHANGES = "user.changes.any.any.raw"
PORTFOLIO = "user.portfolio.any"
CHANNELS = [CHANGES, PORTFOLIO]
MOST_TRADES = 1000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000
NO_TRADES = msgspec.Raw(b"[]")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Position(msgspec.Struct, gc=False):
    """{"instrument_name": "BTC-PERPETUAL", "kind": "future", "direction": "buy", "size": 40.0,
    "average_price": 112585.87, "mark_price": 109266.97, "delta": 0.000366076, ...}"""

    instrument_name: Name
    size: Decimal
    average_price: Decimal = Decimal(0)
    total_profit_loss: Decimal = Decimal(0)
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    mark_price: float | None = None
    index_price: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    estimated_liquidation_price: float | None = None


FIGURES = (
    *("mark_price", "index_price", "delta", "gamma", "vega", "theta"),
    "estimated_liquidation_price",
)


class _Changes(msgspec.Struct, gc=False):
    trades: msgspec.Raw = NO_TRADES
    positions: list[_Position] = []


class _Summary(msgspec.Struct, gc=False):
    """{"currency": "BTC", "balance": 302.60065765, "equity": 302.61869214, ...}"""

    currency: Name
    balance: Decimal
    equity: Decimal
    available_funds: Decimal
    initial_margin: Decimal = Decimal(0)
    maintenance_margin: Decimal = Decimal(0)
    total_pl: Decimal = Decimal(0)
    session_rpl: Decimal = Decimal(0)
    options_value: Decimal = Decimal(0)


class _Summaries(msgspec.Struct, gc=False):
    summaries: list[_Summary]


Decoded = TypeVar("Decoded")


def _decoder(kind: type[Decoded]) -> Callable[[msgspec.Raw], Decoded]:
    # Not strict: some recorders and proxies quote numbers.
    return msgspec.json.Decoder(kind, strict=False).decode


_changes = _decoder(_Changes)
_positions = _decoder(list[_Position])
_summary = _decoder(_Summary)
_summaries = _decoder(_Summaries)
_channels = _decoder(list[str])


class _Ask(msgspec.Struct, frozen=True):
    """Context of our calls."""

    method: str


class _AskTrades(_Ask, frozen=True):
    """A page of own trades, oldest first. told: what to answer when the last one has come."""

    which: dict[str, str]
    from_ms: int
    to_ms: int
    told: FillsTold


class AccountFeed:
    """The account's half of Deribit's protocol on one link.

    Args:
        credentials: a key that may read the account and its trades.
        account: our name of the account, for the fills.
    """

    def __init__(self, credentials: Credentials, *, account: str) -> None:
        self._session = Session(credentials)
        self._account = account

    @property
    def next_wake_ns(self) -> int | None:
        return self._session.next_wake_ns

    def on_up(self, now_ns: int) -> list[bytes]:
        return self._session.on_up(now_ns)

    def on_down(self) -> None:
        self._session.on_down()

    def on_time(self, now_ns: int) -> list[bytes]:
        return self._session.on_time(now_ns)

    def is_silent(self, now_ns: int) -> bool:
        return self._session.is_silent(now_ns)

    def ask_state(self) -> list[bytes]:
        return [
            self._ask("private/get_positions", {"currency": "any"}),
            self._ask("private/get_account_summaries", {}),
        ]

    def ask_fills(self, instrument: str, from_ns: int, to_ns: int) -> bytes:
        which = {"instrument_name": instrument.removeprefix(f"{VENUE_NAME}.")}
        told = FillsTold(instrument=instrument)
        return self._ask_trades(_trades("by_instrument", which, from_ns, to_ns, told))

    def ask_all_fills(self, currencies: Iterable[str], from_ns: int, to_ns: int) -> list[bytes]:
        return [
            self._ask_trades(
                _trades(
                    "by_currency",
                    {"currency": currency},
                    from_ns,
                    to_ns,
                    FillsTold(currency=currency),
                )
            )
            for currency in currencies
        ]

    def parse(self, payload: bytes, now_ns: int) -> list[AccountEvent]:
        events: list[AccountEvent] = []
        for event in self._session.parse(payload, now_ns):
            if isinstance(event, Notification):
                events += self._on_notification(event)
            elif isinstance(event, Answer):
                events += self._on_answer(event)
            elif isinstance(event, Send):
                events.append(FrameToSend(event.frame))
            elif isinstance(event, LoggedIn):
                events.append(FrameToSend(self._ask("private/subscribe", {"channels": CHANNELS})))
            elif isinstance(event, LoginFailed):
                text = f"login refused: {event.message} ({event.code})"
                events.append(AccountRefused(text, event.code in CREDENTIALS_WRONG))
        return events

    def _ask(self, method: str, params: dict[str, Any]) -> bytes:
        return self._session.request(method, params, _Ask(method))

    def _ask_trades(self, ask: _AskTrades) -> bytes:
        times = {"start_timestamp": ask.from_ms, "end_timestamp": ask.to_ms}
        params = ask.which | times | {"count": MOST_TRADES, "sorting": "asc"}
        return self._session.request(ask.method, params, ask)

    def _on_trades(self, ask: _AskTrades, result: msgspec.Raw) -> list[AccountEvent]:
        """A page; the next one begins at the last time of this one, so that some come twice."""
        trades, is_all = decode_trades(result)
        change = PositionsChanged([self._fill(each) for each in trades], [])
        if is_all or not trades:
            return [change, ask.told]
        # Times are in ms: more than a page within one of them cannot be told apart.
        from_ms = max(trades[-1].filled_ns // NS_PER_MS, ask.from_ms)
        step = 1 if from_ms == ask.from_ms else 0
        following = msgspec.structs.replace(ask, from_ms=from_ms + step)
        return [change, FrameToSend(self._ask_trades(following))]

    def _on_notification(self, event: Notification) -> list[AccountEvent]:
        if event.channel.startswith("user.changes."):
            changes = _read(_changes, event.data)
            return [
                PositionsChanged(
                    self._fills(changes.trades),
                    [_position_report(position) for position in changes.positions],
                )
            ]
        if event.channel.startswith("user.portfolio."):
            return [BalanceList([_balance_report(_read(_summary, event.data))])]
        return []

    def _on_answer(self, answer: Answer) -> list[AccountEvent]:
        if not isinstance(answer.context, _Ask):
            return []
        method = answer.context.method
        if answer.error is not None or answer.result is None:
            text = answer.error.text if answer.error else "no result"
            if method == "private/subscribe":
                return [AccountRefused(f"{method}: {text}")]
            return [AccountCallFailed(method, text)]
        if method == "private/subscribe":
            return self._on_subscribed(_read(_channels, answer.result))
        if method == "private/get_positions":
            reports = [_position_report(each) for each in _read(_positions, answer.result)]
            return [PositionList(reports, answer.us_in * NS_PER_US, answer.us_out * NS_PER_US)]
        if isinstance(answer.context, _AskTrades):
            return self._on_trades(answer.context, answer.result)
        summaries = _read(_summaries, answer.result).summaries
        return [BalanceList([_balance_report(each) for each in summaries])]

    def _on_subscribed(self, accepted: list[str]) -> list[AccountEvent]:
        missing = [channel for channel in CHANNELS if channel not in accepted]
        if missing:
            return [AccountRefused(f"the venue does not give us {', '.join(missing)}")]
        return [AccountOpened(), *(FrameToSend(frame) for frame in self.ask_state())]

    def _fills(self, trades: msgspec.Raw) -> list[Fill]:
        fills, _ = decode_trades(trades)
        return [self._fill(fill) for fill in fills]

    def _fill(self, fill: VenueFill) -> Fill:
        is_of_combo = fill.combo == fill.symbol  # its price may be negative
        if not fill.exec_id or fill.quantity <= 0 or (fill.price <= 0 and not is_of_combo):
            text = "a trade without id, amount or price"
            raise VenueProtocolError(VENUE_NAME, text, fill.exec_id)
        return Fill(
            exec_id=fill.exec_id,
            client_order_id=fill.label,
            venue_order_id=fill.venue_order_id,
            instrument=f"{VENUE_NAME}.{fill.symbol}",
            venue=VENUE_NAME,
            account=self._account,
            owner="",
            side=fill.side,
            last_price=fill.price,
            last_quantity=fill.quantity,
            liquidity=fill.liquidity,
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            filled_ns=fill.filled_ns,
            combo=f"{VENUE_NAME}.{fill.combo}" if fill.combo else "",
        )


def _trades(
    by: str, which: dict[str, str], from_ns: int, to_ns: int, told: FillsTold
) -> _AskTrades:
    method = f"private/get_user_trades_{by}_and_time"
    return _AskTrades(method, which, from_ns // NS_PER_MS, to_ns // NS_PER_MS, told)


def _read(decode: Callable[[msgspec.Raw], Decoded], raw: msgspec.Raw) -> Decoded:
    try:
        return decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise VenueProtocolError(VENUE_NAME, str(error), bytes(raw)) from None


def _position_report(position: _Position) -> PositionReport:
    quantity, average = plain(position.size), plain(position.average_price)
    _check_finite(position)
    return PositionReport(
        instrument=f"{VENUE_NAME}.{position.instrument_name}",
        quantity=quantity,
        average_price=average if quantity and average > 0 else None,
        unrealized_pnl=plain(position.total_profit_loss),
        initial_margin=plain(position.initial_margin),
        maintenance_margin=plain(position.maintenance_margin),
        mark_price=position.mark_price,
        index_price=position.index_price,
        delta=position.delta,
        gamma=position.gamma,
        vega=position.vega,
        theta=position.theta,
        liquidation_price=position.estimated_liquidation_price or None,
    )


def _check_finite(position: _Position) -> None:
    """Quoted numbers are read as well, and "NaN" is one of them."""
    for name in FIGURES:
        value = getattr(position, name)
        if value is not None and not isfinite(value):
            raise VenueProtocolError(VENUE_NAME, f"{name} of {position.instrument_name}: {value}")


def _balance_report(summary: _Summary) -> BalanceReport:
    return BalanceReport(
        currency=summary.currency,
        balance=plain(summary.balance),
        equity=plain(summary.equity),
        available=plain(summary.available_funds),
        initial_margin=plain(summary.initial_margin),
        maintenance_margin=plain(summary.maintenance_margin),
        unrealized_pnl=plain(summary.total_pl),
        realized_pnl=plain(summary.session_rpl),
        options_value=plain(summary.options_value),
    )
