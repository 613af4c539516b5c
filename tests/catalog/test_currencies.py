"""Plans in several currencies: applied, stored and exported on both databases, and refused where a bill would be in none."""

import json
from datetime import UTC, datetime

import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.kinds import definition
from engine.catalog.single.single_changes import end
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import Write
from engine.errors import CatalogDocumentError
from rating import AMOUNT_FIELDS, Price

PRICES = (
    "prices: [{id: fee, model: flat, flat_amount: 5}, {id: share, meter: m, model: percentage, percent: 2}]"
)
DOCUMENT = f"""\
meters: [{{id: m, event_type: e, aggregation: sum, value: v}}]
plans:
  - id: base
    name: Base
    currency: USD
    {PRICES}
    amount_off: 1.50
    minimum_amount: 100
    limits: [{{id: cap, amount: 500}}, {{id: units, meter: m, quantity: 7}}]
    currencies:
      JPY: {{prices: {{fee: {{flat_amount: 800}}}}, amount_off: 200, minimum_amount: 15000, limits: {{cap: 75000}}}}
  - {{id: other, name: Other, currency: USD, {PRICES}}}
customers: [{{id: acme, name: Acme, currency: JPY}}, {{id: bolt, name: Bolt}}]
subscriptions:
  - {{customer: acme, plan: base, start: 2026-01-01}}
  - {{customer: bolt, plan: base, start: 2026-01-01, currency: JPY}}
  - {{id: home, customer: bolt, plan: other, start: 2026-01-01}}
"""


