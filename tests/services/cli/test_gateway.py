"""What the commands say when the gateway refuses, is away, or is something else."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.gateway import Gateway
from services.cli.settings import CliError, resolve


def test_an_error_is_told_with_reason_field_and_text(run: Any, gateway: Any) -> None:
    gateway.status = 404
    data = {"reason": "NOT_FOUND", "field": "instrument"}
    gateway.answer = {"error": {"code": -32004, "message": "there is no 'x'", "data": data}}
    result = run("book", "x", "--once", "--json")
    assert result.code == 1
    assert result.err == "crossdesk: NOT_FOUND (instrument): there is no 'x'\n"
    assert result.json["reason"] == "NOT_FOUND"
    assert result.json["text"] == "there is no 'x'"


def test_a_gateway_that_is_away_is_a_sentence(run: Any, tmp_path: Any) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(path.read_text().replace("port:", "port: 1 #"))
    result = run("orders", "--json")
    assert result.code == 1
    assert "crossdesk up" in result.err
    assert "no gateway at http://127.0.0.1:1" in result.json["error"]


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b"\xff"])
def test_another_server_on_the_port_is_noticed(run: Any, gateway: Any, answer: bytes) -> None:
    gateway.answer = answer
    result = run("orders")
    assert result.code == 1
    assert "is not a crossdesk gateway" in result.err


def test_the_key_comes_from_option_environment_or_demo(
    run: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answer = {"orders": []}
    run("orders")
    monkeypatch.setenv("CROSSDESK_KEY", "environment.secret")
    run("orders")
    run("orders", "--key", "option.a.b")
    sent = [call.authorization for call in gateway.calls]
    assert sent == ["Bearer demo.demo-secret", "Bearer environment.secret", "Bearer option.a.b"]


def test_a_stream_from_a_gateway_that_is_away(tmp_path: Any) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text("desk: x\nvenues: {}\ngateway: {port: 1}\n")
    gateway = Gateway(resolve(path, tmp_path, None, None, False, {}))
    with pytest.raises(CliError, match="crossdesk up"):
        next(gateway.stream(["book.x"]))


def test_books_and_trades_are_shown(run: Any, gateway: Any) -> None:
    book = {"instrument": "x", "sequence": 7, "stale": False, "bids": [[1.5, 2.0]], "asks": []}
    gateway.answer = book
    assert run("book", "x", "--levels", "10", "--once", "--json").json == book
    assert gateway.calls[0].path == "/api/v1/books/x?levels=10"
    assert run("book", "x", "--once").out.splitlines() == ["x  #7", f"{'2':>16}  {'1.5':>14}"]
    trade = {"instrument": "x", "aggressor_side": "BUY", "quantity": 10.0, "price": 61000.5}
    gateway.answer = {"trades": [trade]}
    assert "61000.5" in run("trades", "x", "--once").out
    gateway.answer = {"quotes": [{"instrument": "x", "bid_price": 1.5, "ask_price": None}]}
    assert "1.5" in run("quotes", "x").out


def test_trades_are_streamed_from_the_snapshot_on_oldest_first(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old, next_one = (
        {"type": "trade", "instrument": "x", "aggressor_side": "BUY", "quantity": 10.0, "price": p}
        for p in (2.5, 1.5, 3.5)
    )
    snapshot = {"type": "snapshot", "instrument": "x", "sequence": 0, "trades": [new, old]}
    told = [{"data": snapshot}, {"data": next_one}]
    monkeypatch.setattr(Gateway, "stream", lambda *_: iter(told))
    prices = [line.split()[-1] for line in run("trades", "x").out.splitlines()]
    assert prices == ["1.5", "2.5", "3.5"]


def test_a_book_that_is_streamed_has_at_most_twenty_levels(run: Any) -> None:
    result = run("book", "x", "--levels", "21")
    assert result.code == 2
    assert "--once" in result.err
