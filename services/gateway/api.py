"""The HTTP routes under /api/v1: which call each one makes, and what it takes.

One table, read by the server (shell.py) and by the description (openapi.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from common import messages as m
from services.gateway.history import Resolution
from services.gateway.reading import MAX_INSTRUMENTS, MAX_LEVELS, MAX_ROWS

PREFIX = "/api/v1"


class Field(msgspec.Struct, frozen=True):
    """One parameter. kind: text, number, integer, flag, names, texts, linked; words: the enum's
    values."""

    name: str
    text: str
    kind: str = "text"
    required: bool = False
    words: list[str] = []
    example: Any = None


class Route(msgspec.Struct, frozen=True):
    """One HTTP call. fields are read from the query, or from a JSON body where has_body is set;
    those whose name is in the path from there."""

    verb: str
    path: str
    call: str
    summary: str
    group: str
    result: str  # name of the schema in openapi.py
    scope: str = ""
    fields: list[Field] = []
    has_body: bool = False

    @property
    def path_names(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def _words(kind: type[Any]) -> list[str]:
    return [word.value for word in kind]


INSTRUMENT = Field(
    "instrument",
    "An instrument's id, or a symbol that only one venue has.",
    required=True,
    example="deribit.BTC-PERPETUAL",
)
INSTRUMENTS = Field(
    "instruments",
    f"Ids with commas between them, at most {MAX_INSTRUMENTS}.",
    "names",
    example="deribit.BTC-PERPETUAL,deribit.ETH-PERPETUAL",
)
LEVELS = Field("levels", f"Levels a side, 1 to {MAX_LEVELS}; 20 if left out.", "integer")
VENUE = Field("venue", "Only this venue.")
ACCOUNT = Field("account", "Only this account of the venue.")
ORDER_ID = Field("client_order_id", "The desk's id of the order.", required=True)
REQUEST_ID = Field(
    "request_id", "Yours: the same request_id again gets the first answer again. Made if missing."
)
PRICE = Field("price", "Limit price; of LIMIT kinds alone.", "number", example="50000.5")
KIND = Field("kind", "Only this kind.", words=_words(m.InstrumentKind))
FILTERS = [
    VENUE,
    ACCOUNT,
    msgspec.structs.replace(INSTRUMENT, required=False),
    KIND,
    Field("currency", "Only instruments settled in it."),
]
PLACE = [
    INSTRUMENT,
    Field("side", "BUY or SELL.", required=True, words=_words(m.Side), example="BUY"),
    Field("quantity", "In the venue's own unit.", "number", required=True, example="100"),
    Field("type", "LIMIT if left out.", words=_words(m.OrderType)),
    PRICE,
    Field("time_in_force", "GTC if left out.", words=_words(m.TimeInForce)),
    Field("post_only", "Refuse the order if it would trade at once.", "flag"),
    Field("reprice", "With post_only: let the venue move the price instead.", "flag"),
    Field("reduce_only", "Only make a position smaller.", "flag"),
    Field("trigger_price", "Needed for STOP, TAKE_PROFIT and their LIMIT kinds.", "number"),
    Field("trigger_offset", "Of a TRAILING_STOP: distance from the best price since.", "number"),
    Field("trigger", "Which price triggers; MARK if left out.", words=_words(m.TriggerPrice)),
    Field("display_quantity", "How much of it the book shows at a time.", "number"),
    Field(
        "price_type",
        "Of an option: what price counts; its own unit if left out.",
        words=_words(m.PriceType),
    ),
    Field(
        "contingency_type",
        "What the linked_orders and this one do to each other.",
        words=_words(m.ContingencyType),
    ),
    Field(
        "fill_condition",
        "Which execution acts on the others; FIRST_HIT if left out.",
        words=_words(m.FillCondition),
    ),
    Field("linked_orders", "Placed with it: the fields of an order, no instrument.", "linked"),
    Field("account", "The venue's first account if left out."),
    Field("tag", "A label of yours that comes back in every event."),
    REQUEST_ID,
    Field("expires_ns", "The engine refuses the command later than this.", "integer"),
    Field("parent", "Your name of a larger order that this one is a part of."),
    Field("parent_quantity", "Of the parent: its parts never exceed it.", "number"),
]
MMP_GROUP = Field("mmp_group", "The group of quotes; without it, protected plain orders.")
INDEX = Field("index", "The venue's price index.", required=True, example="btc_usd")
MASS_QUOTE = [
    Field("quotes", "1 to 100 instruments.", "quotes", required=True),
    Field("mmp_group", "The group whose protection they are under.", required=True),
    Field("quote_set", "Names them for a cancel; the key's owner if left out."),
    Field("post_only", "Refuse a side that would trade at once.", "flag"),
    Field("account", "The venue's first account if left out."),
    Field("tag", "A label of yours that comes back in every event."),
    REQUEST_ID,
    Field("expires_ns", "The engine refuses the command later than this.", "integer"),
]
QUOTE_ENTRY = [
    INSTRUMENT,
    Field("bid_price", "With bid_quantity; no bid: it stays as it is.", "number", example="49999"),
    Field("bid_quantity", "What is to remain of it; 0 takes it away.", "number", example="100"),
    Field("ask_price", "As bid_price.", "number", example="50001"),
    Field("ask_quantity", "As bid_quantity.", "number", example="100"),
]
PROTECTION = [
    VENUE,
    ACCOUNT,
    INDEX,
    MMP_GROUP,
    Field("interval_s", "What is traded within it counts; 0 to 3600.", "integer", required=True),
    Field("frozen_s", "How long it refuses quotes then; 0: until a reset.", "integer"),
    Field("max_quote_quantity", "Of one quote; needed unless it is removed.", "number"),
    Field("quantity_limit", "In coins.", "number"),
    Field("delta_limit", "In coins.", "number"),
    Field("vega_limit", "In the unit of vega.", "number"),
    Field("trade_count_limit", "Trades, 1 to 1000.", "integer"),
    REQUEST_ID,
]

ROUTES = [
    Route(
        "GET",
        "/instruments",
        "instruments",
        "Instruments of all venues",
        "Market data",
        "Instruments",
        fields=[
            VENUE,
            KIND,
            Field("q", "Words that must all be in the id, e.g. `btc perp`."),
            Field("limit", "At most so many.", "integer"),
        ],
    ),
    Route(
        "GET",
        "/books",
        "books",
        "Books of many instruments",
        "Market data",
        "Books",
        fields=[msgspec.structs.replace(INSTRUMENTS, required=True), LEVELS],
    ),
    Route(
        "GET",
        "/books/{instrument}",
        "book",
        "The book of one instrument",
        "Market data",
        "Book",
        fields=[INSTRUMENT, LEVELS],
    ),
    Route(
        "GET",
        "/quotes",
        "quotes",
        "Best bid and ask; of all that are being read where none is named",
        "Market data",
        "Quotes",
        fields=[INSTRUMENTS],
    ),
    Route(
        "GET",
        "/tickers",
        "tickers",
        "Mark, index, funding, 24 h figures, IV and Greeks",
        "Market data",
        "Tickers",
        fields=[INSTRUMENTS],
    ),
    Route(
        "GET",
        "/trades",
        "trades",
        "Recent public trades, newest first, kept since somebody reads them",
        "Market data",
        "Trades",
        fields=[INSTRUMENT, Field("limit", "1 to 200; 50 if left out.", "integer")],
    ),
    Route(
        "POST",
        "/orders",
        "order.place",
        "Place an order; returns when the venue has answered",
        "Orders",
        "OrderAnswer",
        "trade",
        PLACE,
        has_body=True,
    ),
    Route(
        "PATCH",
        "/orders/{client_order_id}",
        "order.modify",
        "Change price, quantity or another term of an order in place",
        "Orders",
        "OrderAnswer",
        "trade",
        [
            ORDER_ID,
            PRICE,
            Field("quantity", "The new total quantity.", "number", example="60"),
            Field("trigger_price", "Of a stop order.", "number"),
            Field("trigger_offset", "Of a TRAILING_STOP.", "number"),
            Field("display_quantity", "How much of it the book shows at a time.", "number"),
            Field("post_only", "Refuse the change if it would trade at once.", "flag"),
            REQUEST_ID,
        ],
        has_body=True,
    ),
    Route(
        "DELETE",
        "/orders/{client_order_id}",
        "order.cancel",
        "Cancel one order",
        "Orders",
        "OrderAnswer",
        "cancel",
        [ORDER_ID, REQUEST_ID],
    ),
    Route(
        "DELETE",
        "/orders",
        "order.cancel_all",
        "Cancel all orders that match every given filter",
        "Orders",
        "CancelAllAnswer",
        "cancel",
        [
            *FILTERS,
            Field("tag", "Only orders with this tag."),
            Field("owner", "Only orders of this owner; needs `admin` for others'."),
            REQUEST_ID,
        ],
    ),
    Route(
        "POST",
        "/mass_quotes",
        "order.mass_quote",
        "Quote many instruments at once; each side is an order of its own with a result of its own",
        "Quotes",
        "MassQuoteAnswer",
        "trade",
        MASS_QUOTE,
        has_body=True,
    ),
    Route(
        "DELETE",
        "/mass_quotes",
        "order.cancel_quotes",
        "Cancel all quotes that match every given filter",
        "Quotes",
        "CancelAllAnswer",
        "cancel",
        [
            *FILTERS,
            Field("quote_set", "Only those that were sent under this name."),
            Field("mmp_group", "Only those of this group."),
            Field("owner", "Only quotes of this owner; needs `admin` for others'."),
            Field("min_delta", "With max_delta: only options with a delta between.", "number"),
            Field("max_delta", "See min_delta.", "number"),
            REQUEST_ID,
        ],
    ),
    Route(
        "GET",
        "/mmp",
        "mmp.list",
        "Market maker protection as the venue tells it: settings, and what is frozen",
        "Quotes",
        "Protections",
        "read",
        [VENUE, ACCOUNT],
    ),
    Route(
        "PUT",
        "/mmp",
        "mmp.set",
        "Set the protection of a group of quotes; interval_s 0 removes it",
        "Quotes",
        "ProtectionAnswer",
        "admin",
        PROTECTION,
        has_body=True,
    ),
    Route(
        "POST",
        "/mmp/reset",
        "mmp.reset",
        "Take quotes again after protection acted",
        "Quotes",
        "ProtectionAnswer",
        "admin",
        [VENUE, ACCOUNT, INDEX, MMP_GROUP, REQUEST_ID],
        has_body=True,
    ),
    Route(
        "GET",
        "/orders",
        "order.list",
        "Open orders, newest first",
        "Orders",
        "Orders",
        "read",
        [
            VENUE,
            ACCOUNT,
            msgspec.structs.replace(INSTRUMENT, required=False),
            Field("status", "`all` adds recently closed orders.", words=["open", "all"]),
            Field("limit", f"1 to {MAX_ROWS}.", "integer"),
        ],
    ),
    Route(
        "GET",
        "/orders/{client_order_id}",
        "order.get",
        "One order, open or recently closed",
        "Orders",
        "Order",
        "read",
        [ORDER_ID],
    ),
    Route(
        "GET",
        "/fills",
        "fills",
        "Own fills, newest first",
        "Account",
        "Fills",
        "read",
        [
            VENUE,
            ACCOUNT,
            msgspec.structs.replace(INSTRUMENT, required=False),
            msgspec.structs.replace(ORDER_ID, required=False),
            Field("limit", f"1 to {MAX_ROWS}; 100 if left out.", "integer"),
        ],
    ),
    Route(
        "GET",
        "/positions",
        "positions",
        "Positions with profit and Greeks",
        "Account",
        "Positions",
        "read",
        [VENUE, ACCOUNT, Field("flat", "Also those of quantity 0.", "flag")],
    ),
    Route(
        "GET",
        "/balances",
        "balances",
        "Balances, equity and margin per currency",
        "Account",
        "Balances",
        "read",
        [VENUE, ACCOUNT],
    ),
    Route(
        "GET",
        "/exposure",
        "exposure",
        "Net Greeks per underlying, raised limits, corrected differences",
        "Account",
        "Exposures",
        "read",
        [VENUE, ACCOUNT],
    ),
    Route(
        "GET",
        "/account/history",
        "account.history",
        "Curves of equity, profit, exposure and strategies' profit",
        "Account",
        "History",
        "read",
        [
            VENUE,
            ACCOUNT,
            Field(
                "resolution",
                "`second`: a quarter of an hour; `minute`: a day. `second` if left out.",
                words=_words(Resolution),
            ),
            Field("since_ns", "Only points after this time.", "integer"),
        ],
    ),
    Route(
        "GET",
        "/greeks",
        "greeks",
        "Greeks of the open positions, by underlying and expiry",
        "Account",
        "GreeksByExpiry",
        "read",
        [VENUE, ACCOUNT],
    ),
    Route(
        "GET",
        "/strategies",
        "strategies",
        "Strategies that run, or ran: state, parameters, positions, profit, last error",
        "Strategies",
        "Strategies",
        "read",
    ),
    Route(
        "PATCH",
        "/strategies/{name}",
        "strategy.set",
        "Change parameters of a running strategy: all that are named, or none",
        "Strategies",
        "StrategyAnswer",
        "admin",
        [
            Field("name", "The strategy's name.", required=True, example="quoter"),
            Field("values", "New values by parameter.", "texts", required=True),
        ],
        has_body=True,
    ),
    Route(
        "PUT",
        "/mode",
        "mode.set",
        "Trading mode of the engines: ACTIVE, REDUCING or HALTED",
        "Desk",
        "ModeAnswer",
        "admin",
        [
            Field("mode", "The new mode.", required=True, words=_words(m.TradingMode)),
            Field("reason", "Why; it is kept.", required=True),
            VENUE,
            ACCOUNT,
            Field("strategy", "Of this strategy's orders alone."),
        ],
        has_body=True,
    ),
    Route(
        "POST",
        "/kill",
        "kill",
        "The kill switch: no new order leaves, what is open is cancelled; until it is released",
        "Desk",
        "KillAnswer",
        "admin",
        [
            Field("reason", "Why; it is kept.", required=True),
            VENUE,
            Field("strategy", "Only this strategy's orders."),
            Field("release", "Release the switch instead.", "flag"),
        ],
        has_body=True,
    ),
    Route("GET", "/health", "health", "Health of the desk's processes", "Desk", "Health"),
]
