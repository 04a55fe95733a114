"""Open interest of the simulated world: what others hold, a pure function of seed and time."""

from __future__ import annotations

import math

from common.messages import InstrumentDefinition, InstrumentKind
from services.venue_simulator.noise import mix, uniform, wave
from services.venue_simulator.rules import DAY_NS
from services.venue_simulator.shape import Shape

IN_TOUCHES = {  # how many times what is usually offered at the touch
    InstrumentKind.PERPETUAL: 15_000.0,
    InstrumentKind.FUTURE: 4_000.0,
    InstrumentKind.OPTION: 25.0,
}
SPREAD = 1.5  # of its logarithm among instruments
GROWS_NS = 2 * DAY_NS  # after which half of it has come together
HOURS, DAYS = (3_600.0, 0.01), (86_400.0, 0.05)


def of_others(definition: InstrumentDefinition, shape: Shape, seed: int, now_ns: int) -> float:
    """In the venue's own unit, a multiple of the lot; 0.0 for spot and combos."""
    touches = IN_TOUCHES.get(definition.kind, 0.0)
    if not touches or definition.legs:
        return 0.0
    own = mix(seed ^ 0x01)
    level = SPREAD * (uniform(own, 0) - 0.5) + wave(own, HOURS, DAYS).at(now_ns)
    age_ns = max(0, now_ns - definition.created_ns)
    quantity = touches * shape.size * math.exp(level) * age_ns / (age_ns + GROWS_NS)
    lot = float(definition.lot_size)
    return round(quantity / lot) * lot
