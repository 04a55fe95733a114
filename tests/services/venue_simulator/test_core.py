"""The core of a simulated venue: one clock, one seed, one market."""

from __future__ import annotations

from typing import Any

import pytest

from common import core as c
from common.config import SimulatorConfig
from common.errors import ConfigError
from common.venues import load
from common.venues.serving import SendFrame
from services.venue_simulator.core import STEP_NS, FrameReceived, VenueSimulator

START_NS = 1_790_000_000_000_000_000
SUBSCRIBE = (
    b'{"id":1,"method":"public/subscribe","params":{"channels":['
    b'"book.BTC-PERPETUAL.100ms","trades.BTC-PERPETUAL.100ms","ticker.ETH-PERPETUAL.100ms"]}}'
)


def made(now_ns: int = START_NS, **settings: Any) -> VenueSimulator:
    config = SimulatorConfig(
        venue="deribit", port=1, option_expiries=1, strikes_per_expiry=2, **settings
    )
    core = VenueSimulator(load("deribit"), config, now_ns)
    core.handle(c.Started(), now_ns)
    return core


def sent_in(core: VenueSimulator, now_ns: int, steps: int) -> list[bytes]:
    """Everything a subscriber is sent within so many steps."""
    assert core.accept(1, "127.0.0.1", now_ns)
    outputs = list(core.handle(FrameReceived(1, SUBSCRIBE), now_ns))
    for _ in range(steps):
        now_ns += STEP_NS
        outputs.extend(core.on_time(now_ns))
    return [output.payload for output in outputs if isinstance(output, SendFrame)]


def test_same_seed_and_clock_give_the_same_bytes() -> None:
    first, second = sent_in(made(), START_NS, 300), sent_in(made(), START_NS, 300)
    assert first == second and len(first) > 50
    assert sent_in(made(seed=8), START_NS, 300) != first


def test_it_is_ready_when_started_and_wakes_itself() -> None:
    core = made()
    commands = list(core.handle(c.Started(), START_NS))
    assert commands[0] == c.SetState("ready")
    assert commands[-1] == c.WakeAt(START_NS + STEP_NS)
    assert core.on_time(START_NS + STEP_NS)[-1] == c.WakeAt(START_NS + 2 * STEP_NS)


def test_the_venue_may_live_in_another_time() -> None:
    core = made(starts_at="2026-01-02T03:04:05+00:00")
    assert core.accept(1, "127.0.0.1", START_NS)
    frame = FrameReceived(1, b'{"id":1,"method":"public/get_time"}')
    output = core.handle(frame, START_NS + 7_000_000)[0]
    assert b'"result":1767323045007' in output.payload


def test_a_start_that_is_no_time_is_named() -> None:
    with pytest.raises(ConfigError, match="starts_at"):
        made(starts_at="tomorrow")


def test_events_it_does_not_know_are_nothing() -> None:
    assert list(made().handle(c.Stopping(), START_NS)) == []
