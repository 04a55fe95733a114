"""Reference data: recorded instruments, units, and replies that cannot be used."""

from __future__ import annotations

import contextlib
import gzip
import json
from decimal import Decimal
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from common.domain.instrument import Instrument
from common.errors import VenueProtocolError
from common.messages import ContractType, InstrumentKind, InstrumentStatus, OptionType, Side
from common.venues.deribit.reference import Reference, lowest_price, parse_instrument

FRAMES = Path(__file__).parent / "frames"
REFERENCE = Reference("http://x/api/v2")

PERPETUAL = {
    "instrument_name": "BTC-PERPETUAL",
    "instrument_id": 210838,
    "kind": "future",
    "instrument_type": "reversed",
    "base_currency": "BTC",
    "quote_currency": "USD",
    "counter_currency": "USD",
    "settlement_currency": "BTC",
    "settlement_period": "perpetual",
    "price_index": "btc_usd",
    "tick_size": 0.5,
    "tick_size_steps": [],
    "min_trade_amount": 10.0,
    "contract_size": 10.0,
    "lot_size": 1,
    "maker_commission": 0.00015,
    "taker_commission": 0.00035,
    "creation_timestamp": 1534242287000,
    "expiration_timestamp": 32503708800000,
    "is_active": True,
    "state": "open",
    "max_leverage": 50,
    "max_non_default_leverage": 5.0,
}
OPTION = PERPETUAL | {
    "instrument_name": "BTC-21SEP26-68000-C",
    "kind": "option",
    "quote_currency": "BTC",
    "settlement_period": "day",
    "tick_size": 0.0001,
    "tick_size_steps": [{"tick_size": 0.0005, "above_price": 0.005}],
    "min_trade_amount": 0.1,
    "contract_size": 1.0,
    "strike": 68000.0,
    "option_type": "call",
    "expiration_timestamp": 1789977600000,
}
LINEAR_OPTION = OPTION | {
    "instrument_name": "XRP_USDC-21SEP26-1d25-P",
    "instrument_type": "linear",
    "base_currency": "XRP",
    "quote_currency": "USDC",
    "counter_currency": "USDC",
    "settlement_currency": "USDC",
    "tick_size": 0.0005,
    "tick_size_steps": [],
    "min_trade_amount": 1000,
    "contract_size": 1000,
    "strike": 1.25,
    "option_type": "put",
}
LINEAR_PERPETUAL = PERPETUAL | {
    "instrument_name": "ETH_USDC-PERPETUAL",
    "instrument_type": "linear",
    "base_currency": "ETH",
    "quote_currency": "USDC",
    "counter_currency": "USDC",
    "settlement_currency": "USDC",
    "tick_size": 0.05,
    "min_trade_amount": 0.001,
    "contract_size": 0.001,
}
SPOT = {
    "instrument_name": "BTC_USDC",
    "kind": "spot",
    "base_currency": "BTC",
    "quote_currency": "USDC",
    "counter_currency": "USDC",
    "price_index": "btc_usdc",
    "tick_size": 1.0,
    "tick_size_steps": [],
    "min_trade_amount": 0.0001,
    "contract_size": 0.0001,
    "maker_commission": 0.0,
    "taker_commission": 0.0,
    "is_active": True,
    "state": "open",
    "creation_timestamp": 1678838400000,
    "expiration_timestamp": 32503708800000,
}


def parsed(entry: dict[str, object]):
    return parse_instrument(msgspec.Raw(json.dumps(entry).encode()))


def without(entry: dict[str, object], *names: str) -> dict[str, object]:
    return {key: value for key, value in entry.items() if key not in names}


def body(result: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "result": result, "testnet": False}).encode()


# kind, contract type, quote, settlement, lot, minimum, contract size, never expires
SHAPES = [
    (PERPETUAL, "perpetual", "inverse", "USD", "BTC", "10", "10", "10", True),
    (OPTION, "option", "inverse", "BTC", "BTC", "0.1", "0.1", "1", False),
    (LINEAR_OPTION, "option", "linear", "USDC", "USDC", "1000", "1000", "1000", False),
    (LINEAR_PERPETUAL, "perpetual", "linear", "USDC", "USDC", "0.001", "0.001", "0.001", True),
    (SPOT, "spot", "spot", "USDC", "USDC", "0.0001", "0.0001", "0.0001", True),
]


