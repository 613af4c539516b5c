"""Whether the embedded store wrote what it said it wrote.

chDB has taken out the line of ClickHouse that raises when the operating system refuses a write (a full disk, a
broken one): the part is committed all the same, with less in its files than they should hold, and nothing is left of
the error but a count, WriteBufferFromFileDescriptorWriteFailed. A ClickHouse server raises.

Rules:
1. A statement that writes is confirmed by that count: if it rose since before the statement, the statement may have
   stored nothing. Whose write it was can't be told, so whoever ran meanwhile is refused, and asks again.
2. Merges write too, and replace parts that were whole. So when the count rose, the tables are loaded anew:
   ClickHouse then holds each part against its checksums, puts broken ones aside, and takes the parts that they were
   merged from, which it keeps for a minute (parts.xml). Somebody must look more often than that.
3. While tables are loaded anew they are not there: who asks for them then waits, and what has asked already is
   refused, and asks again. Should it fail, nobody is answered until it is done: what a refused statement left behind
   could be counted first, and be gone afterwards.
4. The list of rows to delete is a file too. One that was cut off would keep its table from being loaded for ever, and
   goes: the statement was refused, or broke off with its process, and is to be made again.
5. A broken merge whose sources stand again is thrown away, for the disk is likely full. Any other part that was put
   aside stays in the store's directory, and in the log.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from engine.errors import StartupError, StoreUnavailableError
from engine.metrics import METRICS
from engine.usage.store.query import number

_log = structlog.get_logger(__name__)
_RETRY_AFTER_MS = 1_000
# Definitions of tables are a few KB each.
_ROOM_BYTES = 4 << 20

_FAILED_WRITES = "SELECT value FROM system.events WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'"
_OURS = "database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')"
_TABLES = f"SELECT database, name FROM system.tables WHERE {_OURS} AND engine LIKE '%MergeTree'"  # noqa: S608 - own names
_ASIDE = "SELECT database, table, name FROM system.detached_parts WHERE reason = 'broken-on-start'"
# Merges that are aside while what they were made from stands.
_REPLACED = (
    "SELECT DISTINCT aside.database, aside.table, aside.name FROM system.detached_parts AS aside "
    "INNER JOIN system.parts AS part ON part.database = aside.database AND part.table = aside.table "
    "AND part.partition_id = aside.partition_id WHERE aside.reason = 'broken-on-start' AND aside.level > 0 "
    "AND part.active AND part.min_block_number >= aside.min_block_number "
    "AND part.max_block_number <= aside.max_block_number"
)

Rows = Callable[[str], Sequence[Sequence[object]]]


class WriteWatch:
    """Watches the writes of this process. Thread-safe; `run` runs a statement and `rows` a query, on a connection that
    nobody else uses, to the store in this directory. Make it before the first statement that is to be confirmed.
    """

    def __init__(self, path: Path, run: Callable[[str], object], rows: Rows) -> None:
        self._path = path
        self._run = run
        self._rows = rows
        self._lock = threading.Lock()
        self._failed = self._mended = self._count()
        # A table that a look left out is in no list any more.
        self._tables: set[tuple[str, ...]] = set()

    @contextlib.contextmanager
    def confirmed(self) -> Iterator[None]:
        """What is run inside has written what it was to write.

        Raises:
            StoreUnavailableError: perhaps not, or not all of it.
        """
        before = self._settled()
        try:
            yield
        except Exception:
            # What it left behind is read from now on.
            self.look()
            raise
        if self.look() != before:
            raise StoreUnavailableError(
                "the usage store could not write to its disk: is it full?", retry_after_ms=_RETRY_AFTER_MS
            )

    def confirming(self, run: Callable[[str], object]) -> Callable[[str], object]:
        """`run`, each statement confirmed by itself."""

        def confirmed(sql: str) -> object:
            with self.confirmed():
                return run(sql)

        return confirmed

    @contextlib.contextmanager
    def answered(self) -> Iterator[None]:
        """What is read inside is not part of what a failed write left behind.

        Raises:
            StoreUnavailableError: that is not mended yet, or what the read inside raises.
        """
        self._settled()
        try:
            yield
        except StoreUnavailableError:
            # It may have met what a failed write broke, and should not have to wait for the next look.
            self.look()
            raise

    def _settled(self) -> int:
        """How many writes had failed at the last look; waits until what they broke is mended.

        Raises:
            StoreUnavailableError: it is not mended yet.
        """
        # In this order: a look notes first what failed, and last that it is mended.
        mended = self._mended
        return mended if mended == self._failed else self.look()

    def next_pass(self) -> None:
        """One look, for a loop of upkeep."""
        self.look()

    def look(self) -> int:
        """How many writes have failed so far; returns when what they broke is mended.

        Raises:
            StoreUnavailableError: it is not mended yet; look again.
        """
        with self._lock, _answering():
            failed = self._count()
            if failed != self._failed:
                METRICS.failed_disk_writes.inc(failed - self._failed)
                self._failed = failed
            if failed != self._mended:
                broken = self._load_anew()
                # What failed since then is for the next look.
                self._mended = failed
                for name, is_replaced in broken:
                    _log.error("a failed write broke a part", part=name, sources_stand=is_replaced)
            return failed

    def _count(self) -> int:
        rows = self._rows(_FAILED_WRITES)
        return number(rows[0][0]) if rows else 0

    def _load_anew(self) -> list[tuple[str, bool]]:
        """The parts that were put aside, and whether what they were merged from stands again."""
        self._tables |= self._names(_TABLES)
        before = self._names(_ASIDE)
        _drop_cut_off_deletions(self._path)
        for database, table in sorted(self._tables):
            self._run(f"DETACH TABLE IF EXISTS `{database}`.`{table}` SYNC")
            self._run(f"ATTACH TABLE IF NOT EXISTS `{database}`.`{table}`")
        replaced = self._names(_REPLACED)
        broken = sorted(self._names(_ASIDE) - before)
        for database, table, part in replaced.intersection(broken):
            self._run(
                f"ALTER TABLE `{database}`.`{table}` DROP DETACHED PART '{part}' SETTINGS allow_drop_detached = 1"
            )
        return [(f"{table}/{part}", (database, table, part) in replaced) for database, table, part in broken]

    def _names(self, sql: str) -> set[tuple[str, ...]]:
        return {tuple(map(str, names)) for names in self._rows(sql)}


def check_disk(path: Path) -> None:
    """Before a store is opened: that what it needs to start can be written to this directory, and that all its definitions
    were.

    Raises:
        OSError: there is no room for them.
        StartupError: a definition is lost.
    """
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as file:
        os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
    for definition in (*path.glob("metadata/*.sql"), *path.glob("store/*/*/*.sql")):
        if definition.stat().st_size == 0:
            raise StartupError(
                f"{definition}: is empty: a write to it failed, as on a full disk. Restore the directory from a backup"
            )
    _drop_cut_off_deletions(path)


def _drop_cut_off_deletions(path: Path) -> None:
    """Of the store in this directory: rule 4."""
    for entry in path.glob("store/*/*/mutation_*.txt"):
        text = entry.read_bytes()
        # The line that says what to delete comes last.
        if b"\ncommands: " not in text or not text.endswith(b"\n"):
            _log.warning("a deletion was cut off, and is to be made again", entry=str(entry))
            entry.unlink(missing_ok=True)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except StoreUnavailableError:
        raise
    except Exception as error:
        # Whatever it was, tables may not be back: nobody is answered before they are.
        raise StoreUnavailableError(
            f"the usage store could not write to its disk, and is not mended yet: {error}",
            retry_after_ms=_RETRY_AFTER_MS,
        ) from error
