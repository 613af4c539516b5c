"""Simulated clients: what they send, and what they do when no answer comes.

They batch, send the same bytes again, put events of an old request into a new one, reuse an id with other content,
send events that no rule lets pass and bytes that are no message, and now and then give up.
"""

from dataclasses import dataclass, field, replace

import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp

from ingest import RequestKind
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, StreamUsageRequest
from tests.support.ingest import admission_oracle
from tests.support.ingest.admission_oracle import Refused, Row
from tests.support.ingest.arrow_streams import batch_of, request_of, stream_of
from tests.support.ingest.event_columns import message_of

TENANTS = ("t1", "t2")
_CUSTOMERS = ("acme", "bolt")
_DAY_US = 86_400_000_000
_SEQUENCE_MAX = 2**64 - 1


@dataclass(eq=False)
class Outgoing:
    """One request: its bytes, the events in it, and the attempts to deliver it."""

    number: int
    tenant: str
    kind: RequestKind
    messages: list
    data: bytes
    sequence: int
    attempts: int = 0
    waiting: int = 0
    settled: bool = False
    given_up: bool = False
    entries: list = field(default_factory=list)


class Clients:
    """All producers, with the requests that they have made so far."""

    def __init__(self, random, limits):
        self._random = random
        self._limits = limits
        # Two tenants use the same ids.
        self._next_ids = dict.fromkeys(TENANTS, 0)
        self._rows = []
        self.requests = []
        # Each history has habits of its own.
        self._again = random.choice((0, 0.1, 0.4))
        self._reuse = random.choice((0, 0.05, 0.3))
        self._bad = random.choice((0, 0.05, 0.2))
        self._size_max = random.choice((1, 3, limits.request_events_max))
        self._months = random.choice((1, 2, 3))
        self._fat = random.random() < 0.3

    def make(self, now_us, ledger):
        """A new request."""
        random = self._random
        tenant = random.choice(TENANTS)
        rows = [self._row(tenant, now_us) for _ in range(random.randint(1, self._size_max))]
        messages = [message_of(row) for row in rows]
        for message in messages:
            if random.random() < self._bad:
                _spoil(random, message)
        # A spoiled event may be a sound one: the oracle knows.
        judged = admission_oracle.admit(self._limits, {}, tenant, messages, now_us)
        ledger.sent.update(entry.event for entry in judged if isinstance(entry, Refused))
        if random.random() < self._bad / 4:
            too_many = self._limits.request_events_max + 1
            messages = random.choice(([], (messages * too_many)[:too_many]))
        sound = messages == [message_of(row) for row in rows]
        kind = random.choice(list(RequestKind) if sound else [RequestKind.RECORD, RequestKind.STREAM])
        sequence = (
            0 if kind is not RequestKind.STREAM else random.choice((1, _SEQUENCE_MAX, random.getrandbits(40)))
        )
        if kind is RequestKind.RECORD:
            data = RecordUsageRequest(events=messages).SerializeToString()
        elif kind is RequestKind.COLUMNS:
            data = _columns(rows)
        else:
            data = StreamUsageRequest(sequence=sequence, events=messages).SerializeToString()
        if random.random() < self._bad / 8:
            messages, data = None, b"\xff" * random.randint(1, 9)
        made = Outgoing(len(self.requests), tenant, kind, messages, data, sequence)
        self.requests.append(made)
        return made

    def _row(self, tenant, now_us):
        random = self._random
        mine = [row for row in self._rows if row.tenant == tenant]
        if mine and random.random() < self._again:
            return random.choice(mine[-12:])
        before = random.choice(mine[-12:]) if mine and random.random() < self._reuse else None
        properties = [("tokens", str(random.randint(0, 99)))]
        if random.random() < 0.3:
            properties.insert(0, ("model", random.choice(("small", "large")) * (40 if self._fat else 1)))
        if before is not None and random.random() < 0.5:
            # Under the same key: only the content tells the two apart.
            row = replace(before, properties=tuple(properties))
        else:
            row = Row(
                tenant,
                self._new_id(tenant) if before is None else before.event_id,
                random.choice(("call", "call", "rare")),
                random.choice(_CUSTOMERS),
                now_us
                - random.choice((0, 1, 999_999, 30 * _DAY_US)[: self._months + 1])
                - random.randint(0, 3),
                tuple(properties),
            )
        self._rows.append(row)
        return row

    def _new_id(self, tenant):
        self._next_ids[tenant] += 1
        return f"e{self._next_ids[tenant]}"


def _columns(rows):
    """The same events as Arrow columns."""
    properties = [dict(row.properties) for row in rows]
    return request_of(
        stream_of(
            batch_of(
                event_id=pa.array([row.event_id for row in rows]),
                event_type=pa.array([row.event_type for row in rows]),
                customer_id=pa.array([row.customer_id for row in rows]),
                event_time=pa.array([row.event_time_us for row in rows], pa.timestamp("us", "UTC")),
                **{
                    f"properties.{name}": pa.array([each.get(name) for each in properties], pa.string())
                    for name in ("model", "tokens")
                },
            )
        )
    )


def _spoil(random, message):
    """Makes an event one that no rule lets pass, or none for now."""
    way = random.randrange(8)
    if way == 0:
        message.event_id = ""
    elif way == 1:
        message.ClearField("event_time")
    elif way == 2:
        message.event_time.CopyFrom(Timestamp(seconds=-1))
    elif way == 3:
        message.event_time.seconds += 86_400
    elif way == 4:
        message.properties["tokens"].CopyFrom(PropertyValue(string_value="many"))
    elif way == 5:
        message.properties["tokens"].CopyFrom(PropertyValue(double_value=float("nan")))
    elif way == 6:
        message.customer_id = "x" * 200
    else:
        message.event_type = "unheard of"
