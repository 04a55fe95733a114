"""What one event decided: gathered while it is handled, handed to the shell in the right order."""

from __future__ import annotations

from common import core as c
from services.trading_engine.records import Entry, Record


class Outbox:
    """Cancels first, since they wait for nobody; then the journal record; then all it covers."""

    def __init__(self) -> None:
        self._urgent: list[c.CoreCommand] = []
        self._commands: list[c.CoreCommand] = []
        self._records: list[Record] = []
        self.journal_failed = False

    def urgent(self, command: c.CoreCommand) -> None:
        """Not to wait for the disk: cancels and the upkeep of the link."""
        self._urgent.append(command)

    def add(self, command: c.CoreCommand) -> None:
        self._commands.append(command)

    def record(self, record: Record) -> None:
        self._records.append(record)

    def alert(self, level: str, text: str, /, **fields: str) -> None:
        self._commands.append(c.Alert(level, text, fields))

    def flush(self, now_ns: int) -> list[c.CoreCommand]:
        commands = self._urgent
        if self._records and not self.journal_failed:
            commands.append(c.Journal(Entry(now_ns, self._records)))
        commands += self._commands
        self._urgent, self._commands, self._records = [], [], []
        return commands
