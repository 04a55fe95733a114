"""The base of all parts of a configuration, and the types that several of them use."""

from __future__ import annotations

from typing import Annotated, dataclass_transform

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]  # NaN and infinity are neither
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Count = Annotated[int, msgspec.Meta(ge=1)]
ZeroOrMore = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all configuration structs."""
