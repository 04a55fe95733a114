"""market_data as a process beside the simulated venue: its books are the venue's books."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
import zmq

from common import codec, messages as m
from common.rundir import RunDir
from tests.e2e.simulator_process import ROOT, SimulatedVenue, simulated_venue

ALWAYS_ON = "BTC-PERPETUAL"
WATCHED = 60
COMPARED = 40
DEADLINE_S = 60


class Reader:
    """One subscriber of the bus: books as it holds them, and what they were at each change id."""

    def __init__(self, endpoint: str) -> None:
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.connect(endpoint)
        self.books: dict[str, tuple[dict[float, float], dict[float, float]]] = {}
        self.stale: dict[str, str] = {}
        self.history: dict[tuple[str, int], list[list[list[float]]]] = {}
        self.sequences: dict[str, int] = {}
        self.change_ids: dict[str, int] = {}

    def subscribe(self, symbol: str) -> None:
        self.socket.subscribe(codec.subscription(f"book.deribit.{symbol}"))

    def read_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.read()

    def read(self) -> None:
        if not self.socket.poll(50):
            return
        topic, envelope = codec.decode(self.socket.recv())
        symbol, message = topic.removeprefix("book.deribit."), envelope.message
        last = self.sequences.get(topic)
        if last is not None and envelope.sequence == last:
            return  # a snapshot for somebody else
        assert last is None or envelope.sequence == last + 1
        self.sequences[topic] = envelope.sequence
        if isinstance(message, m.BookStale):
            self.stale[symbol] = message.reason
            self.books.pop(symbol, None)
            return
        assert isinstance(message, m.BookSnapshot | m.BookDelta)
        if isinstance(message, m.BookSnapshot):
            self.stale.pop(symbol, None)
            self.books[symbol] = ({}, {})
        self._apply(symbol, message)
        self.change_ids[symbol] = envelope.venue_sequence
        self.history[symbol, envelope.venue_sequence] = self._best(symbol)

    def _apply(self, symbol: str, message: m.BookSnapshot | m.BookDelta) -> None:
        for side, flat in zip(self.books[symbol], (message.bids, message.asks), strict=True):
            for price, quantity in zip(flat[::2], flat[1::2], strict=True):
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        bids, asks = self.books[symbol]
        assert not (bids and asks and max(bids) >= min(asks)), f"{symbol} is crossed"

    def _best(self, symbol: str) -> list[list[list[float]]]:
        bids, asks = self.books[symbol]
        sides = sorted(bids.items(), reverse=True), sorted(asks.items())
        return [[list(level) for level in side[:10]] for side in sides]


@contextmanager
def market_data(directory: Path, venue: SimulatedVenue) -> Iterator[str]:
    """The process; gives the endpoint of its publisher."""
    settings = {
        "websocket_url": venue.websocket_url,
        "http_url": f"{venue.http_url}/api/v2",
        "market_data": {
            "always_on": [ALWAYS_ON],
            "read_only_credentials": {"client_id": "demo", "client_secret": "demo-secret"},
            "data_timeout_s": 1.0,
            "channels_per_link": 50,
        },
    }
    path = directory / "market_data.yaml"
    path.write_text(yaml.safe_dump({"desk": "test", "venues": {"deribit": settings}}))
    run_dir = directory / "run"
    command = [sys.executable, "-m", "services.market_data", "--config", str(path)]
    command += ["--run-dir", str(run_dir), "--venue", "deribit"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield RunDir(run_dir).endpoint("md.deribit")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[SimulatedVenue]:
    with simulated_venue(tmp_path) as made:
        yield made


def symbols_of(venue: SimulatedVenue) -> list[str]:
    url = f"{venue.http_url}/api/v2/public/get_instruments"
    listed = requests.get(url, timeout=DEADLINE_S).json()["result"]
    names = sorted(entry["instrument_name"] for entry in listed)
    return [ALWAYS_ON, *names[:: len(names) // WATCHED]]


def is_as_at_the_venue(reader: Reader, venue: SimulatedVenue, symbol: str) -> bool:
    """False if that state of the book was not published: it was merged with the next."""
    url = f"{venue.http_url}/api/v2/public/get_order_book"
    query = {"instrument_name": symbol, "depth": 10}
    rest = requests.get(url, query, timeout=DEADLINE_S).json()["result"]
    change_id = rest["change_id"]
    reader.read_until(lambda: reader.change_ids[symbol] >= change_id)
    if (symbol, change_id) not in reader.history:
        return False
    assert reader.history[symbol, change_id] == [rest["bids"], rest["asks"]]
    return True


def test_books_are_the_venue_s_books_and_stale_while_it_is_silent(tmp_path, venue):
    symbols = symbols_of(venue)
    with market_data(tmp_path, venue) as endpoint:
        reader = Reader(endpoint)
        for symbol in symbols:
            reader.subscribe(symbol)
        reader.read_until(lambda: len(reader.books) == len(set(symbols)))

        compared = tried = 0
        while compared < COMPARED:
            compared += is_as_at_the_venue(reader, venue, symbols[tried % len(symbols)])
            tried += 1

        os.kill(venue.process.pid, signal.SIGSTOP)
        try:
            reader.read_until(lambda: not reader.books)
        finally:
            os.kill(venue.process.pid, signal.SIGCONT)
        assert set(reader.stale.values()) == {"link closed: silent for 1 s"}
        reader.read_until(lambda: len(reader.books) == len(set(symbols)))
        reader.socket.close(0)
