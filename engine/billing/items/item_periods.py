"""In which billing period an item is billed. Pure.

Rules:
1. Of the customer's subscriptions that are billed in the item's currency, the billing period that contains its instant; of several
   the one that ends first, so that it is billed as early as possible.
2. Where none has one, the calendar month of the customer's time zone.
3. A period that is closed already bills nothing more: then it is the same for the instant at which that one ends, and so on.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from engine.billing.closing.invoice import InvoiceKey
from engine.billing.periods import PeriodSchedule, periods_at
from engine.billing.rater import subscription_rows_of_customer
from engine.billing.segments import segments_at
from engine.catalog.kinds.plan import BillingPeriod
from engine.catalog.kinds.subscription import CALENDAR
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError

_PERIODS_MAX: Final = 1_000
"""Of days some three years: an item of longer ago is a mistake in its date."""
_UTC: Final = "UTC"


def item_period(
    catalog: Catalog, customer_id: str, currency: str, at_us: int, is_closed: Callable[[InvoiceKey], bool]
) -> InvoiceKey:
    """The period, as the key of the invoice that will have the item.

    Raises:
        NotFoundError: the catalog doesn't have the customer.
        InvalidRequestError: every period for years from the instant on is closed.
    """
    for _ in range(_PERIODS_MAX):
        start_us, end_us = _period_at(catalog, customer_id, currency, at_us)
        key = InvoiceKey(customer_id, currency, start_us, end_us)
        if not is_closed(key):
            return key
        at_us = end_us
    raise InvalidRequestError(
        FieldMistake("service_start", f"is before {_PERIODS_MAX:,} billing periods that are closed already")
    )


def _period_at(catalog: Catalog, customer_id: str, currency: str, at_us: int) -> tuple[int, int]:
    """Rules 1 and 2."""
    columns = catalog.subscription_columns
    segments = segments_at(catalog, subscription_rows_of_customer(catalog, customer_id), at_us)
    found = []
    for place in range(len(segments.period)):
        terms = SubscriptionTerms.read(columns.terms[int(segments.terms[place])])
        if catalog.plan_held(terms, int(segments.version[place])).currency == currency:
            period = int(segments.period[place])
            found.append((int(segments.periods.end_us[period]), int(segments.periods.start_us[period])))
    if found:
        end_us, start_us = min(found)
        return start_us, end_us
    zone = catalog.customers[customer_id].resource.time_zone or _UTC
    month = PeriodSchedule(BillingPeriod.MONTH, 1, zone, CALENDAR)
    at = np.array([at_us], dtype=np.int64)
    periods = periods_at(at, at + 1, month, at)
    return int(periods.whole_start_us[0]), int(periods.whole_end_us[0])