def test_they_are_stored_and_read_back_without_a_change(apply, store):
    """What the catalog says of itself changes nothing."""
    apply(DOCUMENT)
    catalog = store.snapshot("t")
    plan = catalog.plans["base"].resource
    assert str(plan.in_currency("JPY").prices[0].price.flat_amount) == "800"
    assert plan.in_currency("EUR") is None
    assert catalog.currencies == ("JPY", "USD")
    sections = {}
    for each in catalog.all():
        sections.setdefault(each.resource.section, []).append(json.loads(definition(each.resource)))
    document = read_document(json.dumps(sections), "b.json")
    again = store.apply("t", document, applied_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (again.changes, again.unchanged_count) == ((), 8)


def test_a_plan_in_a_currency_has_all_of_its_amounts_and_nothing_else_of_it():
    """The percentage, the quota of units and the digits of the price are the plan's."""
    (_, plan, *_) = read_document(DOCUMENT, "c.yaml").resources(_empty(), datetime(2026, 1, 1, tzinfo=UTC))
    yen = plan.in_currency("JPY")
    assert (yen.currency, str(yen.amount_off), str(yen.minimum_amount)) == ("JPY", "200", "15000")
    assert [str(each.bound) for each in yen.limits] == ["75000", "7"]
    assert [each.price.currency for each in yen.prices] == ["JPY", "JPY"]
    assert str(yen.prices[1].price.percent) == "2"


def test_a_changed_amount_in_one_currency_is_a_new_version_of_plan_and_price(apply, store):
    """As every other change of a price: those who run keep theirs."""
    apply(DOCUMENT)
    apply(DOCUMENT.replace("flat_amount: 800", "flat_amount: 900"))
    versions = store.snapshot("t").plan_versions["base"]
    assert len(versions.versions) == 2
    assert [dict(each) for each in versions.price_versions] == [
        {"fee": 1, "share": 1},
        {"fee": 2, "share": 1},
    ]
    assert [str(versions.held(place, "JPY").prices[0].price.flat_amount) for place in (0, 1)] == [
        "800",
        "900",
    ]


def test_every_amount_of_a_price_can_be_said_in_a_currency():
    """The fields of a price that hold no amount are those that count, choose, or are parts of a hundred."""
    others = {
        *(
            "currency",
            "model",
            "timing",
            "boundary",
            "block_size",
            "block_rounding",
            "block_scope",
            "package_size",
        ),
        *(
            "package_rounding",
            "percent",
            "free_events",
            "multiplier",
            "dimensions",
            "included_units",
            "conversion",
        ),
        *("free_units", "percent_off", "rounding", "round_each_group"),
    }
    assert {*Price.__dataclass_fields__} == {*AMOUNT_FIELDS, *others}


def plan_with(currencies, more=""):
    return (
        "meters: [{id: m, event_type: e, aggregation: sum, value: v}]\n"
        f"plans: [{{id: a, name: A, currency: USD, {PRICES}, {more}currencies: {{{currencies}}}}}]"
    )


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        (
            plan_with("EUR: {}"),
            "currencies.EUR.prices.fee.flat_amount: is missing: the plan's own price has one",
        ),
        (
            plan_with("EUR: {prices: {fee: {flat_amount: 4, minimum_amount: 3}}}"),
            "currencies.EUR.prices.fee.minimum_amount: does not belong here: the plan's own price has none",
        ),
        (
            plan_with("EUR: {prices: {fee: {flat_amount: -4}}}"),
            "currencies.EUR.prices.fee.flat_amount: must be",
        ),
        (
            plan_with("EUR: {prices: {fee: {flat_amount: 4}, fe: {flat_amount: 4}}}"),
            "currencies.EUR.prices.fe: the plan has no price 'fe'",
        ),
        (
            plan_with("EUR: {prices: {fee: {percent_off: 4}}}"),
            "prices.fee.percent_off: is not a field of a price",
        ),
        (plan_with("USD: {prices: {fee: {flat_amount: 4}}}"), "currencies.USD: is the plan's own currency"),
        (plan_with("EURO: {prices: {fee: {flat_amount: 4}}}"), "currencies.EURO: must be an ISO 4217 code"),
        (
            plan_with("EUR: {prices: {fee: {flat_amount: 4}}}", "minimum_amount: 9, "),
            "currencies.EUR.minimum_amount: is missing: the plan has one in its own currency",
        ),
        (
            plan_with("EUR: {prices: {fee: {flat_amount: 4}}, minimum_amount: 8}"),
            "currencies.EUR.minimum_amount: does not belong here: the plan has none in its own currency",
        ),
        (
            plan_with("JPY: {prices: {fee: {flat_amount: 4}}, minimum_amount: 8.5}", "minimum_amount: 9, "),
            "currencies.JPY.minimum_amount: must have at most 0 fractional digits in JPY, is 8.5",
        ),
        (
            plan_with(
                "JPY: {prices: {fee: {flat_amount: 4}}, commitments: [{amount: 8.5, prices: [fee]}]}",
                "commitments: [{amount: 5}], ",
            ),
            "currencies.JPY.commitments[0].amount: must have at most 0 fractional digits in JPY, is 8.5",
        ),
        (
            plan_with("JPY: {prices: {fee: {flat_amount: 4}}}").replace(
                "flat_amount: 5", "flat_amount: 5, rounding: {digits: 1}"
            ),
            "currencies.JPY.prices.fee.rounding: is missing: the plan's price rounds to 1 digits",
        ),
        (
            plan_with("JPY: {prices: {fee: {flat_amount: 4}}}", "limits: [{id: cap, amount: 5}], "),
            "currencies.JPY.limits.cap: is missing: the plan limits spend",
        ),
        (
            plan_with(
                "JPY: {prices: {fee: {flat_amount: 4}}, limits: {cap: 0.5}}",
                "limits: [{id: cap, amount: 5}], ",
            ),
            "currencies.JPY.limits.cap: must have at most 0 fractional digits in JPY, is 0.5",
        ),
    ],
)
def test_a_currency_without_all_amounts_is_refused(mistakes_of, given, mistake):
    """Each at its place, by the names that the document has."""
    (found,) = mistakes_of(given)
    assert mistake in found


