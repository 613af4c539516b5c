"""A catalog of one customer, whose plan, subscription and next plan commit as a test says."""

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: count}
plans:
  - {id: base, name: B, currency: USD, TERMS prices: [{id: fee, model: flat, flat_amount: 80}, {id: calls, meter: calls, model: per_unit, unit_amount: "0.01"}]}
  - {id: team, name: T, currency: USD, MORE prices: [{id: fee, model: flat, flat_amount: 90}]}
customers: [{id: acme, name: A}]
subscriptions:
  - {customer: acme, plan: base, start: 2026-04-01 OWN}
"""


def text_of(terms="", own="", more=""):
    """`terms`: fields of the plan; `own`: of the subscription; `more`: of the other plan."""
    terms, more = (f"{each}," if each else "" for each in (terms, more))
    return CATALOG.replace("TERMS", terms).replace("MORE", more).replace("OWN", f", {own}" if own else "")
