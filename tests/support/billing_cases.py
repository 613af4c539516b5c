"""Small catalogs and usage of every kind, by hand and by dice, and what engine.billing makes of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.billing.terms.history import History
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.spend.spend import joined, spend_of
from engine.times import datetime_us
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from tests.support.catalogs import versions_of

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
PRICES = {
    "fee": '{id: fee, model: flat, flat_amount: "9.99", product: base}',
    "calls": '{id: calls, meter: calls, model: package, package_size: 100, package_amount: "0.05"}',
    "tokens": (
        "{id: tokens, meter: tokens, model: graduated, "
        'tiers: [{up_to: 1000, unit_amount: "0.003", flat_amount: 1}, {unit_amount: "0.0015"}]}'
    ),
    "by_region": (
        "{id: by_region, meter: by_place, model: matrix, dimensions: [region], "
        'cells: [{match: {region: eu}, unit_amount: "0.02"}, {match: {region: us}, model: graduated, '
        'tiers: [{up_to: 50, unit_amount: "0.03"}, {unit_amount: "0.025", flat_amount: 1}]}]}'
    ),
    "by_place": '{id: by_place, meter: by_place, model: per_unit, unit_amount: "0.0004", percent_off: 5}',
    "each_place": (
        '{id: each_place, meter: by_place, model: per_unit, unit_amount: "0.0035", round_each_group: true}'
    ),
    "small": (
        "{id: small, meter: by_place, model: graduated, rounding: {mode: half_even, digits: 1}, "
        'tiers: [{up_to: 10, unit_amount: "0.003"}, {unit_amount: "0.007"}]}'
    ),
    "upwards": '{id: upwards, meter: by_place, model: per_unit, unit_amount: "0.001", rounding: {mode: up}}',
    "at_least": (
        "{id: at_least, meter: by_place, model: matrix, dimensions: [region, class], minimum_amount: 3, "
        'cells: [{match: {class: a, region: eu}, unit_amount: "1"}], default: "0.5"}'
    ),
}
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: count}
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, conversion: {divisor: 3, rounding: {mode: up, digits: 2}}}
  - {id: by_place, event_type: call, aggregation: sum, value: tokens, group_by: [region, class]}
plans:
  - {id: none, name: N, currency: USD, prices: []}
"""
GROUP_BY = {"calls": (), "tokens": (), "by_place": ("region", "class")}


def catalog_of(text):
    empty = Catalog.empty("t")
    return empty.advanced(
        1,
        versions_of(
            Versioned(each, 1, 1)
            for each in read_document(text, "c.yaml").resources(empty, datetime(2026, 1, 1, tzinfo=UTC))
        ),
    )


def plan(name, currency, prices):
    return f"  - {{id: {name}, name: P, currency: {currency}, prices: [{', '.join(PRICES[each] for each in prices)}]}}\n"


def subscriptions(*fields):
    customers = dict.fromkeys(each["customer"] for each in fields)
    text = "customers:\n" + "".join(f"  - {{id: {each}, name: C}}\n" for each in customers)
    text += "subscriptions:\n"
    for each in fields:
        text += "  - {" + ", ".join(f"{name}: {value}" for name, value in each.items()) + "}\n"
    return text


def rated(catalog, usage, at=AT, rows=None):
    """`usage` as the oracle takes it."""
    rows = np.arange(len(catalog.subscription_columns)) if rows is None else rows
    charges = charges_at(catalog, rows, at if isinstance(at, np.ndarray) else datetime_us(at))
    periods = charges.periods
    columns = {}
    for meter, names in GROUP_BY.items():
        groups = [
            (place, *group)
            for place in range(len(periods))
            for group in usage.get((meter, periods.customer_id(place), periods.period(place).start), [])
        ]
        columns[meter] = UsageColumns.of_groups(
            [place for place, *_ in groups],
            [
                GroupUsage("", tuple(dict(found).get(name) for name in names), 0, *usage)
                for _, found, *usage in groups
            ],
            len(names),
        )
    return rate_charges(charges, columns)


