"""Random catalogs: whatever the format of documents allows."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from engine.catalog.kinds.meter import Meter
from fields import FieldsError

texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
ids = st.text("abcXYZ019_.:@-", min_size=1, max_size=8)
amounts = st.decimals("0", "1000000", places=9).map(lambda amount: f"{amount:f}")
schedules = st.tuples(
    st.lists(st.integers(1, 10**9), min_size=0, max_size=4, unique=True).map(sorted),
    st.lists(st.fixed_dictionaries({"unit_amount": amounts}, optional={"flat_amount": amounts}), min_size=5),
).map(
    lambda parts: [
        {"up_to": up_to, **tier} for up_to, tier in zip([*map(str, parts[0]), None], parts[1], strict=False)
    ]
)
# 5, 5.0, 005 and +5 are one number, and so is every filter that they stand in.
decimals = st.sampled_from(["5", "5.0", "005", "+5", "-5", "0", "-0", "0.000000000001", "9" * 26])
values = texts | st.lists(texts, min_size=1, unique=True)
conditions = st.one_of(
    st.fixed_dictionaries({"not": values}, optional={"exists": st.just("true"), "at_most": decimals}),
    st.fixed_dictionaries({"exists": st.sampled_from(["true", "false"])}),
    st.sampled_from(["greater_than", "at_least", "less_than", "at_most"]).flatmap(
        lambda name: st.fixed_dictionaries({name: decimals})
    ),
)


def possible(filters):
    """What no event passes is refused, and has a test of its own."""
    try:
        Meter.read({"id": "m", "event_type": "e", "aggregation": "count", "filters": filters})
    except FieldsError:
        return False
    return True


# A property may have the name of a group: what stands behind it makes the difference.
names = texts | st.sampled_from(["any", "all", "not"])
flat_filters = st.dictionaries(names, values | conditions, max_size=3)
filters = st.recursive(
    flat_filters,
    lambda inner: st.builds(
        lambda flat, groups: {**flat, **groups},
        flat_filters,
        st.dictionaries(
            st.sampled_from(["any", "all", "not"]), st.lists(inner, min_size=1, max_size=3), min_size=1
        ),
    ),
    max_leaves=6,
).filter(possible)
quoted = texts.map(lambda name: '"' + name.replace('"', '""') + '"')
expressions = st.recursive(
    quoted | st.sampled_from(["a", "b.c", "_1"]) | decimals.map(lambda number: number.lstrip("+-")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", " -  "]), inner).map("".join),
        st.tuples(inner, st.sampled_from(["*", " * "]), st.sampled_from(["2", "a", "-b"])).map("".join),
        inner.map(lambda text: f"( {text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=6,
).filter(lambda text: text.count("*") < 4 and re.search('[a-z_"]', text))
meter_values = texts | st.fixed_dictionaries(
    {"expression": expressions.map(lambda text: f"{text} - v")}
).flatmap(
    lambda given: st.fixed_dictionaries(
        {k: st.just(v) for k, v in given.items()}, optional={"defaults": st.just({}) | st.just({"v": "007"})}
    )
)
roundings = st.fixed_dictionaries(
    {"mode": st.sampled_from(["half_up", "down"]), "digits": st.sampled_from(["0", "12"])}
)
conversions = st.fixed_dictionaries(
    {"factor": st.sampled_from(["2", "2.0", "0.001"])}, optional={"rounding": roundings}
) | st.fixed_dictionaries({"divisor": st.sampled_from(["1e3", "1000", "3"]), "rounding": roundings})
aggregations = st.one_of(
    st.fixed_dictionaries({"aggregation": st.sampled_from(["sum", "max", "avg", "unique_count"])}),
    st.fixed_dictionaries({"aggregation": st.sampled_from(["sum", "max", "avg"]), "value": meter_values}),
    st.fixed_dictionaries(
        {"aggregation": st.sampled_from(["sum", "latest", "time_weighted"])},
        optional={"carries_over": st.sampled_from(["true", "false"])},
    ),
    st.fixed_dictionaries(
        {"aggregation": st.just("percentile"), "percentile": st.sampled_from(["95", "95.0", "99.9", "0.001"])}
    ),
)
price_models = st.one_of(
    st.fixed_dictionaries({"model": st.just("per_unit"), "unit_amount": amounts}),
    st.fixed_dictionaries({"model": st.sampled_from(["graduated", "volume"]), "tiers": schedules}),
    st.fixed_dictionaries(
        {"model": st.just("package"), "package_size": st.just("1000"), "package_amount": amounts},
        optional={"minimum_amount": st.just("1"), "percent_off": st.just("12.5")},
    ),
)

random_coupons = st.builds(
    lambda coupon, off: {**coupon, **off},
    st.fixed_dictionaries(
        {"id": ids, "name": texts},
        optional={
            "periods": st.sampled_from(["1", "12.0"]),
            "redemptions_max": st.just("100"),
            "valid_from": st.just("2020-01-01"),
        },
    ),
    st.sampled_from([{"percent_off": "12.50"}, {"amount_off": "3e1", "currency": "JPY"}]),
)

random_splits = st.fixed_dictionaries(
    {
        "name": texts,
        "shares": st.lists(
            st.fixed_dictionaries({"recipient": ids, "percent": st.sampled_from(["12.50", "1e1", "0.001"])}),
            min_size=1,
            max_size=3,
            unique_by=lambda share: share["recipient"],
        ),
    },
    optional={
        "split_base": st.sampled_from(["line", "gross"]),
        "platform_rounding": st.just("up"),
        "start": st.just("2024-01-01"),
        "end": st.just("2025-01-01T01:00:00+01:00"),
    },
)

random_rates = st.fixed_dictionaries(
    {
        "from_currency": st.sampled_from(["USD", "JPY", "KWD"]),
        "to_currency": st.just("EUR"),
        "rate": st.sampled_from(["0.90", "1e2", "0.0000001"]),
        "effective_from": st.sampled_from(["2024-01-01", "2024-01-01T01:00:00Z"]),
    }
)

random_regions = st.fixed_dictionaries(
    {"id": ids, "name": texts},
    optional={
        "country": st.just("AT"),
        "union": ids,
        "rates": st.just(
            [
                {"id": "vat", "percent": "20.0", "inclusive": "true", "end": "2026-01-01"},
                {"id": "vat", "percent": "2e1", "start": "2026-01-01"},
                {"id": "city", "percent": "1", "compound": "true"},
            ]
        ),
    },
)


@st.composite
def catalogs(draw):
    """Sections of a document, by id: whatever the format allows."""
    meters = draw(
        st.lists(
            st.builds(
                lambda meter, aggregation: {**meter, **aggregation},
                st.fixed_dictionaries(
                    {"id": ids, "event_type": texts, "value": texts},
                    optional={
                        "filters": filters,
                        "group_by": st.lists(texts, max_size=3, unique=True),
                        "conversion": conversions,
                        "unit": st.none() | texts,
                    },
                ),
                aggregations,
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda meter: meter["id"],
        )
    )
    usage = st.builds(
        lambda model, price_id, meter: {"id": price_id, "meter": meter, **model},
        price_models,
        ids,
        st.sampled_from([meter["id"] for meter in meters]),
    )
    flat = st.builds(
        lambda price_id, amount: {"id": price_id, "model": "flat", "flat_amount": amount}, ids, amounts
    )
    prices = st.lists(usage | flat, max_size=4, unique_by=lambda price: price["id"])
    plans = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "id": ids,
                    "name": texts,
                    "currency": st.sampled_from(["USD", "JPY", "KWD"]),
                    "prices": prices,
                }
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda plan: plan["id"],
        )
    )
    coupons = draw(st.lists(random_coupons, min_size=1, max_size=2, unique_by=lambda coupon: coupon["id"]))
    redemptions = st.builds(
        lambda coupon, start: [{"coupon": coupon, "start": start}],
        st.sampled_from([each["id"] for each in coupons]),
        st.sampled_from(["2024-01-01", "2024-01-01T01:00:00.5+01:00"]),
    )
    regions = draw(st.lists(random_regions, min_size=1, max_size=2, unique_by=lambda region: region["id"]))
    region = st.sampled_from([each["id"] for each in regions])
    sellers = draw(
        st.lists(
            st.fixed_dictionaries(
                {"id": ids, "name": texts},
                optional={"tax_region": region, "tax_rounding": st.just("up")},
            ),
            max_size=1,
        )
    )
    splits = [
        {"id": f"split{number}", "plans": [plan["id"]], **draw(random_splits)}
        for number, plan in enumerate(draw(st.lists(st.sampled_from(plans), max_size=2, unique_by=id)))
    ]
    customers = draw(
        st.lists(
            st.fixed_dictionaries(
                {"id": ids, "name": texts},
                optional={
                    "tax_region": region,
                    "tax_exempt": st.sampled_from(["true", "false"]),
                    "tax_ids": st.just([{"type": "eu_vat", "value": "ATU 13585627"}]),
                    "metadata": st.dictionaries(texts, st.text("aé \u4e2d"), max_size=5),
                    "coupons": redemptions,
                },
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda customer: customer["id"],
        )
    )
    start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw(st.integers(0, 10**15)))
    subscriptions = [
        {
            "id": f"s{number}",
            "customer": customer["id"],
            "plan": draw(st.sampled_from(plans))["id"],
            "start": start.isoformat(),
            "end": draw(st.none() | st.just("2100-01-01")),
            **draw(st.fixed_dictionaries({}, optional={"coupons": redemptions})),
        }
        for number, customer in enumerate(customers)
    ]
    return {
        "meters": meters,
        "plans": plans,
        "coupons": coupons,
        "tax_regions": regions,
        "sellers": sellers,
        "revenue_splits": splits,
        "exchange_rates": draw(
            st.lists(random_rates, max_size=2, unique_by=lambda rate: rate["from_currency"])
        ),
        "customers": customers,
        "subscriptions": subscriptions,
        "credit_grants": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "id": ids,
                        "customer": st.sampled_from([each["id"] for each in customers]),
                        "currency": st.just("USD"),
                        "amount": st.sampled_from(["5", "5.00", "1e2"]),
                        "effective_at": st.just("2024-01-01"),
                    },
                    optional={"priority": st.just("1"), "recurs_months": st.just("1.0")},
                ),
                max_size=2,
                unique_by=lambda grant: grant["id"],
            )
        ),
        "top_up_rules": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "id": ids,
                        "customer": st.sampled_from([each["id"] for each in customers]),
                        "currency": st.just("USD"),
                        "below": st.sampled_from(["5", "5.00", "1e2"]),
                        "amount": st.sampled_from(["7", "7.00"]),
                    },
                    optional={
                        "name": texts,
                        "most_per_month": st.just("2e1"),
                        "lasts_months": st.just("1.0"),
                    },
                ),
                max_size=2,
                unique_by=lambda rule: rule["id"],
            )
        ),
        "invoice_items": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "id": ids,
                        "customer": st.sampled_from([each["id"] for each in customers]),
                        "description": texts,
                        "currency": st.just("USD"),
                        "amount": st.sampled_from(["-5", "5.00", "1e2"]),
                        "service_start": st.just("2024-01-05"),
                        "period_start": st.just("2024-01-01"),
                        "period_end": st.just("2024-02-01"),
                    },
                    optional={"product": ids, "taxed": st.booleans()},
                ),
                max_size=2,
                unique_by=lambda item: item["id"],
            )
        ),
        "alerts": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "id": ids,
                        "name": texts,
                        "measure": st.just("spend"),
                        "currency": st.just("USD"),
                        "thresholds": st.sampled_from([["5"], ["5.00", "1e2"]]),
                    },
                    optional={
                        "customer": st.sampled_from([each["id"] for each in customers]),
                        "budget": st.just("10.0"),
                        "repeats": st.just("once"),
                    },
                ),
                max_size=2,
                unique_by=lambda alert: alert["id"],
            )
        ),
    }
