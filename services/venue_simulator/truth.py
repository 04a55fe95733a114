"""The venue's own log, for tests: what happened to orders where they meet, apart from all protocol.

One JSON object a line: {"kind":"order",...} is a SimulatedOrder after a change, {"kind":"fill",...}
a SimulatedFill, both of any account; {"kind":"refused",...} an order that was not taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from common.core import Data
from common.errors import ConfigError
from common.venues.simulation import (
    OrderChanged,
    OrderRequest,
    Placed,
    Refused,
    SimulatedEvent,
    SimulatedFill,
)
from services.venue_simulator.exchange import Exchange


class WriteTruth(Data):
    """Whole lines for the end of the log."""

    lines: bytes


class Witness:
    """Stands where an exchange takes orders and hands over its events, and notes them."""

    def __init__(self, exchange: Exchange) -> None:
        self._lines: list[bytes] = []
        self._place, self._drain = exchange.place, exchange.drain
        exchange.place = self._on_place  # type: ignore[method-assign]
        exchange.drain = self._on_drain  # type: ignore[method-assign]

    def take(self) -> list[WriteTruth]:
        """What was noted since the last time."""
        if not self._lines:
            return []
        lines, self._lines = self._lines, []
        return [WriteTruth(b"".join(lines))]

    def _on_place(self, account: str, request: OrderRequest, now_ns: int) -> Placed | Refused:
        outcome = self._place(account, request, now_ns)
        if isinstance(outcome, Refused):
            said = {"account": account, "label": request.label, "reason": outcome.reason.value}
            self._note("refused", said | {"symbol": request.symbol, "at_ns": now_ns})
        return outcome

    def _on_drain(self) -> list[SimulatedEvent]:
        events = self._drain()
        for event in events:
            if isinstance(event, OrderChanged):
                self._note("order", msgspec.to_builtins(event.order))
            elif isinstance(event, SimulatedFill):
                self._note("fill", msgspec.to_builtins(event))
        return events

    def _note(self, kind: str, fields: dict[str, Any]) -> None:
        self._lines.append(msgspec.json.encode({"kind": kind} | fields) + b"\n")


class TruthFile:
    """Where the log goes; a line is there once the event that it is of was handled."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ConfigError: the file cannot be written.
        """
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            text = error.strerror or str(error)
            raise ConfigError(str(path), "simulators.truth_log", text) from None

    def write(self, command: WriteTruth) -> None:
        os.write(self._file, command.lines)
