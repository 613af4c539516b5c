"""The one rating path: catalog and usage at a watermark in, line items out.

Live spend, draft lines, and all that comes later call `Rater.rate`; nothing else turns usage into money.

Rules:
1. The watermark is taken before anything is read, the usage is read as it stood at the watermark, and the
   catalog at one revision: the same watermark and revision give the same lines.
2. Usage is read once for each meter and period, for all customers together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.billing.charges import charges_at
from engine.billing.line_item import Charge, LineItem
from engine.billing.meter_usage import rated_usage, usage_request
from engine.billing.periods import Period
from engine.billing.rate_charges import Rated, Usage, UsageKey, rate_charges
from engine.catalog.resources import Meter
from engine.catalog.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.cluster.watermarks import settled_as_of_us
from engine.errors import NotFoundError, UnrateableError
from engine.metrics import METRICS
from engine.times import us_datetime
from engine.usage.query.usage_reader import UsageReader
from ingest import IngestOrder


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer is made from; the same snapshot gives the same answer."""

    catalog: Catalog
    at_us: int
    as_of_us: int
    # With the facts of this draft besides what is recorded: a correction that is tried (engine.usage.corrections.corrections).
    draft_id: int | None = None


# Groups of dimensions that one read may make: far past any invoice, well within memory.
_GROUPS_MAX = 200_000


class Rater:
    """Rates customers' usage as of a watermark."""

    def __init__(
        self, catalog: CatalogStore, usage: UsageReader, clock: IngestOrder, now_us: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._usage = usage
        self._clock = clock
        self._now_us = now_us

    def snapshot(
        self, tenant: str, at_us: int | None, as_of_us: int | None, revision: int | None = None
    ) -> Snapshot:
        """Fixes what an answer is made from. By default: now, all that is stored, the newest catalog.

        Raises:
            InvalidRequestError: `as_of` is later than what is stored for sure.
        """
        now_us = self._now_us()
        settled_us = settled_as_of_us(self._clock, now_us, as_of_us)
        at_us = now_us if at_us is None else at_us
        return Snapshot(self._catalog.snapshot(tenant, revision), at_us, settled_us)

    def rate_one(self, tenant: str, snapshot: Snapshot, customer_id: str) -> list[LineItem]:
        """The line items of one customer.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
            UnrateableError: a price can't rate the customer's usage.
        """
        rated = self.rate(tenant, snapshot, [customer_id])
        if reason := rated.unrateable.get(customer_id):
            raise UnrateableError(reason)
        return rated.line_items

    def rate(self, tenant: str, snapshot: Snapshot, customer_ids: Sequence[str] | None) -> Rated:
        """The line items of these customers (None: of all) for the billing periods that contain `at`.

        By customer, subscription, the plan's order of prices, and dimensions.

        Raises:
            NotFoundError: a customer that the catalog doesn't have.
            UnrateableError: a meter makes more groups than one answer holds.
        """
        customers = snapshot.catalog.customers
        for customer_id in customer_ids or ():
            if customer_id not in customers:
                raise NotFoundError(f"customer {customer_id!r} is not in the catalog: apply it first")
        chosen = frozenset(customers if customer_ids is None else customer_ids)
        with METRICS.rate_duration_seconds.time():
            charges = list(charges_at(snapshot.catalog, chosen, us_datetime(snapshot.at_us)))
            usage = self._usage_of(tenant, charges, snapshot)
            return rate_charges(charges, usage)

    def _usage_of(
        self, tenant: str, charges: Iterable[Charge], snapshot: Snapshot
    ) -> dict[UsageKey, list[Usage]]:
        wanted: dict[tuple[str, Period], tuple[Meter, set[str]]] = {}
        for charge in charges:
            if charge.meter is not None:
                meter = charge.meter.resource
                _, customers = wanted.setdefault((meter.id, charge.period), (meter, set()))
                customers.add(charge.subscription.customer)
        found: dict[UsageKey, list[Usage]] = {}
        for (meter_id, period), (meter, customers) in wanted.items():
            request = usage_request(tenant, meter, customers, period, snapshot.as_of_us)
            groups = self._usage.read(replace(request, draft_id=snapshot.draft_id), _GROUPS_MAX + 1)
            if len(groups) > _GROUPS_MAX:
                raise UnrateableError(
                    f"meter {meter_id}: its group_by properties make more than {_GROUPS_MAX} lines: "
                    "ask for fewer customers, or group by properties with fewer values"
                )
            for group in groups:
                found.setdefault((meter_id, period, group.customer_id), []).append(rated_usage(meter, group))
        return found
