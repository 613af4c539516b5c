"""What the engine says of the usage of lines whose quantity differs: what a shift of the month would make of it, and what came late.

A line is asked about with a few small queries of its meter, so only the first so many lines are.
"""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import grpc

from engine.cli.comparison.causes import Evidence
from engine.cli.comparison.compared_lines import ComparedLine
from engine.cli.terminal.connection import pages
from engine.cli.terminal.options import month_after, timestamp
from engine.cli.usage.usage_question import instant_of
from meterline.v1.metering_pb2 import QueryUsageRequest, UsageGrouping, UsageWindow
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.resources_pb2 import ListResourcesRequest
from meterline.v1.resources_pb2_grpc import ResourceServiceStub
from rating import EXACT

ASKED_MAX: Final = 200
# The widest that time zones are apart of UTC.
_HOURS: Final = 14
_NOTHING: Final = Decimal(0)
# Meters whose parts add up to the whole.
_ADDITIVE: Final = ("count", "sum")


class UsageEvidence:
    """Asks about the first ASKED_MAX lines; of all others nothing is known. Months are of `zone`."""

    def __init__(self, channel: grpc.Channel, zone: ZoneInfo) -> None:
        self._metering = MeteringServiceStub(channel)
        self._zone = zone
        resources = ResourceServiceStub(channel)
        self._meter_of = {
            (plan["id"], price["id"]): price["meter"]
            for plan in _definitions(resources, "plan")
            for price in plan["prices"]
            if price.get("meter")
        }
        self._additive = {
            meter["id"] for meter in _definitions(resources, "meter") if meter["aggregation"] in _ADDITIVE
        }
        self.asked = 0

    def of(self, line: ComparedLine) -> Evidence:
        meter = self._meter_of.get((line.plan_id, line.price_id))
        if meter is None or line.old_quantity is None or self.asked >= ASKED_MAX:
            return Evidence()
        self.asked += 1
        first = date.fromisoformat(f"{line.month}-01")
        start, end = (instant_of(each, self._zone, "--time-zone") for each in (first, month_after(first)))
        if meter in self._additive and (hours := self._shift(line, meter, start, end)) is not None:
            return Evidence(hours=hours)
        at_end = self._quantity(line, meter, start, end, as_of=min(end, datetime.now(UTC)))
        # Of usage that was imported later nothing had been recorded: that says nothing of the old bills.
        return Evidence(is_late=bool(at_end) and at_end == line.old_quantity)

    def _shift(self, line: ComparedLine, meter: str, start: datetime, end: datetime) -> int | None:
        """By how many hours the month would have to begin and end later for the old quantity; the nearest."""
        edges = [self._by_hour(line, meter, each) for each in (start, end)]
        for hours in sorted(range(-_HOURS, _HOURS + 1), key=abs):
            if not hours:
                continue
            step = range(hours) if hours > 0 else range(hours, 0)
            at_start, at_end = (sum((edge.get(each, _NOTHING) for each in step), _NOTHING) for edge in edges)
            gained = EXACT.subtract(at_end, at_start) if hours > 0 else EXACT.subtract(at_start, at_end)
            if gained and EXACT.add(line.new_quantity, gained) == line.old_quantity:
                return hours
        return None

    def _by_hour(self, line: ComparedLine, meter: str, edge: datetime) -> dict[int, Decimal]:
        """What was used in each hour around an instant, by its number from there."""
        span = timedelta(hours=_HOURS)
        request = self._request(line, meter, edge - span, edge + span)
        request.window = UsageWindow.USAGE_WINDOW_HOUR
        found: dict[int, Decimal] = {}
        for page in pages(self._metering.QueryUsage, request):
            for row in page.rows:
                hour = (row.window_start.ToDatetime(UTC) - edge) // timedelta(hours=1)
                found[hour] = EXACT.add(found.get(hour, _NOTHING), Decimal(row.quantity))
        return found

    def _quantity(
        self, line: ComparedLine, meter: str, start: datetime, end: datetime, as_of: datetime
    ) -> Decimal:
        request = self._request(line, meter, start, end)
        request.as_of.FromDatetime(as_of)
        found = _NOTHING
        for page in pages(self._metering.QueryUsage, request):
            for row in page.rows:
                found = EXACT.add(found, Decimal(row.quantity))
        return found

    def _request(self, line: ComparedLine, meter: str, start: datetime, end: datetime) -> QueryUsageRequest:
        return QueryUsageRequest(
            meter_id=meter,
            period_start=timestamp(start),
            period_end=timestamp(end),
            customer_ids=[line.customer_id],
            group_by=UsageGrouping(customer=True),
        )


def _definitions(resources: ResourceServiceStub, kind: str) -> list[dict]:  # type: ignore[type-arg]
    request = ListResourcesRequest(kind=kind)
    return [
        json.loads(each.definition)
        for page in pages(resources.ListResources, request)
        for each in page.resources
    ]
