"""What an acknowledged event survives: the death of the process, or also that of the machine's power.

    process   ClickHouse and the gateway may be killed at any moment: what they wrote is with the operating system.
    power     It is on the disk before the acknowledgement: each file of an insert, and the directories that name it.

Rules:
1. The choice is a setting of each table, so it also holds for merges, which replace files that were safe by new
   ones, and for whatever else writes to the table.
2. Every start sets or resets it: a directory or database may be opened in one mode today, and the other tomorrow.
3. Tables that say so themselves when they are made (ON_DISK) are always on the disk.
4. A table that the other mode left alone isn't touched: an operator's own settings stay, unless power is asked for.
"""

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

# Seen with strace: fsync_after_insert syncs every file of a new part; fsync_part_directory the part's directory before
# and after it gets its name, and the table's directory, which holds that name; the third one the files of a merge.
_POWER_SETTINGS = ("fsync_after_insert", "fsync_part_directory", "min_rows_to_fsync_after_merge")

# For tables that are small beside the events, and must not say more than what is left of them.
_ON_DISK_COMMENT = "on the disk in every mode"
ON_DISK = f"{', '.join(f'{setting} = 1' for setting in _POWER_SETTINGS)} COMMENT '{_ON_DISK_COMMENT}'"


class Durability(enum.StrEnum):
    """What an acknowledgement promises."""

    PROCESS = "process"
    POWER = "power"


# Name and definition of each table that holds rows.
_TABLES_SQL = (
    "SELECT name, create_table_query FROM system.tables "
    "WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"
)


def statements(durability: Durability, tables: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What brings tables, given as name and definition, from whatever mode they are in to this one."""
    for name, definition in tables:
        is_set = [setting for setting in _POWER_SETTINGS if re.search(rf"\b{setting} = 1\b", definition)]
        if _ON_DISK_COMMENT in definition:
            continue
        if durability is Durability.POWER and len(is_set) < len(_POWER_SETTINGS):
            yield f"ALTER TABLE {name} MODIFY SETTING {', '.join(f'{each} = 1' for each in _POWER_SETTINGS)}"
        # Only what this mode itself has set: all of it.
        if durability is Durability.PROCESS and len(is_set) == len(_POWER_SETTINGS):
            yield f"ALTER TABLE {name} RESET SETTING {', '.join(_POWER_SETTINGS)}"


def set_durability(
    run: Callable[[str], object], rows: Callable[[str], Sequence[Sequence[object]]], durability: Durability
) -> None:
    """Brings the default database to this mode; `run` runs a statement, `rows` a query."""
    tables = [(str(name), str(definition)) for name, definition in rows(_TABLES_SQL)]
    for statement in statements(durability, tables):
        run(statement)
