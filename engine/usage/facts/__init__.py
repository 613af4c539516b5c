"""What is asked of usage, and the SQL that reduces events to an answer. Pure.

usage_request   which usage, aggregated how; and what comes back
event_source    the events of a request, each once, as the columns that they are reduced from
queries         whole statements, and how their rows are read
aggregations    from partials to a quantity
value_sql       the value of a meter as SQL; filter_sql its filters
windows         days, hours and months of a time zone
"""

__all__ = [
    "aggregations",
    "event_source",
    "queries",
    "usage_columns",
    "usage_request",
    "windows",
]
