"""Families: the tables that messages are recorded in, a row a message, and rows read as messages.

The columns follow from the message classes, so that a field appended there is recorded without a
change here: numbers of the market are doubles, exact numbers their decimal text, enums their text,
sides of a book flat lists of doubles, anything nested JSON text. A list message (an OrderSnapshot)
becomes a row for each element, in the family of the element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from common import messages as m
from common.core import BusMessage
from common.errors import BadMessage

LOST = "lost"  # kind of a row that says that messages of its topic are missing


class Column(NamedTuple):
    """kind: int64, double, bool, string, binary or list<double>."""

    name: str
    kind: str


HEADER = (
    Column("recorded_ns", "int64"),
    Column("topic", "string"),
    Column("publisher_start_ns", "int64"),
    Column("sequence", "int64"),
    Column("venue_sequence", "int64"),
    Column("venue_time_ns", "int64"),
    Column("received_ns", "int64"),
    Column("sent_ns", "int64"),
    Column("kind", "string"),
    Column("reason", "string"),
)
EXTRA = {"instruments": (Column("part", "int64"), Column("parts", "int64"))}
RENAMED: dict[tuple[type[m.Message], str], str] = {
    (m.InstrumentDefinition, "kind"): "instrument_kind"
}

MESSAGES: dict[str, tuple[type[m.Message], ...]] = {
    "books": (m.BookSnapshot, m.BookDelta, m.BookStale),
    "depth": (m.Depth,),
    "quotes": (m.Quote,),
    "trades": (m.Trade,),
    "tickers": (m.Ticker,),
    "indexes": (m.IndexPrice,),
    "instruments": (m.InstrumentDefinition, m.InstrumentState),
    "orders": (m.OrderUpdated,),
    "fills": (m.Fill,),
    "protections": (m.ProtectionUpdated,),
    "positions": (m.PositionUpdated,),
    "balances": (m.BalanceUpdated,),
    "exposures": (m.Exposure,),
    "inventory": (m.InventoryDelta,),
    "profits": (m.ProfitOfDay,),
    "alerts": (m.Alert, m.RiskAlert, m.PositionDifference),
    "strategies": (m.StrategyState,),
    "health": (m.Health,),
    "frames": (m.RawFrame,),
}
WORDS = {
    "book": "books",
    "depth": "depth",
    "quote": "quotes",
    "trade": "trades",
    "ticker": "tickers",
    "index": "indexes",
    "instrument": "instruments",
    "instruments": "instruments",
    "order": "orders",
    "fill": "fills",
    "protection": "protections",
    "account": "positions",
    "profit": "profits",
    "strategy": "strategies",
    "health": "health",
    "raw": "frames",
    "alert": "alerts",
    "risk": "alerts",
}
"""First word of a topic -> family that says what of it was lost."""

Row = tuple[Any, ...]


class Field(NamedTuple):
    """One field of a message: where it stands, and how to write and read it (None: as it is)."""

    name: str
    column: Column
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any] | None


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _json_reader(hint: Any) -> Callable[[str], Any]:
    def exact(kind: type, value: Any) -> Any:
        return kind(value)

    decoder = msgspec.json.Decoder(hint, dec_hook=exact)
    return decoder.decode


def _field(owner: type[m.Message], name: str, hint: Any, kind: msgspec.inspect.Type) -> Field:
    column = RENAMED.get((owner, name), name)
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next(t for t in kind.types if not isinstance(t, msgspec.inspect.NoneType))
    match kind:
        case msgspec.inspect.IntType():
            return Field(name, Column(column, "int64"), None, None)
        case msgspec.inspect.FloatType():
            return Field(name, Column(column, "double"), None, None)
        case msgspec.inspect.BoolType():
            return Field(name, Column(column, "bool"), None, None)
        case msgspec.inspect.StrType():
            return Field(name, Column(column, "string"), None, None)
        case msgspec.inspect.BytesType():
            return Field(name, Column(column, "binary"), None, None)
        case msgspec.inspect.EnumType(cls=cls) | msgspec.inspect.CustomType(cls=cls):
            return Field(name, Column(column, "string"), str, cls)
        case msgspec.inspect.ListType(item_type=msgspec.inspect.FloatType()):
            return Field(name, Column(column, "list<double>"), None, None)
    return Field(name, Column(column, "string"), _json, _json_reader(hint))


def _fields(owner: type[m.Message]) -> tuple[Field, ...]:
    info = msgspec.inspect.type_info(owner)
    assert isinstance(info, msgspec.inspect.StructType)
    hints = {field.name: field.type for field in msgspec.structs.fields(owner)}
    return tuple(_field(owner, f.name, hints[f.name], f.type) for f in info.fields)


class Family:
    """One table: its columns, and the rows of its messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fields = {kind: _fields(kind) for kind in MESSAGES[name]}
        columns = {column.name: column for column in (*HEADER, *EXTRA.get(name, ()))}
        for fields in self._fields.values():
            for field in fields:
                columns.setdefault(field.column.name, field.column)
        self.columns = tuple(columns.values())
        self._places = {column.name: place for place, column in enumerate(self.columns)}
        self._kinds = {kind.__name__: kind for kind in self._fields}

    def row(
        self, event: BusMessage, message: m.Message, recorded_ns: int, **extra: int | None
    ) -> Row:
        """message: that of the event, or one element of it."""
        row: list[Any] = [None] * len(self.columns)
        places = self._places
        for name, value in extra.items():
            row[places[name]] = value
        for field in self._fields[type(message)]:
            value = getattr(message, field.name)
            if field.write is not None and value is not None:
                value = field.write(value)
            row[places[field.column.name]] = value
        row[: len(HEADER) - 1] = (
            recorded_ns,
            event.topic,
            event.publisher_start_ns,
            event.sequence,
            event.venue_sequence,
            event.venue_time_ns,
            event.received_ns,
            event.sent_ns,
            type(event.message).__name__,
        )
        return tuple(row)

    def lost_row(
        self, topic: str, start_ns: int, sequence: int, reason: str, recorded_ns: int
    ) -> Row:
        """sequence: the last one before the hole."""
        head = recorded_ns, topic, start_ns, sequence, 0, 0, recorded_ns, 0, LOST, reason
        return head + (None,) * (len(self.columns) - len(HEADER))

    def message(self, kind: str, row: Mapping[str, Any]) -> m.Message:
        """The message of a row; of a list message, the element.

        Raises:
            BadMessage: the row is of no message of this family, or one of its values is not.
        """
        owner = self._kinds.get(kind)
        if owner is None:
            raise BadMessage(f"{self.name}: a row of kind {kind!r}")
        values: dict[str, Any] = {}
        try:
            for field in self._fields[owner]:
                value = row.get(field.column.name)
                if value is not None and field.read is not None:
                    value = field.read(value)
                if field.column.name in row:
                    values[field.name] = value
            return owner(**values)
        except (TypeError, ValueError, ArithmeticError, msgspec.DecodeError) as error:
            raise BadMessage(f"{self.name}: a row of kind {kind!r}: {error}") from None


FAMILIES = {name: Family(name) for name in MESSAGES}
FAMILY_OF = {kind: FAMILIES[name] for name, kinds in MESSAGES.items() for kind in kinds}
ELEMENT_KINDS = {
    "InstrumentList": "InstrumentDefinition",
    "OrderSnapshot": "OrderUpdated",
    "FillSnapshot": "Fill",
    "ProtectionSnapshot": "ProtectionUpdated",
}


def rows_of(event: BusMessage, recorded_ns: int) -> Iterator[tuple[str, Row]]:
    """The family and the row, or rows, of one message."""
    message = event.message
    family = FAMILY_OF.get(type(message))
    if family is not None:
        yield family.name, family.row(event, message, recorded_ns)
        return
    extra = {}
    if isinstance(message, m.InstrumentList):
        extra = {"part": message.part, "parts": message.parts}
    for name in message.__struct_fields__:
        elements = getattr(message, name)
        for element in elements if isinstance(elements, list) else ():
            family = FAMILY_OF[type(element)]
            yield family.name, family.row(event, element, recorded_ns, **extra)


def family_of_topic(topic: str) -> Family:
    """The family that a topic's messages, or most of them, are in."""
    return FAMILIES[WORDS.get(topic.partition(".")[0], "alerts")]
