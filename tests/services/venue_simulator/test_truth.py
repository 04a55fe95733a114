from __future__ import annotations

import json
from decimal import Decimal

import pytest

from common.config import SimulatorAccountConfig, SimulatorConfig
from common.errors import ConfigError
from common.messages import Side
from common.venues import load
from common.venues.simulation import OrderRequest
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.truth import TruthFile, WriteTruth

T0 = 1_795_000_000_000_000_000


def test_orders_fills_and_refusals_are_written_down_apart_from_the_protocol(tmp_path):
    account = SimulatorAccountConfig("a", "s", {"BTC": "10"})
    config = SimulatorConfig("deribit", 1, accounts=[account], truth_log="truth.jsonl")
    core = VenueSimulator(load("deribit"), config, T0)
    exchange = core._world.exchange
    core.on_time(T0)
    exchange.watch("BTC-PERPETUAL", T0)

    def place(label: str, price: str) -> None:
        order = OrderRequest(
            "BTC-PERPETUAL", Side.BUY, Decimal("10"), price=Decimal(price), label=label
        )
        exchange.place("a", order, T0)

    place("rests", "10000")
    place("fills", "90000")
    place("off", "10000.3")
    written = [command for command in core.on_time(T0) if isinstance(command, WriteTruth)]
    file = TruthFile(tmp_path / "truth.jsonl")
    for command in written:
        file.write(command)
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert {(line["kind"], line["label"]) for line in lines} == {
        ("order", "rests"),
        ("order", "fills"),
        ("fill", "fills"),
        ("refused", "off"),
    }
    (fill,) = [line for line in lines if line["kind"] == "fill"]
    assert (fill["account"], fill["quantity"]) == ("a", "10")


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="truth_log"):
        TruthFile(tmp_path / "nowhere" / "truth.jsonl")
