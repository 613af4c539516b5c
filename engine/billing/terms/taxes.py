"""Which taxes are on which invoices. Pure.

Rules:
1. A customer is taxed by the rates of its tax region that hold at the last instant of the invoice's period. One without a
   region isn't taxed, and one that is exempt neither.
2. Reverse charge: the customer owes the taxes, if its region and the seller's are of one union and in two countries, and it has
   a VAT id of its region's country. They are recorded with nothing.
3. A line has the taxes of its invoice, but for an invoice item that says it isn't taxed.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.segments import Index
from engine.billing.terms.invoices import InvoicedLines
from engine.billing.terms.places import CustomerNumbers
from engine.catalog.kinds.items.billed_item import ItemPlan
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import us_datetime
from rating import TaxProfile, TaxRounding

# Whose VAT ids begin with other letters than their country's code.
_VAT_COUNTRIES = {"GR": "EL"}


@dataclass(frozen=True, eq=False, slots=True)
class Taxed:
    """n taxed customers: int64[n] their numbers, rising, and which of `profiles` each has, int64[n]."""

    customer: Index
    profile: Index
    profiles: list[dict[str, object]]


@dataclass(frozen=True, eq=False, slots=True)
class InvoiceTaxes:
    """`profile`: of each invoice, int64[k]; -1: not taxed."""

    profiles: tuple[TaxProfile, ...]
    profile: Index
    rounding: TaxRounding


def taxed(catalog: Catalog, customers: CustomerNumbers) -> Taxed:
    """Those of these customers who are taxed."""
    columns = catalog.customers.taxed
    ids = catalog.subscription_columns.customer_id.take(pa.array(customers.first_row))
    if not len(columns) or not len(ids):
        none = np.zeros(0, dtype=np.int64)
        return Taxed(none, none, [])
    place, of = range(len(columns)), columns.customer

    def key(row: int) -> str:
        return str(of[row].as_py())

    first = bisect_left(place, ids[0].as_py(), key=key)
    own = slice(first, bisect_right(place, ids[len(ids) - 1].as_py(), key=key))
    number = pc.fill_null(pc.index_in(of[own], value_set=ids), -1).to_numpy()
    known = np.flatnonzero(number >= 0)
    profile = columns.profile[own].take(pa.array(known))
    # As one text each, since structs aren't encoded.
    parts = [pc.struct_field(profile, name) for name in ("region", "vat_country", "exempt")]
    joined = pc.binary_join_element_wise(*(each.cast(pa.string()) for each in parts), "/")
    encoded = pc.dictionary_encode(joined)
    found = [text.split("/") for text in encoded.dictionary.to_pylist()]
    profiles = [
        {"region": region, "vat_country": country, "exempt": exempt == "true"}
        for region, country, exempt in found
    ]
    is_exempt = np.array([each["exempt"] for each in profiles], dtype=np.bool_)
    indices = encoded.indices.to_numpy().astype(np.int64)
    pays = np.flatnonzero(~is_exempt[indices]) if len(indices) else known
    return Taxed(number[known][pays].astype(np.int64), indices[pays], profiles)


def invoice_taxes(catalog: Catalog, found: Taxed, invoiced: InvoicedLines) -> InvoiceTaxes:
    """The taxes of each invoice."""
    invoices = invoiced.invoices
    of_customer = np.full(int(max(invoices.customer.max(initial=-1), found.customer.max(initial=-1))) + 1, -1)
    of_customer[found.customer] = found.profile
    own = of_customer[invoices.customer]
    rows = np.flatnonzero(own >= 0)
    ends_us, end = np.unique(invoices.end_us[rows], return_inverse=True)
    pairs, pair = np.unique(own[rows] * max(len(ends_us), 1) + end, return_inverse=True)
    seller = catalog.seller
    profiles = tuple(
        _profile(catalog, found.profiles[each // len(ends_us)], int(ends_us[each % len(ends_us)]))
        for each in pairs.tolist()
    )
    profile = np.full(len(invoices), -1, dtype=np.int64)
    profile[rows] = pair
    rounding = TaxRounding()
    if seller is not None:
        rounding = TaxRounding(mode=seller.tax_rounding, scope=seller.tax_rounding_scope)
    return InvoiceTaxes(profiles, profile, rounding)


def line_taxes(taxes: InvoiceTaxes, invoiced: InvoicedLines) -> Index:
    """The profile of each line (rule 3), int64[n]."""
    is_free = np.array(
        [isinstance(each, ItemPlan) and not each.taxed for each in invoiced.plans], dtype=np.bool_
    )
    profile: Index = taxes.profile[invoiced.lines.invoice]
    return np.where(is_free[invoiced.plan], -1, profile) if is_free.any() else profile


def _profile(catalog: Catalog, of: dict[str, object], end_us: int) -> TaxProfile:
    region = catalog.tax_regions[str(of["region"])].resource
    rates = region.rates_at(us_datetime(end_us - 1))
    seller = catalog.seller
    if seller is None or seller.tax_region is None:
        return TaxProfile(rates=rates)
    home = catalog.tax_regions[seller.tax_region].resource
    reverse = (
        region.union is not None
        and region.union == home.union
        and region.country is not None
        and home.country is not None
        and region.country != home.country
        and of["vat_country"] == _VAT_COUNTRIES.get(region.country, region.country)
    )
    return TaxProfile(
        rates=rates, reverse_charge=reverse, inclusive_reverse_charge=seller.inclusive_reverse_charge
    )
