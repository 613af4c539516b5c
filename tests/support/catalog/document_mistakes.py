"""Documents with mistakes, made from the one of conftest.py, and what is said of each."""

# What is replaced in the document of conftest.py, by what, and every mistake that this makes.
TABLE = {
    "a section that isn't one": (
        "customers:\n",
        "costumers:\n",
        [
            "llm.yaml:23: costumers: is not a field of a catalog document; did you mean 'customers'?",
            (
                "llm.yaml:27: subscriptions.acme:starter.customer: "
                "there is no customer 'acme' in this document or in the catalog"
            ),
        ],
    ),
    "an unknown field of a meter": (
        "value: input_tokens",
        "valeu: input_tokens",
        [
            "llm.yaml:2: meters.input.value: is missing: name the property to aggregate by sum",
            "llm.yaml:5: meters.input.valeu: is not a field of a meter; did you mean 'value'?",
        ],
    ),
    "a percentile without its value and its number": (
        "aggregation: count",
        "aggregation: percentile",
        [
            "llm.yaml:7: meters.requests.value: is missing: name the property to aggregate by percentile",
            "llm.yaml:7: meters.requests.percentile: is missing: say which one, such as 95",
        ],
    ),
    "a percentile that there isn't": (
        "aggregation: sum",
        "aggregation: percentile\n    percentile: 0",
        [
            (
                "llm.yaml:5: meters.input.percentile: must be greater than 0, at most 100, "
                "and have at most 3 fractional digits, is 0"
            )
        ],
    ),
    "a percentile that is not a number": (
        "aggregation: sum",
        "aggregation: percentile\n    percentile: p95",
        [
            (
                "llm.yaml:5: meters.input.percentile: must be a decimal of at most 26 integer and "
                "12 fractional digits, is 'p95'"
            )
        ],
    ),
    "the number of another aggregation": (
        "aggregation: sum",
        "aggregation: sum\n    percentile: 95",
        [
            (
                "llm.yaml:5: meters.input.percentile: does not belong to sum: "
                "remove it, or aggregate by percentile"
            )
        ],
    ),
    "a maximum that carries over": (
        "aggregation: sum",
        "aggregation: max\n    carries_over: true",
        [
            (
                "llm.yaml:5: meters.input.carries_over: does not belong to max: "
                "only sum, latest, time_weighted carry over"
            )
        ],
    ),
    "neither true nor false": (
        "aggregation: sum",
        "aggregation: sum\n    carries_over: yes",
        ["llm.yaml:5: meters.input.carries_over: must be true or false, is 'yes'"],
    ),
    "a condition with a spelling mistake": (
        "group_by: [model]",
        "filters: {size: {at_laest: 5}}",
        [
            "llm.yaml:6: meters.input.filters.size.at_laest: is not a field of a filter; did you mean 'at_least'?"
        ],
    ),
    "a filter without a condition": (
        "group_by: [model]",
        "filters: {size: {}}",
        [
            (
                "llm.yaml:6: meters.input.filters.size: has no condition: give at least one of "
                "not, exists, greater_than, at_least, less_than, at_most"
            )
        ],
    ),
    "a comparison with a text": (
        "group_by: [model]",
        "filters: {size: {at_least: 1e3}}",
        [
            (
                "llm.yaml:6: meters.input.filters.size.at_least: must be a decimal of at most 26 integer and "
                "12 fractional digits, is '1e3'"
            )
        ],
    ),
    "bounds that leave nothing": (
        "group_by: [model]",
        "filters: {size: {greater_than: 5, at_most: 5.0}}",
        [
            (
                "llm.yaml:6: meters.input.filters.size: passes no value: "
                "its lower bound is not below its upper bound"
            )
        ],
    ),
    "two lower bounds": (
        "group_by: [model]",
        "filters: {size: {greater_than: 5, at_least: 7}}",
        ["llm.yaml:6: meters.input.filters.size: has both greater_than and at_least: give one of them"],
    ),
    "a comparison with what isn't there": (
        "group_by: [model]",
        "filters: {size: {exists: false, at_least: 7}}",
        [
            (
                "llm.yaml:6: meters.input.filters.size: {exists: false} stands alone: "
                "what isn't there can't be compared"
            )
        ],
    ),
    "a negation of nothing": (
        "group_by: [model]",
        "filters: {model: {not: []}}",
        ["llm.yaml:6: meters.input.filters.model.not: needs a value, or a list of values"],
    ),
    "a quotient": (
        "value: input_tokens",
        'value: {expression: "input_tokens / 1000"}',
        [
            (
                "llm.yaml:5: meters.input.value.expression: has a mistake at character 14, '/': "
                "there is no division, since a quotient may have no end: multiply by a decimal such as 0.001, "
                "or give the meter a conversion with a divisor and a rounding"
            )
        ],
    ),
    "an expression and its fields with mistakes of their own": (
        "value: input_tokens",
        "value:\n      expression: a + b\n      defaults: {c: 0}\n      deflauts: {b: 0}\n    percentile: 95",
        [
            "llm.yaml:7: meters.input.value.defaults: names 'c', which the expression doesn't",
            "llm.yaml:8: meters.input.value.deflauts: is not a field of a value; did you mean 'defaults'?",
            (
                "llm.yaml:9: meters.input.percentile: does not belong to sum: "
                "remove it, or aggregate by percentile"
            ),
        ],
    ),
    "a default that is none": (
        "value: input_tokens",
        "value: {expression: a, defaults: {a: ~}}",
        [
            (
                "llm.yaml:5: meters.input.value.defaults.a: must be a decimal: "
                "without a default, leave the property out"
            )
        ],
    ),
    "a value that is neither": (
        "value: input_tokens",
        "value: [a, b]",
        ["llm.yaml:5: meters.input.value: must be text, is a list"],
    ),
    "an expression that is none": (
        "value: input_tokens",
        "value: {expression: [a]}",
        ["llm.yaml:5: meters.input.value.expression: must be text such as a + 4 * b"],
    ),
    "an expression without its text": (
        "value: input_tokens",
        "value: {}",
        ["llm.yaml:5: meters.input.value.expression: is missing"],
    ),
    "unique values of an expression": (
        "aggregation: sum\n    value: input_tokens",
        "aggregation: unique_count\n    value: {expression: a + b}",
        [
            (
                "llm.yaml:5: meters.input.value: can't be an expression: "
                "unique_count compares the texts of one property, name it"
            )
        ],
    ),
    "mistakes in groups of filters": (
        "group_by: [model]",
        (
            "filters:\n      region: eu\n      any:\n        - {region: [us, ca]}\n"
            "        - {customer: x, size: {at_laest: 5}}\n        - region\n    group_by: [model]"
        ),
        [
            (
                "llm.yaml:10: meters.input.filters.any[1].size.at_laest: "
                "is not a field of a filter; did you mean 'at_least'?"
            ),
            "llm.yaml:11: meters.input.filters.any[2]: must be a mapping, is the text 'region'",
        ],
    ),
    "groups that no event passes, or that say nothing": (
        "group_by: [model]",
        (
            "filters:\n      region: eu\n      any:\n        - {region: [us, ca]}\n"
            "        - {customer: x}\n        - {customer: [x]}\n      not:\n        - {}\n    group_by: [model]"
        ),
        [
            "llm.yaml:9: meters.input.filters.any[0]: passes no event: the filters on 'region' can't all hold",
            "llm.yaml:11: meters.input.filters.any[2]: is the same as any[1]",
            "llm.yaml:13: meters.input.filters.not[0]: is empty, and would pass every event: remove it",
        ],
    ),
    "a group of nothing": (
        "group_by: [model]",
        "filters: {any: []}",
        ["llm.yaml:6: meters.input.filters.any: needs a value, or a list of values"],
    ),
    "a list of filters that is not a group": (
        "group_by: [model]",
        "filters: {either: [{model: large}, {region: eu}]}",
        [
            "llm.yaml:6: meters.input.filters.either[0]: must be text, is a mapping",
            "llm.yaml:6: meters.input.filters.either[1]: must be text, is a mapping",
        ],
    ),
    "groups in groups without end": (
        "group_by: [model]",
        "filters: {any: [{all: [{not: [{any: [{all: [{a: b}]}]}]}]}]}",
        [
            (
                "llm.yaml:6: meters.input.filters.any[0].all[0].not[0].any[0].all: "
                "is nested too deeply: groups in groups, 4 levels at most"
            )
        ],
    ),
    "a conversion that has everything": (
        "group_by: [model]",
        "conversion: {factor: 2, divisor: 0, rounding: {mode: up}}",
        [
            "llm.yaml:6: meters.input.conversion.divisor: must be more than 0, is 0",
            "llm.yaml:6: meters.input.conversion.rounding: needs both mode and digits",
            "llm.yaml:6: meters.input.conversion: needs either factor or divisor",
        ],
    ),
    "a quotient that isn't rounded": (
        "group_by: [model]",
        "conversion: {divisor: 3}",
        ["llm.yaml:6: meters.input.conversion.rounding: is missing: a quotient may have no end"],
    ),
    "a conversion of nothing": (
        "group_by: [model]",
        "conversion: {}",
        ["llm.yaml:6: meters.input.conversion: needs either factor or divisor"],
    ),
    "an aggregation with a spelling mistake": (
        "aggregation: sum",
        "aggregation: summ",
        [
            (
                "llm.yaml:4: meters.input.aggregation: must be one of count, sum, min, max, avg, "
                "latest, unique_count, time_weighted, percentile, is 'summ'; did you mean 'sum'?"
            )
        ],
    ),
    "a count of a value": (
        "aggregation: count}",
        "aggregation: count, value: tokens}",
        [
            "llm.yaml:7: meters.requests.value: does not belong to a count, which counts events: remove it",
        ],
    ),
    "a text where a list belongs": (
        "group_by: [model]",
        "group_by: model",
        ["llm.yaml:6: meters.input.group_by: must be a list, is the text 'model'"],
    ),
    "a dimension twice": (
        "[model]",
        "[model, region, model]",
        ["llm.yaml:6: meters.input.group_by: names 'model' twice"],
    ),
    "a filter that is a list": (
        "group_by: [model]",
        "filters: [model]",
        ["llm.yaml:6: meters.input.filters: must be a mapping, is a list"],
    ),
    "a filter without a value": (
        "group_by: [model]",
        "filters: {model: null}",
        ["llm.yaml:6: meters.input.filters.model: needs a value, or a list of values"],
    ),
    "a filter with a value too deep": (
        "group_by: [model]",
        "filters: {model: [large, [small]]}",
        ["llm.yaml:6: meters.input.filters.model[1]: must be text, is a list"],
    ),
    "a missing field": (
        "    name: Starter\n",
        "",
        ["llm.yaml:9: plans.starter.name: is missing"],
    ),
    "a field that is null is a missing field": (
        "name: Starter",
        "name: ~",
        ["llm.yaml:10: plans.starter.name: is missing"],
    ),
    "a field without a value": (
        "name: Starter",
        "name:",
        ["llm.yaml:10: plans.starter.name: has no value: write one, or remove the field"],
    ),
    "an empty text": (
        "name: Starter",
        "name: ''",
        ["llm.yaml:10: plans.starter.name: is empty"],
    ),
    "no such currency": (
        "currency: USD",
        "currency: DOLLAR",
        ["llm.yaml:11: plans.starter.currency: must be an ISO 4217 code such as USD, is 'DOLLAR'"],
    ),
    "a currency of a price": (
        "flat_amount: 20.00",
        "flat_amount: 20.00\n        currency: USD",
        [
            (
                "llm.yaml:16: plans.starter.prices.platform.currency: "
                "is not a field of a price: it is the plan's, remove it here"
            )
        ],
    ),
    "a billing period that isn't one": (
        "currency: USD",
        "currency: USD\n    billing_period: fortnight",
        [
            (
                "llm.yaml:12: plans.starter.billing_period: "
                "must be one of day, week, month, quarter, year, is 'fortnight'"
            )
        ],
    ),
    "a quantity beside a meter": (
        "        meter: input\n",
        "        meter: input\n        quantity: 5\n",
        [
            (
                "llm.yaml:18: plans.starter.prices.input.quantity: "
                "does not belong to a price with a meter: remove one of them"
            )
        ],
    ),
    "a time zone that isn't one": (
        "start: 2023-11-01}",
        "start: 2023-11-01, time_zone: Europe/Berlino}",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.time_zone: "
                "'Europe/Berlino' is not a time zone of the IANA database: write one such as Europe/Berlin, or UTC; "
                "did you mean 'Europe/Berlin'?"
            )
        ],
    ),
    "a phase before the start": (
        "start: 2023-11-01}",
        "start: 2023-11-01, phases: [{start: 2023-10-31, plan: starter}]}",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.phases[0].start: "
                "must not be before the subscription's start"
            )
        ],
    ),
    "a quantity of a price that has none": (
        "start: 2023-11-01}",
        "start: 2023-11-01, quantities: {input: 3}}",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.quantities.input: "
                "does not belong to a price without a quantity of its own: it is flat, or a meter gives it"
            )
        ],
    ),
    "an override that makes no price": (
        "start: 2023-11-01}",
        "start: 2023-11-01, overrides: {platform: {unit_amount: 3}}}",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.overrides.platform.unit_amount: "
                "is not taken by a flat price"
            )
        ],
    ),
    "a version that a plan doesn't have": (
        "start: 2023-11-01}",
        "start: 2023-11-01, plan_version: 7}",
        [("llm.yaml:27: subscriptions.acme:starter.plan_version: the plan 'starter' has no version 7")],
    ),
    "an add-on that there isn't": (
        "start: 2023-11-01}",
        "start: 2023-11-01, add_ons: {support: 1}}",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.add_ons.support: "
                "there is no plan 'support' in this document or in the catalog"
            )
        ],
    ),
    "an unknown field of a price": (
        "flat_amount: 20.00",
        "flat_amount: 20.00\n        minimum_amuont: 5",
        [
            (
                "llm.yaml:16: plans.starter.prices.platform.minimum_amuont: "
                "is not a field of a price; did you mean 'minimum_amount'?"
            )
        ],
    ),
    "a flat price of a meter": (
        "model: flat\n",
        "model: flat\n        meter: requests\n",
        [
            (
                "llm.yaml:15: plans.starter.prices.platform.meter: "
                "does not belong to a flat price, which has no usage: remove it"
            )
        ],
    ),
    "a price of usage without a meter": (
        "        meter: input\n",
        "",
        [
            (
                "llm.yaml:16: plans.starter.prices.input.meter: "
                "is missing: a graduated price rates the quantity of a meter, or one that subscriptions give (quantity)"
            )
        ],
    ),
    "a price with terms per event of a meter that counts": (
        (
            "meter: input\n        model: graduated\n        tiers:\n          - {up_to: 1000, unit_amount: 0.000003}\n"
            "          - {up_to: 5000, unit_amount: 0.000002}\n          - {unit_amount: 0.10}\n"
        ),
        "meter: requests\n        model: percentage\n        percent: 1\n        free_events: 3\n",
        [
            (
                "llm.yaml:17: plans.starter.prices.input.meter: must be a meter with aggregation: sum, without "
                "carries_over, whose values are the amounts of events: the price has terms per event, and 'requests' is a count"
            )
        ],
    ),
    "a price of a meter that there isn't": (
        "meter: input",
        "meter: inputs",
        [
            (
                "llm.yaml:17: plans.starter.prices.input.meter: "
                "there is no meter 'inputs' in this document or in the catalog; did you mean 'input'?"
            )
        ],
    ),
    "a price id twice in a plan": (
        "- id: input\n        meter",
        "- id: platform\n        meter",
        ["llm.yaml:16: plans.starter.prices.platform.id: 'platform' is the id of a price above, too"],
    ),
    "tiers out of order": (
        "up_to: 5000",
        "up_to: 500",
        [
            (
                "llm.yaml:21: plans.starter.prices.input.tiers[1].up_to: "
                "must be greater than the tier before (1000), is 500"
            )
        ],
    ),
    "a field given twice": (
        "name: Starter",
        "name: Starter\n    currency: EUR",
        ["llm.yaml:12: plans.starter.currency: is given twice, first on line 11"],
    ),
    "a field of a tier given twice": (
        "unit_amount: 0.000002}",
        "unit_amount: 0.000002, up_to: 6000}",
        ["llm.yaml:21: plans.starter.prices.input.tiers[1].up_to: is given twice, first on line 21"],
    ),
    "an id of characters that make trouble": (
        "id: foxglove",
        "id: fox glove",
        ["llm.yaml:25: customers.fox glove.id: may hold only A-Z a-z 0-9 _ . : @ -, is 'fox glove'"],
    ),
    "an id twice": (
        "id: foxglove",
        "id: acme",
        ["llm.yaml:25: customers.acme.id: 'acme' is the customer on line 24, too"],
    ),
    "an entry without an id": (
        "{id: foxglove, name",
        "{name",
        ["llm.yaml:25: customers[1].id: is missing"],
    ),
    "an entry that is a text": (
        "{id: foxglove, name: Foxglove Analytics}",
        "foxglove",
        ["llm.yaml:25: customers[1]: must be a mapping with the fields of a customer"],
    ),
    "a subscription of a customer that there isn't": (
        "customer: acme",
        "customer: acmee",
        [
            (
                "llm.yaml:27: subscriptions.acmee:starter.customer: "
                "there is no customer 'acmee' in this document or in the catalog; did you mean 'acme'?"
            )
        ],
    ),
    "a subscription to a plan that there isn't": (
        "plan: starter",
        "plan: enterprise",
        [
            (
                "llm.yaml:27: subscriptions.acme:enterprise.plan: "
                "there is no plan 'enterprise' in this document or in the catalog"
            )
        ],
    ),
    "a day that isn't in the calendar": (
        "2023-11-01",
        "2023-02-29",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.start: "
                "is not a time of the calendar: '2023-02-29' (day is out of range for month)"
            )
        ],
    ),
    "an instant without an offset": (
        "2023-11-01",
        "2023-11-01T00:00:00",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.start: must be a date such as 2023-11-01 or an instant "
                "such as 2023-11-01T08:30:00Z, is '2023-11-01T00:00:00'"
            )
        ],
    ),
    "an end before the start": (
        "start: 2023-11-01",
        "start: 2023-11-01, end: 2023-11-01",
        ["llm.yaml:27: subscriptions.acme:starter.end: must be after start"],
    ),
    "a section that is a mapping": (
        "  - {id: acme, name: Acme Robotics}\n  - {id: foxglove, name: Foxglove Analytics}\n",
        "  acme: {name: Acme Robotics}\n",
        [
            "llm.yaml:23: customers: must be a list: write each entry as `- id: ...`",
            (
                "llm.yaml:26: subscriptions.acme:starter.customer: "
                "there is no customer 'acme' in this document or in the catalog"
            ),
        ],
    ),
    "a matrix by a property that the meter does not group by": (
        (
            "model: graduated\n        tiers:\n          - {up_to: 1000, unit_amount: 0.000003}\n"
            "          - {up_to: 5000, unit_amount: 0.000002}\n          - {unit_amount: 0.10}\n"
        ),
        "model: matrix\n        dimensions: [region]\n        cells: [{match: {region: eu}, unit_amount: 1}]\n",
        [
            (
                "llm.yaml:19: plans.starter.prices.input.dimensions: "
                "'region' is not in the group_by of the meter 'input'"
            )
        ],
    ),
}
