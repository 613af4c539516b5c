"""A correction as it is asked for: of which events, what, by whom and why. Values only.

Rules:
1. A correction has an id that its caller gives: the same id with the same content is the same correction, however
   often it is sent; with other content it is a mistake.
2. It is stored as one block of facts, whole or not at all, so it has a bound. Beyond it a correction is refused with
   the count: several corrections, by shorter stretches of time, are several facts, each to be undone by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from engine.usage.corrections.voids import EventKey, Kind, Void

# An amended event takes two facts, where it was and where it is: 100,000 in a block (engine.usage.corrections.voids).
EVENTS_MAX = 50_000
# Each fact of an amendment carries its event: so much text is inserted and rated in a second or two.
PROPERTIES_BYTES_MAX = 64 * 1024 * 1024
# Of 128 bytes each, some with a customer, type and time beside it: a quarter of a request's bytes.
EVENT_IDS_MAX = 1_000
CUSTOMERS_MAX = 1_000
FILTERS_MAX = 16
VALUES_MAX = 100


@dataclass(frozen=True, slots=True)
class EventRef:
    """An event by its id; the rest tells versions of one id apart, and is None where it needn't."""

    event_id: str
    customer_id: str | None = None
    event_type: str | None = None
    event_time_us: int | None = None
    ingested_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class EventRefs:
    """Events by their ids."""

    refs: tuple[EventRef, ...]


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """The property has one of the values (if there are any), and is there or not (if `exists` says so)."""

    name: str
    values: tuple[str, ...] = ()
    exists: bool | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """All events that count in a half-open period, of these customers (none: of all) and this type (None: any)."""

    start_us: int
    end_us: int
    customer_ids: tuple[str, ...] = ()
    event_type: str | None = None
    filters: tuple[PropertyFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Undone:
    """The events of another correction, which is undone."""

    correction_id: str


Chosen: TypeAlias = EventRefs | Selection | Undone


@dataclass(frozen=True, slots=True)
class Amendment:
    """What becomes of an event; what is None or not named stays as it is."""

    set_properties: tuple[tuple[str, str], ...] = ()
    remove_properties: tuple[str, ...] = ()
    customer_id: str | None = None
    event_time_us: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """What is asked for; `amendment` for Kind.AMEND only."""

    kind: Kind
    chosen: Chosen
    amendment: Amendment | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Under which id, by whom and why."""

    correction_id: str
    recorded_by: str
    reason: str


def request_hash(correction: Correction, signature: Signature) -> str:
    """The same for the same correction only."""
    content = repr((correction, signature.recorded_by, signature.reason))
    return blake2b(content.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Standing:
    """A version that counts (or is to count again), and what an amendment makes of it."""

    key: EventKey
    first_at_us: int
    amended: Mapping[str, str] | None = None
    amended_hash: int = 0


@dataclass(frozen=True, slots=True)
class CorrectionPlan:
    """What a correction comes to at a watermark: its facts, of so many events; `unchanged`: are so already."""

    facts: tuple[Void, ...]
    event_count: int
    unchanged_count: int
    as_of_us: int


@dataclass(frozen=True, slots=True)
class RecordedCorrection:
    """A correction that is stored. `undone_by` is the correction that undid it, if one did; `in_effect` is False
    while it is undone.
    """

    correction_id: str
    kind: Kind
    recorded_by: str
    reason: str
    recorded_at_us: int
    event_count: int
    request_hash: str
    undoes: str
    undone_by: str = ""
    in_effect: bool = True
