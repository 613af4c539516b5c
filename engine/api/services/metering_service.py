"""MeteringService: what a meter comes to, in pages that share one snapshot."""

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial

from engine.api.messages import ANSWER_BYTES_MAX, decimal_text
from engine.api.operation import Call
from engine.api.page_tokens import bad_token, opened, sealed
from engine.api.services.turns import Turns
from engine.api.usage_question import Grouping, UsageQuestion, read_question
from engine.billing.meter_usage import find_meter, measure_of
from engine.catalog.kinds.meter import Meter
from engine.catalog.store import CatalogStore
from engine.cluster.watermarks import read_watermark_us
from engine.times import to_timestamp
from engine.usage.facts.usage_request import Groups, GroupUsage, UsageRequest
from engine.usage.query.usage_pages import (
    CustomersFrom,
    ReadGroups,
    RowPlace,
    Wanted,
    customers_from,
    usage_from,
)
from engine.usage.query.usage_reader import UsageReader
from engine.usage.store.usage_store import UsageStore
from ingest import IngestOrder
from meterline.v1.metering_pb2 import QueryUsageRequest, QueryUsageResponse, UsageGrouping, UsageRow
from rating import converted


@dataclass(frozen=True, slots=True)
class MeteringParts:
    """What usage is read from."""

    catalog: CatalogStore
    store: UsageStore
    reader: UsageReader
    clock: IngestOrder


class MeteringService:
    """Answers QueryUsage, a few questions at a time."""

    def __init__(
        self,
        parts: MeteringParts,
        now_us: Callable[[], int],
        turns: Turns,
        check_groups: Callable[[str, int], None] = lambda _tenant, _count: None,
    ) -> None:
        """`check_groups` refuses a tenant's question that gives so many groups of one customer."""
        self._check_groups = check_groups
        self._parts = parts
        self._now_us = now_us
        self._turns = turns

    def query_usage(self, request: QueryUsageRequest, call: Call) -> QueryUsageResponse:
        question = read_question(request)
        as_of_us, revision, place = self._start(question)
        catalog = self._parts.catalog.snapshot(call.tenant, revision)
        asked = replace(question, customer_ids=catalog.customers.with_aliases(question.customer_ids))
        meter = find_meter(catalog, question.meter_id)
        grouping = question.grouping or Grouping(customer=True, properties=meter.resource.group_by)
        usage = _usage_request(call.tenant, meter.resource, asked, grouping, as_of_us)
        with self._turns.turn(call.tenant):
            page, following = self._page(usage, place, question, grouping, meter.resource)
        token = sealed(question.digest, as_of_us, catalog.revision, *astuple(following)) if following else ""
        return QueryUsageResponse(
            rows=page,
            as_of=to_timestamp(as_of_us),
            catalog_revision=catalog.revision,
            meter_version=meter.version,
            group_by=UsageGrouping(customer=grouping.customer, properties=grouping.properties),
            next_page_token=token,
        )

    def _start(self, question: UsageQuestion) -> tuple[int, int | None, RowPlace]:
        """Watermark, catalog revision (None for the newest) and place that the page starts with."""
        clock, now_us = self._parts.clock, self._now_us()
        if not question.page_token:
            return read_watermark_us(clock, now_us, question.as_of_us), question.revision, RowPlace()
        parts = opened(question.page_token, question.digest, int, int, str, int, int, int)
        as_of_us, revision, customer_id, states, rows, groups = parts
        if int(as_of_us) > clock.watermark(now_us):
            raise bad_token()
        return int(as_of_us), int(revision), RowPlace(str(customer_id), int(states), int(rows), int(groups))

    def _page(
        self, usage: UsageRequest, place: RowPlace, question: UsageQuestion, grouping: Grouping, meter: Meter
    ) -> tuple[list[UsageRow], RowPlace | None]:
        # One more says whether there is another page.
        wanted = Wanted(question.page_size + 1, len(question.bounds_us) - 1)
        rows = usage_from(
            place, wanted, self._read(usage, raw_only=question.raw_only), self._customers(usage)
        )
        in_unit = (
            (place, replace(usage, quantity=converted(usage.quantity, meter.conversion)))
            for place, usage in rows
        )
        return _fitting(self._counted(usage.tenant, in_unit), question, grouping)

    def _counted(
        self, tenant: str, rows: Iterable[tuple[RowPlace, GroupUsage]]
    ) -> Iterator[tuple[RowPlace, GroupUsage]]:
        for place, row in rows:
            # Of every group the first row alone.
            if not place.rows:
                self._check_groups(tenant, place.groups + 1)
            yield place, row

    def _read(self, usage: UsageRequest, *, raw_only: bool) -> ReadGroups:
        def read(customer_ids: Sequence[str], groups_max: int, states_skip: int) -> Groups:
            asked = replace(usage, customer_ids=customer_ids) if usage.by_customer else usage
            return self._parts.reader.read_on(asked, groups_max, states_skip, raw_only=raw_only)

        return read

    def _customers(self, usage: UsageRequest) -> CustomersFrom:
        if not usage.by_customer:
            return _everybody_at_once
        if usage.customer_ids is not None:
            return partial(_named_from, usage.customer_ids)
        return partial(customers_from, self._parts.store, usage)


def _everybody_at_once(_customer_id: str, _count: int) -> Sequence[str]:
    return [""]


def _named_from(customer_ids: Sequence[str], customer_id: str, count: int) -> Sequence[str]:
    first = bisect.bisect_left(customer_ids, customer_id)
    return customer_ids[first : first + count]


def _usage_request(
    tenant: str, meter: Meter, question: UsageQuestion, grouping: Grouping, as_of_us: int
) -> UsageRequest:
    asked = measure_of(tenant, meter).asked(question.customer_ids or None, question.bounds_us, as_of_us)
    return replace(
        asked,
        group_by=grouping.properties,
        by_customer=grouping.customer,
        narrowed_to=question.filters,
    )


def _fitting(
    rows: Iterable[tuple[RowPlace, GroupUsage]], question: UsageQuestion, grouping: Grouping
) -> tuple[list[UsageRow], RowPlace | None]:
    """The first rows that fit in one answer, at least one; and where the next page starts, if there is one."""
    page: list[UsageRow] = []
    size_bytes = 0
    for place, usage in rows:
        row = _row(usage, grouping, question.bounds_us)
        size_bytes += row.ByteSize()
        if len(page) == question.page_size or (page and size_bytes > ANSWER_BYTES_MAX):
            return page, place
        page.append(row)
    return page, None


def _row(usage: GroupUsage, grouping: Grouping, bounds_us: Sequence[int]) -> UsageRow:
    named = zip(grouping.properties, usage.dimensions, strict=True)
    return UsageRow(
        customer_id=usage.customer_id,
        dimensions={name: value for name, value in named if value is not None},
        window_start=to_timestamp(bounds_us[usage.window]),
        window_end=to_timestamp(bounds_us[usage.window + 1]),
        quantity=decimal_text(usage.quantity),
        event_count=usage.event_count,
        unreadable_event_count=usage.unreadable_event_count,
        missing_value_event_count=usage.missing_value_event_count,
        event_digest=usage.event_digest,
    )
