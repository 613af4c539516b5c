"""Customers: who pays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.billing_details import BillingAddress, PaymentTerms, TaxIds
from engine.catalog.kinds.coupon import Redemptions
from engine.catalog.kinds.resource import NAME, Name, Reference, Resource, TimeZone
from fields import ListOf, MapOf, Nested, Text
from rating import CurrencyCode

_METADATA = MapOf(
    Text(limits.ID_BYTES_MAX), Text(limits.METADATA_VALUE_BYTES_MAX, free=True), limits.METADATA_ENTRIES_MAX
)


@dataclass(frozen=True, kw_only=True)
class Customer(Resource, section="customers", count_max=limits.CUSTOMERS_MAX):
    """Who pays. `metadata` is the user's own, for joins with other systems; `coupons` are off all that it buys.

    tax_region: whose taxes are charged; none without one, and none of a customer that is exempt.
    aliases: other ids that events may have, each of one customer only; what is recorded under them is this one's.
    parent: the customer above, if there is one.
    billing_name, billing_address, billing_email, purchase_order: what invoices say of it, as they are when one is issued; by default the
        name, and nothing. payment_terms_days: how long after that an invoice is due, in place of what its plans say.
    currency: in which subscriptions are billed that don't say one of their own; by default each in its plan's.
    time_zone: of the billing periods of subscriptions that don't say one of their own; by default UTC.
    """

    name: Name
    currency: Annotated[str | None, CurrencyCode()] = None
    time_zone: Annotated[str | None, TimeZone()] = None
    metadata: Annotated[Mapping[str, str], _METADATA] = field(default_factory=lambda: MappingProxyType({}))
    coupons: Redemptions = ()
    tax_region: Annotated[str | None, Reference(to="tax_region")] = None
    tax_ids: TaxIds = ()
    tax_exempt: bool = False
    aliases: Annotated[
        tuple[str, ...], ListOf(Text(limits.ID_BYTES_MAX), 0, limits.CUSTOMER_ALIASES_MAX, distinct=True)
    ] = ()
    parent: Annotated[str | None, Reference(to="customer")] = None
    billing_name: Annotated[str | None, NAME] = None
    billing_address: Annotated[BillingAddress | None, Nested(BillingAddress)] = None
    billing_email: Annotated[str | None, Text(limits.EMAIL_BYTES_MAX)] = None
    purchase_order: Annotated[str | None, Text(limits.PURCHASE_ORDER_BYTES_MAX)] = None
    payment_terms_days: PaymentTerms = None
