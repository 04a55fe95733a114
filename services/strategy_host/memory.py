"""What a strategy's host keeps on disk: the fills of its strategy, the parameters that were set at
run time, and how often it started.

The engine tells joiners the fills of a day at most; what is older lives here. At each start the
journal is read, and written anew as one checkpoint, so that it stays short.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from common import messages as m
from common.domain.instrument import Instrument
from common.domain.position import Position
from common.errors import LocalError

EXEC_IDS_KEPT = 20_000


class HeldPosition(m.Message):
    """A Position at a checkpoint; exact numbers as text, since a cost has up to 60 digits."""

    definition: m.InstrumentDefinition
    quantity: str
    cost: str
    realized_pnl: str
    fees: dict[str, str]


class Checkpoint(m.Message):
    """Everything up to here. run: greater at each start, so that request ids never come back."""

    run: int
    fills: int
    positions: list[HeldPosition]
    exec_ids: list[str]
    parameters: dict[str, str] = {}


class FillRecord(m.Message):
    """One own fill; with it the definition of its instrument."""

    fill: m.Fill
    definition: m.InstrumentDefinition


class ParametersRecord(m.Message):
    """The parameters that are set at run time, all of them."""

    parameters: dict[str, str]


Record = Checkpoint | FillRecord | ParametersRecord


class Memory:
    """Positions from own fills, each counted once."""

    def __init__(self) -> None:
        self.run = 0
        self.fills = 0
        self.parameters: dict[str, str] = {}  # set at run time
        self.positions: dict[str, Position] = {}
        self._exec_ids: OrderedDict[str, None] = OrderedDict()

    def add(self, fill: m.Fill, instrument: Instrument) -> bool:
        """False: it was counted before."""
        if fill.exec_id in self._exec_ids:
            return False
        self._exec_ids[fill.exec_id] = None
        while len(self._exec_ids) > EXEC_IDS_KEPT:
            self._exec_ids.popitem(last=False)
        self.positions.setdefault(instrument.name, Position(instrument)).apply(fill)
        self.fills += 1
        return True

    def knows(self, exec_id: str) -> bool:
        return exec_id in self._exec_ids

    def start(self, now_ns: int) -> None:
        """A new run begins; its number is also later than any that a lost file held."""
        self.run = max(self.run + 1, now_ns // 1_000_000)

    def checkpoint(self) -> Checkpoint:
        held = [
            HeldPosition(
                position.instrument.definition,
                str(position.quantity),
                str(position.cost),
                str(position.realized_pnl),
                {currency: str(fee) for currency, fee in position.fees.items()},
            )
            for position in self.positions.values()
        ]
        exec_ids = list(self._exec_ids)
        return Checkpoint(self.run, self.fills, held, exec_ids, self.parameters)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.run, self.fills = checkpoint.run, checkpoint.fills
        self.parameters = checkpoint.parameters
        self._exec_ids = OrderedDict.fromkeys(checkpoint.exec_ids)
        self.positions = {}
        for held in checkpoint.positions:
            position = Position(Instrument(held.definition))
            position.quantity, position.cost = Decimal(held.quantity), Decimal(held.cost)
            position.realized_pnl = Decimal(held.realized_pnl)
            position.fees = {currency: Decimal(fee) for currency, fee in held.fees.items()}
            self.positions[position.instrument.name] = position

    def replay(self, records: Iterable[Record]) -> Memory:
        for record in records:
            if isinstance(record, Checkpoint):
                self._restore(record)
            elif isinstance(record, ParametersRecord):
                self.parameters = record.parameters
            else:
                self.add(record.fill, Instrument(record.definition))
        return self


def _decode_exact(kind: type, value: Any) -> Any:
    if kind is m.Exact:
        return m.Exact(value)
    raise NotImplementedError(f"no decoder for {kind}")


_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record, dec_hook=_decode_exact)


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def decode(payloads: Iterable[bytes]) -> list[Record]:
    """Raises LocalError: a record with a right checksum that this build cannot read."""
    try:
        return [_decoder.decode(payload) for payload in payloads]
    except (msgspec.DecodeError, ArithmeticError) as error:
        raise LocalError(f"the strategy's journal cannot be read: {error}") from None
