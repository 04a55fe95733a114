"""Whole numbers as the venue may tell them: JSON knows no largest one, our messages do."""

from __future__ import annotations

from typing import Annotated

import msgspec

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 // 10**6)]  # since 1970, to 2262
Microseconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 // 10**3)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # ids that count up, and numbers of things
