"""Every bound of one meter, with its reason."""

# As event types and the names of properties on the wire.
LABEL_BYTES_MAX = 128
# As property values on the wire: a longer accepted value could never match.
PROPERTY_VALUE_BYTES_MAX = 1024

# Each is a predicate in the query of a billing period.
METER_FILTERS_MAX = 16
METER_FILTER_VALUES_MAX = 100
# Each group is a pair of parentheses; a person loses the thread before.
METER_FILTER_DEPTH_MAX = 4
# Of one meter, groups and all: each is a predicate of the query, as above. A query reads events in up to three ways,
# and its text has at most 256 KiB in ClickHouse.
METER_FILTER_CONDITIONS_MAX = 64
# Room for a few of the longest names.
METER_EXPRESSION_CHARS_MAX = 2_048
# Each is a step of the query for every event, and the depth bounds the recursion that reads it.
METER_EXPRESSION_OPERANDS_MAX = 32
METER_EXPRESSION_DEPTH_MAX = 16
# Each multiplies the number of line items.
METER_GROUP_BY_MAX = 8
