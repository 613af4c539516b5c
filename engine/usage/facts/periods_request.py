"""What is asked of several meters at once, for customers each in a period of its own: plain columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.usage.facts.usage_request import Measure

Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Periods:
    """n places: a customer in [start, end), microseconds since 1970. A customer may have several.

    Attributes:
        customer_id: Arrow strings [n], ascending.
        start_us, end_us: int64[n].
        aliases: other ids of customers; what is recorded under them is used at their places.
    """

    customer_id: pa.StringArray
    start_us: Index
    end_us: Index
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start_us)

    @property
    def are_one(self) -> bool:
        """Whether all of them have the same start and end."""
        same = (self.start_us == self.start_us[0]) & (self.end_us == self.end_us[0])
        return bool(same.all())

    def part(self, places: Index) -> "Periods":
        return Periods(
            self.customer_id.take(places), self.start_us[places], self.end_us[places], self.aliases
        )

    @property
    def with_aliases(self) -> Index:
        """The places whose customers have aliases, rising."""
        if not self.aliases:
            return np.empty(0, dtype=np.int64)
        customers = pa.array(list(self.aliases), pa.string())
        found = pc.is_in(self.customer_id, value_set=customers).to_numpy(zero_copy_only=False)
        return np.flatnonzero(found)

    def subjects(self) -> tuple[pa.StringArray, Index]:
        """Every id that events of these places may have, each with its place."""
        places = self.with_aliases
        if not len(places):
            return self.customer_id, np.arange(len(self))
        ids = [self.aliases[self.customer_id[place].as_py()] for place in places.tolist()]
        also = pa.array([alias for each in ids for alias in each], pa.string())
        return (
            pa.concat_arrays([pa.array(self.customer_id, pa.string()), also]),
            np.concatenate([np.arange(len(self)), np.repeat(places, [len(each) for each in ids])]),
        )


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PeriodsRequest:
    """The usage of each of these meters, at each place.

    measures: what each meter aggregates, all of one tenant.
    wanted: of each meter the places that it is wanted at, rising; what it has at others may be in the answer or not.
    as_of_us, draft_id: as in a UsageRequest.
    digests: whether the events' digests are wanted, which cost more than all the rest.
    """

    measures: Sequence[Measure]
    periods: Periods
    wanted: Sequence[Index]
    as_of_us: int
    draft_id: int | None = None
    digests: bool = True
