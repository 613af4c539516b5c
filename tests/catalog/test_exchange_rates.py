"""Exchange rates: applied, stored, and refused where a pair would have two at a time, on both databases."""

import pytest

DOCUMENT = """\
exchange_rates:
  - {from_currency: USD, to_currency: EUR, rate: 0.9213, effective_from: 2026-01-01}
  - {from_currency: USD, to_currency: EUR, rate: 0.9100, effective_from: 2025-12-01}
  - {id: yen, from_currency: JPY, to_currency: EUR, rate: 6.1e-3, effective_from: 2026-01-01}
"""


def test_rates_are_found_by_their_pair_in_the_order_of_time(apply, store):
    """An id is made from the pair and the day; a change is another version of that rate."""
    apply(DOCUMENT)
    rates = store.snapshot("t").exchange_rates["USD", "EUR"]
    assert [(each.id, str(each.rate)) for each in rates] == [
        ("USD:EUR:2025-12-01", "0.91"),
        ("USD:EUR:2026-01-01", "0.9213"),
    ]
    apply("exchange_rates: [{from_currency: USD, to_currency: EUR, rate: 0.93, effective_from: 2026-01-01}]")
    found = store.snapshot("t").exchange_rates
    assert [str(each.rate) for each in found["USD", "EUR"]] == ["0.91", "0.93"]
    assert [str(each.rate) for each in found["JPY", "EUR"]] == ["0.0061"]


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ("to_currency: EUR, rate: 0, effective_from: 2026-01-01", "rate: must be more than 0, is 0"),
        ("to_currency: EUR, rate: 1, effective_from: soon", "effective_from: must be"),
        ("to_currency: EUR, rate: 1", "effective_from: is missing"),
        ("to_currency: USD, rate: 1, effective_from: 2026-01-01", "to_currency: must be another currency"),
        ("to_currency: XAU, rate: 1, effective_from: 2026-01-01", "XAU has no minor unit"),
    ],
)
def test_what_is_no_rate_is_refused(mistakes_of, fields, mistake):
    """With its place."""
    found = mistakes_of(f"exchange_rates: [{{id: r, from_currency: USD, {fields}}}]")
    assert any(mistake in each for each in found), found


def test_a_pair_has_one_rate_from_an_instant_on(apply, store, mistakes_of):
    """However it is written, in the document and beside the catalog's."""
    apply(DOCUMENT)
    again = "{id: again, from_currency: USD, to_currency: EUR, rate: 0.92, effective_from: '2026-01-01T01:00:00+01:00'}"
    assert mistakes_of(f"exchange_rates: [{again}]", store.snapshot("t")) == [
        (
            "llm.yaml:1: exchange_rates.again.effective_from: is that of 'USD:EUR:2026-01-01' (the catalog), too: there is "
            "one rate from USD to EUR at a time"
        )
    ]
    assert "(line 2), too" in mistakes_of(f"{DOCUMENT}  - {again}\n")[0]
