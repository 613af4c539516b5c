"""The usage of `tests.golden.catalog`: a few hundred events that a hash of their numbers decides."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.golden.catalog import CUSTOMERS

# So few ids are remembered that one of the first events can be stored again with other content.
BATCH = 100
MARCH = {"period_start": "2025-03-01T00:00:00Z", "period_end": "2025-04-01T00:00:00Z"}
_FIRST = datetime(2025, 1, 5, tzinfo=UTC)
_DAYS = 95
_CALLS = 60
_CHANGES = 10
_MODELS = ("large", "small", "tiny")
_REGIONS = ("eu", "us", "ap")
_CLASSES = ("hot", "cold")


def model_events():
    """As the JSON of UsageEvent: 80 of each customer but gus, who uses nothing, with every kind of property."""
    return [
        event
        for customer in CUSTOMERS
        if customer != "gus"
        for events in (_calls(customer), _changes(customer))
        for event in events
    ]


def deliver(calls, events):
    """Records them, a batch at a time."""
    events = list(events)
    for first in range(0, len(events), BATCH):
        answer = calls.answer("RecordUsage", events=events[first : first + BATCH])
        if set(answer.verdicts) != {1}:
            raise RuntimeError(f"an event of the golden files was not accepted: {answer.problems}")


def texts_of(event):
    """The event's properties as the store has them."""
    return {name: _text(value) for name, value in event["properties"].items()}


def _text(value):
    ((kind, given),) = value.items()
    return str(given).lower() if kind == "bool_value" else str(given)


def _calls(customer):
    for n in range(_CALLS):
        key = f"{customer}-call-{n}"
        properties = {
            "units": {"string_value": f"{_drawn(key, 'units', 100)}.{_drawn(key, 'fraction', 1000):03d}"},
            "seconds": {"double_value": _drawn(key, "seconds", 4000) / 8},
            "bytes": {"int_value": str(_drawn(key, "bytes", 5_000_000))},
            "charge": {"string_value": f"{_drawn(key, 'charge', 40)}.{_drawn(key, 'cents', 100):02d}"},
            "refund": {"int_value": str(-_drawn(key, "refund", 5))},
            "user": {"string_value": f"u{_drawn(key, 'user', 6)}"},
            "region": {"string_value": _REGIONS[_drawn(key, "region", 3)]},
            "class": {"string_value": _CLASSES[_drawn(key, "class", 2)]},
            "billable": {"bool_value": _drawn(key, "billable", 2) == 1},
            "in_tokens": {"int_value": str(_drawn(key, "in", 3000))},
            "note": {"string_value": "n/a" if n % 13 == 5 else str(n)},
        }
        if n % 7:
            properties["model"] = {"string_value": _MODELS[_drawn(key, "model", 3)]}
        if n % 3:
            properties["out_tokens"] = {"int_value": str(_drawn(key, "out", 900))}
        if n % 11 == 4:
            del properties["in_tokens"]
        yield _event(key, "api.call", customer, properties)


def _changes(customer):
    for n in range(_CHANGES):
        key = f"{customer}-seat-{n}"
        seats = {"seats": {"int_value": str(_drawn(key, "seats", 12) - 3)}}
        yield _event(key, "seat.changed", customer, seats)
        key = f"{customer}-disk-{n}"
        size = {"gigabytes": {"string_value": f"{_drawn(key, 'size', 500) - 120}.5"}}
        yield _event(key, "disk.resized", customer, size)


def _event(key, event_type, customer, properties):
    seconds, microseconds = _drawn(key, "time", _DAYS * 86_400), _drawn(key, "microsecond", 1_000_000)
    at = _FIRST + timedelta(seconds=seconds, microseconds=microseconds)
    return {
        "event_id": key,
        "event_type": event_type,
        "customer_id": customer,
        "event_time": at.isoformat().replace("+00:00", "Z"),
        "properties": dict(sorted(properties.items())),
    }


def _drawn(key, what, below):
    return int.from_bytes(sha256(f"{key}/{what}".encode()).digest()[:8], "big") % below
