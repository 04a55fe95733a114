"""What all messages share: their base, and numbers that are exact."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, dataclass_transform

import msgspec

# Decimal itself also takes spaces, underscores and the digits of any script.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")

if TYPE_CHECKING:
    Exact = Decimal
else:

    class Exact(Decimal):
        """A finite decimal that was made from text, of at most 40 characters, exponent in +-20.

        The codec decodes committed numbers through this type, so that a float, an infinity or a
        number made to exhaust memory never gets past the border.
        """

        def __new__(cls, text: str | Decimal = "0") -> Exact:
            if isinstance(text, Decimal):
                text = str(text)
            if not isinstance(text, str):
                raise ValueError(f"exact numbers travel as text, got {type(text).__name__}")
            if len(text) > 40:
                raise ValueError("a number has at most 40 characters")
            if not NUMBER.match(text):
                raise ValueError(f"not a number: {text!r}")
            value = super().__new__(cls, text)
            if abs(value.adjusted()) > 20:
                raise ValueError(f"not a finite number of usable size: {text}")
            return value


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all bus messages; has no fields, so that children own their order."""