@pytest.mark.parametrize("row", SHAPES, ids=lambda row: row[0]["instrument_name"])
def test_every_kind_of_product(row):
    entry, kind, contract_type, quote, settlement, lot, minimum, contract, endless = row
    definition = parsed(entry)
    assert definition.instrument == f"deribit.{entry['instrument_name']}"
    assert definition.symbol == entry["instrument_name"]
    assert (definition.kind, definition.contract_type) == (
        InstrumentKind(kind),
        ContractType(contract_type),
    )
    assert (definition.quote, definition.settlement) == (quote, settlement)
    assert definition.underlying == definition.base == entry["base_currency"]
    assert (definition.lot_size, definition.min_quantity, definition.contract_size) == (
        Decimal(lot),
        Decimal(minimum),
        Decimal(contract),
    )
    assert (definition.expiration_ns is None) == endless
    assert definition.status is InstrumentStatus.ACTIVE


def test_an_option_s_terms_and_its_tick_that_grows_with_the_price():
    definition = parsed(OPTION)
    assert (definition.strike, definition.option_type) == (Decimal(68000), OptionType.CALL)
    assert definition.expiration_ns == 1789977600000 * 1_000_000
    instrument = Instrument(definition)
    assert instrument.round_price(0.00474, Side.BUY) == Decimal("0.0047")
    assert instrument.round_price(0.00574, Side.BUY) == Decimal("0.0055")


@pytest.mark.parametrize(
    ("number", "text"),
    [("10.0", "10"), ("1e1", "10"), ("1.583e-5", "0.00001583"), ("0.50", "0.5"), ("100", "100")],
)
def test_numbers_are_exact_and_plain(number, text):
    raw = json.dumps(PERPETUAL | {"tick_size": 98765}).replace("98765", number)
    assert str(parse_instrument(msgspec.Raw(raw.encode())).tick_size) == text


@pytest.mark.parametrize(
    ("changes", "contract_type"),
    [
        ({}, "inverse"),
        ({"future_type": "linear"}, "linear"),
        ({"quote_currency": "USDC", "counter_currency": "USDC"}, "linear"),
    ],
)
def test_records_of_older_years_say_less(changes, contract_type):
    old = without(
        PERPETUAL,
        "instrument_type",
        "settlement_currency",
        "price_index",
        "tick_size_steps",
        "state",
        "max_leverage",
    )
    definition = parsed(old | changes)
    assert definition.contract_type == contract_type
    assert definition.settlement == ("BTC" if contract_type == "inverse" else definition.quote)
    assert definition.price_index in ("btc_usd", "btc_usdc")


def test_an_inverse_option_is_priced_in_its_coin_whatever_the_record_of_2021_says():
    assert parsed(without(OPTION, "instrument_type") | {"quote_currency": "USD"}).quote == "BTC"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"state": "open", "is_active": False}, "halted"),
        ({"state": "settlement"}, "halted"),
        ({"state": "locked"}, "cancel_only"),
        ({"state": "delivered"}, "expired"),
        ({"state": "created", "is_active": False}, "halted"),
        ({"state": "", "is_active": True}, "active"),
    ],
)
def test_states(changes, status):
    assert parsed(PERPETUAL | changes).status == status


def test_combos_are_instruments_with_an_end_and_no_strike():
    combo = {"kind": "future_combo", "instrument_name": "BTC-FS-25DEC26_PERP"}
    future = parsed(PERPETUAL | combo | {"expiration_timestamp": 1798185600000})
    assert future.kind is InstrumentKind.FUTURE_COMBO
    assert future.expiration_ns == 1798185600000_000_000
    options = without(OPTION, "option_type", "strike")
    option = parsed(options | {"kind": "option_combo", "instrument_name": "BTC-STRD-25DEC26-50000"})
    assert (option.kind, option.option_type, option.strike) == (
        InstrumentKind.OPTION_COMBO,
        None,
        None,
    )
    assert option.lot_size == option.min_quantity


@pytest.mark.parametrize(
    ("name", "lowest"),
    [
        ("deribit.BTC-FS-25DEC26_PERP", -inf),
        ("deribit.ETH_USDC-CCAL-25DEC26_26MAR27-3000", -inf),
        ("deribit.BTC-PERPETUAL", 0.0),
        ("deribit.BTC-25DEC26", 0.0),
        ("deribit.BTC-25DEC26-50000-C", 0.0),
        ("deribit.BTC_USDC", 0.0),
    ],
)
def test_only_prices_of_combos_may_be_negative(name, lowest):
    assert lowest_price(name) == lowest


BAD_ENTRIES = {
    "no name": without(PERPETUAL, "instrument_name"),
    "no tick": without(PERPETUAL, "tick_size"),
    "tick 0": PERPETUAL | {"tick_size": 0},
    "contract below 0": PERPETUAL | {"contract_size": -1},
    "unknown kind": PERPETUAL | {"kind": "swap"},
    "unknown type": PERPETUAL | {"instrument_type": "quanto"},
    "unknown state": PERPETUAL | {"state": "confused"},
    "unknown option type": OPTION | {"option_type": "straddle"},
    "future without expiry": without(
        PERPETUAL | {"instrument_name": "BTC-1JAN27", "settlement_period": "month"},
        "expiration_timestamp",
    ),
    "unicode name": PERPETUAL | {"instrument_name": "BTC-\u202e"},
    "long name": PERPETUAL | {"instrument_name": "B" * 10_000},
    "control characters": PERPETUAL | {"instrument_name": "BTC\n-1"},
    "not an object": 5,
}


