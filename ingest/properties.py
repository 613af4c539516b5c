"""Properties as columns: sorted by key, and the entries that break a rule.

Rules:
1. Within an event properties are sorted by the bytes of their key; of a key that is sent twice the last stands,
   as in every protobuf map.
2. A property has one problem, of the first rule that it breaks. Of an event's bad properties the first PROBLEMS_MAX are
   told, so that a flood of events with nothing else costs little.
3. Problems are made for all properties at once: a bad event must not cost more than a good one.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.columns import PROPERTIES
from ingest.decoding.sent_events import SentProperties
from ingest.event import QUANTITY_PATTERN, Problem, Reason
from ingest.limits import Limits

# Bad properties of one event that are told: more than a person mends at a time.
PROBLEMS_MAX = 8
# Of a text that is not a quantity, in its problem.
_SHOWN_MAX = 64
_EMPTY_KEY = Problem("properties", Reason.MISSING, "a property has an empty key")


class Broken(enum.IntEnum):
    """The rules of one property, in the order in which they are reported; all but the last are rules of form."""

    NONE = 0
    EMPTY_KEY = 1
    LONG_KEY = 2
    NO_VALUE = 3
    NOT_FINITE = 4
    LONG_VALUE = 5
    NOT_DECIMAL = 6


@dataclass(frozen=True, slots=True)
class Properties:
    """Of n events: `offsets` n + 1 places of entries; `keys`, `texts` and `broken` have one entry for each.

    `texts` is null where there is no value.
    """

    offsets: NDArray[np.int32]
    keys: pa.StringArray
    texts: pa.StringArray
    broken: NDArray[np.uint8]

    @property
    def counts(self) -> NDArray[np.int32]:
        return np.diff(self.offsets)

    def as_map(self) -> pa.MapArray:
        return pa.MapArray.from_arrays(pa.array(self.offsets), self.keys, self.texts, type=PROPERTIES)

    def malformed(self) -> NDArray[np.bool_]:
        """Which events have a property that breaks a rule of form."""
        return self._events_with(_malformed(self.broken))

    def not_decimal(self) -> NDArray[np.bool_]:
        """Which events have a property that a meter reads as a quantity, and can't."""
        return self._events_with(_not_decimal(self.broken))

    def problems(self, limits: Limits) -> tuple[NDArray[np.int64], list[Problem]]:
        """What is wrong with properties, and whose they are: by event, then by key."""
        entries = np.flatnonzero(self.broken != Broken.NONE)
        events = np.searchsorted(self.offsets, entries, "right") - 1
        rank = np.arange(len(entries)) - np.searchsorted(events, events)
        entries, events = entries[rank < PROBLEMS_MAX], events[rank < PROBLEMS_MAX]
        kinds = self.broken[entries]
        keys = self.keys.take(entries)
        # Never the text itself of what is too long.
        is_shown = (kinds == Broken.NOT_FINITE) | (kinds == Broken.NOT_DECIMAL)
        texts = self.texts.take(pa.array(np.where(is_shown, entries, 0), mask=~is_shown))
        return events, [
            _problem(*each, limits)
            for each in zip(
                kinds.tolist(),
                keys.to_pylist(),
                pc.binary_length(keys).to_pylist(),
                pc.binary_length(self.texts.take(entries)).to_pylist(),
                pc.utf8_slice_codeunits(texts, 0, _SHOWN_MAX).to_pylist(),
                strict=True,
            )
        ]

    def _events_with(self, entries: NDArray[np.bool_]) -> NDArray[np.bool_]:
        found = np.zeros(len(self.offsets) - 1, np.bool_)
        found[np.searchsorted(self.offsets, np.flatnonzero(entries), "right") - 1] = True
        return found


def _problem(
    kind: int, key: str, key_length: int, length: int | None, text: str | None, limits: Limits
) -> Problem:
    field = f"properties.{key}"
    match Broken(kind):
        case Broken.EMPTY_KEY:
            return _EMPTY_KEY
        case Broken.LONG_KEY:
            return too_long("properties", key_length, "property_key_bytes_max", limits)
        case Broken.NO_VALUE:
            return Problem(field, Reason.MISSING, "the property has no value")
        case Broken.NOT_FINITE:
            return Problem(field, Reason.OUT_OF_RANGE, f"{text} is not a number")
        case Broken.NOT_DECIMAL:
            return Problem(
                field,
                Reason.NOT_DECIMAL,
                f"{text!r} is not a decimal number of at most 26 integer and 12 fractional digits, and a meter reads "
                "it as a quantity",
            )
        case _:
            return too_long(field, length or 0, "property_value_bytes_max", limits)