def subscription_with(customer, fields):
    """`a` is offered in USD and JPY, `b` in USD and EUR, `c` in USD alone."""
    offers = {"a": "JPY", "b": "EUR", "c": None}
    plans = ", ".join(
        f"{{id: {name}, name: N, currency: USD, prices: [{{id: fee, model: flat, flat_amount: 5}}]"
        + (f", currencies: {{{code}: {{prices: {{fee: {{flat_amount: 4}}}}}}}}}}" if code else "}")
        for name, code in offers.items()
    )
    return (
        f"plans: [{plans}]\ncustomers: [{{id: x, name: X{customer}}}]\n"
        f"subscriptions: [{{customer: x, start: 2026-01-01, {fields}}}]"
    )


@pytest.mark.parametrize(
    ("customer", "fields", "mistake"),
    [
        (
            "",
            "plan: a, currency: EUR",
            "plan: the plan 'a' is not offered in EUR, the subscription's currency",
        ),
        (", currency: EUR", "plan: a", "plan: the plan 'a' is not offered in EUR, its customer's currency"),
        (
            ", currency: JPY",
            "plan: a, phases: [{start: 2026-02-01, plan: b}]",
            "phases[0].plan: the plan 'b' is not offered in JPY, its customer's currency",
        ),
        (
            "",
            "plan: a, currency: JPY, phases: [{start: 2026-02-01, add_ons: {c: 1}}]",
            "phases[0].add_ons.c: the plan 'c' is not offered in JPY, the subscription's currency",
        ),
        (
            ", currency: JPY",
            "plan: a, invoicing_threshold: 9.5",
            "must have at most 0 fractional digits in JPY",
        ),
        (
            "",
            "plan: a, currency: JPY, commitments: [{amount: 9.5}]",
            "must have at most 0 fractional digits in JPY",
        ),
    ],
)
def test_a_subscription_is_in_a_currency_that_all_its_plans_are_offered_in(
    mistakes_of, customer, fields, mistake
):
    """Whoever says it, and whenever the plan comes."""
    (found,) = mistakes_of(subscription_with(customer, fields))
    assert mistake in found