@pytest.mark.parametrize("entry", BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_one_bad_entry_does_not_spoil_the_list(entry):
    definitions, problems = REFERENCE.parse_instruments(body([entry, SPOT]))
    assert [definition.symbol for definition in definitions] == ["BTC_USDC"]
    assert len(problems) == 1
    assert problems[0].isascii() and len(problems[0]) < 600


def test_a_number_made_to_exhaust_memory_is_a_bad_entry():
    text = json.dumps([PERPETUAL | {"tick_size": 98765}, SPOT]).replace("98765", "1e99999")
    reply = f'{{"jsonrpc":"2.0","result":{text}}}'.encode()
    definitions, problems = REFERENCE.parse_instruments(reply)
    assert (len(definitions), len(problems)) == (1, 1)


def test_recorded_lists_parse_whole():
    seen = {}
    with gzip.open(FRAMES / "instruments_20210417.http.gz", "rt") as lines:
        for line in lines:
            if " -> " in line:
                definitions, problems = REFERENCE.parse_instruments(line.split(": ", 1)[1].encode())
                assert problems == []
                seen |= {definition.symbol: definition for definition in definitions}
    assert len(seen) == 922
    assert {d.kind for d in seen.values()} == {
        InstrumentKind.OPTION,
        InstrumentKind.FUTURE,
        InstrumentKind.PERPETUAL,
    }
    assert all(d.contract_type is ContractType.INVERSE for d in seen.values())


def test_calls():
    call = REFERENCE.instruments_call("i")
    url = "http://x/api/v2/public/get_instruments?currency=any&expired=false"
    assert (call.call_id, call.method, call.url) == ("i", "GET", url)
    call = REFERENCE.book_call("b", "deribit.BTC-PERPETUAL")
    assert call.url.endswith("/public/get_order_book?instrument_name=BTC-PERPETUAL&depth=20")
    assert "instrument_name=a%26b&" in REFERENCE.book_call("b", "deribit.a&b").url


def test_a_book_over_rest():
    book = {
        "instrument_name": "BTC-PERPETUAL",
        "timestamp": 1789939036574,
        "change_id": 174959286421,
        "bids": [[80836.5, 65010.0]],
        "asks": [],
        "mark_price": 80831.35,
    }
    rest = REFERENCE.parse_book(body(book))
    assert (rest.instrument, rest.sequence) == ("deribit.BTC-PERPETUAL", 174959286421)
    assert (rest.bids, rest.asks) == ([80836.5, 65010.0], [])


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"<html>502</html>",
        b"[]",
        b"{}",
        b'{"result":5}',
        b'{"error":{"code":10028,"message":"too_many_requests"}}',
        b'{"result":{"bids":"x"}}',
        b"\xff",
    ],
)
def test_replies_that_cannot_be_used(reply):
    for parse in (REFERENCE.parse_instruments, REFERENCE.parse_book):
        with pytest.raises(VenueProtocolError):
            parse(reply)


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_else(reply):
    with contextlib.suppress(VenueProtocolError):
        REFERENCE.parse_instruments(reply)


@given(
    st.dictionaries(
        st.sampled_from(sorted(OPTION)),
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.floats(-9, 9),
    )
)
def test_no_entry_raises_anything_else(changes):
    definitions, problems = REFERENCE.parse_instruments(body([OPTION | changes]))
    assert len(definitions) + len(problems) <= 1


def test_legs_of_combos_are_named_with_their_signs():
    call = REFERENCE.legs_call("l")
    assert call.url == "http://x/api/v2/public/get_combos?currency=any"
    legs = [
        {"instrument_name": "BTC-25DEC26", "amount": 1},
        {"instrument_name": "BTC-PERPETUAL", "amount": -1},
    ]
    told = [{"id": "BTC-FS-25DEC26_PERP", "state": "active", "legs": legs}]
    assert REFERENCE.parse_legs(body(told)) == {
        "deribit.BTC-FS-25DEC26_PERP": [("deribit.BTC-25DEC26", 1), ("deribit.BTC-PERPETUAL", -1)]
    }
    for bad in ([{"id": "x"}], [{"id": "x", "legs": [{"instrument_name": "y", "amount": "1e99"}]}]):
        with pytest.raises(VenueProtocolError):
            REFERENCE.parse_legs(body(bad))
