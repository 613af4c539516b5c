"""The way in to the usage of many customers at once: several meters, each customer in a period of its own.

Rules:
1. Everything comes from one statement over the events (engine.usage.facts.period_scan), whatever meters and periods there
   are, but for what rollups are for: customers who have them, and those whose events have expired. These are read
   by the reader of one meter and period (engine.usage.query.usage_reader), which gives the same answers.
2. One customer with very many groups takes nothing from the others: such a place has no usage in the answer, and says so.
3. Customers with aliases are always read from events: no rollup has what their ids come to together. Where events of one
   of these ids have expired, the read is refused.
4. What is in memory at once is bounded. Places that make more groups together are read in two halves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import UsageExpiredError
from engine.times import us_datetime
from engine.usage.facts.period_scan import (
    Asked,
    GroupLimits,
    Scan,
    ScanSnapshot,
    scan_statements,
    scans_of,
)
from engine.usage.facts.period_states import usage_of_scan
from engine.usage.facts.periods_request import Index, Periods, PeriodsRequest
from engine.usage.facts.usage_columns import GROUPS_MAX, UsageColumns
from engine.usage.facts.usage_request import Measure, UsageRequest
from engine.usage.query.amounts_reader import AmountsReader
from engine.usage.query.expired_read import expired_us
from engine.usage.query.expiries import Expiry
from engine.usage.query.usage_pages import CUSTOMERS_AT_ONCE_MAX
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.tables.rollup_schema import HOUR_S
from engine.usage.store.usage_store import UsageStore

# Of a statement: of each group some hundred bytes.
LIMITS = GroupLimits(of_place=GROUPS_MAX, of_statement=1_000_000)


class PeriodsReader:
    """Reads usage as of a watermark. Thread-safe as the store is."""

    def __init__(self, store: UsageStore, reader: UsageReader, limits: GroupLimits = LIMITS) -> None:
        self._store = store
        self._reader = reader
        self._limits = limits
        self.amounts = AmountsReader(store, reader)

    def read(self, request: PeriodsRequest) -> list[UsageColumns]:
        """The usage of each meter, by place.

        Raises:
            StoreUnavailableError: the store does not answer.
            UsageExpiredError: the events that an exact answer needs have expired.
        """
        if not request.measures:
            return []
        expiries, tenant = self._reader.expiries, request.measures[0].tenant
        while True:
            known = expiries.of(tenant)
            found = self._read_knowing(request, known)
            if expiries.stands(tenant, known):
                return found

    def _read_knowing(self, request: PeriodsRequest, known: Expiry) -> list[UsageColumns]:
        apart = [self._apart(request, number, known) for number in range(len(request.measures))]
        parts = [[*self._read_apart(request, number, places)] for number, places in enumerate(apart)]
        scanned = [
            np.setdiff1d(wanted, places, assume_unique=True)
            for wanted, places in zip(request.wanted, apart, strict=True)
        ]
        numbers = [number for number, places in enumerate(scanned) if len(places)]
        if numbers:
            places = np.unique(np.concatenate([scanned[number] for number in numbers]))
            measures = [request.measures[number] for number in numbers]
            for number, usage in zip(numbers, self._scanned(request, measures, places), strict=True):
                parts[number].append(_without(usage, apart[number]))
        empty = [UsageColumns.of_groups([], [], len(each.group_by)) for each in request.measures]
        return [UsageColumns.joined(own or [none]) for own, none in zip(parts, empty, strict=True)]

    # --- from events --------------------------------------------------------------------------------------

    def _scanned(
        self, request: PeriodsRequest, measures: Sequence[Measure], places: Index
    ) -> list[UsageColumns]:
        scans = scans_of(measures)
        tenant = measures[0].tenant
        any_facts = self._reader.any_facts(tenant, request.as_of_us)
        if request.draft_id is None and not any_facts and not self._reader.any_events(tenant):
            return [UsageColumns.of_groups([], [], len(each.group_by)) for each in measures]
        snapshot = ScanSnapshot(tenant, request.as_of_us, request.draft_id, any_facts, request.digests)
        asked = Asked(request.periods.part(places))
        parts: list[list[UsageColumns]] = [[] for _ in measures]
        for scan, rows in self._rows(scans, asked, snapshot):
            if rows is None:
                halves = np.array_split(places, 2)
                both = [self._scanned(request, measures, half) for half in halves]
                return [UsageColumns.joined(each) for each in zip(*both, strict=True)]
            row_places = places[asked.places(rows)]
            too_many = self._too_many(row_places)
            told = rows
            if len(too_many):
                kept = np.flatnonzero(~np.isin(row_places, too_many))
                told, row_places = rows.take(kept), row_places[kept]
            usage = usage_of_scan(scan, told, row_places, request.periods, digests=request.digests)
            for number, each in zip(scan.numbers, usage, strict=True):
                parts[number].append(replace(each, too_many=too_many))
        return [UsageColumns.joined(each) for each in parts]

    def _too_many(self, places: Index) -> Index:
        if len(places) <= self._limits.of_place:
            return places[:0]
        found, counts = np.unique(places, return_counts=True)
        return found[counts > self._limits.of_place]

    def _rows(
        self, scans: Sequence[Scan], asked: Asked, snapshot: ScanSnapshot
    ) -> Iterator[tuple[Scan, pa.Table | None]]:
        """The rows of each scan; None where a statement has more than it may."""
        limits = self._limits
        if len(asked) == 1:
            # It can't be halved, and each of its scans is bounded.
            of_all = len(scans) * (limits.of_place + 1)
            limits = replace(limits, of_statement=max(limits.of_statement, of_all))
        for statement, numbers in scan_statements(scans, asked, snapshot, limits):
            rows = self._store.query_columns(statement)
            whole = len(rows) <= limits.of_statement
            for number in numbers:
                of_scan = rows if len(numbers) == 1 else rows.filter(pc.equal(rows["scan"], number))
                yield scans[number], of_scan if whole else None

    # --- from rollups -------------------------------------------------------------------------------------

    def _apart(self, request: PeriodsRequest, number: int, known: Expiry) -> Index:
        """The places of a meter that are not read from its events as all others are (rule 1)."""
        measure, wanted = request.measures[number], request.wanted[number]
        of_meter = request.periods.part(wanted)
        before = expired_us(self._store, measure, of_meter, request.as_of_us, known)
        covered = self._slice_s(request, number)
        if not len(wanted) or not (before or covered):
            return wanted[:0]
        customers = of_meter.customer_id.to_pylist()
        before_us = _looked_up(before, customers)
        slice_s = _looked_up(covered, customers)
        apart = before_us > (0 if measure.carries_over else of_meter.start_us)
        apart |= slice_s == HOUR_S
        with_aliases = of_meter.with_aliases
        _check_none_expired(of_meter, with_aliases, before, carries_over=measure.carries_over)
        apart[with_aliases] = False
        slice_s[with_aliases] = 0
        by_days = np.flatnonzero((slice_s > 0) & ~apart)
        bounds = np.stack([of_meter.start_us, of_meter.end_us], axis=1)[by_days]
        _, group, counts = np.unique(bounds, axis=0, return_inverse=True, return_counts=True)
        apart[by_days] = counts[group] >= self._reader.days_for_customers_min
        return wanted[apart]

    def _slice_s(self, request: PeriodsRequest, number: int) -> Mapping[str, int]:
        """The customers with rollups of a meter, each with the length of its slices; a draft is in none."""
        measure, coverages = request.measures[number], self._reader.coverages
        if coverages is None or measure.rollup_key is None or request.draft_id is not None:
            return {}
        return coverages.of(measure.tenant, measure.rollup_key).slice_s

    def _read_apart(self, request: PeriodsRequest, number: int, places: Index) -> Iterator[UsageColumns]:
        """The usage of one meter at these places, a period and some customers at a time."""
        periods = request.periods
        by_period: dict[tuple[int, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place in places.tolist():
            bounds_us = int(periods.start_us[place]), int(periods.end_us[place])
            by_period[bounds_us][periods.customer_id[place].as_py()].append(place)
        for bounds_us, places_of in by_period.items():
            customers = list(places_of)
            asked = request.measures[number].asked(customers, bounds_us, request.as_of_us, request.draft_id)
            for first in range(0, len(customers), CUSTOMERS_AT_ONCE_MAX):
                some = customers[first : first + CUSTOMERS_AT_ONCE_MAX]
                yield from self._read_some(asked, {each: places_of[each] for each in some})

    def _read_some(
        self, asked: UsageRequest, places_of: Mapping[str, Sequence[int]]
    ) -> Iterator[UsageColumns]:
        customers, most = list(places_of), self._limits.of_place
        groups = self._reader.read(replace(asked, customer_ids=customers), most + 1)
        if len(groups) > most and len(customers) > 1:
            for half in np.array_split(customers, 2):
                yield from self._read_some(asked, {each: places_of[each] for each in half.tolist()})
            return
        counts = Counter(group.customer_id for group in groups)
        too_many = {customer_id for customer_id, count in counts.items() if count > most}
        found = [
            (place, group)
            for group in groups
            if group.customer_id not in too_many
            for place in places_of[group.customer_id]
        ]
        # A stable sort: the groups of a place stay in the order of their dimensions.
        found.sort(key=lambda each: each[0])
        usage = UsageColumns.of_groups(
            [place for place, _ in found], [group for _, group in found], len(asked.group_by)
        )
        without = sorted(place for each in too_many for place in places_of[each])
        yield replace(usage, too_many=np.array(without, dtype=np.int64))


def _check_none_expired(
    periods: Periods, places: Index, before: Mapping[str, int], *, carries_over: bool
) -> None:
    """Of customers with aliases, at these places. Raises UsageExpiredError."""
    for place in places.tolist():
        customer = periods.customer_id[place].as_py()
        first_us = 0 if carries_over else int(periods.start_us[place])
        for each in (customer, *periods.aliases[customer]):
            if before.get(each, 0) > first_us:
                raise UsageExpiredError(
                    f"usage of {each!r} before {us_datetime(before[each]).date()} has expired, and the customer "
                    f"{customer!r} has aliases: what its ids used together is known from events only; ask for a later "
                    "period"
                )


def _looked_up(found: Mapping[str, int], customers: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.fromiter((found.get(each, 0) for each in customers), np.int64, len(customers))


def _without(usage: UsageColumns, places: Index) -> UsageColumns:
    """The groups at all other places."""
    if not len(places):
        return usage
    kept = np.flatnonzero(~np.isin(usage.place, places))
    too_many = np.setdiff1d(usage.too_many, places)
    return replace(usage.taken_or_none(kept), too_many=too_many)
