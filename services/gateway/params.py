"""Reading the parameters of a call: from JSON, msgpack or a query string, with one set of errors.

Each reader names the field it refuses and says what it wants. `finish()` refuses what nobody read,
so that a misspelt parameter is never ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from common.codec import NAME
from common.messages import Exact
from services.gateway.rpc import CallError, encode

Word = TypeVar("Word", bound=StrEnum)
FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
MAX_TEXT = 200
MAX_TEXTS = 100


class Params:
    """The parameters of one call. A null counts as left out."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self._known: set[str] = set()

    def _take(self, name: str) -> Any:
        self._known.add(name)
        return self._values.get(name)

    def _required(self, name: str) -> Any:
        value = self._take(name)
        if value is None or value == "":
            raise CallError("BAD_PARAMETER", f"{name} is missing", name)
        return value

    def text(self, name: str) -> str:
        """A required text."""
        return self._checked_text(name, self._required(name))

    def optional_text(self, name: str) -> str | None:
        value = self._take(name)
        return None if value is None or value == "" else self._checked_text(name, value)

    def name(self, name: str) -> str:
        """An optional label: at most 64 of the characters that ids and tags may have."""
        value = self.optional_text(name) or ""
        if value and not NAME.match(value):
            text = f"{name} has 1 to 64 characters of A-Z a-z 0-9 . _ : / -"
            raise CallError("BAD_PARAMETER", text, name)
        return value

    def _checked_text(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise CallError("BAD_PARAMETER", f"{name} is text", name)
        if len(value) > MAX_TEXT or not value.isprintable():
            text = f"{name} is printable text of at most {MAX_TEXT} characters"
            raise CallError("BAD_PARAMETER", text, name)
        return value

    def number(self, name: str) -> Exact | None:
        """An exact number, given as a JSON number or as text."""
        value = self._take(name)
        if value is None or value == "":
            return None
        return self._exact(name, value)

    def required_number(self, name: str) -> Exact:
        return self._exact(name, self._required(name))

    def _exact(self, name: str, value: Any) -> Exact:
        if isinstance(value, float):
            value = repr(value)
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise CallError("BAD_PARAMETER", f"{name} is a number", name)
        try:
            return Exact(str(value))
        except InvalidOperation:
            raise CallError("BAD_PARAMETER", f"{name} is not a number", name) from None
        except ValueError:
            text = f"{name} is a finite number of at most 40 characters"
            raise CallError("BAD_PARAMETER", text, name) from None

    def flag(self, name: str) -> bool:
        """False when left out."""
        value = self._take(name)
        if isinstance(value, str):
            value = FLAGS.get(value.lower())
            if value is None:
                raise CallError("BAD_PARAMETER", f"{name} is true or false", name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise CallError("BAD_PARAMETER", f"{name} is true or false", name)

    def optional_flag(self, name: str) -> bool | None:
        return None if self._take(name) is None else self.flag(name)

    def word(self, name: str, words: type[Word]) -> Word | None:
        """One of the words of an enum, in any case."""
        value = self.optional_text(name)
        if value is None:
            return None
        for word in words:
            if word.value.lower() == value.lower():
                return word
        known = ", ".join(word.value for word in words)
        raise CallError("BAD_PARAMETER", f"{name} is one of {known}; not {value[:40]!r}", name)

    def required_word(self, name: str, words: type[Word]) -> Word:
        self._required(name)
        word = self.word(name, words)
        assert word is not None
        return word

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self._take(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        in_range = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        if not in_range:
            text = f"{name} is a whole number from {low} to {high}"
            raise CallError("BAD_PARAMETER", text, name)
        return int(value)

    def names(self, name: str, at_most: int) -> list[str]:
        """A list of texts, or one text with commas; without repetitions, in their order."""
        value = self._take(name)
        if value is None or value == "":
            return []
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            raise CallError("BAD_PARAMETER", f"{name} is a list of texts", name)
        if len(value) > at_most:
            raise CallError("BAD_PARAMETER", f"{name} has at most {at_most} entries", name)
        return list(dict.fromkeys(self._checked_text(name, item) for item in value))

    def parts(self, name: str, at_most: int) -> list[Params]:
        """A list of objects, each with parameters of its own."""
        value = self._take(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise CallError("BAD_PARAMETER", f"{name} is a list of objects", name)
        if len(value) > at_most:
            raise CallError("BAD_PARAMETER", f"{name} has at most {at_most} entries", name)
        return [Params(item) for item in value]

    def texts(self, name: str) -> dict[str, str]:
        """A required object of named values, as texts; lists and the like as JSON."""
        value = self._required(name)
        if not isinstance(value, dict) or not value or len(value) > MAX_TEXTS:
            text = f"{name} is an object of 1 to {MAX_TEXTS} named values"
            raise CallError("BAD_PARAMETER", text, name)
        return {
            self._checked_text(name, key): self._as_text(name, item) for key, item in value.items()
        }

    def _as_text(self, name: str, value: Any) -> str:
        if isinstance(value, str):
            return self._checked_text(name, value)
        if isinstance(value, Decimal):
            return format(value, "f")
        return encode(value).decode()

    def finish(self) -> None:
        """Refuse parameters that the call does not have."""
        for name in self._values:
            if name not in self._known:
                raise CallError("BAD_PARAMETER", self._unknown(name, self._known), name[:64])

    @staticmethod
    def _unknown(name: str, known: Iterable[str]) -> str:
        near = difflib.get_close_matches(name[:64], list(known), 1)
        if near:
            return f"there is no parameter {name[:64]!r}; did you mean {near[0]!r}?"
        listed = ", ".join(sorted(known)) or "none"
        return f"there is no parameter {name[:64]!r}; known: {listed}"
