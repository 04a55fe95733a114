"""What the engine is told besides the events of every core."""

from __future__ import annotations

from common.config import LimitsConfig
from common.core import Data


class LimitsRead(Data):
    """The risk file was read, at the start or because it changed. error: why it cannot be used;
    then the limits that hold go on holding."""

    source: str
    limits: LimitsConfig
    strict: bool
    error: str = ""
