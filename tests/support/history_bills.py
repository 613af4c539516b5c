"""Random subscriptions' histories through engine.billing, beside the oracle."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from engine.billing.charges import charges_at
from engine.billing.rate_charges import rate_charges
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.times import datetime_us
from engine.usage.facts.usage_columns import UsageColumns
from engine.usage.facts.usage_request import GroupUsage
from tests.support.catalogs import versions_of
from tests.support.history_oracle import (
    MINOR_UNITS,
    ZONES,
    bill,
    random_plans,
    random_subscription,
    random_usage,
)


@dataclass
class Found:
    lines: int
    wrong: list


def differences(dice, count):
    """So many random subscriptions at a random instant, by the engine and by the oracle."""
    plans = random_plans(dice)
    subscriptions = [random_subscription(dice, number, plans) for number in range(count)]
    zones = {each["customer"]: dice.choice(ZONES) for each in subscriptions}
    currencies = {each["customer"]: dice.choice((None, None, "USD", "JPY")) for each in subscriptions}
    usage = {each["customer"]: random_usage(dice, each["start"]) for each in subscriptions}
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(250 * 86_400))
    catalog = catalog_of(plans, subscriptions, zones, currencies)
    found = bills(catalog, usage, at)
    expected = {
        each["id"]: bill(each, plans, usage[customer], at, zones[customer], currencies[customer])
        for each in subscriptions
        for customer in (each["customer"],)
    }
    expected = {key: value for key, value in expected.items() if value}
    wrong = [
        (key, found.get(key), expected.get(key))
        for key in sorted({*found, *expected})
        if found.get(key) != expected.get(key)
    ]
    return Found(sum(len(each) for each in expected.values()), wrong)


def catalog_of(plans, subscriptions, zones, currencies=None):
    """`zones`, `currencies`: customer -> its own; without `currencies` nobody has one."""
    currencies = currencies or dict.fromkeys(zones)
    versions = [
        Versioned(Meter.read({"id": "calls", "event_type": "call", "aggregation": "sum", "value": "n"}), 1, 1)
    ]
    for name, of_plan in plans.items():
        for number, effective_from, prices, (unit, length) in of_plan:
            fields = {
                "id": name,
                "name": name,
                "currency": "USD",
                "billing_period": unit,
                "billing_period_count": length,
                "effective_from": effective_from,
                "prices": [{key: each[key] for key in each if key != "other"} for each in prices],
                "currencies": {
                    "JPY": {"prices": {each["id"]: each["other"] for each in prices if each["other"]}}
                },
            }
            versions.append(Versioned(Plan.read(fields), number, 1))
    for customer, zone in zones.items():
        own = {} if zone == "UTC" else {"time_zone": zone}
        own |= {"currency": currencies[customer]} if currencies[customer] else {}
        versions.append(Versioned(Customer.read({"id": customer, "name": "C", **own}), 1, 1))
    versions += [Versioned(Subscription.read(each), 1, 1) for each in subscriptions]
    return Catalog.empty("t").advanced(1, versions_of(versions))


def bills(catalog, usage, at):
    """Subscription -> {(plan, price): (currency, minor units, [(start, end) of each line])}."""
    charges = charges_at(catalog, np.arange(len(catalog.subscription_columns)), datetime_us(at))
    periods = charges.periods
    places, groups = [], []
    for place in range(len(periods)):
        low, high = periods.service(place).start, periods.service(place).end
        own = [units for when, units in usage[periods.customer_id(place)] if low <= when < high]
        if own:
            places.append(place)
            groups.append(GroupUsage("", (), 0, Decimal(sum(own)), len(own), "0" * 32, 0, 0))
    rated = rate_charges(charges, {"calls": UsageColumns.of_groups(places, groups, 0)})
    found = defaultdict(dict)
    for item in rated.line_items(np.arange(len(rated))):
        own = found[item.charge.subscription.id]
        key = item.charge.billed.plan.id, item.charge.billed.price.id
        currency = item.charge.billed.effective.currency
        _, minor, spans = own.get(key, (currency, 0, []))
        service, more = item.charge.service, int(item.rated.amount * MINOR_UNITS[currency])
        own[key] = currency, minor + more, sorted([*spans, (service.start, service.end)])
    return dict(found)
