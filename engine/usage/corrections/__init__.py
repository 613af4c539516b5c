"""What people and the reconciler decide on events: facts beside the log, never edits of it.

id_states      which of the versions under one id count, and what must be recorded for it: one table, pure
id_history     the histories of ids, read from the log and the facts
voids          one fact, how facts are recorded, and how a gateway hears of them
correction     a correction as it is asked for; corrections plans, tries and records it
settling       what a correction means for the other versions of its ids
reconciler     ids that were used twice are settled: the first stands
correction_list, conflict_list   what was corrected, and what was voided, in pages
"""

__all__ = [
    "conflict_list",
    "correction",
    "correction_list",
    "corrections",
    "reconciler",
    "voids",
]
