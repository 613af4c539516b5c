"""How the parts of the log of events are compressed and merged: what an event costs after its insert.

Rules:
1. An event is written about three times, by its insert and by merges into ever larger parts, and only what the
   last of them wrote stays. So small parts are LZ4, which costs less to write and to read again, and a merge that
   makes 32 MiB or more writes ZSTD, half as large. At level 2, which is a tenth smaller than 1 and costs no more here; at 3
   ids are larger again.
2. ClickHouse takes such a rule by size from its configuration alone: `parts.xml` here for the embedded one. A
   server's configuration is its operator's, so there the columns themselves name ZSTD.
3. Merges read the sorting key and the rank of all rows first, and carry the other columns over by column
   afterwards, however few rows or columns there are: by row it costs a tenth more.
4. What was merged is kept for a minute, for a merge whose writes failed (engine.usage.store.write_watch); and however much
   such merges broke, the store opens without it: only what replaced whole parts is ever that large.
"""

import re
from collections.abc import Iterator
from pathlib import Path

EMBEDDED_CODEC = "Default"
SERVER_CODEC = "ZSTD(2)"
EMBEDDED_OPTIONS = {"config-file": str(Path(__file__).with_name("parts.xml"))}

_MERGE_SETTINGS = (
    "vertical_merge_algorithm_min_rows_to_activate = 1",
    "vertical_merge_algorithm_min_columns_to_activate = 1",
)
MERGE_SETTINGS = ", ".join(_MERGE_SETTINGS)
_SERVER_CODED = re.compile(r"`(\w+)` [^`]+? CODEC\(((?:Delta\(8\), )?)ZSTD\(1\)\)")


def part_statements(table: str, definition: str) -> Iterator[str]:
    """What brings an embedded table with this definition to these rules; parts that are there stay as they are."""
    columns = _SERVER_CODED.findall(definition)
    if columns:
        changes = (f"MODIFY COLUMN {name} CODEC({first}{EMBEDDED_CODEC})" for name, first in columns)
        yield f"ALTER TABLE {table} {', '.join(changes)}"
    if not all(setting in definition for setting in _MERGE_SETTINGS):
        yield f"ALTER TABLE {table} MODIFY SETTING {MERGE_SETTINGS}"
