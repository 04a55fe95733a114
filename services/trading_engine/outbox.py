"""What one event decided: gathered while it is handled, handed to the shell in the right order."""

from __future__ import annotations

from common import core as c
from services.trading_engine.records import RAW_LIMIT, Entry, RawRecord, Record

RECORDS_PER_ENTRY = 1000  # one journal record stays far below its greatest size


class Outbox:
    """Cancels first, since they wait for nobody; then the journal record; then all it covers."""

    def __init__(self) -> None:
        self._urgent: list[c.CoreCommand] = []
        self._commands: list[c.CoreCommand] = []
        self._records: list[Record] = []
        self._told = b""
        self.journal_failed = False

    def urgent(self, command: c.CoreCommand) -> None:
        """Not to wait for the disk: cancels and the upkeep of the link."""
        self._urgent.append(command)

    def add(self, command: c.CoreCommand) -> None:
        self._commands.append(command)

    def told(self, frame: bytes) -> None:
        """What the venue said; it is journaled if anything follows from it."""
        self._told = bytes(frame)

    def record(self, record: Record) -> None:
        if self._told:
            self._records.append(RawRecord(self._told[:RAW_LIMIT], len(self._told)))
            self._told = b""
        self._records.append(record)

    def alert(self, level: str, text: str, /, **fields: str) -> None:
        self._commands.append(c.Alert(level, text, fields))

    def flush(self, now_ns: int) -> list[c.CoreCommand]:
        commands, records = self._urgent, self._records
        if not self.journal_failed:
            for start in range(0, len(records), RECORDS_PER_ENTRY):
                part = records[start : start + RECORDS_PER_ENTRY]
                commands.append(c.Journal(Entry(now_ns, part)))
        commands += self._commands
        self._urgent, self._commands, self._records, self._told = [], [], [], b""
        return commands
