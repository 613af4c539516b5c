"""More than one currency: what a plan costs in others than its own, and in which one sums are reported.

Rules:
1. A plan has its prices in its `currency`, and may have them in others, `currencies`, each with all of its amounts: nothing is ever
   converted to be billed.
2. A subscription is billed in its own `currency`; without one in its customer's; without that in its plan's. All plans that it has
   over time, and its add-ons, are offered in it.
3. Amounts that events carry (of percentage and dynamic prices) are taken to be in the currency of the subscription.
"""
