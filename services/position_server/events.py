"""What the position server is told, and asks for, besides what every core does."""

from __future__ import annotations

from common.core import Data


class SaveDay(Data):
    """Write this to disk, in place of what was written before; DaySaved follows."""

    payload: bytes


class DaySaved(Data):
    """error: why it could not be written, "" if it was."""

    error: str = ""
