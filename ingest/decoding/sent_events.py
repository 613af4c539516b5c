"""What decoding makes of requests: events as their producer sent them, in columns and unjudged, whatever decoded them.

Rules:
1. All columns of n events have n rows. The ids are never null: one that was not sent is empty.
2. The properties of all events lie in one list of m entries, which name their event. They come in any order; of
   one key in one event the last entry stands, as in every protobuf map.
3. Values have their canonical text already (ingest.decoding.texts): admission knows no types.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

# The end of 9999, as in google.protobuf.Timestamp.
SECONDS_MAX = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Instants:
    """Of n events. `times_us`: microseconds since 1970, what is finer cut off; 0 where it is `missing` or `wild`,
    which is out of the calendar.
    """

    missing: NDArray[np.bool_]
    wild: NDArray[np.bool_]
    times_us: NDArray[np.int64]

    def filter(self, keep: NDArray[np.bool_]) -> "Instants":
        return Instants(self.missing[keep], self.wild[keep], self.times_us[keep])

    @classmethod
    def join(cls, parts: Sequence["Instants"]) -> "Instants":
        """One part's after the other's."""
        return cls(
            np.concatenate([part.missing for part in parts]),
            np.concatenate([part.wild for part in parts]),
            np.concatenate([part.times_us for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class SentProperties:
    """m entries: the event of each, its key as a place in `names` (each of which is there once), and its text.

    `texts` is null where there is no value; `whole` are sure to be integers, `not_finite` are NaN and infinities.
    """

    events: NDArray[np.int64]
    codes: NDArray[np.int64]
    names: pa.StringArray
    texts: pa.StringArray
    whole: NDArray[np.bool_]
    not_finite: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        arrays = (self.events, self.codes, self.whole, self.not_finite)
        return sum(each.nbytes for each in arrays) + int(self.names.nbytes + self.texts.nbytes)

    def take(self, entries: NDArray[np.int64]) -> "SentProperties":
        return SentProperties(
            self.events[entries],
            self.codes[entries],
            self.names,
            self.texts.take(pa.array(entries)),
            self.whole[entries],
            self.not_finite[entries],
        )

    def of_events(self, keep: NDArray[np.bool_]) -> "SentProperties":
        """Those of the events that are kept, under their new places."""
        kept = self.take(np.flatnonzero(keep[self.events]))
        places = np.cumsum(keep) - 1
        return SentProperties(
            places[kept.events], kept.codes, kept.names, kept.texts, kept.whole, kept.not_finite
        )

    @classmethod
    def join(cls, parts: Sequence["SentProperties"]) -> "SentProperties":
        """The entries of several parts, whose events are numbered alike; those of a later part stand over an earlier one's."""
        if len(parts) == 1:
            return parts[0]
        names = pa.concat_arrays([part.names for part in parts]).dictionary_encode()
        first = np.cumsum([0, *(len(part.names) for part in parts)])
        places = np.concatenate([part.codes + first[i] for i, part in enumerate(parts)])
        return cls(
            np.concatenate([part.events for part in parts]),
            names.indices.to_numpy().astype(np.int64)[places],
            names.dictionary,
            pa.concat_arrays([part.texts for part in parts]),
            np.concatenate([part.whole for part in parts]),
            np.concatenate([part.not_finite for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class SentEvents:
    """n events."""

    event_ids: pa.StringArray
    event_types: pa.StringArray
    customer_ids: pa.StringArray
    instants: Instants
    properties: SentProperties

    def __len__(self) -> int:
        return len(self.event_ids)

    @property
    def nbytes(self) -> int:
        texts = (self.event_ids, self.event_types, self.customer_ids)
        instants = self.instants
        times = (instants.missing, instants.wild, instants.times_us)
        return sum(int(each.nbytes) for each in (*texts, *times)) + self.properties.nbytes

    @classmethod
    def join(cls, parts: Sequence["SentEvents"]) -> "SentEvents":
        """One part's after the other's."""
        firsts = np.cumsum([0, *map(len, parts)])
        properties = [
            replace(part.properties, events=part.properties.events + first)
            for part, first in zip(parts, firsts[:-1], strict=True)
        ]
        return cls(
            pa.concat_arrays([part.event_ids for part in parts]),
            pa.concat_arrays([part.event_types for part in parts]),
            pa.concat_arrays([part.customer_ids for part in parts]),
            Instants.join([part.instants for part in parts]),
            SentProperties.join(properties),
        )

    def filter(self, keep: NDArray[np.bool_]) -> "SentEvents":
        """The events that are kept; `keep` has n entries."""
        mask = pa.array(keep)
        return SentEvents(
            self.event_ids.filter(mask),
            self.event_types.filter(mask),
            self.customer_ids.filter(mask),
            self.instants.filter(keep),
            self.properties.of_events(keep),
        )


class RequestKind(enum.Enum):
    """The requests that carry events, by the name of their message."""

    RECORD = "RecordUsageRequest"
    STREAM = "StreamUsageRequest"
    COLUMNS = "RecordUsageColumnsRequest"


@dataclass(frozen=True, slots=True)
class RequestMistake:
    """Why a request as a whole can't be read: the field at fault, and one line that says what is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of several requests of one kind, one after the other, unjudged.

    `offsets`: n + 1 places, the events of request i are the rows [offsets[i], offsets[i + 1]).
    `sequences`: n uint64, 0 for requests that have none. `mistakes`: the requests that can't be read, by place;
    they have no events.
    """

    offsets: NDArray[np.int64]
    sequences: NDArray[np.uint64]
    mistakes: Mapping[int, RequestMistake]
    events: SentEvents

    def __len__(self) -> int:
        """How many requests."""
        return len(self.sequences)

    @classmethod
    def join(cls, parts: Sequence["Decoded"]) -> "Decoded":
        """One part's requests after the other's."""
        if len(parts) == 1:
            return parts[0]
        firsts = np.cumsum([0, *map(len, parts)])
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        return cls(
            np.concatenate([[0], np.cumsum(counts)]),
            np.concatenate([part.sequences for part in parts]),
            {
                int(first) + place: mistake
                for part, first in zip(parts, firsts[:-1], strict=True)
                for place, mistake in part.mistakes.items()
            },
            SentEvents.join([part.events for part in parts]),
        )
