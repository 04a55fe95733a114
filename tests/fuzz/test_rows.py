"""Rows 48, 52, 53, 65 and 81 of the fault matrix, each fault by name."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from common import codec
from common.errors import BadMessage, VenueProtocolError
from common.transport import segments
from common.venues.deribit.reference import Reference
from tests.fuzz import targets
from tests.fuzz.campaign import attempt
from tests.fuzz.targets import TARGETS
from tests.venues.deribit import test_feed, test_reference

NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"1e999999"', '"NaN"', "null"]
VENUE_TARGETS = ("feed", "orders", "order_payloads", "account", "reference")


def numbers_of(value: Any) -> list[str]:
    """Every number in a JSON document, as it is written."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [json.dumps(value)]
    inside = value.values() if isinstance(value, dict) else value
    return [text for item in inside for text in numbers_of(item)]


@pytest.mark.parametrize("name", VENUE_TARGETS)
@pytest.mark.parametrize("number", NUMBERS)
def test_row_48_no_number_that_is_none_gets_past_a_parser(name: str, number: str) -> None:
    """In the place of every number of every seed, one after the other."""
    target = TARGETS[name]
    for seed in target.seeds()[:12]:
        for old in sorted(set(numbers_of(json.loads(seed)))):
            data = seed.replace(f": {old}".encode(), f": {number}".encode())
            assert attempt(target, data)[1] is None, data


@pytest.mark.parametrize("price", [0.0, -1.0, 1e308 * 10])
def test_row_48_a_trade_at_such_a_price_is_refused(price: float) -> None:
    trade = {"trade_seq": 1, "trade_id": "1", "timestamp": 1, "price": price, "amount": 10.0}
    frame = test_feed.notification(
        "trades.BTC-PERPETUAL.raw", [trade | {"direction": "buy", "instrument_name": "x"}]
    )
    feed = test_feed.feed_with(test_feed.TRADE)
    with pytest.raises(VenueProtocolError):
        feed.parse(frame, test_feed.NOW)


GOOD = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"x","data":{}}}'
MALFORMED = {
    "nothing": b"",
    "cut": GOOD[:40],
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep data": GOOD.replace(b"{}}", b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "5,000 digits": GOOD.replace(b"{}", b"1" * 5000),
    "a 5,000 digit id": b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"result":1}',
    "bad UTF-8": GOOD.replace(b"x", b"\xff\xfe"),
    "an overlong form": GOOD.replace(b"x", b"\xc0\xaf"),
    "a lone surrogate": GOOD.replace(b"x", b"\\ud800"),
    "a raw surrogate": GOOD.replace(b"x", b"\xed\xa0\x80"),
    "keys twice": GOOD.replace(b'{"jsonrpc"', b'{"params":3,"jsonrpc"'),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "two documents": GOOD + GOOD,
    "a zero byte": GOOD + b"\0",
    "not an object": b"3",
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("what", MALFORMED)
def test_row_52_malformed_json_is_dropped_in_the_declared_way(name: str, what: str) -> None:
    if name == "config" and what.startswith("deep"):
        data = MALFORMED[what][:700]  # YAML takes seconds for more
    else:
        data = MALFORMED[what]
    finding = attempt(TARGETS[name], data)[1]
    assert finding is None, finding.what


SYMBOLS = {
    "unicode": "BTC-\u202eLAUTEPREP",
    "10 kB": "B" * 10_240,
    "a line break": "BTC\r\nINFO forged",
    "an escape sequence": "\x1b[2JBTC",
    "a zero byte": "BTC\0",
    "nothing": "",
    "a slash": "../../etc/passwd",
}


@pytest.mark.parametrize("what", SYMBOLS)
def test_row_53_an_odd_symbol_is_ignored_and_told_in_one_short_line(what: str) -> None:
    odd = test_reference.PERPETUAL | {"instrument_name": SYMBOLS[what]}
    body = json.dumps({"jsonrpc": "2.0", "result": [odd, test_reference.OPTION]}).encode()
    listed, problems = Reference("http://x/api/v2").parse_instruments(body)
    assert [one.symbol for one in listed] == [test_reference.OPTION["instrument_name"]]
    (problem,) = problems
    assert problem.isascii() and problem.isprintable() and len(problem) < 600


BOMBS = {
    "an array of 2^32": b"\xdd\xff\xff\xff\xff",
    "a map of 2^32": b"\xdf\xff\xff\xff\xff",
    "bytes of 2^32": b"\xc6\xff\xff\xff\xff",
    "text of 2^32": b"\xdb\xff\xff\xff\xff",
    "an extension of 2^32": b"\xc9\xff\xff\xff\xff\x05",
    "5,000 deep": b"\x91" * 5000 + b"\x01",
    "5,000 maps deep": b"\x81\xa1a" * 5000 + b"\x01",
    "an extension": b"\xd4\x05\x00",
    "a time": b"\xd6\xff\x00\x00\x00\x01",
    "never used": b"\xc1",
    "an unknown tag": msgpack.packb(["NoSuchMessage", 1]),
    "a tag that is a number": msgpack.packb([7, 1]),
}
DECODERS = {
    "frame": lambda data: codec.decode(b"topic\0" + data),
    "header": codec.decode_header,
    "command": codec.decode_command,
    "reply": codec.decode_reply,
    "inventory": codec.decode_inventory,
}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("what", BOMBS)
def test_row_65_a_msgpack_bomb_is_refused(decoder: str, what: str) -> None:
    """Alone, and in the place of the message."""
    for data in (BOMBS[what], b"\x98\x01\x01\x01\x00\x00\x00\x00" + BOMBS[what]):
        with pytest.raises(BadMessage):
            DECODERS[decoder](data)


@pytest.mark.parametrize("decoder", DECODERS)
def test_row_65_bytes_behind_a_message_are_refused(decoder: str) -> None:
    good = {
        "frame": TARGETS["bus"].seeds()[0].partition(b"\0")[2],
        "header": TARGETS["commands"].seeds()[0],
        "command": TARGETS["commands"].seeds()[1],
        "reply": TARGETS["replies"].seeds()[1],
    }.get(decoder)
    if good is None:
        pytest.skip("no sample of this frame")
    DECODERS[decoder](good)
    for tail in (b"\0", good, b"\xc1"):
        with pytest.raises(BadMessage):
            DECODERS[decoder](good + tail)


def test_row_81_a_cut_journal_gives_its_whole_records_and_none_more() -> None:
    (data,) = TARGETS["journal"].seeds()
    whole = segments.scan(data).payloads
    for size in range(len(data)):
        found = segments.scan(data[:size]).payloads
        assert found == whole[: len(found)]
        assert attempt(TARGETS["journal"], data[:size])[1] is None


def test_row_81_a_flipped_bit_never_changes_a_record() -> None:
    (data,) = TARGETS["journal"].seeds()
    whole = segments.scan(data).payloads
    for place in range(len(data)):
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            found = segments.scan(bytes(changed)).payloads
            assert found == whole[: len(found)] and len(found) < len(whole)


def test_row_81_a_record_of_another_kind_is_an_error_of_ours_alone() -> None:
    assert targets.records.decode(TARGETS["journal_records"].seeds())
    for payload in (b"", b"\xc1", b"\x92\x01\x90\x00", b"\x92\x01\x91\x91\xa3\xed\xa0\x80"):
        refused, finding = attempt(TARGETS["journal_records"], payload)
        assert refused and finding is None
