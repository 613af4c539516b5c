"""Usage of many customers as columns: what rating takes without an object for each group."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rating import DecimalColumn, Dimension

Index = npt.NDArray[np.int64]
DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False, slots=True)
class UsageColumns:
    """m groups of one meter's usage, by place, then by dimensions.

    Attributes:
        place: int64[m], whose usage in which stretch of time, by the place at which it was asked for; rising.
        dimensions: a column for each of the meter's group_by properties; no value where the events lack it.
        quantity: in the unit of the events' values, before any conversion.
        event_count: int64[m], of the events that the quantity is made from (engine.usage.facts.usage_request).
        event_digest: uint8[m, 16], of the same events, the most significant byte first.
        unreadable_event_count, missing_value_event_count: int64[m].
    """

    place: Index
    dimensions: tuple[Dimension, ...]
    quantity: DecimalColumn
    event_count: Index
    event_digest: npt.NDArray[np.uint8]
    unreadable_event_count: Index
    missing_value_event_count: Index

    def __len__(self) -> int:
        return len(self.place)

    @classmethod
    def empty(cls, dimensions: int) -> "UsageColumns":
        """No group of a meter with so many group_by properties."""
        none = np.zeros(0, dtype=np.int64)
        digest = np.zeros((0, DIGEST_BYTES), dtype=np.uint8)
        columns = tuple(Dimension(none, ()) for _ in range(dimensions))
        return cls(none, columns, DecimalColumn.zeros(0), none, digest, none, none)

    def taken_or_none(self, rows: Index) -> "UsageColumns":
        """The groups at these rows; where a row is -1 no usage: nothing counted, and no value of any dimension."""
        # Behind the last group stands one of no usage, which is where -1 leads.
        digest = np.concatenate([self.event_digest, np.zeros((1, DIGEST_BYTES), dtype=np.uint8)])
        return UsageColumns(
            np.append(self.place, -1)[rows],
            tuple(Dimension(np.append(each.codes, -1)[rows], each.values) for each in self.dimensions),
            DecimalColumn.concatenate([self.quantity, DecimalColumn.zeros(1)]).take(rows),
            np.append(self.event_count, 0)[rows],
            digest[rows],
            np.append(self.unreadable_event_count, 0)[rows],
            np.append(self.missing_value_event_count, 0)[rows],
        )
