"""What a plan includes besides its prices: features, and limits of usage and of spend.

    features: {sso: true, support: gold, exports: false}
    limits:
      - {id: api_calls, meter: calls, quantity: 100000}
      - {id: budget, amount: 500, enforcement: soft}

Rules:
1. A feature is true (included), false (not included) or a text that configures it (included).
2. A limit is of the quantity that a meter measures in a billing period, or (`amount`, without a meter) of what the
   subscription's lines of the billing period come to, in the plan's currency, before discounts, credit and tax.
3. An add-on's features stand in place of its plan's, except those that are false. A limit of an add-on adds to the limit of the
   same id, as often as the subscription has the add-on; what it adds to says how it is enforced.
4. A subscription says features and fields of limits of its own, which stand in place of all of that.
"""
