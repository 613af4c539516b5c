"""Tax regions, the seller and tax ids: applied, stored, and refused where they can't be charged, on both databases."""

import pytest

DOCUMENT = """\
tax_regions:
  - {id: DE, name: Germany, country: DE, union: EU, rates: [{id: vat, percent: 19}]}
sellers:
  - {id: us, name: Us, tax_region: DE}
customers:
  - {id: acme, name: Acme, tax_region: DE, tax_ids: [{type: us_ein, value: 91-1144442}, {type: eu_vat, value: de 136 695 976}]}
  - {id: bolt, name: Bolt, tax_region: DE, tax_exempt: true}
  - {id: coil, name: Coil}
"""


def test_taxed_customers_are_columns(apply, store):
    """Those with a region; the country of a VAT id is in front of it, however it is written."""
    apply(DOCUMENT)
    catalog = store.snapshot("t")
    found = catalog.customers.taxed
    assert found.customer.to_pylist() == ["acme", "bolt"]
    assert found.profile.to_pylist() == [
        {"region": "DE", "exempt": False, "vat_country": "DE"},
        {"region": "DE", "exempt": True, "vat_country": ""},
    ]
    assert catalog.seller.tax_region == "DE"


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ("sellers: [{id: a, name: A}, {id: b, name: B}]", "there would be 2 sellers"),
        ("sellers: [{id: a, name: A, tax_region: FR}]", "there is no tax_region 'FR'"),
        ("customers: [{id: a, name: A, tax_ids: [{type: eu_vat, value: DE136695970}]}]", "is no eu_vat"),
        ("customers: [{id: a, name: A, tax_ids: [{type: eu_vat, value: '136695976'}]}]", "is no eu_vat"),
        ("customers: [{id: a, name: A, tax_ids: [{type: ust, value: '1'}]}]", "must be one of eu_vat"),
        (
            "tax_regions: [{id: a, name: A, rates: [{id: vat, percent: 5}, {id: vat, percent: 6, start: 2026-01-01}]}]",
            "start: overlaps another rate of 'vat': end that one by it",
        ),
        (
            "tax_regions: [{id: a, name: A, rates: [{id: a, percent: 5}, {id: b, percent: 6, compound: true, inclusive: true}]}]",
            "an inclusive compound rate must precede exclusive ones",
        ),
        (
            "tax_regions: [{id: a, name: A, rates: [{id: a, percent: 5, start: 2026-01-01, end: 2026-01-01}]}]",
            "must be after start",
        ),
    ],
)
def test_what_no_tax_can_be_charged_by_is_refused(mistakes_of, given, mistake):
    """With its place."""
    assert any(mistake in found for found in mistakes_of(given))
