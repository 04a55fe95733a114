"""What the commands about quotes and their protection send, print and return."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

QUOTES = """[{"instrument": "deribit.BTC-PERPETUAL", "bid_price": 49999.50, "bid_quantity": 100,
              "ask_price": "50001", "ask_quantity": "100"}]"""
ANSWER: dict[str, Any] = {
    "accepted": False,
    "reason": "PRICE_COLLAR",
    "text": "too far",
    "in_doubt": False,
    "field": "",
    "request_id": "q",
    "orders": [],
    "results": [
        {
            "instrument": "deribit.BTC-PERPETUAL",
            "side": "BUY",
            "client_order_id": "9223372036854775809",
            "status": "NEW",
            "accepted": True,
            "reason": None,
            "text": "",
            "in_doubt": False,
            "field": "",
        },
        {
            "instrument": "deribit.BTC-PERPETUAL",
            "side": "SELL",
            "client_order_id": "",
            "status": None,
            "accepted": False,
            "reason": "PRICE_COLLAR",
            "text": "too far",
            "in_doubt": False,
            "field": "quotes[0].ask_price",
        },
    ],
}
PROTECTION: dict[str, Any] = {
    "venue": "deribit",
    "account": "main",
    "index": "btc_usd",
    "mmp_group": "mm",
    "interval_s": 5,
    "frozen_s": 0,
    "max_quote_quantity": "10",
    "quantity_limit": "20",
    "delta_limit": None,
    "vega_limit": None,
    "trade_count_limit": None,
    "frozen_until_ns": 0,
    "event": "TRIGGERED",
    "updated_ns": 1,
}


def test_a_list_of_quotes_is_sent_with_its_numbers_as_they_were_written(
    run: Any, gateway: Any, tmp_path: Path
) -> None:
    file = tmp_path / "quotes.json"
    file.write_text(QUOTES)
    gateway.answer = ANSWER | {"accepted": True}
    result = run("quote", str(file), "--mmp-group", "mm", "--post-only", "--json")
    assert (result.code, result.json) == (0, ANSWER | {"accepted": True})
    call = gateway.calls[0]
    assert (call.method, call.path) == ("POST", "/api/v1/mass_quotes")
    assert call.body.pop("request_id").startswith("cli-")
    assert call.body == {
        "quotes": [
            {
                "instrument": "deribit.BTC-PERPETUAL",
                "bid_price": "49999.50",
                "bid_quantity": "100",
                "ask_price": "50001",
                "ask_quantity": "100",
            }
        ],
        "mmp_group": "mm",
        "post_only": True,
    }


def test_a_whole_call_comes_from_standard_input(
    run: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"quotes": json.loads(QUOTES), "mmp_group": "mm", "request_id": "mine"}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(body)))
    gateway.answer = ANSWER
    result = run("quote", "-", "--quote-set", "s")
    sent = gateway.calls[0].body
    assert (sent["mmp_group"], sent["quote_set"], sent["request_id"]) == ("mm", "s", "mine")
    assert result.code == 1
    assert "PRICE_COLLAR: too far" in result.out and "9223372036854775809" in result.out


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "file"),
        ("[", "file"),
        ("{}", "file"),
        ('{"quotes": 1}', "file"),
        ("[]", "mmp_group"),
        ("[" * 100_000, "file"),
    ],
)
def test_a_file_that_holds_no_quotes_is_wrong_use(
    run: Any, gateway: Any, tmp_path: Path, text: str, field: str
) -> None:
    file = tmp_path / "quotes.json"
    file.write_text(text)
    result = run("quote", str(file), "--json")
    assert (result.code, result.json["field"]) == (2, field)
    assert gateway.calls == []


def test_a_file_that_is_not_there_is_wrong_use(run: Any, gateway: Any, tmp_path: Path) -> None:
    result = run("quote", str(tmp_path / "none.json"), "--mmp-group", "mm")
    assert result.code == 2 and "none.json" in result.err


def test_a_call_that_is_refused_as_a_whole_says_why(run: Any, gateway: Any, tmp_path: Path) -> None:
    file = tmp_path / "quotes.json"
    file.write_text(QUOTES)
    gateway.answer = ANSWER | {"results": [], "reason": "UNSUPPORTED", "text": "not here"}
    result = run("quote", str(file), "--mmp-group", "mm")
    assert result.code == 1 and "refused: UNSUPPORTED: not here" in result.out


def test_cancel_quotes_sends_its_filters(run: Any, gateway: Any) -> None:
    gateway.answer = {"accepted": True, "in_doubt": False, "orders": [{}], "results": []}
    result = run("cancel-quotes", "--quote-set", "s", "--min-delta", "0.1", "--max-delta", "0.5")
    call = gateway.calls[0]
    assert call.method == "DELETE"
    assert call.path == "/api/v1/mass_quotes?quote_set=s&min_delta=0.1&max_delta=0.5"
    assert (result.code, result.out.strip()) == (0, "1 quote canceled")


def test_cancel_quotes_tells_what_an_account_refused(run: Any, gateway: Any) -> None:
    refused = {"venue": "deribit", "account": "main", "accepted": False, "in_doubt": False}
    refused |= {"reason": "UNSUPPORTED", "text": "takes no mass quotes"}
    gateway.answer = {"accepted": False, "in_doubt": False, "orders": [], "results": [refused]}
    result = run("cancel-quotes")
    assert result.code == 1 and "UNSUPPORTED: takes no mass quotes" in result.out


def test_mmp_shows_what_protects_quotes(run: Any, gateway: Any) -> None:
    later = PROTECTION | {"frozen_s": 10, "frozen_until_ns": 1_700_000_000_000_000_000}
    gateway.answer = {"protections": [PROTECTION, later, PROTECTION | {"frozen_until_ns": None}]}
    result = run("mmp")
    assert (gateway.calls[0].method, gateway.calls[0].path) == ("GET", "/api/v1/mmp")
    for word in ("btc_usd", "mm", "5 s", "frozen until a reset", "22:13:20 UTC", "takes quotes"):
        assert word in result.out
    assert run("mmp", "--json").json == gateway.answer


def test_mmp_set_and_reset(run: Any, gateway: Any) -> None:
    gateway.answer = {"accepted": True, "in_doubt": False, "protections": [PROTECTION]}
    options = ["--group", "mm", "--interval", "5", "--max-quote", "10", "--quantity", "20"]
    assert run("mmp", "set", "btc_usd", *options, "--trades", "7").code == 0
    call = gateway.calls[0]
    assert (call.method, call.path) == ("PUT", "/api/v1/mmp")
    assert call.body.pop("request_id").startswith("cli-")
    assert call.body == {
        "index": "btc_usd",
        "mmp_group": "mm",
        "interval_s": 5,
        "frozen_s": 0,
        "max_quote_quantity": "10",
        "quantity_limit": "20",
        "trade_count_limit": 7,
    }
    gateway.answer = gateway.answer | {"accepted": False, "reason": "PROTECTION", "text": "none"}
    result = run("mmp", "reset", "btc_usd", "--group", "mm")
    assert (gateway.calls[1].method, gateway.calls[1].path) == ("POST", "/api/v1/mmp/reset")
    assert result.code == 1 and "refused: PROTECTION: none" in result.out


def test_mmp_set_needs_numbers(run: Any, gateway: Any) -> None:
    assert run("mmp", "set", "btc_usd", "--interval", "5", "--quantity", "much").code == 2
    assert run("mmp", "set", "btc_usd", "--interval", "3601").code == 2
    assert gateway.calls == []
