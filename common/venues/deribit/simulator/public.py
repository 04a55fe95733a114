"""The public methods: instruments and market data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from common.messages import InstrumentKind, InstrumentStatus
from common.venues.deribit.simulator import objects
from common.venues.deribit.simulator.calls import (
    Call,
    Handler,
    begin_ns,
    count_of,
    end_ns,
    trade_filter,
)
from common.venues.deribit.simulator.catalog import (
    CURRENCIES,
    Catalog,
    milliseconds,
    number,
)
from common.venues.deribit.simulator.envelope import SERVER_VERSION, Refused, invalid_params
from common.venues.deribit.universe import Listing
from common.venues.simulation import Settlement, SimulatedExchange, TickerView

MAX_DEPTH = 10_000
DEFAULT_DEPTH = 5
MAX_BARS = 5_000
ALL_SETTLEMENTS = 10_000  # no more are kept
MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_MINUTES = 1440
FUNDING_SPANS_NS = {"8h": 8 * HOUR_NS, "24h": 24 * HOUR_NS, "1m": 30 * 24 * HOUR_NS}
CURRENCY_NAMES = {
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "SOL": "Solana",
    "XRP": "XRP",
    "USDC": "USD Coin",
    "USDT": "Tether",
    "EURR": "StablR Euro",
}
STABLE = frozenset({"USDC", "USDT", "EURR"})


class PublicMethods:
    """Handlers by the name of their method."""

    def __init__(self, exchange: SimulatedExchange, catalog: Catalog) -> None:
        self._exchange, self._catalog = exchange, catalog
        self.handlers: dict[str, Handler] = {
            "public/test": test,
            "public/hello": lambda call: {"version": SERVER_VERSION},
            "public/get_time": lambda call: milliseconds(call.now_ns),
            "public/get_currencies": get_currencies,
            "public/get_instruments": self._instruments,
            "public/get_instrument": self._instrument,
            "public/get_contract_size": self._contract_size,
            "public/get_expirations": self._expirations,
            "public/get_index_price_names": self._index_names,
            "public/get_supported_index_names": self._index_names,
            "public/ticker": self._ticker,
            "public/get_order_book": self._order_book,
            "public/get_order_book_by_instrument_id": self._order_book_by_id,
            "public/get_last_trades_by_instrument": self._trades,
            "public/get_last_trades_by_instrument_and_time": self._trades,
            "public/get_last_trades_by_currency": self._trades,
            "public/get_last_trades_by_currency_and_time": self._trades,
            "public/get_book_summary_by_currency": self._summaries,
            "public/get_book_summary_by_instrument": self._summary,
            "public/get_index_price": self._index_price,
            "public/get_tradingview_chart_data": self._chart,
            "public/get_funding_rate_value": self._funding_value,
            "public/get_funding_rate_history": self._funding_history,
            "public/get_funding_chart_data": self._funding_chart,
            "public/get_delivery_prices": self._delivery_prices,
            "public/get_last_settlements_by_currency": self._settlements,
            "public/get_last_settlements_by_instrument": self._settlements,
            "public/get_mark_price_history": self._mark_prices,
        }

    # --- instruments -------------------------------------------------------------------------

    def _instruments(self, call: Call) -> list[dict[str, Any]]:
        currency = self._catalog.currency(call.params.get("currency"))
        expired = call.params.get("expired", False)
        found = []
        for listing in self._catalog.select(currency, call.params.get("kind")):
            status = self._catalog.status(listing.definition.symbol)
            if (status is InstrumentStatus.EXPIRED) == expired:
                found.append(objects.instrument(listing, status))
        return found

    def _instrument(self, call: Call) -> dict[str, Any]:
        listing = self._listing(call)
        return objects.instrument(listing, self._catalog.status(listing.definition.symbol))

    def _listing(self, call: Call) -> Listing:
        return self._catalog.listing(call.params["instrument_name"])

    def _contract_size(self, call: Call) -> dict[str, float]:
        return {"contract_size": number(self._listing(call).definition.contract_size)}

    def _expirations(self, call: Call) -> dict[str, Any]:
        currency, kind = call.params["currency"], call.params["kind"]
        wanted = ["option", "future"] if kind == "any" else [kind]
        if currency == "grouped":
            return {name.lower(): self._expiry_lists(name, wanted) for name in CURRENCIES}
        chosen = self._catalog.currency(currency)
        lists = self._expiry_lists(chosen, wanted)
        return lists if chosen is None else {chosen.lower(): lists}

    def _expiry_lists(self, currency: str | None, wanted: list[str]) -> dict[str, list[str]]:
        return {kind: self._expiry_codes(currency, kind) for kind in wanted}

    def _expiry_codes(self, currency: str | None, kind: str) -> list[str]:
        codes: dict[str, int] = {}
        for listing in self._catalog.select(currency, kind):
            if self._catalog.status(listing.definition.symbol) is not InstrumentStatus.EXPIRED:
                codes[listing.definition.symbol.split("-")[1]] = listing.details.expiration_ms
        return sorted(codes, key=codes.__getitem__)

    def _index_names(self, call: Call) -> list[Any]:
        names = list(self._exchange.index_names())
        if not call.params.get("extended", False):
            return names
        return [
            {"name": name, "future_combo_enabled": True, "option_combo_enabled": True}
            for name in names
        ]

    # --- market data -------------------------------------------------------------------------

    def _view(self, listing: Listing) -> TickerView:
        view = self._exchange.ticker(listing.definition.symbol)
        if view is None:
            raise Refused(13020, "not_found")
        return view

    def _ticker(self, call: Call) -> dict[str, Any]:
        listing = self._listing(call)
        return objects.ticker(self._view(listing), listing)

    def _order_book(self, call: Call) -> dict[str, Any]:
        return self._book_of(self._listing(call), call)

    def _order_book_by_id(self, call: Call) -> dict[str, Any]:
        return self._book_of(self._catalog.listing_by_id(call.params["instrument_id"]), call)

    def _book_of(self, listing: Listing, call: Call) -> dict[str, Any]:
        depth = call.params.get("depth", DEFAULT_DEPTH)
        if not 1 <= depth <= MAX_DEPTH:
            raise invalid_params("depth", f"must be from 1 to {MAX_DEPTH}")
        book = self._exchange.book(listing.definition.symbol, depth)
        if book is None:
            raise Refused(13020, "not_found")
        return objects.order_book(book, self._view(listing), listing)

    def _trades(self, call: Call) -> dict[str, Any]:
        page = self._exchange.public_trades(trade_filter(call, self._catalog))
        trades = [objects.public_trade(trade, self._catalog.listing) for trade in page.trades]
        return {"trades": trades, "has_more": page.has_more}

    def _summaries(self, call: Call) -> list[dict[str, Any]]:
        currency = self._catalog.currency(call.params["currency"], allow_any=False)
        found = []
        for listing in self._catalog.select(currency, call.params.get("kind")):
            view = self._exchange.ticker(listing.definition.symbol)
            if view is not None and view.status is not InstrumentStatus.EXPIRED:
                found.append(objects.summary(view, listing, call.now_ns))
        return found

    def _summary(self, call: Call) -> list[dict[str, Any]]:
        listing = self._listing(call)
        return [objects.summary(self._view(listing), listing, call.now_ns)]

    def _index_price(self, call: Call) -> dict[str, float]:
        price = self._exchange.index_price(call.params["index_name"])
        if price is None:
            raise invalid_params("index_name", "invalid index_name")
        return {"index_price": price, "estimated_delivery_price": price}

    def _chart(self, call: Call) -> dict[str, Any]:
        symbol, resolution = self._listing(call).definition.symbol, call.params["resolution"]
        minutes = DAY_MINUTES if resolution == "1D" else int(resolution)
        from_ns, to_ns = self._span(call)
        bar_ns = minutes * MINUTE_NS
        bars = self._exchange.candles(
            symbol, max(from_ns, to_ns - MAX_BARS * bar_ns), to_ns, bar_ns
        )
        return {
            "status": "ok" if bars else "no_data",
            "ticks": [milliseconds(bar.start_ns) for bar in bars],
            "open": [bar.open for bar in bars],
            "high": [bar.high for bar in bars],
            "low": [bar.low for bar in bars],
            "close": [bar.close for bar in bars],
            "volume": [round(bar.volume, 8) for bar in bars],
            "cost": [bar.cost for bar in bars],
        }

    def _span(self, call: Call) -> tuple[int, int]:
        """start_timestamp and end_timestamp, the latter not after now."""
        from_ns = begin_ns(call.params["start_timestamp"]) or 0
        to_ns = begin_ns(call.params["end_timestamp"]) or 0
        if to_ns < from_ns:
            raise invalid_params("end_timestamp", "must not be before start_timestamp")
        return from_ns, min(to_ns, call.now_ns)

    # --- funding and settlement --------------------------------------------------------------

    def _perpetual(self, call: Call) -> str:
        definition = self._listing(call).definition
        if definition.kind is not InstrumentKind.PERPETUAL:
            raise invalid_params("instrument_name", "must be a perpetual")
        return definition.symbol

    def _funding_value(self, call: Call) -> float:
        return self._exchange.funding_value(self._perpetual(call), *self._span(call))

    def _funding_history(self, call: Call) -> list[dict[str, Any]]:
        return [
            {
                "timestamp": milliseconds(point.time_ns),
                "index_price": point.index_price,
                "prev_index_price": point.prev_index_price,
                "interest_1h": point.interest_1h,
                "interest_8h": point.interest_8h,
            }
            for point in self._exchange.funding_history(self._perpetual(call), *self._span(call))
        ]

    def _funding_chart(self, call: Call) -> dict[str, Any]:
        symbol = self._perpetual(call)
        from_ns = call.now_ns - FUNDING_SPANS_NS[call.params["length"]]
        view = self._exchange.ticker(symbol)
        points = self._exchange.funding_history(symbol, from_ns, call.now_ns)
        return {
            "current_interest": 0.0 if view is None else view.current_funding or 0.0,
            "interest_8h": 0.0 if view is None else view.funding_8h or 0.0,
            "data": [
                {
                    "timestamp": milliseconds(point.time_ns),
                    "index_price": point.index_price,
                    "interest_8h": point.interest_8h,
                }
                for point in points
            ],
        }

    def _delivery_prices(self, call: Call) -> dict[str, Any]:
        name, offset = call.params["index_name"], call.params.get("offset", 0)
        if self._exchange.index_price(name) is None:
            raise invalid_params("index_name", "invalid index_name")
        if offset < 0:
            raise invalid_params("offset", "must not be negative")
        prices = self._exchange.delivery_prices(name)
        page = prices[offset : offset + count_of(call, 10)]
        return {
            "data": [
                {"date": _date(price.delivered_ns), "delivery_price": price.price} for price in page
            ],
            "records_total": len(prices),
        }

    def _settlements(self, call: Call) -> dict[str, Any]:
        symbol = call.params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        currency = self._catalog.currency(call.params.get("currency"))
        found = self._exchange.settlements(None, symbol, currency, ALL_SETTLEMENTS)
        return settlement_page(found, call)

    def _mark_prices(self, call: Call) -> list[Any]:
        """As at the venue: empty for all but a few options."""
        self._listing(call)
        return []


def test(call: Call) -> dict[str, str]:
    if call.params.get("expected_result") == "exception":
        raise Refused(11094, "internal_server_error")
    return {"version": SERVER_VERSION}


def get_currencies(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "currency": name,
            "currency_long": CURRENCY_NAMES[name],
            "coin_type": name,
            "currency_uuid": objects.currency_uuid(name),
            "decimals": 6 if name in STABLE else 8,
            "onchain_operations_precision": 6 if name in STABLE else 8,
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [],
            "in_cross_collateral_pool": name != "XRP",
            "apr": 0.0,
            "network_fee": 0.0001,
            "network_currency": "ETH" if name in STABLE else name,
            "coinbase_networks": [],
        }
        for name in CURRENCIES
    ]


def settlement_page(found: list[Settlement], call: Call) -> dict[str, Any]:
    """Public settlements, or an account's own, newest first.

    search_start_timestamp is the latest time; continuation the number of the next settlement.
    """
    params, count = call.params, count_of(call, 20)
    kind, upto = params.get("type"), _settlement_number(params.get("continuation"))
    to_ns = end_ns(params.get("search_start_timestamp"))
    meant = [
        item
        for item in found
        if kind in (None, item.kind.value)
        and (upto is None or item.number <= upto)
        and (to_ns is None or item.settled_ns <= to_ns)
    ]
    rest = meant[count:]
    return {
        "settlements": [_settlement(item) for item in meant[:count]],
        "continuation": str(rest[0].number) if rest else None,
    }


def _settlement_number(text: str | None) -> int | None:
    if text is None or text in ("", "none"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise invalid_params("continuation", "invalid continuation")
    return int(text)


def _settlement(item: Settlement) -> dict[str, Any]:
    return {
        "type": item.kind.value,
        "timestamp": milliseconds(item.settled_ns),
        "instrument_name": item.symbol,
        "position": number(item.position),
        "mark_price": item.mark_price,
        "index_price": item.index_price,
        "profit_loss": number(item.session_pnl),
        "session_profit_loss": number(item.session_pnl),
        "funding": number(item.funding),
    }


def _date(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).date().isoformat()
