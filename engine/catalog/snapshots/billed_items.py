"""Invoice items among what is billed row by row: each a row as a subscription has one, and a plan of its own.

Rules:
1. An item's row runs over the item's billing period, in its currency, whatever its customer's is.
2. An item that is archived or deleted keeps a row, of a plan without a price: what was billed of it is known again, and given back.
3. A plan of an item is made when somebody asks for it: a tenant has a hundred thousand.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from engine.catalog.kinds.items.billed_item import NO_ITEM, item_plan, no_item_plan
from engine.catalog.kinds.items.invoice_item import InvoiceItem, item_name, named_item
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.terms import billed_terms
from engine.catalog.snapshots.plan_versions import PlanVersions
from engine.catalog.snapshots.versions import SUBSCRIPTIONS, Versioned
from engine.times import datetime_us

_ROWS_OF_A_REVISION: Final = 24
"""Bits, as in the order of creation of other rows."""
_NO_PLAN_CURRENCY: Final = "USD"


class BilledPlans:
    """Every plan that a row of what is billed may name, with its versions: the catalog's, and those of items."""

    def __init__(
        self, plans: Mapping[str, PlanVersions], items: Mapping[str, Versioned[InvoiceItem]]
    ) -> None:
        self._plans = plans
        self._items = items
        self._known: dict[str, PlanVersions] = {}

    def __getitem__(self, name: str) -> PlanVersions:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str) -> PlanVersions | None:
        item_id = named_item(name)
        if item_id is None:
            return self._plans.get(name)
        if name not in self._known:
            item = self._items.get(item_id)
            if item is not None:
                plan = Versioned(item_plan(item.resource), item.version, item.revision)
            elif name == NO_ITEM:
                plan = Versioned(no_item_plan(_NO_PLAN_CURRENCY), 1, 1)
            else:
                return None
            self._known[name] = PlanVersions.first(plan)
        return self._known[name]


def item_rows(versions: Sequence[Versioned[Resource]]) -> pa.Table:
    """The rows (SUBSCRIPTIONS) of those that are items."""
    found = [each for each in versions if isinstance(each.resource, InvoiceItem)]
    return pa.Table.from_pylist([dict(_row(each, each.resource)) for each in found], SUBSCRIPTIONS)


def _row(version: Versioned[Resource], item: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - an InvoiceItem
    plan = item_name(item.id) if version.is_active else NO_ITEM
    start_us = datetime_us(item.period_start)
    yield "customer", item.customer
    yield "plan", plan
    yield "start_us", start_us
    yield "end_us", datetime_us(item.period_end)
    yield "time_zone", "UTC"
    yield "step_start_us", [start_us]
    yield "step_since_us", [start_us]
    # The currency is said, so that no customer's takes its place.
    yield "step_terms", [billed_terms(plan, item.currency if version.is_active else _NO_PLAN_CURRENCY)]
    yield "id", item_name(item.id)
    yield "version", version.version
    yield "revision", version.revision
    yield "created", version.revision << _ROWS_OF_A_REVISION
    yield "definition", ""
