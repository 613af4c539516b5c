"""Usage of many customers as columns: what rating takes without an object for each group, or for each event."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.usage.facts.usage_request import GroupUsage
from rating import DecimalColumn, Dimension, EventAmounts

Index = npt.NDArray[np.int64]
# Of no event; also where nobody asked for digests.
NO_DIGEST = "0" * 32
# Groups of one meter at one place that can be told: far past any invoice.
GROUPS_MAX = 200_000
# Events of one meter at one place whose amounts are read: 8 MB, and some 150 MB where the store sorts them.
EVENTS_MAX = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class UsageColumns:
    """m groups of one meter's usage, by place, then by dimensions.

    Attributes:
        place: int64[m], whose usage in which stretch of time, by the place at which it was asked for; rising.
        dimensions: a column for each of the meter's group_by properties; no value where the events lack it.
        quantity: in the unit of the events' values, before any conversion.
        event_count: int64[m], of the events that the quantity is made from (engine.usage.facts.usage_request).
        event_digest: Arrow strings [m], of the same events.
        unreadable_event_count, missing_value_event_count: int64[m].
        too_many: int64, places with more than GROUPS_MAX groups, rising; nothing else is said of them.
    """

    place: Index
    dimensions: tuple[Dimension, ...]
    quantity: DecimalColumn
    event_count: Index
    event_digest: pa.StringArray
    unreadable_event_count: Index
    missing_value_event_count: Index
    too_many: Index = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.place)

    @property
    def value_count(self) -> Index:
        """int64[m], how many events have a value that the quantity is made of."""
        return self.event_count - self.unreadable_event_count - self.missing_value_event_count

    @classmethod
    def of_groups(
        cls, places: Sequence[int], groups: Sequence[GroupUsage], dimensions: int
    ) -> "UsageColumns":
        """Groups of a meter with so many group_by properties, each at its place."""

        def numbers(values: Sequence[int]) -> Index:
            return np.array(values, dtype=np.int64)

        return cls(
            place=numbers(places),
            dimensions=tuple(
                Dimension.of([each.dimensions[i] for each in groups]) for i in range(dimensions)
            ),
            quantity=DecimalColumn.of([each.quantity for each in groups]),
            event_count=numbers([each.event_count for each in groups]),
            event_digest=pa.array([each.event_digest for each in groups], pa.string()),
            unreadable_event_count=numbers([each.unreadable_event_count for each in groups]),
            missing_value_event_count=numbers([each.missing_value_event_count for each in groups]),
        )

    @classmethod
    def joined(cls, parts: Sequence["UsageColumns"]) -> "UsageColumns":
        """The groups of all of them, at least one, by place; of a place they are in one of them."""
        if len(parts) == 1:
            return parts[0]
        place = np.concatenate([each.place for each in parts])
        order = np.argsort(place, kind="stable")
        return cls(
            place[order],
            tuple(
                _joined_dimension(each, order)
                for each in zip(*(part.dimensions for part in parts), strict=True)
            ),
            DecimalColumn.concatenate([each.quantity for each in parts]).take(order),
            np.concatenate([each.event_count for each in parts])[order],
            pa.concat_arrays([each.event_digest for each in parts]).take(order),
            np.concatenate([each.unreadable_event_count for each in parts])[order],
            np.concatenate([each.missing_value_event_count for each in parts])[order],
            np.sort(np.concatenate([each.too_many for each in parts])),
        )

    def taken_or_none(self, rows: Index) -> "UsageColumns":
        """The groups at these rows; where a row is -1 no usage: nothing counted, and no value of any dimension."""
        # Behind the last group stands one of no usage, which is where -1 leads.
        last = pa.array([NO_DIGEST], pa.string())
        digests = pa.concat_arrays([self.event_digest, last])
        return UsageColumns(
            np.append(self.place, -1)[rows],
            tuple(Dimension(np.append(each.codes, -1)[rows], each.values) for each in self.dimensions),
            DecimalColumn.concatenate([self.quantity, DecimalColumn.zeros(1)]).take(rows),
            np.append(self.event_count, 0)[rows],
            digests.take(np.where(rows < 0, len(self), rows)),
            np.append(self.unreadable_event_count, 0)[rows],
            np.append(self.missing_value_event_count, 0)[rows],
        )


@dataclass(frozen=True, eq=False, slots=True)
class UsageAmounts:
    """The value of each event, for prices with terms per event: of the groups of a UsageColumns.

    Attributes:
        events: of each group its events' values, in the order of their time, then their id; none of a group at a place
            at which they weren't asked for.
        too_many: int64, places with more than EVENTS_MAX events; expired: places of which events have expired. Both
            rise, and there the values are not known.
    """

    events: EventAmounts
    too_many: Index
    expired: Index

    def taken_or_none(self, groups: Index) -> EventAmounts:
        """The events of these groups; none where a group is -1."""
        # Behind the last group stands one without events, which is where -1 leads.
        offsets = np.append(self.events.offsets, self.events.offsets[-1])
        return EventAmounts(offsets, self.events.amounts).part(groups)


def _joined_dimension(columns: Sequence[Dimension], order: Index) -> Dimension:
    known: dict[str, int] = {}
    codes = []
    for column in columns:
        # The last one is where -1 leads.
        new = np.array(
            [*(known.setdefault(value, len(known)) for value in column.values), -1], dtype=np.int64
        )
        codes.append(new[column.codes])
    return Dimension(np.concatenate(codes)[order], tuple(known))
