"""From the name of a channel to its stream."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from common.messages import InstrumentKind
from common.venues.deribit.simulator.accounts import AccountMethods
from common.venues.deribit.simulator.book_streams import BookStream, GroupedBookStream
from common.venues.deribit.simulator.catalog import CURRENCIES, KINDS, Catalog, Identity
from common.venues.deribit.simulator.figures import FigureMethods, volatility_coin
from common.venues.deribit.simulator.index_streams import (
    ExpirationPriceStream,
    RankingStream,
    StatisticsStream,
    VolatilityIndexStream,
)
from common.venues.deribit.simulator.orders import OrderMethods
from common.venues.deribit.simulator.protections import ProtectionStream
from common.venues.deribit.simulator.streams import (
    INTERVALS_NS,
    ChartStream,
    IncrementalTickerStream,
    IndexStream,
    InstrumentStateStream,
    MarkPriceStream,
    PerpetualStream,
    QuoteStream,
    Stream,
    TickerStream,
    TradesStream,
)
from common.venues.deribit.simulator.user_streams import (
    PortfolioStream,
    Selection,
    UserChangesStream,
    UserOrdersStream,
    UserTradesStream,
)
from common.venues.deribit.universe import Listing
from common.venues.serving import World
from common.venues.simulation import SimulatedExchange

GROUPS = ("none", "1", "2", "5", "10", "25", "100", "250")
DEPTHS = {"1": 1, "10": 10, "20": 20}
MINUTES = {str(count): count for count in (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)}
MINUTES["1D"] = 1440
ETH_GROUP_DIVISOR = 100  # the listed groups are for BTC prices
WATCHED_OPTIONS = 50  # of a whole kind of options, only so many books are kept alive

Maker = Callable[[str, list[str]], Stream | None]


class Channels:
    """Makes streams; None for a channel that does not exist or is not allowed."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        catalog: Catalog,
        orders: OrderMethods,
        accounts: AccountMethods,
        figures: FigureMethods,
        world: World,
    ) -> None:
        self._exchange, self._catalog = exchange, catalog
        self._orders, self._accounts = orders, accounts
        self._figures, self._world = figures, world
        self._makers: dict[tuple[str, int], Maker] = {
            ("book", 3): self._book,
            ("book", 5): self._grouped_book,
            ("ticker", 3): self._ticker,
            ("incremental_ticker", 2): self._incremental_ticker,
            ("quote", 2): self._quote,
            ("trades", 3): self._trades,
            ("trades", 4): self._trades_of_kind,
            ("chart", 4): self._chart,
            ("perpetual", 3): self._perpetual,
            ("deribit_price_index", 2): self._index,
            ("deribit_price_ranking", 2): self._about_index,
            ("deribit_price_statistics", 2): self._about_index,
            ("estimated_expiration_price", 2): self._about_index,
            ("deribit_volatility_index", 2): self._volatility,
            ("markprice", 3): self._mark_prices,
            ("instrument", 4): self._instrument_state,
            ("platform_state", 1): lambda channel, parts: Stream(channel),
            ("platform_state", 2): self._public_methods_state,
        }

    def make(self, channel: str, owner: Identity | None) -> Stream | None:
        """owner: who asks, for `user.*`; None for public channels only."""
        parts = channel.split(".")
        if parts[0] == "user":
            return None if owner is None else self._user(channel, parts, owner)
        maker = self._makers.get((parts[0], len(parts)))
        return None if maker is None else maker(channel, parts)

    def _listing(self, symbol: str) -> Listing | None:
        return self._catalog.find(symbol)

    # --- public ------------------------------------------------------------------------------

    def _book(self, channel: str, parts: list[str]) -> Stream | None:
        _, symbol, interval = parts
        if self._listing(symbol) is None or interval not in INTERVALS_NS:
            return None
        return BookStream(channel, symbol, interval, self._exchange)

    def _grouped_book(self, channel: str, parts: list[str]) -> Stream | None:
        _, symbol, group, depth, interval = parts
        listing = self._listing(symbol)
        if listing is None or group not in GROUPS or depth not in DEPTHS:
            return None
        if interval not in ("100ms", "agg2"):
            return None
        step: Decimal | None = None
        if group != "none":
            divisor = ETH_GROUP_DIVISOR if listing.definition.base == "ETH" else 1
            step = Decimal(group) / divisor
        return GroupedBookStream(channel, symbol, step, DEPTHS[depth], interval, self._exchange)

    def _ticker(self, channel: str, parts: list[str]) -> Stream | None:
        listing = self._listing(parts[1])
        if listing is None or parts[2] not in INTERVALS_NS:
            return None
        return TickerStream(channel, listing, parts[2], self._exchange)

    def _incremental_ticker(self, channel: str, parts: list[str]) -> Stream | None:
        listing = self._listing(parts[1])
        return (
            None if listing is None else IncrementalTickerStream(channel, listing, self._exchange)
        )

    def _quote(self, channel: str, parts: list[str]) -> Stream | None:
        if self._listing(parts[1]) is None:
            return None
        return QuoteStream(channel, parts[1], self._exchange)

    def _trades(self, channel: str, parts: list[str]) -> Stream | None:
        if self._listing(parts[1]) is None or parts[2] not in INTERVALS_NS:
            return None
        return TradesStream(channel, (parts[1],), parts[2], self._catalog)

    def _trades_of_kind(self, channel: str, parts: list[str]) -> Stream | None:
        _, kind, currency, interval = parts
        if interval not in INTERVALS_NS or not _is_selection(kind, currency):
            return None
        symbols: list[str] = []
        options = 0
        for listing in self._catalog.select(currency, kind):
            options += listing.definition.kind is InstrumentKind.OPTION
            if listing.definition.kind is not InstrumentKind.OPTION or options <= WATCHED_OPTIONS:
                symbols.append(listing.definition.symbol)
        return TradesStream(channel, tuple(symbols), interval, self._catalog)

    def _chart(self, channel: str, parts: list[str]) -> Stream | None:
        _, what, symbol, resolution = parts
        if what != "trades" or self._listing(symbol) is None or resolution not in MINUTES:
            return None
        return ChartStream(channel, symbol, MINUTES[resolution], self._exchange)

    def _perpetual(self, channel: str, parts: list[str]) -> Stream | None:
        listing = self._listing(parts[1])
        if listing is None or listing.definition.kind is not InstrumentKind.PERPETUAL:
            return None
        if parts[2] not in INTERVALS_NS:
            return None
        return PerpetualStream(channel, listing, parts[2], self._exchange)

    def _index(self, channel: str, parts: list[str]) -> Stream | None:
        if self._exchange.index_price(parts[1]) is None:
            return None
        return IndexStream(channel, parts[1], self._exchange)

    def _about_index(self, channel: str, parts: list[str]) -> Stream | None:
        family, index = parts
        if self._exchange.index_price(index) is None:
            return None
        if family == "deribit_price_statistics":
            return StatisticsStream(channel, index, self._exchange, self._world)
        kind = RankingStream if family == "deribit_price_ranking" else ExpirationPriceStream
        return kind(channel, index, self._exchange)

    def _volatility(self, channel: str, parts: list[str]) -> Stream | None:
        coin = volatility_coin(parts[1])
        if coin is None:
            return None
        return VolatilityIndexStream(channel, parts[1], coin, self._exchange, self._figures)

    def _mark_prices(self, channel: str, parts: list[str]) -> Stream | None:
        if parts[1] != "options" or self._exchange.index_price(parts[2]) is None:
            return None
        return MarkPriceStream(channel, parts[2], self._exchange, self._catalog)

    def _instrument_state(self, channel: str, parts: list[str]) -> Stream | None:
        _, what, kind, currency = parts
        if what != "state" or not _is_selection(kind, currency):
            return None
        return InstrumentStateStream(channel, kind, _currency(currency), self._catalog)

    def _public_methods_state(self, channel: str, parts: list[str]) -> Stream | None:
        return Stream(channel) if parts[1] == "public_methods_state" else None

    # --- private -----------------------------------------------------------------------------

    def _user(self, channel: str, parts: list[str], owner: Identity) -> Stream | None:
        family = parts[1] if len(parts) > 1 else ""
        if family == "portfolio" and len(parts) == 3:
            return self._portfolio(channel, parts[2], owner)
        if family == "mmp_trigger" and len(parts) == 3:
            return self._protection(channel, parts[2], owner)
        selection = self._selection(parts)
        interval = parts[-1]
        if selection is None or interval not in INTERVALS_NS:
            return None
        match family:
            case "orders":
                return UserOrdersStream(channel, owner, selection, interval, self._orders)
            case "trades":
                return UserTradesStream(channel, owner, selection, interval, self._orders)
            case "changes":
                return UserChangesStream(
                    channel,
                    owner,
                    selection,
                    interval,
                    self._orders,
                    self._exchange,
                    self._catalog,
                )
        return None

    def _portfolio(self, channel: str, currency: str, owner: Identity) -> Stream | None:
        name = currency.upper()
        if name != "ANY" and name not in CURRENCIES:
            return None
        chosen = None if name == "ANY" else name
        return PortfolioStream(channel, owner, chosen, self._accounts)

    def _protection(self, channel: str, index: str, owner: Identity) -> Stream | None:
        if index != "any" and self._exchange.index_price(index) is None:
            return None
        return ProtectionStream(channel, owner, None if index == "any" else index)

    def _selection(self, parts: list[str]) -> Selection | None:
        """user.<family>.<instrument>.<interval> or user.<family>.<kind>.<currency>.<interval>"""
        if len(parts) == 4 and self._listing(parts[2]) is not None:
            return Selection(self._catalog, symbol=parts[2])
        if len(parts) == 5 and _is_selection(parts[2], parts[3]):
            return Selection(self._catalog, kind=parts[2], currency=_currency(parts[3]))
        return None


def _is_selection(kind: str, currency: str) -> bool:
    return kind in (*KINDS, "any") and currency in (*CURRENCIES, "any")


def _currency(text: str) -> str | None:
    return None if text == "any" else text
