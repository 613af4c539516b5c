"""With what settings the usage store asks ClickHouse, and why."""

import os

# ClickHouse writes the token of a deduplicated insert before the block: killed in between, it remembers a block
# that was never stored, and drops the retry in silence. The sorting key collapses every retry by itself.
# The gateway batches already, and no event is twice in a batch: collapsing within it would cost a third more.
INSERT_SETTINGS = {"insert_deduplicate": 0, "async_insert": 0, "optimize_on_insert": 0}
# A read of a period is served by the sorting key: looking at the index of stamps as well would cost time.
READ_SETTINGS = {"do_not_merge_across_partitions_select_final": 1, "use_skip_indexes": 0}
# What an embedded read spills to the disk could be lost in silence (engine.usage.store.write_watch): it has memory, or is
# refused. Looks through the log may need more, and are confirmed; but not what is stored of a read: rows that were computed
# from what was lost would be whole on the disk, and stand although their statement is refused.
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
