"""The seller: what a tenant itself is, one for all its customers."""

from dataclasses import dataclass
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.billing_details import BillingAddress, TaxIds
from engine.catalog.kinds.resource import Name, Reference, Resource
from fields import Nested, Text
from rating import CreditsApply, InclusiveReverseCharge, RoundingMode, TaxScope


@dataclass(frozen=True, kw_only=True)
class Seller(Resource, section="sellers", count_max=1):
    """Who sells: at most one.

    address, email, tax_ids: what invoices say of it beside its name.
    tax_region: where it is taxed; without one no customer owes taxes itself.
    tax_rounding, tax_rounding_scope: how taxes are rounded to minor units, and whether each of a line or each of an invoice.
    credits_apply: whether credit pays before taxes, and less is taxed, or pays for amounts with their taxes.
    inclusive_reverse_charge: what a price that contains taxes comes to when the customer owes them.
    """

    name: Name
    tax_region: Annotated[str | None, Reference(to="tax_region")] = None
    tax_rounding: RoundingMode = RoundingMode.HALF_UP
    tax_rounding_scope: TaxScope = TaxScope.LINE
    credits_apply: CreditsApply = CreditsApply.BEFORE_TAX
    inclusive_reverse_charge: InclusiveReverseCharge = InclusiveReverseCharge.KEEP
    address: Annotated[BillingAddress | None, Nested(BillingAddress)] = None
    email: Annotated[str | None, Text(limits.EMAIL_BYTES_MAX)] = None
    tax_ids: TaxIds = ()
