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
# Each is at least one line item of every subscription.
PLAN_PRICES_MAX = 200
# Memory: a customer with a subscription is some 500 bytes, with little of a name and no metadata; and a start, which
# reads them, a few seconds a million.
CUSTOMERS_MAX = 2_000_000
SUBSCRIPTIONS_MAX = 2_000_000
# As the metadata of payment providers.
METADATA_ENTRIES_MAX = 50
METADATA_VALUE_BYTES_MAX = 500
# The years that the usage store's times (microseconds in 64 bits) hold, with room for periods around them.
SUBSCRIPTION_YEAR_MIN = 1970
SUBSCRIPTION_YEAR_MAX = 2199
