"""Admission of events: pure, no I/O. Wire messages in; events, verdicts and batches out."""

from ingest.admission import Admission
from ingest.batch import EventBatch, Sink, partition_batches
from ingest.event import QUANTITY_PATTERN, Event, Problem, Reason, Verdict, is_quantity
from ingest.identity import HotWindow, Outcome
from ingest.limits import Limits
from ingest.watermark import IngestClock

__all__ = [
    "QUANTITY_PATTERN",
    "Admission",
    "Event",
    "EventBatch",
    "HotWindow",
    "IngestClock",
    "Limits",
    "Outcome",
    "Problem",
    "Reason",
    "Sink",
    "Verdict",
    "is_quantity",
    "partition_batches",
]
