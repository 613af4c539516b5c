"""Whether the engine has started, lives and is ready: what probes are told, and what they are told it of.

condition     the phase of the engine, and what keeps it from being started, alive or ready, in plain words
outages       which failures of an outage are worth a line of the log
store_checks  each store is asked every few seconds, by a thread of its own
"""

__all__ = ["condition", "outages", "store_checks"]
