"""A tenant's catalog as it was at a revision: frozen, indexed, a fold over the versions of its resources.

    Catalog.empty(tenant).advanced(revision, versions)

Versions are append-only, so a snapshot that is at hand is brought forward by the versions that came since.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.kinds import KINDS, definition
from engine.catalog.kinds.alert import Alert
from engine.catalog.kinds.billing_details import Seller
from engine.catalog.kinds.coupon import Coupon
from engine.catalog.kinds.credit_grant import CustomerCredit, TopUpRule
from engine.catalog.kinds.currencies.exchange_rate import ExchangeRate
from engine.catalog.kinds.items.billed_item import item_subscription
from engine.catalog.kinds.items.invoice_item import InvoiceItem, named_item
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import Resource
from engine.catalog.kinds.revenue_split import RevenueSplit
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.tax_region import TaxRegion
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.billed_items import BilledPlans, item_rows
from engine.catalog.snapshots.ended_resources import EndedResources
from engine.catalog.snapshots.plan_versions import PlanVersions, with_versions
from engine.catalog.snapshots.stored_resources import Customers, StoredVersion, Subscriptions
from engine.catalog.snapshots.subscription_columns import SubscriptionColumns
from engine.catalog.snapshots.versions import Versioned, Versions
from rating import Timing


@dataclass(frozen=True)
class Catalog:
    """Every resource's newest version at `revision`; revision 0 is the catalog before anything was applied.

    ended: what was archived or deleted, which is in nothing else here.
    objects: kind -> id -> the resource, of the kinds that aren't kept in columns.
    billed: what is billed row by row, subscriptions and invoice items (engine.catalog.snapshots.billed_items).
    plan_versions: plan id -> all of its versions, of which running subscriptions have earlier ones, too.
    """

    tenant: str
    revision: int
    objects: Mapping[str, Mapping[str, Versioned[Any]]]
    customers: Customers
    subscriptions: Subscriptions
    # Made of the others, and of items there are no definitions in it to compare.
    billed: Subscriptions = field(compare=False)
    ended: EndedResources
    plan_versions: Mapping[str, PlanVersions]

    @classmethod
    def empty(cls, tenant: str) -> "Catalog":
        none = Subscriptions.empty()
        return cls(
            tenant=tenant,
            revision=0,
            objects={},
            customers=Customers.empty(),
            subscriptions=none,
            billed=none,
            ended=EndedResources.empty(),
            plan_versions={},
        )

    @property
    def meters(self) -> Mapping[str, Versioned[Meter]]:
        return self.objects.get("meter", {})

    @property
    def plans(self) -> Mapping[str, Versioned[Plan]]:
        """Of each the newest version."""
        return self.objects.get("plan", {})

    @property
    def coupons(self) -> Mapping[str, Versioned[Coupon]]:
        return self.objects.get("coupon", {})

    @property
    def tax_regions(self) -> Mapping[str, Versioned[TaxRegion]]:
        return self.objects.get("tax_region", {})

    @property
    def seller(self) -> Seller | None:
        """There is at most one."""
        return next((each.resource for each in self.objects.get("seller", {}).values()), None)

    @cached_property
    def alerts(self) -> Sequence[Alert]:
        """In the order of their creation."""
        return [each.resource for each in self.objects.get("alert", {}).values()]

    @cached_property
    def alerts_of(self) -> Mapping[str | None, Sequence[Versioned[Alert]]]:
        """Customer -> the alerts about it alone; None -> those about each customer. In the order of their creation."""
        found: dict[str | None, list[Versioned[Alert]]] = defaultdict(list)
        for each in self.objects.get("alert", {}).values():
            found[each.resource.customer].append(each)
        return found

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """Those that some version of a plan is offered in, or an invoice item is in, in alphabetical order."""
        of_plans = {code for plan in self.plan_versions.values() for code in plan.currency_codes}
        return tuple(sorted(of_plans | {each.resource.currency for each in self.invoice_items.values()}))

    @cached_property
    def plans_have_discounts(self) -> bool:
        """Whether some version of a plan has one."""
        versions = (each for plan in self.plan_versions.values() for each in plan.versions)
        return any(each.resource.discount is not None for each in versions)

    @cached_property
    def committing_terms(self) -> npt.NDArray[np.bool_]:
        """bool[terms of `subscription_columns`]: whether they have commitments, their own or some version of their plan's."""
        plans = self._plans_with(lambda plan: bool(plan.all_commitments))
        return self._terms_with(plans, '"commitments":')

    @cached_property
    def contracting_terms(self) -> npt.NDArray[np.bool_]:
        """bool[terms of `subscription_columns`]: which of `committing_terms` may have commitments that follow from earlier periods."""
        plans = self._plans_with(lambda plan: plan.follows_earlier)
        return self.committing_terms & self._terms_with(plans, '"periods":', '"rollover_periods":')

    @cached_property
    def threshold_terms(self) -> npt.NDArray[np.bool_]:
        """bool[terms of `subscription_columns`]: whether they may have an invoicing threshold, their own or some version of their
        plan's.
        """
        plans = self._plans_with(lambda plan: plan.invoicing_threshold is not None)
        return self._terms_with(plans, '"invoicing_threshold":')

    @cached_property
    def advance_terms(self) -> npt.NDArray[np.bool_]:
        """bool[terms of `subscription_columns`]: whether they may have a fee in advance, of some version of their plan, of an
        add-on, or by an override.
        """
        plans = self._plans_with(
            lambda plan: any(each.price.timing is Timing.IN_ADVANCE for each in plan.prices)
        )
        # An override may say when its price is due.
        return self._terms_with(plans, '"timing":', *(('"add_ons":',) if plans else ()))

    def _plans_with(self, holds: Callable[[Plan], bool]) -> frozenset[str]:
        """The ids of the plans of which it holds for some version."""
        return frozenset(
            name
            for name, plan in self.plan_versions.items()
            if any(holds(each.resource) for each in plan.versions)
        )

    def _terms_with(self, plans: AbstractSet[str], *sayings: str) -> npt.NDArray[np.bool_]:
        """bool[terms of `subscription_columns`]: whether they are of one of these plans, or their text says one of these."""
        columns = self.subscription_columns
        of_plan = np.array([each in plans for each in columns.plans], dtype=np.bool_)[columns.terms_plan]
        own = (any(said in each for said in sayings) for each in columns.terms)
        found: npt.NDArray[np.bool_] = of_plan | np.fromiter(own, np.bool_, len(columns.terms))
        return found

    @cached_property
    def credit_grants_of(self) -> Mapping[str, Sequence[CustomerCredit]]:
        """Customer -> its credit grants, in the order of their creation."""
        found: dict[str, list[CustomerCredit]] = defaultdict(list)
        for each in self.objects.get("credit_grant", {}).values():
            found[each.resource.customer].append(each.resource)
        return found

    @cached_property
    def top_up_rules_of(self) -> Mapping[str, Sequence[TopUpRule]]:
        """Customer -> the rules by which its credit is topped up, in the order of their creation."""
        found: dict[str, list[TopUpRule]] = defaultdict(list)
        for each in self.objects.get(TopUpRule.kind, {}).values():
            found[each.resource.customer].append(each.resource)
        return found

    @property
    def invoice_items(self) -> Mapping[str, Versioned[InvoiceItem]]:
        return self.objects.get(InvoiceItem.kind, {})

    @cached_property
    def invoice_items_of(self) -> Mapping[str, Sequence[InvoiceItem]]:
        """Customer -> its invoice items, in the order of their creation."""
        found: dict[str, list[InvoiceItem]] = defaultdict(list)
        for each in self.invoice_items.values():
            found[each.resource.customer].append(each.resource)
        return found

    @cached_property
    def billed_plans(self) -> BilledPlans:
        """The plans of `subscription_columns`, each with its versions."""
        return BilledPlans(self.plan_versions, self.invoice_items)

    def billed_subscription(self, name: str) -> Subscription:
        """What a row of `subscription_columns` is of."""
        item_id = named_item(name)
        if item_id is None:
            return self.subscriptions[name].resource
        return item_subscription(self.invoice_items[item_id].resource)

    @cached_property
    def revenue_splits_of(self) -> Mapping[str, Sequence[RevenueSplit]]:
        """Plan -> the splits of its prices, in the order of their creation."""
        found: dict[str, list[RevenueSplit]] = defaultdict(list)
        for each in self.objects.get("revenue_split", {}).values():
            for plan in each.resource.plans:
                found[plan].append(each.resource)
        return found

    @cached_property
    def exchange_rates(self) -> Mapping[tuple[str, str], Sequence[ExchangeRate]]:
        """(from, to) -> the rates of a pair of currencies, by when they are effective."""
        found: dict[tuple[str, str], list[ExchangeRate]] = defaultdict(list)
        for each in self.objects.get("exchange_rate", {}).values():
            found[each.resource.from_currency, each.resource.to_currency].append(each.resource)
        return {pair: sorted(rates, key=lambda each: each.effective_from) for pair, rates in found.items()}

    def of_kind(self, kind: str) -> Mapping[str, Versioned[Resource]]:
        in_columns: Mapping[str, Mapping[str, Versioned[Resource]]] = {
            self.customers.kind: self.customers,
            self.subscriptions.kind: self.subscriptions,
        }
        return in_columns.get(kind) or self.objects.get(kind, {})

    def all(self) -> Iterator[Versioned[Resource]]:
        """Every resource, by kind, each in the order of their creation."""
        for kind in KINDS:
            if kind == self.customers.kind:
                yield from self.customers.in_order()
            elif kind == self.subscriptions.kind:
                yield from self.subscriptions.in_order()
            else:
                yield from self.objects.get(kind, {}).values()

    def listed(self, first: int) -> Iterator[StoredVersion]:
        """As `all`, from a place in that order, and without objects of customers and subscriptions."""
        in_columns = {each.kind: each for each in (self.customers, self.subscriptions)}
        for kind in KINDS:
            stored, of_kind = in_columns.get(kind), self.objects.get(kind, {})
            if stored is not None:
                yield from stored.listed(first)
            for each in islice(of_kind.values(), first, None):
                yield StoredVersion(kind, each.resource.id, each.version, definition(each.resource))
            first = max(0, first - len(of_kind if stored is None else stored))

    def subscriptions_of(self, customer: str) -> tuple[Versioned[Subscription], ...]:
        """By start. Empty for a customer without one, or unknown."""
        return self.subscriptions.of_customer(customer)

    def advanced(self, revision: int, versions: Versions) -> "Catalog":
        """The catalog at a later revision. `versions`: those made since; of a plan all, in order."""
        objects, plan_versions = self.objects, self.plan_versions
        if versions.objects:
            objects = self._with(versions.objects)
            plans = [each for each in versions.objects if isinstance(each.resource, Plan)]
            plan_versions = with_versions(plan_versions, cast("list[Versioned[Plan]]", plans))
        subscriptions = self.subscriptions.merged(versions.subscriptions)
        return Catalog(
            tenant=self.tenant,
            revision=revision,
            objects=objects,
            customers=self.customers.merged(versions.customers),
            subscriptions=subscriptions,
            billed=self._billed_with(versions, subscriptions),
            ended=self.ended.merged(versions),
            plan_versions=plan_versions,
        )

    def _billed_with(self, versions: Versions, subscriptions: Subscriptions) -> Subscriptions:
        """The same as `subscriptions` while there is no item: most catalogs have none."""
        items = item_rows(versions.objects)
        if self.billed is self.subscriptions and not len(items):
            return subscriptions
        return self.billed.merged(pa.concat_tables([versions.subscriptions, items]))

    def _with(self, versions: Iterable[Versioned[Resource]]) -> Mapping[str, Mapping[str, Versioned[Any]]]:
        objects: dict[str, dict[str, Any]] = defaultdict(dict)
        objects |= {kind: dict(of_kind) for kind, of_kind in self.objects.items()}
        for each in versions:
            of_kind = objects[each.resource.kind]
            if each.is_active:
                of_kind[each.resource.id] = each
            else:
                of_kind.pop(each.resource.id, None)
        return MappingProxyType({kind: MappingProxyType(of_kind) for kind, of_kind in objects.items()})

    @property
    def row_count(self) -> int:
        """Of all `chunks`."""
        return sum(chunk.num_rows for chunk in self.chunks())

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """What customers, subscriptions and ended resources are kept in, which snapshots share."""
        yield from self.customers.chunks()
        yield from self.subscriptions.chunks()
        if self.billed is not self.subscriptions:
            yield from self.billed.chunks()
        yield from self.ended.chunks()

    @property
    def subscription_columns(self) -> SubscriptionColumns:
        """All subscriptions and invoice items by customer and id: what is billed row by row. Terms have the currency of the customer
        where they don't say one.
        """
        return self.billed.billed_columns(self.customers)

    def plan_held(self, terms: SubscriptionTerms, place: int) -> Plan:
        """What the version at a place of the plan of terms comes to, in their currency."""
        return self.billed_plans[terms.plan].held(place, terms.currency)

    def add_ons_held(self, terms: SubscriptionTerms) -> Iterator[tuple[Plan, int]]:
        """The same of their add-ons, each with the place of its version."""
        for add_on, since_us in terms.add_ons_since_us.items():
            versions = self.plan_versions[add_on]
            place = versions.place_held(None, since_us)
            yield versions.held(place, terms.currency), place

    def zones_of(self, rows: npt.NDArray[np.int64]) -> tuple[Sequence[str], npt.NDArray[np.int64]]:
        """The names of time zones, and of some subscriptions of `subscription_columns` the place of each one's: its own, or
        its customer's, or UTC.
        """
        columns = self.subscription_columns
        customers, of_customer = self.customers.texts("time_zone")
        names = tuple(dict.fromkeys(("UTC", *columns.zones, *of_customer)))
        places = {name: number for number, name in enumerate(names)}

        def placed(zones: Iterable[str], none: int) -> npt.NDArray[np.int64]:
            """The place of each, and behind them of none."""
            return np.array([*(places[name] for name in zones), none], dtype=np.int64)

        own = placed(columns.zones, -1)[columns.zone[rows]]
        if not len(customers) or (own >= 0).all():
            return names, np.maximum(own, 0)
        ids = columns.customer_id.take(pa.array(rows))
        of_row = pc.index_in(ids, value_set=customers).fill_null(-1).to_numpy()
        return names, np.where(own >= 0, own, placed(of_customer, 0)[of_row])
