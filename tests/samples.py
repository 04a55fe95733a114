"""One example of every message, for the codec's golden frames."""

from __future__ import annotations

from common import messages as m

E = m.Exact

ORDER = m.OrderUpdated(
    client_order_id="9295429630892703745",
    venue_order_id="17",
    instrument="deribit.BTC-PERPETUAL",
    venue="deribit",
    account="main",
    owner="demo",
    side=m.Side.BUY,
    order_type=m.OrderType.LIMIT,
    price=E("50000.5"),
    quantity=E("100"),
    time_in_force=m.TimeInForce.GTC,
    status=m.OrderStatus.NEW,
    cum_quantity=E("0"),
    leaves_quantity=E("100"),
    avg_price=None,
    event=m.OrderTrigger.ACCEPTED,
    revision=2,
    created_ns=1,
    updated_ns=2,
    post_only=True,
)
FILL = m.Fill(
    exec_id="BTC-1",
    client_order_id="9295429630892703745",
    venue_order_id="17",
    instrument="deribit.BTC-PERPETUAL",
    venue="deribit",
    account="main",
    owner="demo",
    side=m.Side.BUY,
    last_price=E("50000.5"),
    last_quantity=E("100"),
    liquidity=m.Liquidity.MAKER,
    fee=E("0.0000003"),
    fee_currency="BTC",
    filled_ns=3,
)
INSTRUMENT = m.InstrumentDefinition(
    instrument="deribit.BTC-27DEC24-50000-C",
    venue="deribit",
    symbol="BTC-27DEC24-50000-C",
    kind=m.InstrumentKind.OPTION,
    contract_type=m.ContractType.INVERSE,
    base="BTC",
    quote="BTC",
    settlement="BTC",
    underlying="BTC",
    price_index="btc_usd",
    tick_size=E("0.0001"),
    lot_size=E("0.1"),
    min_quantity=E("0.1"),
    contract_size=E("1"),
    maker_fee=E("0.0003"),
    taker_fee=E("0.0003"),
    status=m.InstrumentStatus.ACTIVE,
    tick_steps=[(E("0.005"), E("0.0005"))],
    strike=E("50000"),
    option_type=m.OptionType.CALL,
    expiration_ns=1735286400000000000,
)
POSITION = m.PositionUpdated(
    instrument="deribit.BTC-PERPETUAL",
    venue="deribit",
    account="main",
    quantity=E("-100"),
    average_price=E("50000.5"),
    currency="BTC",
    realized_pnl=E("0"),
    unrealized_pnl=E("0.00001"),
    fees=E("0"),
    mark_price=50001.0,
    index_price=50000.0,
    delta=-0.002,
    gamma=None,
    vega=None,
    theta=None,
    initial_margin=E("0.0001"),
    maintenance_margin=E("0.00005"),
    confirmed=True,
    updated_ns=4,
)
BALANCE = m.BalanceUpdated(
    "deribit", "main", "BTC", *(E(str(n)) for n in (10, 11, 9, 1, 1, 0, 0, 0)), updated_ns=5
)
EXPOSURE = m.Exposure("deribit", "main", "BTC", -0.002, 0.0, 0.0, 0.0, 0.5, 6)
PLACE = m.PlaceOrder("deribit.BTC-PERPETUAL", m.Side.BUY, E("100"), price=E("50000.5"))
BRACKET = m.PlaceOrder(
    "deribit.BTC-PERPETUAL",
    m.Side.BUY,
    E("100"),
    price=E("50000.5"),
    contingency_type=m.ContingencyType.OTOCO,
    fill_condition=m.FillCondition.COMPLETE_FILL,
    linked_orders=[
        m.LinkedOrder(m.Side.SELL, price=E("51000"), reduce_only=True),
        m.LinkedOrder(
            m.Side.SELL,
            order_type=m.OrderType.STOP,
            trigger_price=E("49000"),
            trigger=m.TriggerPrice.LAST,
            reduce_only=True,
        ),
    ],
)
ACCOUNT = m.AccountSnapshot("deribit", "main", [POSITION], [BALANCE], [EXPOSURE])

STRATEGY = m.StrategyState(
    name="quoter",
    venue="deribit",
    account="main",
    state="running",
    file="strategies/quoter.py",
    parameters={"quantity": "100"},
    positions=[
        m.StrategyPosition(
            instrument="deribit.BTC-PERPETUAL",
            quantity=E("-100"),
            average_price=E("50000.5"),
            currency="BTC",
            realized_pnl=E("0.00002"),
            unrealized_pnl=E("-0.00001"),
            fees=E("0"),
            mark_price=50001.0,
            working_buy=E("200"),
            working_sell=E("0"),
        )
    ],
    pnl={"BTC": E("0.00001")},
    open_orders=1,
    in_doubt=0,
    placed=3,
    fills=2,
    rejects={"RATE_LIMIT": 1},
    slow_calls=0,
    last_error="",
    started_ns=9,
    updated_ns=10,
    set_at_run_time={"quantity": "100"},
)

