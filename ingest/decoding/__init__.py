"""Request bytes in, columns out: the one way in for every kind of request.

wire             requests of messages; arrow_columns those of columns, after arrow_stream and arrow_schema
texts            the canonical text of a value
sent_events      what comes out, whichever way the events were written
"""

from collections.abc import Sequence

from ingest.decoding.arrow_columns import decode_columns
from ingest.decoding.sent_events import Decoded, RequestKind
from ingest.decoding.wire import decode_messages
from ingest.limits import Limits


def decode(kind: RequestKind, payloads: Sequence[bytes], limits: Limits) -> Decoded:
    """Never fails: what can't be read is in `mistakes`.

    Of COLUMNS it takes one request at a time: one is as large as many of the others together.
    """
    if kind is RequestKind.COLUMNS:
        (payload,) = payloads
        return decode_columns(payload, limits)
    return decode_messages(kind, payloads)
