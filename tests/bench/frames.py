"""Deribit book frames as recorded ones look: some 270 bytes, one or two levels each.

The messages of an instrument form a ring: the change ids go round, and whoever has followed a whole
turn has the book he began with. So a feeder can repeat prepared bytes for as long as it likes.
"""

from __future__ import annotations

import json
import random
import struct
from typing import Any

INSTRUMENTS = [f"B{number:02d}-PERPETUAL" for number in range(10)]
MARKER = "MARK-PERPETUAL"
LEVELS = 100
TURN = 100  # messages of one instrument until its ring is round
TICK = 0.5
MIDDLE = 60_000.0
STAMP_BASE = 1e6  # quantities above it are times, see stamped()


def channel(symbol: str) -> str:
    return f"book.{symbol}.raw"


def price(side: str, level: int) -> float:
    return MIDDLE - TICK * (level + 1) if side == "bids" else MIDDLE + TICK * (level + 1)


def notification(symbol: str, data: dict[str, Any]) -> bytes:
    message = {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {"channel": channel(symbol), "data": data},
    }
    return json.dumps(message, separators=(",", ":")).encode()


def websocket_frame(payload: bytes) -> bytes:
    """One unmasked text frame."""
    if len(payload) < 126:
        return struct.pack("!BB", 0x81, len(payload)) + payload
    if len(payload) < 65536:
        return struct.pack("!BBH", 0x81, 126, len(payload)) + payload
    return struct.pack("!BBQ", 0x81, 127, len(payload)) + payload


def snapshot(symbol: str) -> bytes:
    sides = {
        side: [["new", price(side, level), 100.0 + level] for level in range(LEVELS)]
        for side in ("bids", "asks")
    }
    return notification(symbol, {"type": "snapshot", **_head(symbol, TURN), **sides})


def change(symbol: str, turn: int, bids: list[Any], asks: list[Any]) -> bytes:
    """The message number `turn`, from 0, of the ring."""
    before, after = turn or TURN, turn + 1
    data = {"type": "change", "prev_change_id": before, **_head(symbol, after)}
    return notification(symbol, {**data, "bids": bids, "asks": asks})


def ring() -> list[bytes]:
    """All instruments' rings, interleaved: changes near the top, levels that go and come back."""
    chance = random.Random(7)
    messages = []
    gone: dict[str, tuple[str, float]] = {}
    for turn in range(TURN):
        for symbol in INSTRUMENTS:
            sides: dict[str, list[Any]] = {"bids": [], "asks": []}
            if symbol in gone:
                side, at = gone.pop(symbol)
                sides[side].append(["new", at, 10.0 * chance.randint(1, 5000)])
            elif turn < TURN - 1 and chance.random() < 0.3:
                side = chance.choice(("bids", "asks"))
                at = price(side, chance.randint(1, 15))
                sides[side].append(["delete", at, 0.0])
                gone[symbol] = side, at
            side = chance.choice(("bids", "asks"))
            if not sides[side]:
                at = price(side, int(chance.expovariate(0.3)) % LEVELS)
                sides[side].append(["change", at, 10.0 * chance.randint(1, 5000)])
            messages.append(change(symbol, turn, sides["bids"], sides["asks"]))
    return messages


def stamped(number: int, stamp_us: int) -> bytes:
    """A change whose quantity is the time it is sent, so that any reader knows its age."""
    symbol = INSTRUMENTS[number % len(INSTRUMENTS)]
    turn = number // len(INSTRUMENTS) % TURN
    side = ("bids", "asks")[number // 7 % 2]
    level = [["change", price(side, number // 3 % 10), STAMP_BASE + stamp_us]]
    return change(symbol, turn, *((level, []) if side == "bids" else ([], level)))


def marker(number: int) -> bytes:
    """Says that all before it has been read: the quantity is `number`."""
    level = ["change", price("bids", 0), float(number)]
    return change(MARKER, (number - 1) % TURN, [level], [])


def definitions() -> list[dict[str, Any]]:
    """What public/get_instruments answers."""
    return [
        {
            "instrument_name": symbol,
            "kind": "future",
            "instrument_type": "reversed",
            "settlement_period": "perpetual",
            "base_currency": symbol.partition("-")[0],
            "quote_currency": "USD",
            "counter_currency": "USD",
            "settlement_currency": symbol.partition("-")[0],
            "price_index": "btc_usd",
            "tick_size": TICK,
            "tick_size_steps": [],
            "min_trade_amount": 10,
            "contract_size": 10,
            "maker_commission": 0.0,
            "taker_commission": 0.0005,
            "is_active": True,
            "state": "open",
            "creation_timestamp": 1,
            "expiration_timestamp": 32503708800000,
        }
        for symbol in [*INSTRUMENTS, MARKER]
    ]


def _head(symbol: str, change_id: int) -> dict[str, Any]:
    return {"timestamp": 1554375447971, "instrument_name": symbol, "change_id": change_id}
