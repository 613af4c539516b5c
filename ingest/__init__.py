"""Admission of events: pure, no I/O. Request bytes in; columns, verdicts and batches out."""

from ingest.admission import Admission, Admitted
from ingest.batch import EventBatch, Sink, partition_batches
from ingest.columns import EVENT_SCHEMA
from ingest.event import QUANTITY_PATTERN, Problem, Reason, Verdict, is_quantity
from ingest.fingerprint import Fingerprinter, Fingerprints
from ingest.identity import ID_REUSED, HotWindow
from ingest.limits import Limits
from ingest.watermark import IngestClock, IngestOrder
from ingest.wire import RequestKind, decode

__all__ = [
    "EVENT_SCHEMA",
    "ID_REUSED",
    "QUANTITY_PATTERN",
    "Admission",
    "Admitted",
    "EventBatch",
    "Fingerprinter",
    "Fingerprints",
    "HotWindow",
    "IngestClock",
    "IngestOrder",
    "Limits",
    "Problem",
    "Reason",
    "RequestKind",
    "Sink",
    "Verdict",
    "decode",
    "is_quantity",
    "partition_batches",
]
