"""Request bytes in, columns out: the one way in for every kind of request."""

from collections.abc import Sequence

from ingest.arrow_columns import decode_columns
from ingest.decoded import Decoded, RequestKind
from ingest.limits import Limits
from ingest.wire import decode_messages


def decode(kind: RequestKind, payloads: Sequence[bytes], limits: Limits) -> Decoded:
    """Never fails: what can't be read is in `mistakes`.

    Of COLUMNS it takes one request at a time: one is as large as many of the others together.
    """
    if kind is RequestKind.COLUMNS:
        (payload,) = payloads
        return decode_columns(payload, limits)
    return decode_messages(kind, payloads)
