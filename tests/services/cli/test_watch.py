"""What the live view asks for, and what `run` tells at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common import config as configuration
from services.cli.gateway import Gateway
from services.cli.settings import CliError, resolve
from services.cli.view import Screen
from services.cli.watch import Feed, default_instruments, welcome

NAME = "deribit.BTC-PERPETUAL"


def config(tmp_path: Path, keys: str = "") -> Path:
    path = tmp_path / "desk.yaml"
    path.write_text(
        f"desk: d\ngateway: {{port: 1, keys: [{keys}]}}\nvenues: {{deribit: {{websocket_url:"
        " ws://w, http_url: http://h, market_data: {always_on: [A, B, C]}}}\n"
    )
    return path


def feed(path: Path) -> Feed:
    gateway = Gateway(resolve(path, path.parent, None, None, False, {}))
    return Feed(gateway, Screen("title", [NAME], 5))


def test_own_orders_are_followed_with_a_key_only(tmp_path: Path) -> None:
    public = [f"depth.{NAME}.5.100ms", f"trade.{NAME}"]
    assert feed(config(tmp_path)).channels() == public
    with_key = feed(config(tmp_path, "{key_id: k, secret: s}"))
    assert with_key.channels() == [*public, "orders", "positions"]


def test_the_first_always_on_instruments_are_watched(tmp_path: Path) -> None:
    loaded = configuration.load(config(tmp_path))
    assert default_instruments(loaded) == ["deribit.A", "deribit.B"]
    with pytest.raises(CliError, match="name an instrument"):
        default_instruments(configuration.DeskConfig("d", {}))


def test_only_a_demo_key_is_shown(tmp_path: Path) -> None:
    demo = configuration.load(config(tmp_path, "{key_id: demo, secret: open}"))
    assert "demo.open" in "\n".join(welcome(demo))
    hashed = configuration.load(config(tmp_path, f"{{key_id: k, secret_sha256: '{'ab' * 32}'}}"))
    text = "\n".join(welcome(hashed))
    assert "secret not shown" in text and "abab" not in text


def test_a_gateway_that_is_away_is_waited_for(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "desk.yaml"
    path.write_text(path.read_text().replace("port:", "port: 1 #"))
    for duration in ("0.2", "2", "20"):  # on a busy machine the first try takes a while
        result = run("watch", "--duration", duration)
        assert result.code == 0 and "waiting" in result.out
        if "trying again" in result.out:
            break
    assert "trying again" in result.out


def test_tap_needs_a_desk(run: Any) -> None:
    result = run("tap", "health.gateway")
    assert result.code == 1
    assert "no desk runs" in result.err


@pytest.mark.parametrize("command", ["tap", "record"])
def test_an_unknown_topic_is_told_with_those_that_there_are(run: Any, command: str) -> None:
    result = run(command, "foo.bar")
    assert (result.code, result.out) == (2, "")
    assert "no topic begins with 'foo'; there are account, alert, book" in result.err
