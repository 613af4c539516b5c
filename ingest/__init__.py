"""Admission of events: pure, no I/O. Wire messages in; events, verdicts and batches out."""

from ingest.admission import Admission
from ingest.batch import EventBatch, Sink, partition_batches
from ingest.event import (
    QUANTITY_PATTERN,
    Entry,
    Event,
    Problem,
    Reason,
    Refused,
    Verdict,
    is_quantity,
)
from ingest.identity import HotWindow, Outcome
from ingest.limits import Limits
from ingest.watermark import IngestClock

__all__ = [
    "QUANTITY_PATTERN",
    "Admission",
    "Entry",
    "Event",
    "EventBatch",
    "HotWindow",
    "IngestClock",
    "Limits",
    "Outcome",
    "Problem",
    "Reason",
    "Refused",
    "Sink",
    "Verdict",
    "is_quantity",
    "partition_batches",
]
