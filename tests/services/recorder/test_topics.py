"""A topic that nobody would publish is told, with those that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import config as configuration
from common.config import DeskConfig
from services.recorder.topics import problem_of

CONFIG = """
desk: d
venues:
  deribit:
    websocket_url: ws://w
    http_url: http://h
    accounts: [{credentials: {client_id: i, client_secret: s}}]
"""


@pytest.fixture
def desk(tmp_path: Path) -> DeskConfig:
    path = tmp_path / "desk.yaml"
    path.write_text(CONFIG)
    return configuration.load(path)


@pytest.mark.parametrize(
    "topic",
    [
        "book.deribit.BTC-PERPETUAL",
        "quote.",
        "quote.deribit.",
        "ticker.deribit.BTC_USDC-PERPETUAL",
        "index.deribit.btc_usd",
        "instruments.deribit",
        "order.deribit.main",
        "fill.deribit.main.quoter",
        "account.deribit.main",
        "health.gateway",
        "alert.trading_engine.deribit.main",
        "strategy.quoter",
        "raw.deribit",
        "raw.deribit.deribit.public.0",
    ],
)
def test_what_is_published_is_taken(desk: DeskConfig, topic: str) -> None:
    assert problem_of([topic], desk) == ""


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("foo", "no topic begins with 'foo'; there are account, alert, book, depth"),
        ("foo.bar", "no topic begins with 'foo'"),
        ("deribit.BTC-PERPETUAL", "no topic begins with 'deribit'"),
        ("", "no topic begins with ''"),
        ("quote", "'quote.' are all that begin so"),
        ("quote.nowhere.BTC", "this desk has no venue 'nowhere'; it has deribit"),
        ("quote.deribit", "names no instrument; 'quote.deribit.' are all of that venue"),
        ("order.deribit", "names no account"),
        ("order.deribit.other", "deribit has no account 'other'; it has main"),
    ],
)
def test_what_is_not_is_told(desk: DeskConfig, topic: str, told: str) -> None:
    assert told in problem_of(["quote.", topic], desk)
