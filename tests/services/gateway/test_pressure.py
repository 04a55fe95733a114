"""Rows 72 and 75 in full: what a good client and the process feel of clients that behave badly.

The quick forms run in `make test`; speeds are recorded (tests/figures.py) and never asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import figures
from tests.services.gateway import fake_desk
from tests.services.gateway.conftest import ROOT, Gateway, running
from tests.services.gateway.test_hostile import memory, settled
from tests.services.gateway.test_server import WAIT_S, Client, get

MB = 1_000_000
FLAT_MB, FLAT_DESCRIPTORS = 20, 5
HALF_S, CONNECT_MS, CALM_MS = 5.5, 100.0, 100.0
PACE_S = 0.02


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("pressure"), options=200) as made:
        yield made


class Attack:
    """Bad clients in a process of their own."""

    def __init__(self, gateway: Gateway, way: str, size: int, seconds: float) -> None:
        words = [way, str(gateway.port), str(size), str(seconds)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.gateway.attack", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self._lines = self.process.stdout
        assert self._lines.readline() == "ready\n"

    @property
    def is_on(self) -> bool:
        return self.process.poll() is None

    def seen(self) -> dict[str, Any]:
        """What the bad clients saw, at their end."""
        line = self._lines.readline()
        assert self.process.wait(WAIT_S) == 0
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def attacked(gateway: Gateway, way: str, size: int, seconds: float) -> Iterator[Attack]:
    attack = Attack(gateway, way, size, seconds)
    try:
        yield attack
    finally:
        if attack.is_on:
            attack.process.kill()
        attack.process.wait()
        assert attack.process.stdout is not None
        attack.process.stdout.close()


class Felt:
    """What a good client and the process felt. Times in ms, the 99th of 100."""

    def __init__(self) -> None:
        self.connects: list[float] = []
        self.calls: list[float] = []
        self.memory = 0
        self.descriptors = 0
        self.seen: dict[str, Any] = {}

    def try_once(self, gateway: Gateway, steady: Client) -> None:
        begun = time.monotonic()
        with Client(gateway):
            self.connects.append((time.monotonic() - begun) * 1000)
        begun = time.monotonic()
        assert "result" in steady.call("health")
        self.calls.append((time.monotonic() - begun) * 1000)
        time.sleep(PACE_S)  # its own limits are kept

    @property
    def connect_ms(self) -> float:
        return p99(self.connects)

    @property
    def call_ms(self) -> float:
        return p99(self.calls)

    @property
    def is_flat(self) -> bool:
        return self.memory <= FLAT_MB * MB and self.descriptors <= FLAT_DESCRIPTORS

    def __str__(self) -> str:
        return f"{self.call_ms:.0f} ms, {self.memory / MB:+.0f} MB, {self.descriptors:+d} fd"


def p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def under(gateway: Gateway, way: str, size: int, seconds: float, rounds: int = 1) -> Felt:
    """The last of some rounds: what a first one takes for good, such as a larger heap, is no
    growth."""
    descriptors = Path(f"/proc/{gateway.pid}/fd")
    for _ in range(rounds):
        felt = Felt()
        before = settled(descriptors), memory(gateway.pid)
        with Client(gateway) as steady, attacked(gateway, way, size, seconds) as attack:
            felt.try_once(gateway, steady)
            while attack.is_on:
                felt.try_once(gateway, steady)
            felt.seen = attack.seen()
        felt.descriptors = more(descriptors, before[0])
        felt.memory = memory(gateway.pid) - before[1]
    assert get(gateway, "/healthz").ok
    return felt


def more(descriptors: Path, before: int) -> int:
    """How many more there are than before, once those have gone that go."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = settled(descriptors) - before
        if found <= FLAT_DESCRIPTORS or time.monotonic() > deadline:
            return found


# --- quick -------------------------------------------------------------------------------------


def test_row_72_who_drips_a_request_is_closed_like_who_says_nothing(gateway: Gateway):
    felt = under(gateway, "half", 100, WAIT_S)
    assert felt.seen["closed"] == 100 and felt.descriptors <= FLAT_DESCRIPTORS


def test_row_75_a_flood_ends_in_4029_as_often_as_it_comes_back(gateway: Gateway):
    felt = under(gateway, "flood", 10_000, 2)
    assert set(felt.seen["codes"]) <= {"4029", "0"}
    assert felt.seen["closed"] and felt.descriptors <= FLAT_DESCRIPTORS


def test_row_75_ten_clients_with_a_thousand_channels_each_are_served(gateway: Gateway):
    felt = under(gateway, "crowd", 10, 2)
    assert felt.seen["closed"] == 0 and felt.seen["channels"] == 1000 and felt.seen["bytes"]
    assert felt.descriptors <= FLAT_DESCRIPTORS


# --- in full -----------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(600)
def test_row_72_a_thousand_half_handshakes_while_a_good_client_connects(gateway: Gateway):
    felt = under(gateway, "half", 1000, WAIT_S)
    slowest = felt.seen["slowest_s"]
    held = slowest <= HALF_S and felt.connect_ms <= CONNECT_MS
    figure = f"{slowest:.1f} s; {felt.connect_ms:.0f} ms p99"
    what = "1,000 half handshakes closed; a good client connects"
    figures.note("P14", what, "5 s; 100 ms", figure, held, row=72)
    assert felt.seen["closed"] == 1000 and felt.descriptors <= FLAT_DESCRIPTORS


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("way", "size", "seconds", "tick_s", "what"),
    [
        ("flood", 10_000, 30, 0.1, "10,000 calls/s"),
        ("churn", 1000, 60, 0.1, "1,000 connects/min"),
        ("crowd", 100, 30, 1.0, "100 x 1,000 channels, 100,000/s"),
        ("crowd", 100, 30, 0.1, "100 x 1,000 channels, 1,000,000/s"),
    ],
)
def test_row_75_in_full(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    size: int,
    seconds: float,
    tick_s: float,
    what: str,
):
    """tick_s: between two messages of each of the desk's topics."""
    monkeypatch.setattr(fake_desk, "TICK_S", tick_s)
    felt = under(gateway, way, size, seconds, rounds=2)
    held = felt.is_flat and felt.call_ms <= CALM_MS
    bar = f"p99 {CALM_MS:.0f} ms, +{FLAT_MB} MB, +{FLAT_DESCRIPTORS} fd"
    figures.note("P14", f"another's p99, growth: {what}", bar, str(felt), held, row=75)
    assert felt.descriptors <= FLAT_DESCRIPTORS, felt
    assert way != "crowd" or felt.seen["closed"] == 0
