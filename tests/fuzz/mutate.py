"""A mutator that knows JSON and msgpack: what it makes gets past the first look of a parser.

Everything follows from the random.Random that is handed in. Half of the time it changes the bytes
as they are; else it takes the document apart, changes some of its parts and writes it again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgpack

MAX_SIZE = 20_000
NUMBERS = [
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30),
    *(0.0, -0.0, 1e-9, 1e308, 5e-324, 0.1, 1.5, float("nan"), float("inf"), float("-inf")),
]
TEXTS = [
    *("", "0", "NaN", "Infinity", "1e999", "-1", "1e999999", "market_price", "9" * 50),
    *("BTC-PERPETUAL", "deribit.BTC-PERPETUAL", "open", "buy", "LIMIT", "BUY"),
    *("\0", "\r\n", "\x1b[31m", "\u202e", "ü" * 70, "x" * 10_240, "\ud800", "%s{0}", "../.."),
]
LEAVES: list[Any] = [None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [0], {"": ""}]
RAW_NUMBERS = [b"1e999", b"-1e999", b"NaN", b"1" * 5000, b"0.1e-400", b"-0", b"1e308", b"00"]
INTERESTING = [b"\0", b"\xff", b"\x80", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]
INTERESTING += [b"\xc6\xff\xff\xff\xff", b"{", b"}", b"[", b'"', b",", b"\\ud800", b"\xed\xa0\x80"]
DEEP = 2000


class Mutator:
    """Makes inputs from seeds. Deterministic: the same random numbers give the same inputs."""

    def __init__(self, dice: random.Random, seeds: list[bytes], max_size: int = MAX_SIZE) -> None:
        self._dice = dice
        self._seeds = seeds
        self._max_size = max_size

    def make(self) -> bytes:
        """A seed with one to four changes."""
        data = self._dice.choice(self._seeds)
        for _ in range(self._dice.choice((1, 1, 1, 2, 4))):
            data = self.mutate(data)
        return data[: self._max_size]

    def mutate(self, data: bytes) -> bytes:
        """One change. atheris calls it too, between its own."""
        way = self._dice.random()
        if way < 0.5:
            changed = self._structure(data)
            if changed is not None:
                return changed
        if way > 0.9:
            return self._json_text(data)
        change: Callable[[bytearray], bytes] = self._dice.choice(
            (self._flip, self._cut, self._insert, self._repeat, self._splice, self._overwrite)
        )
        return change(bytearray(data))

    # --- the bytes ----------------------------------------------------------------------------

    def _place(self, data: bytearray) -> int:
        return self._dice.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> bytes:
        for _ in range(self._dice.randint(1, 4)):
            if data:
                data[self._dice.randrange(len(data))] ^= 1 << self._dice.randrange(8)
        return bytes(data)

    def _cut(self, data: bytearray) -> bytes:
        at = self._place(data)
        if self._dice.random() < 0.5:
            return bytes(data[:at])
        return bytes(data[:at] + data[at + self._dice.randint(1, 16) :])

    def _insert(self, data: bytearray) -> bytes:
        at = self._place(data)
        return bytes(data[:at]) + self._dice.choice(INTERESTING) + bytes(data[at:])

    def _repeat(self, data: bytearray) -> bytes:
        at = self._place(data)
        part = bytes(data[at : at + self._dice.randint(1, 40)])
        return bytes(data[:at]) + part * self._dice.choice((2, 3, 50)) + bytes(data[at:])

    def _splice(self, data: bytearray) -> bytes:
        other = self._dice.choice(self._seeds)
        return bytes(data[: self._place(data)]) + other[self._place(bytearray(other)) :]

    def _overwrite(self, data: bytearray) -> bytes:
        at, new = self._place(data), self._dice.choice(INTERESTING)
        return bytes(data[:at]) + new + bytes(data[at + len(new) :])

    def _json_text(self, data: bytes) -> bytes:
        """What no JSON writer would write: odd numbers, keys twice, deep nesting, big zeros."""
        way = self._dice.randrange(4)
        if way == 0:
            return self._odd_number(data)
        if way == 1:
            return data.replace(b'{"', b'{"' + self._a_key(data) + b'":null,"', 1)
        depth = self._dice.choice((10, 40, DEEP))
        if way == 2:
            return b"[" * depth + data + b"]" * depth
        return b'{"a":' * depth + data + b"}" * depth

    def _odd_number(self, data: bytes) -> bytes:
        digits = [i for i, byte in enumerate(data) if 0x30 <= byte <= 0x39]
        if not digits:
            return data
        start = end = self._dice.choice(digits)
        while end < len(data) and data[end : end + 1] in b"0123456789.eE+-":
            end += 1
        return data[:start] + self._dice.choice(RAW_NUMBERS) + data[end:]

    @staticmethod
    def _a_key(data: bytes) -> bytes:
        return data.partition(b'{"')[2].partition(b'"')[0][:100]

    # --- the document -------------------------------------------------------------------------

    def _structure(self, data: bytes) -> bytes | None:
        """The document with some parts changed; None if it is none."""
        head, document, write = self._read(data)
        if write is None:
            return None
        changed = self._change(document, self._dice.randint(1, 3))
        try:
            return head + write(changed)
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None

    @staticmethod
    def _read(data: bytes) -> tuple[bytes, Any, Callable[[Any], bytes] | None]:
        """What stands before the document, the document, and how to write it."""
        try:
            return b"", json.loads(data), _to_json
        except (ValueError, RecursionError):
            pass
        topic, zero, rest = data.partition(b"\0")
        whole = ((topic + zero, rest),) if zero and len(topic) < 100 else ()
        for head, body in (*whole, (b"", data)):
            try:
                return head, msgpack.unpackb(body, strict_map_key=False), _to_msgpack
            except Exception:  # noqa: BLE001, S112 - whatever msgpack says, it is no document
                continue
        return b"", None, None

    def _change(self, value: Any, times: int) -> Any:
        for _ in range(times):
            value = self._changed(value)
        return value

    def _changed(self, value: Any) -> Any:
        """Walk down at random and change what is there."""
        if isinstance(value, dict) and value and self._dice.random() < 0.9:
            return self._changed_dict(dict(value))
        if isinstance(value, list) and value and self._dice.random() < 0.9:
            return self._changed_list(list(value))
        return self._leaf(value)

    def _changed_dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        key = self._dice.choice(list(value))
        way = self._dice.random()
        if way < 0.1:
            del value[key]
        elif way < 0.15:
            value[self._dice.choice(("", "x" * 300, "id", "result"))] = value.pop(key)
        else:
            value[key] = self._changed(value[key])
        return value

    def _changed_list(self, value: list[Any]) -> list[Any]:
        at = self._dice.randrange(len(value))
        way = self._dice.random()
        if way < 0.1:
            del value[at]
        elif way < 0.2:
            value.insert(at, value[at])
        elif way < 0.25:
            value = value * self._dice.choice((2, 20))
        else:
            value[at] = self._changed(value[at])
        return value

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            near = (
                value + 1,
                -value,
                value * 10,
                str(value),
                value / 2 if abs(value) < 1e300 else 0,
            )
            return self._dice.choice((*near, *NUMBERS))
        if isinstance(value, str) and self._dice.random() < 0.5:
            return self._dice.choice((value * 2, value[:-1], value + "\0", value.swapcase()))
        return self._dice.choice(LEAVES)


def _to_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _to_msgpack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, unicode_errors="surrogatepass"))
