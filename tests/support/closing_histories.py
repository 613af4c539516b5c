"""A catalog with every term of money, and usage at random, for histories of closes."""

from tests.support.closing_world import instant_us

MONTHS = ("2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01")
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: by_region, event_type: call, aggregation: sum, value: value, group_by: [region]}
  - {id: peak, event_type: call, aggregation: max, value: value}
tax_regions:
  - {id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 19}]}
  - {id: GR, name: Greece, country: GR, rates: [{id: vat, percent: 24, inclusive: true}]}
coupons:
  - {id: ten, name: Ten, percent_off: 10}
  - {id: three, name: Three, amount_off: 3, currency: USD, periods: 2}
plans:
  - id: pro
    name: Pro
    currency: USD
    invoicing_threshold: 9
    prices:
      - {id: fee, model: flat, flat_amount: 9.99, timing: in_advance}
      - {id: tiers, meter: calls, model: graduated, tiers: [{up_to: 50, unit_amount: 0.113}, {unit_amount: 0.07}]}
      - {id: volume, meter: calls, model: volume, tiers: [{up_to: 60, unit_amount: 0.21}, {unit_amount: 0.11}]}
      - {id: regions, meter: by_region, model: per_unit, unit_amount: 0.0333}
      - {id: peak, meter: peak, model: per_unit, unit_amount: 0.55}
    currencies:
      JPY:
        invoicing_threshold: 1300
        prices:
          fee: {flat_amount: 1480}
          tiers: {tiers: [{up_to: 40, unit_amount: 17.3}, {unit_amount: 11}]}
          volume: {tiers: [{up_to: 70, unit_amount: 31.5}, {unit_amount: 16}]}
          regions: {unit_amount: 5.01}
          peak: {unit_amount: 80}
  - id: fine
    name: Fine
    currency: USD
    commitments: [{amount: 20, true_up: true, rollover_periods: 2}]
    invoicing_threshold: 0.25
    prices:
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.0123, rounding: {digits: 4}}
  - {id: euro, name: Euro, currency: EUR, billing_period: week, commitments: [{amount: 40, periods: 4, overage_factor: 1.25}], prices: [{id: fee, model: flat, flat_amount: 3.33}, {id: calls, meter: calls, model: per_unit, unit_amount: 0.017}]}
customers:
  - {id: acme, name: A, tax_region: DE, coupons: [{coupon: ten, start: 2026-09-01}]}
  - {id: bolt, name: B, tax_region: GR}
  - {id: coil, name: C}
  - {id: dyne, name: D, currency: JPY, tax_region: DE, coupons: [{coupon: ten, start: 2026-10-01}]}
credit_grants:
  - {id: paid, customer: acme, currency: USD, amount: 60, category: paid, effective_at: 2026-08-01}
  - {id: monthly, customer: bolt, currency: USD, amount: 7, effective_at: 2026-08-10, recurs_months: 1}
invoice_items:
  - {id: setup, customer: acme, description: Setup, currency: USD, amount: 49.50, service_start: 2026-08-10, period_start: 2026-08-01, period_end: 2026-09-01}
  - {id: travel, customer: acme, description: Travel, currency: USD, amount: 13.37, taxed: false, service_start: 2026-09-20, period_start: 2026-09-15, period_end: 2026-10-15}
  - {id: sorry, customer: bolt, description: Sorry, currency: USD, amount: -5.55, service_start: 2026-09-10, period_start: 2026-09-01, period_end: 2026-10-01}
  - {id: abroad, customer: dyne, description: Abroad, currency: EUR, amount: 21, service_start: 2026-09-10, period_start: 2026-09-01, period_end: 2026-10-01}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-08-01, commitments: [{amount: 60, periods: 3, overage_factor: 1.5, prices: [tiers, volume]}, {amount: 100, periods: 2, prices: [fee, peak]}]}
  - {customer: acme, plan: fine, start: 2026-08-15}
  - {customer: bolt, plan: pro, start: 2026-08-31, coupons: [{coupon: three, start: 2026-09-01}]}
  - {customer: bolt, plan: euro, start: 2026-08-05}
  - {customer: coil, plan: fine, start: 2026-08-01, end: 2026-10-11, phases: [{start: 2026-09-15, commitments: [{amount: 7, periods: 12, early_end: prorated, overage_factor: 3}]}]}
  - {customer: dyne, plan: pro, start: 2026-08-20}
"""


def use(dice, world, start, end):
    region = {} if dice.random() < 0.3 else {"region": dice.choice(("eu", "us"))}
    time_us = dice.randrange(instant_us(start), min(instant_us(end), world.now_us))
    return world.use(dice.choice(("acme", "bolt", "coil", "dyne")), time_us, dice.randrange(1, 90), **region)
