"""Rollups kept up with the log: what changed is computed again, customers that have become worth it are covered.

Rules:
1. Rows first, then that a customer is covered, then progress: after a crash at any point a stretch of changes is
   computed again, to the same rows. Of two processes at once the later pass calls off what the earlier one has yet
   to do: were a customer covered behind its back, what happened between their two watermarks would be in no row.
2. Everything of one pass is computed as of one watermark.
3. What a pass costs depends on the slices that changed, and on the month's events of changed customers that aren't
   covered, who have few; never on how long the log is. The first pass for a meter computes its whole history.
4. A statement computes a bounded number of slices or events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from engine.errors import StoreUnavailableError
from engine.usage.facts.usage_request import Measure
from engine.usage.rollups.changes import Slice
from engine.usage.rollups.write import (
    FEW_CHANGES_MAX,
    WORTH,
    RollupPass,
    Worth,
    changed_customers_query,
    changes_query,
    cover_statement,
    keep_progress_statement,
    lengths_query,
    new_customers_query,
    progress_query,
    roll_up_statement,
)
from engine.usage.store.query import Query, number
from engine.usage.store.tables.rollup_schema import DAY_S, HOUR_S
from engine.usage.store.usage_store import Row, UsageStore
from ingest import IngestOrder

# Of slices to be computed again, and of events of a month for customers that are new: some 100 MB of groups.
_SLICES_AT_ONCE = 50_000
_EVENTS_AT_ONCE = 1_000_000
# Ids in one statement: bound as text, well below the 128 KiB that ClickHouse takes of one parameter.
_CUSTOMERS_AT_ONCE = 500
_RETRY_AFTER_MS = 1_000


@dataclass(frozen=True, slots=True)
class RollupProgress:
    """What a pass did for one rollup key: slices that had changed, customers newly covered, and its watermark."""

    changed_slices: int
    new_customers: int
    until_us: int


class Rollups:
    """Computes rollups. Thread-safe as the store is."""

    def __init__(
        self,
        store: UsageStore,
        clock: IngestOrder,
        now_us: Callable[[], int],
        worth: Worth = WORTH,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """A pass ends early, without progress, when `is_stopping`."""
        self._store = store
        self._clock = clock
        self._now_us = now_us
        self._worth = worth
        self._is_stopping = is_stopping

    def keep_up(self, measure: Measure) -> RollupProgress:
        """Brings the rows of a meter up to the newest watermark.

        Raises:
            StoreUnavailableError: nothing is lost; call again.
        """
        as_of_us = self._clock.watermark(self._now_us())
        # Nothing with a stamp below a watermark is under way, but for what an earlier pass left behind.
        self._store.call_off([(0, as_of_us - 1)])
        ((until_us, facts),) = self._store.query(progress_query(measure, as_of_us))
        run = RollupPass(measure, as_of_us, number(until_us), number(facts) > 0)
        rows = self._store.look_through(changes_query(run))
        if len(rows) > FEW_CHANGES_MAX:
            changed = sum(self._roll_up_changed(run, slice_s) for slice_s in (HOUR_S, DAY_S))
            new = self._cover_new(run, None)
        else:
            hours = [(str(customer_id), number(start_s)) for customer_id, start_s in rows]
            changed, new = self._take_in(run, hours) if hours else (0, 0)
        self._store.execute(keep_progress_statement(measure, as_of_us))
        return RollupProgress(changed, new, as_of_us)

    def cover_by_hours(self, measure: Measure, customer_ids: Sequence[str]) -> None:
        """Covers these customers by hours, whether they are worth it or not. Not beside a pass of another process: that
        one would not know of them.

        Raises:
            StoreUnavailableError: call again.
        """
        run = RollupPass(measure, self._clock.watermark(self._now_us()))
        self._roll_up(run, roll_up_statement(run, HOUR_S, customer_ids))
        self._store.execute(cover_statement(measure, HOUR_S, customer_ids), run.as_of_us)

    def roll_up_again(self, measure: Measure, customer_id: str) -> None:
        """Computes all slices of a customer that haven't expired anew, in every length: for one whose rows were found to
        be wrong.

        Raises:
            StoreUnavailableError: call again.
        """
        run = RollupPass(measure, self._clock.watermark(self._now_us()))
        for slice_s in (HOUR_S, DAY_S):
            self._roll_up(run, roll_up_statement(run, slice_s, [customer_id], whatever_stands=True))

    def _take_in(self, run: RollupPass, hours: Sequence[Slice]) -> tuple[int, int]:
        """Computes the slices of a few changed hours; how many, and how many customers are newly covered."""
        changed = sorted({customer_id for customer_id, _ in hours})
        lengths = {
            str(customer_id): number(length_s)
            for customer_id, length_s in self._store.query(lengths_query(run.measure, changed))
        }
        computed = 0
        for slice_s in sorted(set(lengths.values())):
            slices = sorted(
                {(each, at // slice_s * slice_s) for each, at in hours if lengths.get(each) == slice_s}
            )
            customer_ids = sorted({customer_id for customer_id, _ in slices})
            self._roll_up(run, roll_up_statement(run, slice_s, customer_ids, slices))
            computed += len(slices)
        others = [(each, at) for each, at in hours if lengths.get(each) != HOUR_S]
        return computed, self._cover_new(run, others) if others else 0

    def _roll_up_changed(self, run: RollupPass, slice_s: int) -> int:
        rows = self._store.look_through(changed_customers_query(run, slice_s))
        for together in batches(rows, _SLICES_AT_ONCE):
            customer_ids = [str(customer_id) for customer_id, _ in together]
            self._roll_up(run, roll_up_statement(run, slice_s, customer_ids, changed=True))
        return sum(number(slices) for _, slices in rows)

    def _cover_new(self, run: RollupPass, changes: Sequence[Slice] | None) -> int:
        rows = self._store.look_through(new_customers_query(run, self._worth, changes))
        rows.sort(key=lambda row: number(row[1]))
        for slice_s, of_length in groupby(rows, key=lambda row: number(row[1])):
            for together in batches([(row[0], row[2]) for row in of_length], _EVENTS_AT_ONCE):
                customer_ids = [str(customer_id) for customer_id, _ in together]
                self._roll_up(run, roll_up_statement(run, slice_s, customer_ids))
                covered = cover_statement(run.measure, slice_s, customer_ids)
                self._store.execute(covered, run.as_of_us)
        return len(rows)

    def _roll_up(self, run: RollupPass, statement: Query) -> None:
        if self._is_stopping():
            raise StoreUnavailableError("the engine is shutting down", retry_after_ms=_RETRY_AFTER_MS)
        if (own := self._store.own_writes) is not None:
            own.rows_begin(run.measure.tenant, run.as_of_us)
        self._store.transform(statement)


def batches(rows: Sequence[Row], weight_max: int = _EVENTS_AT_ONCE) -> Iterator[list[Row]]:
    """Rows of (customer_id, weight, ...), as many together as stay within the bounds, but at least one."""
    together: list[Row] = []
    weight = 0
    for row in rows:
        weight += number(row[1])
        if together and (weight > weight_max or len(together) >= _CUSTOMERS_AT_ONCE):
            yield together
            together, weight = [], number(row[1])
        together.append(row)
    if together:
        yield together