def history_of(catalog, usage, at=AT):
    """What came before, as a rater gives it."""
    return History(datetime_us(at), lambda rows, at_us: iter([rated(catalog, usage, at_us, rows)]))


def random_case(dice, with_terms=lambda _dice, text: text):
    """A catalog and usage. `with_terms`: of dice and the catalog's text, the text with terms of money."""
    text = CATALOG
    for number in range(dice.randint(1, 3)):
        prices = dice.sample(sorted(PRICES), dice.randint(1, len(PRICES)))
        text += plan(f"p{number}", dice.choice(("USD", "JPY", "KWD")), prices)
    plans = [f"p{number}" for number in range(text.count("name: P"))]
    fields = {}
    for _ in range(dice.randint(1, 12)):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randint(0, 100))
        each = {"customer": f"c{dice.randint(1, 6)}", "plan": dice.choice(plans), "start": start.date()}
        if dice.random() < 0.3:
            each["end"] = (start + timedelta(days=dice.randint(1, 90))).date()
        fields[each["customer"], each["plan"]] = each
    catalog = catalog_of(with_terms(dice, text + subscriptions(*fields.values())))
    usage = {}
    # Two instants so far apart miss no month.
    for months in range(5):
        usage = random_usage(dice, catalog, AT - timedelta(days=28 * months)) | usage
    return catalog, usage


def random_usage(dice, catalog, at=AT):
    """Of every customer and meter in each of its periods: nothing, little, or more than 64 bits hold."""
    usage = {}
    periods = charges_at(catalog, np.arange(len(catalog.subscription_columns)), datetime_us(at)).periods
    for place in range(len(periods)):
        for meter, names in GROUP_BY.items():
            if dice.random() < 0.3:
                continue
            values = [[None, "ap", "eu", "us"][: 1 + 3 * bool(names)], [None, "a", "b"]][: len(names)]
            combinations = [()]
            for name, choices in zip(names, values, strict=True):
                combinations = [
                    (*each, *(() if value is None else ((name, value),)))
                    for each in combinations
                    for value in choices
                ]
            chosen = [each for each in combinations if dice.random() < 0.4] if names else [()]
            # By value, and what is absent last.
            chosen.sort(
                key=lambda each: [(name not in dict(each), dict(each).get(name, "")) for name in names]
            )
            groups = [
                (
                    each,
                    Decimal(dice.randint(-100, 10 ** dice.choice((2, 4, 30))))
                    / 10 ** dice.choice((0, 0, 2, 12)),
                    dice.randint(1, 10**12),
                    f"{dice.getrandbits(128):032x}",
                    dice.randint(0, 3),
                    dice.randint(0, 3),
                )
                for each in chosen
            ]
            if groups:
                usage[meter, periods.customer_id(place), periods.period(place).start] = groups
    return usage


def service_lines(catalog, at):
    """(plan, price, day from, day to, amount) of each line of the first subscription's period that contains an instant."""
    found = rate_charges(charges_at(catalog, np.arange(1), datetime_us(at)), {})
    return [
        (
            item.charge.billed.plan.id,
            item.charge.billed.price.id,
            item.charge.service.start.day,
            item.charge.service.end.day,
            str(item.rated.amount),
        )
        for item in found.line_items(np.arange(len(found)))
    ]


def spends_at_once_and_in_pieces(catalog, usage):
    """What everybody spends: of all customers together, and of some customers at a time."""
    columns, history = catalog.subscription_columns, history_of(catalog, usage)
    cuts = sorted({columns.customer_end(row) for row in range(0, len(columns), 3)} | {len(columns)})
    parts = [
        spend_of(rated(catalog, usage, rows=np.arange(first, last)), history)
        for first, last in zip([0, *cuts], cuts, strict=False)
    ]
    return spend_of(rated(catalog, usage), history), joined(parts)


def settled_sums(spends, names):
    """(customer, currency) -> the sums of these names, as fractions."""
    return {
        (each.customer_id, each.currency): {name: Fraction(getattr(each.settled, name)) for name in names}
        for each in spends.by_amount(10**6)
    }
