"""Admission of events: pure, no I/O. Request bytes in; columns, verdicts and batches out."""

from ingest.admission import Admission, Admitted
from ingest.columns import EVENT_SCHEMA, EventBatch, Sink, partition_batches
from ingest.decoding import decode, decode_parts
from ingest.decoding.sent_events import Decoded, RequestKind, RequestMistake
from ingest.decoding.texts import canonical_texts
from ingest.event import QUANTITY_PATTERN, Problem, Reason, Verdict, is_quantity
from ingest.fingerprint import Fingerprinter, Fingerprints
from ingest.identity import HotWindow, Judged
from ingest.limits import Limits
from ingest.watermark import CEILING_STEP_US, IngestClock, IngestOrder

__all__ = [
    "CEILING_STEP_US",
    "EVENT_SCHEMA",
    "QUANTITY_PATTERN",
    "Admission",
    "Admitted",
    "Decoded",
    "EventBatch",
    "Fingerprinter",
    "Fingerprints",
    "HotWindow",
    "IngestClock",
    "IngestOrder",
    "Judged",
    "Limits",
    "Problem",
    "Reason",
    "RequestKind",
    "RequestMistake",
    "Sink",
    "Verdict",
    "canonical_texts",
    "decode",
    "decode_parts",
    "is_quantity",
    "partition_batches",
]
