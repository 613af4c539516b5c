"""Catalogs with terms of money: a small one by hand, and terms of every kind by dice, put into a catalog's text."""

import re
from datetime import UTC, datetime, timedelta

CATALOG = """
plans:
  - {id: base, name: B, currency: USD, prices: [{id: fee, model: flat, flat_amount: 80}, {id: help, model: flat, flat_amount: 20}]}
  - {id: euro, name: E, currency: EUR, prices: [{id: fee, model: flat, flat_amount: 50}]}
coupons:
  - {id: ten, name: Ten percent, percent_off: 10}
  - {id: thirty, name: Thirty dollars, amount_off: 30, currency: USD}
  - {id: quarter, name: A quarter, percent_off: 50, periods: 3}
  - {id: helping, name: No help desk, percent_off: 100, prices: [help]}
customers:
  - {id: acme, name: A, coupons: [COUPONS]}
subscriptions:
  - {customer: acme, plan: base, start: 2026-01-31, coupons: [OWN]}
  - {customer: acme, plan: euro, start: 2026-01-31}
"""


SELLER = """
tax_regions:
  - {id: DE, name: Germany, country: DE, union: EU, rates: [{id: vat, percent: 16, end: 2026-03-31}, {id: vat, percent: 19, start: 2026-03-31}]}
  - {id: AT, name: Austria, country: AT, union: EU, rates: [{id: vat, percent: 20}]}
  - {id: GR, name: Greece, country: GR, union: EU, rates: [{id: vat, percent: 24, inclusive: true}]}
  - {id: BC, name: British Columbia, country: CA, rates: [{id: gst, percent: 5}, {id: pst, percent: 7}]}
  - {id: QC, name: Quebec, country: CA, rates: [{id: gst, percent: 5}, {id: qst, percent: 9.975, compound: true}]}
sellers:
  - {id: us, name: Us, tax_region: DE}
"""


GRANTS = """
credit_grants:
  - {id: paid, customer: acme, currency: USD, amount: 250, category: paid, cost_basis: 0.8, effective_at: 2026-01-31}
  - {id: gift, customer: acme, currency: USD, amount: 30, effective_at: 2026-02-28, expires_at: 2026-03-31}
"""


def with_credit(dice, text):
    """Grants of every kind besides."""
    customers = sorted(set(re.findall(r"id: (c\d), name: C", text)))
    grants = []
    for number in range(dice.randint(0, 6)):
        effective = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=dice.randint(-40, 100))
        fields = [
            f"id: g{number}, customer: {dice.choice(customers)}",
            f"currency: {dice.choice(('USD', 'JPY', 'KWD'))}",
            f"amount: {dice.choice((1, 20, 10**6, 10**24))}",
            f"effective_at: {effective.date()}",
            f"category: {dice.choice(('paid', 'promotional'))}",
            f"priority: {dice.choice((50, 50, 1))}",
        ]
        if dice.random() < 0.4:
            fields.append(f"expires_at: {(effective + timedelta(days=dice.randint(1, 120))).date()}")
        if dice.random() < 0.4:
            fields.append(f"recurs_months: {dice.choice((1, 1, 2))}")
            if dice.random() < 0.5:
                fields.append(f"lasts_months: {dice.choice((1, 3))}")
        if dice.random() < 0.2:
            fields.append("plans: [p0]")
        grants.append(f"  - {{{', '.join(fields)}}}\n")
    return with_taxes(dice, text) + ("credit_grants:\n" + "".join(grants) if grants else "")


def with_taxes(dice, text):
    """Regions of every kind, and customers in some of them."""
    seller = SELLER
    if dice.random() < 0.5:
        seller = seller.replace("tax_region: DE}", "tax_rounding_scope: invoice, tax_region: DE}")
    if dice.random() < 0.5:
        seller = seller.replace("tax_region: DE}", "inclusive_reverse_charge: strip, tax_region: DE}")

    def taxed_where(match):
        region = dice.choice([None, "DE", "AT", "GR", "BC", "QC"])
        fields = f"tax_region: {region}" if region else "tax_ids: []"
        if dice.random() < 0.4:
            value = dice.choice(["ATU13585627", "DE136695976"])
            fields = (
                fields.replace("tax_ids: []", "metadata: {}")
                + f", tax_ids: [{{type: eu_vat, value: {value}}}]"
            )
        if dice.random() < 0.2:
            fields += ", tax_exempt: true"
        return f"{match[1]}, {fields}"

    return re.sub(r"(\{id: c\d, name: C)", taxed_where, with_coupons(dice, text)) + seller


def with_coupons(dice, text):
    """Coupons of every kind, and customers and subscriptions that have some of them."""
    coupons = []
    for number in range(dice.randint(1, 5)):
        off = dice.choice(["percent_off: 10", 'percent_off: "33.3"', "percent_off: 100", "amount_off: 3"])
        fields = [f"id: k{number}", "name: K", off]
        if off.startswith("amount"):
            fields.append(f"currency: {dice.choice(('USD', 'JPY', 'KWD'))}")
        if dice.random() < 0.5:
            fields.append(f"periods: {dice.randint(1, 3)}")
        if dice.random() < 0.3:
            fields.append("plans: [p0]")
        if dice.random() < 0.3 and (prices := re.findall(r"id: (fee|tokens|by_place|small)\b", text)):
            fields.append(f"prices: [{dice.choice(prices)}]")
        coupons.append("{" + ", ".join(fields) + "}")
    # Meters have ids of these names, too, and a price must be one of the plans that a coupon is for.
    coupons = [each for each in coupons if "prices" not in each or has_price(text, each)] or [
        "{id: k0, name: K, percent_off: 5}"
    ]
    ids = [re.search(r"id: (k\d)", each)[1] for each in coupons]

    def redeemed(match):
        chosen = dice.sample(ids, dice.randint(0, len(ids)))
        day = [f"2026-0{dice.randint(1, 4)}-{dice.randint(1, 28):02}" for _ in chosen]
        entries = [f"{{coupon: {each}, start: {at}}}" for each, at in zip(chosen, day, strict=True)]
        return f"{match[1]}, coupons: [{', '.join(entries)}]}}"

    text = re.sub(r"(\{(?:id: c\d, name: C|customer: [^}]*))\}", redeemed, text)
    return text + "coupons:\n" + "".join(f"  - {each}\n" for each in coupons)


def has_price(text, coupon):
    price = re.search(r"prices: \[(\w+)\]", coupon)[1]
    plans = re.findall(r"  - \{id: (p\d),.*?prices: \[(.*)\]\}\n", text)
    return any(f"{{id: {price}," in prices for plan, prices in plans if "plans" not in coupon or plan == "p0")
