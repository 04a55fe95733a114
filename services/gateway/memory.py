"""What outlives a gateway: the curves of the account page and the fills, in one SQLite file.

`<run dir>/state/gateway.sqlite`, bounded as in memory: points of a quarter of an hour by second and
of a day by minute, and the newest fills. A batch is written whole or not at all; a file that cannot
be read is set aside and a new one begun, since nothing but pictures of the past hangs on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from common import codec, messages as m
from common.errors import BadMessage
from services.gateway.accounts import MAX_FILLS
from services.gateway.events import Remember
from services.gateway.history import KEPT_NS, SLOT_NS, Curve, Frame, Remembered, Values

NAME = "gateway.sqlite"
VERSION = 1
BUSY_S = 5.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS points (
    resolution TEXT, slot INTEGER, at_ns INTEGER, body BLOB, PRIMARY KEY (resolution, slot));
CREATE TABLE IF NOT EXISTS fills (
    venue TEXT, account TEXT, exec_id TEXT, filled_ns INTEGER, body BLOB,
    PRIMARY KEY (venue, account, exec_id));
"""
BROKEN = (sqlite3.Error, BadMessage, msgspec.DecodeError, ValueError, TypeError)
_points = msgspec.json.Decoder(list[tuple[list[str], dict[str, float | None]]])


class Unreadable(Exception):
    """The file is not ours, or damaged."""


class Memory:
    """The file. Any thread, one call at a time.

    Raises:
        Unreadable: it is not a file of ours.
        OSError, sqlite3.Error: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = sqlite3.connect(path, BUSY_S, check_same_thread=False)
        try:
            (version,) = self._file.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise Unreadable(f"version {version}")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.executescript(SCHEMA)
            self._file.execute(f"PRAGMA user_version={VERSION}")
        except (sqlite3.OperationalError, Unreadable):  # locked, no room: not the file's fault
            self._file.close()
            raise
        except sqlite3.DatabaseError as error:
            self._file.close()
            raise Unreadable(str(error)) from None

    def close(self) -> None:
        self._file.close()

    def read(self, now_ns: int) -> Remembered:
        """All that is young enough.

        Raises:
            Unreadable: something in it is damaged; the file is closed.
        """
        try:
            frames = {name: self._frames(name, now_ns) for name in KEPT_NS}
            return Remembered(frames, self._fills())
        except BROKEN as error:
            self.close()
            raise Unreadable(str(error)) from None

    def write(self, batch: Sequence[Remember]) -> None:
        """All of these, or none; what is older than is kept goes.

        Raises:
            sqlite3.Error
        """
        with self._file:
            for each in batch:
                self._write_point(each)
                self._write_fills(each.fills)
            if batch:
                self._prune(batch[-1].at_ns, any(each.fills for each in batch))

    def forget(self, venues: Iterable[str]) -> None:
        """Nothing of these venues is true any more.

        Raises:
            Unreadable: something in it is damaged, or it cannot be written; the file is closed.
        """
        try:
            with self._file:
                self._forget(set(venues))
        except BROKEN as error:
            self.close()
            raise Unreadable(str(error)) from None

    def _forget(self, gone: set[str]) -> None:
        for resolution, slot, body in self._file.execute(
            "SELECT resolution, slot, body FROM points"
        ).fetchall():
            kept = {curve: x for curve, x in _decode(body).items() if curve[1] not in gone}
            self._file.execute(
                "UPDATE points SET body = ? WHERE resolution = ? AND slot = ?",
                (_encode(kept), resolution, slot),
            )
        for venue in gone:
            self._file.execute("DELETE FROM fills WHERE venue = ?", (venue,))

    def _frames(self, resolution: str, now_ns: int) -> list[Frame]:
        rows = self._file.execute(
            "SELECT at_ns, body FROM points WHERE resolution = ? AND at_ns > ? AND at_ns <= ?"
            " ORDER BY at_ns",
            (resolution, now_ns - KEPT_NS[resolution], now_ns),
        )
        frames = [(at_ns, _decode(body)) for at_ns, body in rows]
        return [frame for frame in frames if frame[1]]

    def _fills(self) -> list[m.Fill]:
        rows = self._file.execute("SELECT body FROM fills ORDER BY filled_ns")
        messages = [codec.decode(body)[1].message for (body,) in rows]
        return [message for message in messages if isinstance(message, m.Fill)]

    def _write_point(self, point: Remember) -> None:
        if not point.values:
            return
        body = _encode(point.values)
        rows = [(name, point.at_ns // slot, point.at_ns, body) for name, slot in SLOT_NS.items()]
        self._file.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", rows)

    def _write_fills(self, fills: list[m.Fill]) -> None:
        rows = [(x.venue, x.account, x.exec_id, x.filled_ns, _encode_fill(x)) for x in fills]
        self._file.executemany("INSERT OR REPLACE INTO fills VALUES (?, ?, ?, ?, ?)", rows)

    def _prune(self, now_ns: int, has_fills: bool) -> None:
        for name, kept_ns in KEPT_NS.items():
            self._file.execute(
                "DELETE FROM points WHERE resolution = ? AND (at_ns <= ? OR at_ns > ?)",
                (name, now_ns - kept_ns, now_ns),
            )
        if has_fills:
            self._file.execute(
                "DELETE FROM fills WHERE rowid NOT IN"
                " (SELECT rowid FROM fills ORDER BY filled_ns DESC LIMIT ?)",
                (MAX_FILLS,),
            )


def set_aside(path: Path) -> Path:
    """Make room for a new file; returns where the damaged one went."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return path.replace(path.with_suffix(f"{path.suffix}.damaged"))


def _encode(values: Mapping[Curve, Values]) -> bytes:
    return msgspec.json.encode([(tuple(curve), fields) for curve, fields in values.items()])


def _decode(body: bytes) -> dict[Curve, Values]:
    return {Curve.read(words): fields for words, fields in _points.decode(body)}


def _encode_fill(fill: m.Fill) -> bytes:
    return codec.encode("fill", fill, publisher_start_ns=0, sequence=0, sent_ns=0)
