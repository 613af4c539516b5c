"""The bounds of admission, each with its reason, checked against each other."""

from dataclasses import dataclass

_DAY_S = 24 * 60 * 60
MICROSECONDS = 1_000_000
# What must fit into what: otherwise a request of the largest size would be refused for ever.
_ORDER = (
    ("request_events_max", "insert_events_max"),
    ("columns_events_max", "insert_events_max"),
    ("insert_events_max", "queue_events_max"),
    ("queue_events_max", "hot_window_events_max"),
    ("request_bytes_max", "queue_bytes_max"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request and one event may be. Sizes are in bytes of UTF-8.

    Raises:
        ValueError: limits that contradict each other.
    """

    # A request is one unit of memory and of work on a server thread: 10,000 events keep both short,
    # and batches past 1,000 gain little.
    request_events_max: int = 10_000
    # gRPC's own default for a message, so that every client library can send it and no proxy stands in the way.
    request_bytes_max: int = 4 * 1024 * 1024
    # A request of columns is for loading history, where nobody waits for one event: as many as one insert takes,
    # so that it is decoded, judged and stored in one piece.
    columns_events_max: int = 50_000
    # Properties that different types of events have, each in a column of its own: four times what one event may
    # have. Every column costs some microseconds, whatever is in it.
    columns_max: int = 256
    # Record batches and dictionaries: fifty batches of 1,024 rows, each with twenty dictionaries written anew.
    columns_messages_max: int = 1_024
    # Ids are repeated in keys, indexes and logs: a UUID with a prefix fits three times.
    id_bytes_max: int = 128
    # A property set beyond this is a document, not a set of labels and quantities.
    properties_max: int = 64
    property_key_bytes_max: int = 128
    property_value_bytes_max: int = 1_024
    # A month of billing and a few days to repair a producer.
    event_age_max_s: int = 35 * _DAY_S
    # Clocks of well-kept machines differ by less.
    event_ahead_max_s: int = 300
    # What waits for the store: some seconds of its speed, and well under a GiB of events.
    queue_events_max: int = 200_000
    # The bytes of all requests that are not answered yet: their columns take about as much again. Fat events
    # reach this bound long before that of events.
    queue_bytes_max: int = 64 * 1024 * 1024
    # One insert: large enough that the cost a row is flat, small enough that an ack comes within a second.
    insert_events_max: int = 50_000
    # Its columns: fifty thousand common events have a tenth of this. Beyond it requests wait for the next one.
    insert_bytes_max: int = 64 * 1024 * 1024
    # Ids that the gateway remembers, to answer duplicate and conflict at once: 96 bytes each.
    hot_window_events_max: int = 1_000_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, is {getattr(self, name)}")
        for smaller, greater in _ORDER:
            if getattr(self, smaller) > getattr(self, greater):
                raise ValueError(f"{smaller} must not be greater than {greater}")
