"""Raw frames of a running desk, recorded by hand, are the market of a simulated venue later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pyarrow.parquet
import pytest

from common import config as configuration
from common import messages as m
from common.core import BusMessage
from common.domain.book import OrderBook
from common.venues import load
from services.recorder.reading import definitions, read
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.recordings import recorded_market
from tests.e2e.desk import Desk

SYMBOL = "LTC_USDC-PERPETUAL"  # which no other test reads
NAME = f"deribit.{SYMBOL}"
START_NS = 1_790_000_000_000_000_000
SECONDS = 10


@pytest.fixture
def frames(desk: Desk, tmp_path: Path) -> Path:
    """A directory with the raw frames alone, and the definitions that a market needs."""
    everything, made = tmp_path / "recording", tmp_path / "frames"
    arguments = ["record", "--raw", f"book.{NAME}", "--seconds", str(SECONDS)]
    result = desk.cli(*arguments, "--directory", str(everything))
    assert result.code == 0 and str(everything) in result.out, result
    made.mkdir()
    for path in everything.glob("*.parquet"):
        if path.name.startswith(("frames-", "instruments-")):
            shutil.copy(path, made)
    return made


def test_raw_frames_are_what_the_venue_sent_and_become_a_market(desk: Desk, frames: Path) -> None:
    (file,) = frames.glob("frames-*.parquet")
    table = pyarrow.parquet.read_table(file)
    assert set(table["kind"].to_pylist()) == {"RawFrame"}
    sent = [json.loads(payload) for payload in table["payload"].to_pylist()]
    channels = [frame.get("params", {}).get("channel") for frame in sent]  # none: a heartbeat
    assert channels.count(f"book.{SYMBOL}.raw") > 1
    received = table["received_ns"].to_pylist()
    assert received == sorted(received)

    assert [each.instrument for each in definitions([frames], "deribit")].count(NAME) == 1
    expected = OrderBook(NAME)
    for moment in read([frames], "deribit"):
        follow(expected, moment.event)
    settings = configuration.load(desk.config_path).simulators[0]
    settings = msgspec.structs.replace(settings, replay=[str(frames)], starts_at="")
    core = VenueSimulator(load("deribit"), settings, START_NS, recorded_market(settings))
    core.on_time(START_NS + 10 * SECONDS * 1_000_000_000)
    view = core._world.exchange.book(SYMBOL, 1000)
    assert view is not None and view.bids and view.asks
    assert [number for level in view.bids for number in level] == expected.all_bids()
    assert [number for level in view.asks for number in level] == expected.all_asks()


def follow(book: OrderBook, event: object) -> None:
    if not isinstance(event, BusMessage) or getattr(event.message, "instrument", "") != NAME:
        return
    if isinstance(event.message, m.BookSnapshot):
        book.apply_snapshot(event.message.bids, event.message.asks, 0)
    elif isinstance(event.message, m.BookDelta):
        book.apply_delta(event.message.bids, event.message.asks, 0, 0)
