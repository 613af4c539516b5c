"""What documents say of whoever pays and whoever sells: addresses, and tax ids, checked offline: their form, and their check digits
where they have some. The seller: what a tenant itself is, one for all its customers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Annotated, Final

import stdnum.au.abn
import stdnum.ca.bn
import stdnum.ch.vat
import stdnum.eu.vat
import stdnum.gb.vat
import stdnum.in_.gstin
import stdnum.no.mva
import stdnum.us.ein
from stdnum.exceptions import ValidationError

from engine.catalog import limits
from engine.catalog.kinds.resource import Name, Reference, Resource
from fields import Count, ListOf, Nested, Problem, Record, Text, rule
from rating import CreditsApply, InclusiveReverseCharge, RoundingMode, TaxScope


class TaxIdType(StrEnum):
    """What gives the id out."""

    EU_VAT = "eu_vat"
    """With its country in front, such as DE136695976."""
    GB_VAT = "gb_vat"
    CH_VAT = "ch_vat"
    NO_VAT = "no_vat"
    AU_ABN = "au_abn"
    CA_BN = "ca_bn"
    IN_GST = "in_gst"
    US_EIN = "us_ein"


_CHECKS: Final[Mapping[TaxIdType, ModuleType]] = {
    TaxIdType.EU_VAT: stdnum.eu.vat,
    TaxIdType.GB_VAT: stdnum.gb.vat,
    TaxIdType.CH_VAT: stdnum.ch.vat,
    TaxIdType.NO_VAT: stdnum.no.mva,
    TaxIdType.AU_ABN: stdnum.au.abn,
    TaxIdType.CA_BN: stdnum.ca.bn,
    TaxIdType.IN_GST: stdnum.in_.gstin,
    TaxIdType.US_EIN: stdnum.us.ein,
}


@dataclass(frozen=True, kw_only=True)
class TaxId(Record):
    """One of a customer's. Whether an authority knows it isn't asked."""

    type: TaxIdType
    value: Annotated[str, Text(limits.TAX_ID_BYTES_MAX)]

    @rule("type", "value")
    def _is_one(self) -> Iterator[Problem]:
        try:
            _CHECKS[self.type].validate(self.value)
        except ValidationError as error:
            yield Problem(("value",), f"is no {self.type}: {str(error).rstrip('.').lower()}")


TaxIds = Annotated[tuple[TaxId, ...], ListOf(Nested(TaxId), 0, limits.TAX_IDS_MAX, unique="type")]


@dataclass(frozen=True, kw_only=True)
class BillingAddress(Record, called="address"):
    """Where somebody is, as it stands on a document. `lines`: street, house, post box; `country`: ISO 3166, two letters."""

    lines: Annotated[
        tuple[str, ...], ListOf(Text(limits.ADDRESS_LINE_BYTES_MAX), 0, limits.ADDRESS_LINES_MAX)
    ] = ()
    city: Annotated[str | None, Text(limits.ADDRESS_LINE_BYTES_MAX)] = None
    region: Annotated[str | None, Text(limits.ADDRESS_LINE_BYTES_MAX)] = None
    postal_code: Annotated[str | None, Text(limits.POSTAL_CODE_BYTES_MAX)] = None
    country: Annotated[str, Text(2, allowed="A-Z")]

    @rule("country")
    def _country_has_two_letters(self) -> Iterator[Problem]:
        if len(self.country) != 2:
            yield Problem(("country",), f"must be two letters of ISO 3166 such as DE, is {self.country}")


PaymentTerms = Annotated[int | None, Count(limits.PAYMENT_TERMS_DAYS_MAX)]
"""How many days after its issue an invoice is due."""


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
