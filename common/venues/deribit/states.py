"""Deribit's words for the state of an instrument, those of book and channel and the older ones."""

from __future__ import annotations

import msgspec

from common.errors import VenueProtocolError
from common.messages import InstrumentStatus

VENUE_NAME = "deribit"
STATUSES = {
    "open": InstrumentStatus.ACTIVE,
    "locked": InstrumentStatus.CANCEL_ONLY,
    "settlement": InstrumentStatus.HALTED,  # a few seconds a day
    "halted": InstrumentStatus.HALTED,
    "inactive": InstrumentStatus.HALTED,
    "delivered": InstrumentStatus.EXPIRED,
    "archivized": InstrumentStatus.EXPIRED,
    "closed": InstrumentStatus.EXPIRED,
    # the older scheme; "closed" is in both
    "created": None,  # only the definition tells when it will trade
    "started": InstrumentStatus.ACTIVE,
    "settled": InstrumentStatus.HALTED,
    "terminated": InstrumentStatus.EXPIRED,
}
PLATFORM_CHANNEL = "platform_state"


# {"maintenance":true} of the venue, {"price_index":"sol_usd","locked":true} of one index
class Platform(msgspec.Struct, gc=False):
    maintenance: bool | None = None
    price_index: str = ""
    locked: bool | None = None


def status_of(state: str) -> InstrumentStatus | None:
    """Our status for the venue's word; None: look at the instrument's definition.

    Raises:
        VenueProtocolError: not a word of this venue.
    """
    if state not in STATUSES:
        raise VenueProtocolError(VENUE_NAME, "unknown instrument state", state)
    return STATUSES[state]
