"""An insert into the embedded store by way of memory: the driver's own way is a temporary file, written and removed.

Rules:
1. ClickHouse reads the rows from a file of the process that has no name and no disk (memfd, of Linux). Where there
   is none, the rows go the driver's way.
2. The file is made once and written over, one insert at a time, so that its pages are there already; it has no
   more of them than the last insert needed.
3. What ClickHouse was asked to read is whole before it is asked.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

# Where ClickHouse, in this process, finds it by its number.
_FILES = "/proc/self/fd"


class Client(Protocol):
    """Of the driver's client what an insert needs."""

    def command(self, cmd: str, /) -> object: ...

    def insert_arrow(self, table: str, arrow_table: pa.Table, /, *, settings: dict[str, int]) -> object: ...


class EmbeddedInsert:
    """Inserts of one client, which is embedded."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._file: int | None = None
        if hasattr(os, "memfd_create") and Path(_FILES).is_dir():
            self._file = os.memfd_create("meterline-insert")

    def close(self) -> None:
        """Once is enough: its number may be another file's by then."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def insert(self, table: str, rows: pa.Table, settings: Mapping[str, int]) -> None:
        """Returns when they are stored; raises what the driver raises."""
        if self._file is None:
            self._client.insert_arrow(table, rows, settings=dict(settings))
            return
        self._write(self._file, rows)
        columns = ", ".join(rows.schema.names)
        clause = ", ".join(f"{name} = {value:d}" for name, value in settings.items())
        self._client.command(
            f"INSERT INTO {table} ({columns}) FROM INFILE '{_FILES}/{self._file}' SETTINGS {clause} FORMAT Arrow"
        )

    @staticmethod
    def _write(file: int, rows: pa.Table) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        # Buffered, as only that writes on where the system took a part of it.
        with open(file, "wb", closefd=False) as buffered, pa.PythonFile(buffered, mode="w") as sink:
            with pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)
            written = sink.tell()
        os.ftruncate(file, written)
