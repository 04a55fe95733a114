"""Raw frames of a running desk, recorded by hand, are the market of a simulated venue later."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pyarrow.parquet
import pytest

from common import config as configuration, messages as m
from common.core import BusMessage
from common.domain.book import OrderBook
from common.venues import load
from services.recorder.reading import definitions, read
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.recordings import recorded_market
from tests.e2e.desk import Desk

# Which no other test reads: a feed that runs already does not begin with the whole book.
SYMBOLS = [f"{coin}_USDC-PERPETUAL" for coin in ("LTC", "BCH", "LINK", "AVAX", "DOT", "UNI")]
START_NS = 1_790_000_000_000_000_000
SECONDS = 5
FEWEST = 5


@pytest.fixture
def frames(desk: Desk, tmp_path: Path) -> tuple[str, Path]:
    """A symbol, and a directory with its raw frames alone and the definitions of a market."""
    recordings = {symbol: tmp_path / symbol for symbol in SYMBOLS}
    symbol = next((s for s, directory in recordings.items() if is_whole(desk, s, directory)), "")
    assert symbol, "every recording has holes"
    whole, made = recordings[symbol], tmp_path / "frames"
    made.mkdir()
    for path in whole.glob("*.parquet"):
        if path.name.startswith(("frames-", "instruments-")):
            shutil.copy(path, made)
    return symbol, made


def is_whole(desk: Desk, symbol: str, directory: Path) -> bool:
    """Make a recording. False: a busy machine was silent for so long that it has a hole."""
    arguments = ["record", "--raw", f"book.deribit.{symbol}", "--seconds", str(SECONDS)]
    result = desk.cli(*arguments, "--directory", str(directory))
    assert result.code == 0 and str(directory) in result.out, result
    kinds = [
        kind
        for path in directory.glob("*.parquet")
        for kind in pyarrow.parquet.read_table(path, columns=["kind"])["kind"].to_pylist()
    ]
    return "lost" not in kinds and kinds.count("RawFrame") > FEWEST


def test_raw_frames_are_what_the_venue_sent_and_become_a_market(
    desk: Desk, frames: tuple[str, Path]
) -> None:
    symbol, directory = frames
    name = f"deribit.{symbol}"
    (file,) = directory.glob("frames-*.parquet")
    table = pyarrow.parquet.read_table(file)
    assert set(table["kind"].to_pylist()) == {"RawFrame"}
    sent = [json.loads(payload) for payload in table["payload"].to_pylist()]
    channels = [frame.get("params", {}).get("channel") for frame in sent]  # none: a heartbeat
    assert channels.count(f"book.{symbol}.raw") > 1
    received = table["received_ns"].to_pylist()
    assert received == sorted(received)

    assert [each.instrument for each in definitions([directory], "deribit")].count(name) == 1
    expected = OrderBook(name)
    for moment in read([directory], "deribit"):
        follow(expected, moment.event, name)
    settings = configuration.load(desk.config_path).simulators[0]
    settings = msgspec.structs.replace(settings, replay=[str(directory)], starts_at="")
    core = VenueSimulator(load("deribit"), settings, START_NS, recorded_market(settings))
    core.on_time(START_NS + 10 * SECONDS * 1_000_000_000)
    view = core._world.exchange.book(symbol, 1000)
    assert view is not None and view.bids and view.asks
    assert [number for level in view.bids for number in level] == expected.all_bids()
    assert [number for level in view.asks for number in level] == expected.all_asks()


def follow(book: OrderBook, event: object, name: str) -> None:
    if not isinstance(event, BusMessage) or getattr(event.message, "instrument", "") != name:
        return
    if isinstance(event.message, m.BookSnapshot):
        book.apply_snapshot(event.message.bids, event.message.asks, 0)
    elif isinstance(event.message, m.BookDelta):
        book.apply_delta(event.message.bids, event.message.asks, 0, 0)