def _malformed(broken: NDArray[np.uint8]) -> NDArray[np.bool_]:
    malformed: NDArray[np.bool_] = (broken != Broken.NONE) & (broken != Broken.NOT_DECIMAL)
    return malformed


def _not_decimal(broken: NDArray[np.uint8]) -> NDArray[np.bool_]:
    not_decimal: NDArray[np.bool_] = broken == Broken.NOT_DECIMAL
    return not_decimal


def too_long(field: str, bytes_here: int, limit: str, limits: Limits) -> Problem:
    return Problem(field, Reason.TOO_LONG, f"has {bytes_here} bytes; {limit} is {getattr(limits, limit)}")


def properties_of(
    sent: SentProperties,
    event_types: pa.StringArray,
    quantities: Mapping[str, frozenset[str]],
    limits: Limits,
) -> Properties:
    """Judges the properties of n events.

    `quantities` names, for each event type, the properties that must be decimal numbers.
    """
    order = _order(sent.events, sent.codes, sent.names)
    if order is not None:
        sent = sent.take(order)
    codes, names, texts = sent.codes, sent.names, sent.texts
    offsets = np.searchsorted(sent.events, np.arange(len(event_types) + 1)).astype(np.int32)
    read = _read_as_quantity(event_types, sent.events, names, codes, quantities)
    broken = np.zeros(len(codes), np.uint8)
    # Later rules first: an earlier one overwrites them.
    _mark_non_decimals(broken, texts, read & ~sent.whole)
    lengths = pc.binary_length(texts).fill_null(0).to_numpy()
    broken[lengths > limits.property_value_bytes_max] = Broken.LONG_VALUE
    broken[sent.not_finite] = Broken.NOT_FINITE
    if texts.null_count:
        broken[texts.is_null().to_numpy(zero_copy_only=False)] = Broken.NO_VALUE
    key_lengths = pc.binary_length(names).to_numpy()
    broken[(key_lengths > limits.property_key_bytes_max)[codes]] = Broken.LONG_KEY
    broken[(key_lengths == 0)[codes]] = Broken.EMPTY_KEY
    return Properties(offsets, names.take(pa.array(codes)), texts, broken)


def _order(
    events: NDArray[np.int64], codes: NDArray[np.int64], keys: pa.StringArray
) -> NDArray[np.int64] | None:
    """The entries by event and key, without those that a later one replaces; None if they are so already."""
    ranks = np.empty(len(keys), np.int64)
    ranks[pc.sort_indices(keys).to_numpy()] = np.arange(len(keys))
    places = events * max(len(keys), 1) + ranks[codes]
    if np.all(places[1:] > places[:-1]):
        return None
    order = np.argsort(places, kind="stable")
    places = places[order]
    last = np.append(places[1:] != places[:-1], [True])
    return order if last.all() else order[last]


def _read_as_quantity(
    event_types: pa.StringArray,
    events: NDArray[np.int64],
    keys: pa.StringArray,
    codes: NDArray[np.int64],
    quantities: Mapping[str, frozenset[str]],
) -> NDArray[np.bool_]:
    """Which entries a meter of their event's type reads as a quantity."""
    types = event_types.dictionary_encode()
    names = [quantities.get(name, frozenset()) for name in types.dictionary.to_pylist()]
    every = sorted(frozenset[str]().union(*names))
    found = pc.index_in(pa.array(every, pa.string()), value_set=keys).to_pylist()
    code_of = {name: code for name, code in zip(every, found, strict=True) if code is not None}
    read = np.zeros(len(codes), np.bool_)
    if not code_of:
        return read
    is_read = np.zeros(len(keys), np.bool_)
    is_read[list(code_of.values())] = True
    likely = np.flatnonzero(is_read[codes])
    if len(names) == 1:
        read[likely] = True
        return read
    wanted = [
        type_code * len(keys) + code_of[name]
        for type_code, these in enumerate(names)
        for name in these
        if name in code_of
    ]
    type_codes = types.indices.to_numpy().astype(np.int64)[events[likely]]
    read[likely] = np.isin(type_codes * len(keys) + codes[likely], wanted)
    return read


def _mark_non_decimals(broken: NDArray[np.uint8], texts: pa.StringArray, doubtful: NDArray[np.bool_]) -> None:
    places = np.flatnonzero(doubtful)
    if len(places):
        decimal = pc.match_substring_regex(texts.take(pa.array(places)), QUANTITY_PATTERN)
        wrong = pc.invert(decimal).fill_null(False).to_numpy(zero_copy_only=False)
        broken[places[wrong]] = Broken.NOT_DECIMAL