def test_a_subscriptions_own_currency_stands_before_its_customers(mistakes_of):
    """`c` is in dollars alone, which the subscription says; without that it is refused."""
    read_document(subscription_with(", currency: EUR", "plan: c, currency: USD"), "c.yaml").resources(
        _empty(), datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert len(mistakes_of(subscription_with(", currency: EUR", "plan: c"))) == 1


def test_a_customers_currency_stays_while_a_subscription_is_billed_by_it(apply, store):
    """Until that subscription says its own."""
    apply(DOCUMENT)
    dollars = "customers: [{id: acme, name: Acme, currency: USD}]"
    with pytest.raises(CatalogDocumentError, match="can't change from JPY: 'acme:base' is billed by it"):
        apply(dollars)
    with pytest.raises(CatalogDocumentError, match="can't change from JPY: 'acme:base' is billed by it"):
        apply("customers: [{id: acme, name: Acme}]")
    with pytest.raises(CatalogDocumentError, match="can't be given now: 'home' is billed by it"):
        apply("customers: [{id: bolt, name: Bolt, currency: USD}]")
    apply("subscriptions: [{customer: acme, plan: base, start: 2026-01-01, currency: JPY}]")
    apply(dollars)
    assert store.snapshot("t").customers["acme"].resource.currency == "USD"


def test_a_plan_stays_in_the_currencies_of_its_subscriptions(apply):
    """Those by their customers, too, and whichever version it would be."""
    apply(DOCUMENT)
    plans = DOCUMENT[DOCUMENT.index("plans:") : DOCUMENT.index("  - {id: other")]
    only_dollars = plans[: plans.index("    currencies:")]
    with pytest.raises(CatalogDocumentError, match="currencies: must keep JPY: a subscription of the plan"):
        apply(only_dollars)
    apply(f"{plans[: plans.index('{prices')].replace('JPY', 'EUR')}{plans[plans.index('{prices') :]}".replace(
        "    currencies:\n", "    currencies:\n      JPY: {prices: {fee: {flat_amount: 8}}, amount_off: 2, minimum_amount: 9, limits: {cap: 3}}\n"
    ))  # fmt: skip


def test_a_split_with_amounts_is_of_plans_in_its_currency_alone(apply):
    """An amount of dollars can't be taken off a line in yen."""
    apply(DOCUMENT)
    split = (
        "revenue_splits: [{id: s, name: S, plans: [base], currency: USD, start: 2026-01-01, platform_amount: 1, "
        "shares: [{recipient: r, percent: 10}]}]"
    )
    with pytest.raises(CatalogDocumentError, match="the plan 'base' is in JPY, the amounts are in USD"):
        apply(split)
    apply(split.replace("base", "other"))
    with pytest.raises(
        CatalogDocumentError, match="currencies: can't be more: the revenue split 's' has amounts in USD"
    ):
        apply(
            f"plans: [{{id: other, name: Other, currency: USD, {PRICES}, currencies: {{EUR: {{prices: {{fee: {{flat_amount: 4}}}}}}}}}}]"
        )


def _empty():
    return Catalog.empty("t")


MONEY = """
plans:
  - id: one
    name: One
    currency: USD
    prices: [{id: fee, model: flat, flat_amount: 50, maximum_amount: 100}]
    currencies: {JPY: {prices: {fee: {flat_amount: 8000, maximum_amount: 15000}}}}
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: one, start: 2027-01-01, currency: JPY, overrides: {fee: {minimum_amount: 5000}}}]
"""


def test_an_override_is_held_against_the_price_in_its_currency(apply):
    """5,000 yen at least fit a maximum of 15,000, and not one of 4,000; whatever the plan has in dollars."""
    apply(MONEY)
    plan = MONEY[: MONEY.index("customers:")]
    apply(plan.replace("flat_amount: 50", "flat_amount: 60"))
    with pytest.raises(CatalogDocumentError, match="doesn't fit what a subscription overrides of it"):
        apply(plan.replace("15000", "4000").replace("maximum_amount: 100", "maximum_amount: 10000"))


def test_a_plan_that_changes_its_own_currency_leaves_subscriptions_in_theirs(apply):
    """The one that runs is on the version in dollars: that it may say, and no other."""
    begun = "subscriptions: [{customer: acme, plan: one, start: 2023-01-01}]"
    apply(MONEY[: MONEY.index("subscriptions:")] + begun)
    apply(
        "plans: [{id: one, name: One, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 8000}], "
        "currencies: {USD: {prices: {fee: {flat_amount: 50}}}}}]"
    )
    apply(begun.replace("2023-01-01", "2023-01-01, currency: USD"))
    with pytest.raises(CatalogDocumentError, match="can't change from USD to JPY once it has begun"):
        apply(begun.replace("2023-01-01", "2023-01-01, currency: JPY"))


def test_a_begun_subscription_does_not_come_to_a_plan_in_another_currency_in_hindsight(apply):
    """From a later instant on it may, and then says its commitments anew."""
    other = "plans: [{id: yen, name: Y, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 8000}]}]"
    begun = "subscriptions: [{id: s, customer: acme, plan: one, start: 2023-01-01}]"
    apply(MONEY[: MONEY.index("subscriptions:")] + begun)
    apply(other)
    with pytest.raises(CatalogDocumentError, match="can't change from USD to JPY once it has begun"):
        apply(begun.replace("plan: one", "plan: yen"))
    apply(begun.replace("2023-01-01", "2023-01-01, phases: [{start: 2024-01-01, plan: yen}]"))


def test_an_archived_subscription_comes_back_in_its_own_currency(apply, store):
    """As one that was never gone."""
    ended = "subscriptions: [{id: s, customer: acme, plan: one, start: 2023-01-01, end: 2023-02-01}]"
    apply(MONEY[: MONEY.index("subscriptions:")] + ended)
    at = datetime(2023, 12, 1, tzinfo=UTC)
    store.write(
        "t", lambda catalog: end("subscription", "s", "archive", "", at, catalog), Write(at, "p", "0" * 64)
    )
    with pytest.raises(CatalogDocumentError, match="can't change from USD to JPY once it has begun"):
        apply(ended.replace("2023-02-01", "2023-02-01, currency: JPY"))
    apply(ended)
    assert "s" in store.snapshot("t").subscriptions
