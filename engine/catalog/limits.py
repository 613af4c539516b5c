"""Every bound of the catalog, with its reason.

A snapshot of a tenant's catalog is held in memory by each process and is read by every request, so the
counts bound its size and the time of a start.
"""

# As much as a gRPC message may hold by default: the wire contract says so too.
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
# A customer is five nodes in 35 bytes, so 4 MiB of ordinary document are 600,000 nodes. Aliases count
# with all that they stand for: this is what refuses "a billion laughs".
DOCUMENT_NODES_MAX = 1_000_000
# The deepest place that means something (filters in four groups, the values that one of them refuses) is fourteen
# levels down.
DOCUMENT_DEPTH_MAX = 32
# A person mends mistakes a screen at a time, and the answer must fit in one reply.
MISTAKES_MAX = 100
# A file's name is repeated in every mistake.
FILE_NAME_CHARS_MAX = 128

# As event ids and property names on the wire: they become labels, keys of the store, and parts of URLs.
ID_BYTES_MAX = 128
# A line on an invoice.
NAME_BYTES_MAX = 256

# Each meter is one aggregation in the query of a billing period.
METERS_MAX = 1_000
# People write plans one by one; an engine with more has customers' contracts in mind, at one a customer.
PLANS_MAX = 10_000
# Each has every amount of the plan once more; there are some 180 in all.
PLAN_CURRENCIES_MAX = 50
# Each is at least one line item of every subscription.
PLAN_PRICES_MAX = 200
# Memory: a customer with a subscription is some 500 bytes, with little of a name and no metadata; and a start, which
# reads them, a few seconds a million.
CUSTOMERS_MAX = 2_000_000
SUBSCRIPTIONS_MAX = 2_000_000
# Ten years of days are more than any contract bills at once.
BILLING_PERIOD_COUNT_MAX = 3_660
# As the prices that a person negotiates one by one.
COMMITMENTS_MAX = 50
# Ten years of months. What is left is derived, so an answer rates a customer once for each period of a term before it.
COMMITMENT_PERIODS_MAX = 120
# A year of months: each is an amount of its own that is carried along.
ROLLOVER_PERIODS_MAX = 12
# What a person reads on a page of prices, and twice as much.
PLAN_FEATURES_MAX = 200
# The name of a level or a number.
FEATURE_VALUE_BYTES_MAX = 256
# As features. An answer about a customer's access has one entry for each.
PLAN_LIMITS_MAX = 100
# A phase a month for ten years.
PHASES_MAX = 120
# Each bills the prices of a plan besides.
ADD_ONS_MAX = 50
ADD_ON_TIMES_MAX = 1_000_000
# As the metadata of payment providers.
METADATA_ENTRIES_MAX = 50
METADATA_VALUE_BYTES_MAX = 500
# Ids of devices, accounts and other systems; a read of a customer asks for the usage of each.
CUSTOMER_ALIASES_MAX = 100
# A group, its companies, their departments and teams, and one to spare.
CUSTOMER_LEVELS_MAX = 5
# A UUID, and a name before it.
IDEMPOTENCY_KEY_BYTES_MAX = 128
# The years that the usage store's times (microseconds in 64 bits) hold, with room for periods around them.
SUBSCRIPTION_YEAR_MIN = 1970
SUBSCRIPTION_YEAR_MAX = 2199

# People write coupons one by one, or have a program make a code for each customer of a campaign.
COUPONS_MAX = 100_000
# Each is one pass over an invoice's lines.
REDEMPTIONS_MAX = 10
# A century of months.
COUPON_PERIODS_MAX = 1_200
# As the prices of a plan.
SCOPE_ENTRIES_MAX = 200

# As plans: a marketplace has a plan for each of its sellers, and a split for it.
REVENUE_SPLITS_MAX = 10_000
# Recipients of one: as rating's splits, each is a row of every invoice.
SPLIT_SHARES_MAX = 100
# Splits that follow each other, or are for other prices; each is one pass over a plan's lines.
PLAN_SPLITS_MAX = 100

# Daily rates of thirty currencies for eight years.
EXCHANGE_RATES_MAX = 100_000

# More than the world has with taxes of their own, states and provinces included.
TAX_REGIONS_MAX = 10_000
# Ten at a time, through a generation's changes.
TAX_RATES_MAX = 100
# Street, building, post box, care of, and one to spare.
ADDRESS_LINES_MAX = 5
# As a name.
ADDRESS_LINE_BYTES_MAX = 256
POSTAL_CODE_BYTES_MAX = 32
# The longest that mail servers take.
EMAIL_BYTES_MAX = 254
# As the fields of purchasing systems, with room.
PURCHASE_ORDER_BYTES_MAX = 128
# Nobody waits longer than a year for money that is owed.
PAYMENT_TERMS_DAYS_MAX = 365
# A customer has one of each kind that it trades under.
TAX_IDS_MAX = 10
TAX_ID_BYTES_MAX = 64

# One for each customer that sets its own, and some for all.
ALERTS_MAX = 100_000
# Every tenth of a budget, and some beyond it.
ALERT_THRESHOLDS_MAX = 20

# As objects some 100 MB; a purchase a month of a thousand customers, for eight years.
CREDIT_GRANTS_MAX = 100_000
# Ten years.
RECURS_MONTHS_MAX = 120

# One for each customer that pays ahead.
TOP_UP_RULES_MAX = 100_000
# Of the 128 of a grant's, which has a colon and a number behind it.
TOP_UP_RULE_ID_BYTES_MAX = 116
# Whatever a rule says: a rule that grants more often in a month is a mistake, or a price is.
TOP_UPS_PER_MONTH_MAX = 1_000

# As credit grants.
INVOICE_ITEMS_MAX = 100_000
# As amounts of invoices, which accounts hold in 64 bits of minor units.
INVOICE_ITEM_DIGITS_MAX = 12
