"""Tables on disk: rows as Arrow batches, the open period as a stream, finished files as Parquet.

A Parquet file can be read only once it is finished, so the open period is an Arrow stream: every
flush is whole on disk, and of a recorder that was killed nothing is lost that was flushed. Rotation
makes Parquet of the stream; so does the next start with what a killed recorder left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import ConfigError
from services.recorder.families import FAMILIES, Family, Row
from services.recorder.naming import FINISHED, MAKING, OPEN, OwnFile, family_of

GROUP_ROWS = 65_536
READ_ROWS = 16_384
TYPES = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "binary": pa.binary(),
    "list<double>": pa.list_(pa.float64()),
}
SCHEMA_VERSION = b"1"


def schema_of(family: Family) -> pa.Schema:
    fields = [pa.field(column.name, TYPES[column.kind]) for column in family.columns]
    marks = {b"crossdesk.schema": SCHEMA_VERSION, b"crossdesk.family": family.name.encode()}
    return pa.schema(fields, metadata=marks)


SCHEMAS = {name: schema_of(family) for name, family in FAMILIES.items()}


class OpenTable:
    """The open period of one family. OSError when the disk has had enough."""

    def __init__(self, directory: Path, family: str, stem: str) -> None:
        self.path = directory / f"{stem}{OPEN}"
        self._schema = SCHEMAS[family]
        self._sink = pa.OSFile(str(self.path), "wb")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_stream(self._sink, self._schema, options=options)

    @property
    def size(self) -> int:
        return int(self._sink.tell())

    def append(self, rows: list[Row]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._sink.close()


def finish(path: Path) -> Path | None:
    """Make a Parquet file of an open period and remove the latter. None: it had no whole rows.

    The file appears under its name once it is whole and synced.
    """
    base = str(path).removesuffix(OPEN)
    made, finished = Path(base + MAKING), Path(base + FINISHED)
    with pa.OSFile(str(path), "rb") as source:
        rows = _write_parquet(_groups(_batches(source)), made)
    if rows:
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.rename(finished)
    path.unlink()
    return finished if rows else None


def _write_parquet(tables: Iterator[pa.Table], path: Path) -> int:
    """How many rows; without any there is no file."""
    first = next(tables, None)
    if first is None:
        return 0
    rows = int(first.num_rows)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
            rows += int(table.num_rows)
    return rows


def _batches(source: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """The whole batches of an open period; what stands behind the first torn one is left out."""
    try:
        reader = pa.ipc.open_stream(source)
        while True:
            yield reader.read_next_batch()
    except (StopIteration, pa.ArrowInvalid, OSError):
        return


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches put together to row groups of a useful size."""
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        if rows >= GROUP_ROWS:
            yield pa.Table.from_batches(gathered)
            gathered, rows = [], 0
    if gathered:
        yield pa.Table.from_batches(gathered)


def own_files(directory: Path) -> list[OwnFile]:
    return [
        OwnFile(entry.name, entry.stat().st_size)
        for entry in os.scandir(directory)
        if entry.is_file(follow_symlinks=False) and family_of(entry.name)
    ]


def leftovers(directory: Path) -> tuple[list[Path], list[Path]]:
    """What a killed recorder left: open periods, and files that were being made."""
    names = [file.name for file in own_files(directory)]
    periods = sorted(directory / name for name in names if name.endswith(OPEN))
    halves = [directory / name for name in names if name.endswith(MAKING)]
    return periods, halves


# --- reading ---------------------------------------------------------------------------------


def read_rows(path: Path) -> tuple[Family, Iterator[Mapping[str, Any]]]:
    """The family of a recorded file, and its rows in the order they were recorded.

    Raises:
        ConfigError: it is not a recording of ours; names the file.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise ConfigError(str(path), "", "there is no such file") from None
    except (OSError, pa.ArrowInvalid) as error:
        text = str(error).partition("\n")[0].rstrip(".")[:100]
        raise ConfigError(
            str(path), "", f"is not a Parquet file that can be read: {text}"
        ) from None
    marks = file.schema_arrow.metadata or {}
    family = FAMILIES.get(marks.get(b"crossdesk.family", b"").decode("utf-8", "replace"))
    if family is None:
        raise ConfigError(str(path), "", "is a Parquet file, but not one of a recorder")
    return family, _rows(path, file)


def _rows(path: Path, file: pq.ParquetFile) -> Iterator[Mapping[str, Any]]:
    try:
        for batch in file.iter_batches(READ_ROWS):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        text = str(error).partition("\n")[0][:100]
        raise ConfigError(str(path), "", f"is damaged: {text}") from None
