"""Request bytes in, columns out: the one way in for every kind of request.

wire             requests of messages; arrow_columns those of columns, after arrow_stream and arrow_schema
texts            the canonical text of a value
sent_events      what comes out, whichever way the events were written
"""

from collections.abc import Iterator, Sequence

from ingest.decoding.arrow_columns import decode_columns
from ingest.decoding.sent_events import Decoded, RequestKind
from ingest.decoding.wire import decode_messages
from ingest.limits import Limits


def decode(kind: RequestKind, payloads: Sequence[bytes], limits: Limits) -> Decoded:
    """All requests together. Never fails: what can't be read is in `mistakes`.

    Small requests of COLUMNS can mean large columns: whoever takes those of others uses `decode_parts`.
    """
    if kind is RequestKind.COLUMNS:
        return Decoded.join([decode_columns(payload, limits) for payload in payloads])
    return decode_messages(kind, payloads)


def decode_parts(kind: RequestKind, payloads: Sequence[bytes], limits: Limits) -> Iterator[Decoded]:
    """The same in parts, each made when it is asked for: as many requests, in their order, as have no more events and bytes
    than one insert takes, and at least one.
    """
    if kind is not RequestKind.COLUMNS:
        yield decode_messages(kind, payloads)
        return
    part: list[Decoded] = []
    events = nbytes = 0
    for payload in payloads:
        decoded = decode_columns(payload, limits)
        events += len(decoded.events)
        nbytes += decoded.events.nbytes
        if part and (events > limits.insert_events_max or nbytes > limits.insert_bytes_max):
            yield Decoded.join(part)
            part, events, nbytes = [], len(decoded.events), decoded.events.nbytes
        part.append(decoded)
    yield Decoded.join(part)
