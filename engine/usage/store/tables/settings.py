"""With what settings ClickHouse keeps the log's parts and answers our statements, and why.

Of parts, what an event costs after its insert:

1. An event is written about three times, by its insert and by merges into ever larger parts, and only what the
   last of them wrote stays. So small parts are LZ4, which costs less to write and to read again, and a merge that
   makes 32 MiB or more writes ZSTD, half as large. At level 2, which is a tenth smaller than 1 and costs no more here; at 3
   ids are larger again.
2. ClickHouse takes such a rule by size from its configuration alone: `parts.xml` here for the embedded one. A
   server's configuration is its operator's, so there the columns themselves name ZSTD.
3. Merges read the sorting key and the rank of all rows first, and carry the other columns over by column
   afterwards, however few rows or columns there are: by row it costs a tenth more.
4. What was merged is kept for a minute, for a merge whose writes failed (engine.usage.store.backends.write_watch); and
   however much such merges broke, the store opens without it: only what replaced whole parts is ever that large.
"""

import os
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


# ClickHouse writes the token of a deduplicated insert before the block: killed in between, it remembers a block
# that was never stored, and drops the retry in silence. The sorting key collapses every retry by itself.
# The gateway batches already, and no event is twice in a batch: collapsing within it would cost a third more.
INSERT_SETTINGS = {"insert_deduplicate": 0, "async_insert": 0, "optimize_on_insert": 0}
# A read of a period is served by the sorting key: looking at the index of stamps as well would cost time.
READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1, "use_skip_indexes": 0}
# What an embedded read spills to the disk could be lost in silence (engine.usage.store.backends.write_watch): it has
# memory, or is refused. Looks through the log may need more, and are confirmed; but not what is stored of a read: rows
# that were computed from what was lost would be whole on the disk, and stand although their statement is refused.
_SPILLS = [f"max_bytes_ratio_before_external_{what}" for what in ("group_by", "sort", "distinct", "join")]
READ_IN_MEMORY = f"SET {', '.join(f'{spill} = 0' for spill in _SPILLS)}"
MAY_SPILL = dict.fromkeys(_SPILLS, "0.5")
OF_EVERY_REPLICA = {"mutations_sync": 2, "allow_nondeterministic_mutations": 1}


def transform_settings(*, embedded: bool) -> dict[str, int]:
    """Of what is made of the events in the background."""
    # A customer's history may lie in more months than an insert takes by default.
    settings = INSERT_SETTINGS | {"max_partitions_per_insert_block": 0}
    if not embedded:
        return settings
    # Nobody waits for it, and it runs where events come in: half of the machine stays theirs.
    return settings | {"max_threads": max(1, (os.cpu_count() or 1) // 2), "max_insert_threads": 1}
