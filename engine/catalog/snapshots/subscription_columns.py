"""A catalog's subscriptions as columns, in the one order in which they are listed and billed.

Rules:
1. Rows are ordered by customer and subscription id, by code point (which is the order of the UTF-8 bytes, hence of
   Arrow and ClickHouse too). A customer's subscriptions are adjoining rows.
2. Instants are microseconds since 1970; a subscription without an end has NO_END_US, which is later than any instant.
3. A subscription has one step or more (engine.catalog.kinds.terms): from the start of each on its terms hold, until the
   next one starts.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.kinds.terms import SubscriptionTerms, plain_terms, with_currency
from engine.catalog.snapshots.definition_columns import definition_fields

NO_END_US = 2**63 - 1
BY_START = 0
"""In place of a version's number: the one that is effective when the subscription came to the plan."""
_TERMS = pa.schema([("plan", pa.string()), ("plan_version", pa.int64())])


@dataclass(frozen=True, eq=False, slots=True)
class SubscriptionColumns:
    """n subscriptions.

    Attributes:
        customer_id, subscription_id: Arrow strings [n].
        start_us, end_us: int64[n]; the subscription runs over [start, end).
        zone: int32[n], the place of its own time zone in `zones`, -1 for its customer's; anchor: as zone, in `anchors`, -1
            for the usual one.
        step_offsets: int64[n + 1]; the steps of subscription i are step_offsets[i]:step_offsets[i + 1].
        step_start_us, step_since_us: int64[s], when each starts, and when the subscription came to its plan.
        step_terms: int32[s], the place of its terms in `terms`.
        zones, anchors, terms, plans: each once.
        terms_plan, terms_version: int32[terms], int64[terms]; the plan of terms, by its place in `plans`, and the number of the
            version that they name, BY_START where they name none.
    """

    customer_id: pa.StringArray
    subscription_id: pa.StringArray
    start_us: npt.NDArray[np.int64]
    end_us: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int32]
    anchor: npt.NDArray[np.int32]
    step_offsets: npt.NDArray[np.int64]
    step_start_us: npt.NDArray[np.int64]
    step_since_us: npt.NDArray[np.int64]
    step_terms: npt.NDArray[np.int32]
    zones: tuple[str, ...]
    anchors: tuple[str, ...]
    terms: tuple[str, ...]
    plans: tuple[str, ...]
    terms_plan: npt.NDArray[np.int32]
    terms_version: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_us)

    def plans_of(self, row: int) -> frozenset[str]:
        """The plans that one of them has at any time, add-ons too."""
        terms = [SubscriptionTerms.read(self.terms[place]) for place in self.terms_of(row).tolist()]
        return frozenset(plan for each in terms for plan in (each.plan, *each.add_ons))

    def terms_of(self, row: int) -> npt.NDArray[np.int32]:
        """The places of the terms that one of them has, step by step."""
        return self.step_terms[int(self.step_offsets[row]) : int(self.step_offsets[row + 1])]

    def steps_at(self, rows: npt.NDArray[np.int64], at_us: int) -> npt.NDArray[np.int64]:
        """The step of each of these, which have begun, that holds at an instant: the first begins with the subscription."""
        steps: npt.NDArray[np.int64] = self.step_offsets[rows] - 1
        return steps + self.step_counts(rows, self.step_start_us <= at_us)

    def steps_of_plan(self, plan: str) -> npt.NDArray[np.int64]:
        """The steps whose own plan it is, rising."""
        if plan not in self.plans:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.terms_plan[self.step_terms] == self.plans.index(plan))

    def step_counts(
        self, rows: npt.NDArray[np.int64], of_step: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        """int64[rows]: for how many steps of each of these subscriptions `of_step`, which has all steps, is true."""
        counted = np.append(0, np.cumsum(of_step))
        counts: npt.NDArray[np.int64] = (
            counted[self.step_offsets[rows + 1]] - counted[self.step_offsets[rows]]
        )
        return counts

    def rows_of_steps(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Whose steps these are."""
        return np.searchsorted(self.step_offsets, steps, side="right") - 1

    def row_from(self, customer_id: str, subscription_id: str = "") -> int:
        """The first row at or behind a place in the order; the number of rows if there is none."""
        return bisect_left(range(len(self)), (customer_id, subscription_id), key=self._place)

    def rows_of(self, customer_id: str) -> slice:
        """The rows of one customer; an empty slice for one without a subscription."""
        # No id has the code point 0: this one is behind the customer and before every other.
        return slice(self.row_from(customer_id), self.row_from(f"{customer_id}\0"))

    def customer_end(self, row: int) -> int:
        """Behind the last row of the customer to whom a row belongs."""
        return self.row_from(f"{self.customer_id[row].as_py()}\0")

    def in_currencies(self, customers: pa.StringArray, currencies: Sequence[str]) -> "SubscriptionColumns":
        """With the currency of its customer for each that says none. `customers`: those that have one, each with its currency."""
        of_row = pc.index_in(self.customer_id, value_set=customers).fill_null(-1).to_numpy()
        codes = sorted(set(currencies))
        number = np.array([*(codes.index(each) for each in currencies), -1], dtype=np.int64)[of_row]
        own = np.repeat(number, np.diff(self.step_offsets))
        terms, places = list(self.terms), {text: place for place, text in enumerate(self.terms)}
        step_terms = self.step_terms.copy()
        steps = np.flatnonzero(own >= 0)
        keys, of_step = np.unique(self.step_terms[steps] * len(codes) + own[steps], return_inverse=True)
        found = np.empty(len(keys), dtype=np.int32)
        origin = list(range(len(terms)))
        for place, key in enumerate(keys.tolist()):
            before, code = divmod(key, len(codes))
            text = with_currency(self.terms[before], codes[code])
            if text not in places:
                places[text] = len(terms)
                terms.append(text)
                origin.append(before)
            found[place] = places[text]
        step_terms[steps] = found[of_step]
        return replace(
            self,
            step_terms=step_terms,
            terms=tuple(terms),
            terms_plan=self.terms_plan[origin],
            terms_version=self.terms_version[origin],
        )

    def _place(self, row: int) -> tuple[str, str]:
        return self.customer_id[row].as_py(), self.subscription_id[row].as_py()


def columns_of(column: Callable[[str], pa.ChunkedArray]) -> SubscriptionColumns:
    """From rows of the schema SUBSCRIPTIONS in their order, by the name of a column."""
    arrays: dict[str, Any] = {
        name: column(name).combine_chunks() for name in ("customer", "id", "start_us", "end_us")
    }
    zone, zones = _encoded(column("time_zone").combine_chunks())
    anchor, anchors = _encoded(column("anchor").combine_chunks())
    start_us = arrays["start_us"].to_numpy()
    steps = _steps(column, start_us)
    terms = steps[-1]
    plan, version = definition_fields(pa.array(terms, pa.large_string()), _TERMS)
    terms_plan, plans = _encoded(plan)
    return SubscriptionColumns(
        arrays["customer"], arrays["id"], start_us, arrays["end_us"].to_numpy(), zone, anchor, *steps[:-1], zones, anchors,
        terms, plans, terms_plan, version.fill_null(BY_START).to_numpy(zero_copy_only=False),
    )  # fmt: skip


def _encoded(texts: pa.StringArray) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """The place of each among all that there are, -1 for null."""
    encoded = pc.dictionary_encode(texts)
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), tuple(encoded.dictionary.to_pylist())


def _steps(
    column: Callable[[str], pa.ChunkedArray], start_us: npt.NDArray[np.int64]
) -> tuple[
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int32],
    tuple[str, ...],
]:
    """Offsets, starts, since when, terms by place, and all terms."""
    plan, plans = _encoded(column("plan").combine_chunks())
    plain = tuple(map(plain_terms, plans))
    if column("step_terms").null_count == len(start_us):
        return np.arange(len(start_us) + 1), start_us, start_us, plan, plain
    lists = {name: column(name).combine_chunks() for name in ("step_start_us", "step_since_us", "step_terms")}
    counts = pc.list_value_length(lists["step_terms"]).fill_null(1).to_numpy().astype(np.int64)
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    stepped = pc.is_valid(lists["step_terms"]).to_numpy(zero_copy_only=False)
    own = np.repeat(stepped, counts)
    given, given_terms = _encoded(pc.list_flatten(lists["step_terms"]))
    terms = dict.fromkeys((*plain, *given_terms))
    places = {text: place for place, text in enumerate(terms)}
    step_terms = np.empty(len(own), dtype=np.int32)
    step_terms[~own] = plan[~stepped]
    step_terms[own] = np.array([places[text] for text in given_terms], dtype=np.int32)[given]
    instants = []
    for name in ("step_start_us", "step_since_us"):
        instant = np.empty(len(own), dtype=np.int64)
        instant[~own] = start_us[~stepped]
        instant[own] = pc.list_flatten(lists[name]).to_numpy()
        instants.append(instant)
    return offsets, instants[0], instants[1], step_terms, tuple(terms)