PROFIT = m.ProfitOfDay(
    "deribit", "main", 7, 8, E("-12.5"), {"quoter": E("3.25")}, True, "", updated_ns=9
)
PROTECTION = m.ProtectionUpdated(
    venue="deribit",
    account="main",
    index="btc_usd",
    mmp_group="mm",
    interval_s=5,
    frozen_s=10,
    max_quote_quantity=E("10"),
    quantity_limit=E("20"),
    delta_limit=E("5"),
    vega_limit=None,
    trade_count_limit=7,
    frozen_until_ns=0,
    event=m.ProtectionEvent.TRIGGERED,
    updated_ns=11,
)

EVENTS: list[m.Event] = [
    m.InstrumentList("deribit", 0, 1, [INSTRUMENT]),
    INSTRUMENT,
    m.InstrumentState("deribit.BTC-PERPETUAL", m.InstrumentStatus.HALTED),
    m.BookSnapshot("deribit.BTC-PERPETUAL", [50000.0, 10.0, 49999.5, 20.0], [50000.5, 30.0]),
    m.BookDelta("deribit.BTC-PERPETUAL", [50000.0, 0.0], []),
    m.BookStale("deribit.BTC-PERPETUAL", "link down"),
    m.Depth("deribit.BTC-PERPETUAL", [50000.0, 10.0], [50000.5, 30.0]),
    m.Quote("deribit.BTC-PERPETUAL", 50000.0, 10.0, None, 0.0),
    m.Trade("deribit.BTC-PERPETUAL", 50000.0, 10.0, m.Side.SELL, "1"),
    m.Ticker("deribit.BTC-PERPETUAL", 50000.1, 50000.2, 50000.0, funding_8h=0.0001),
    m.IndexPrice("deribit", "btc_usd", 50000.2),
    ORDER,
    m.OrderSnapshot("deribit", "main", "", [ORDER]),
    FILL,
    m.FillSnapshot("deribit", "main", "demo", [FILL]),
    PROTECTION,
    m.ProtectionSnapshot("deribit", "main", [PROTECTION]),
    POSITION,
    BALANCE,
    ACCOUNT,
    EXPOSURE,
    PROFIT,
    m.PositionDifference("deribit", "main", "deribit.BTC-PERPETUAL", E("1"), E("2"), 7),
    m.RiskAlert("deribit", "main", "max_delta", "BTC", 51.0, 50.0, True, "delta of BTC"),
    m.InventoryDelta("uniswap", "ETH", E("-2.5"), 8),
    m.Health("market_data.deribit", "ready", 42, 9, {"book.deribit.X": 3}, {"public": True}),
    STRATEGY,
    m.RawFrame("deribit.public.0", b'{"jsonrpc":"2.0"}', 9),
    m.Alert(
        "trading_engine.deribit.main", "ERROR", "the kill switch is on", {"scope": "desk"}, 2, 9
    ),
]
COMMANDS: list[m.Command] = [
    PLACE,
    m.PlaceOrders([PLACE, BRACKET]),
    m.ModifyOrder("1", price=E("50001"), display_quantity=E("10")),
    m.CancelOrder("1"),
    m.CancelOrders(["1", "2"]),
    m.CancelAll(kind=m.InstrumentKind.OPTION),
    m.MassQuote(
        [
            m.QuoteEntry("deribit.BTC-PERPETUAL", E("50000"), E("100"), E("50001"), E("100")),
            m.QuoteEntry("deribit.ETH-PERPETUAL", ask_quantity=E("0")),
        ],
        "mm",
        quote_set="perpetuals",
        owner="demo",
        post_only=True,
    ),
    m.CancelQuotes(quote_set="perpetuals", min_delta=0.25, max_delta=0.5),
    m.SetProtection("btc_usd", "mm", 5, 10, E("10"), E("20"), E("5"), trade_count_limit=7),
    m.ResetProtection("btc_usd", "mm"),
    m.QueryProtections(),
    m.QueryOrders(closed=True),
    m.QueryFills(limit=10),
    m.SetMode(m.TradingMode.HALTED, "a test", "deribit", "quoter"),
    m.QueryPositions(),
    m.SetParameters({"width_bps": "4", "max_position": "2000"}, ["quantity"]),
]
REPLY = m.CommandReply(
    "r1", True, orders=[ORDER], fills=[FILL], account=ACCOUNT, protections=[PROTECTION]
)
