"""The server side of Deribit API v2, over a simulated exchange: bytes in, bytes out."""

from __future__ import annotations

from common.venues.deribit.simulator.server import Simulator

__all__ = ["Simulator"]
