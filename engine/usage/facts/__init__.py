"""What is asked of usage, and the SQL that reduces events to an answer. Pure.

usage_request   which usage, aggregated how; and what comes back
event_source    the events of a request, each once, as the columns that they are reduced from
queries         whole statements, and how their rows are read
aggregations    from partials to a quantity
periods_request which usage of many customers at once, each in a period of its own
period_scan     the statement that answers it, and period_states the columns that come of it
event_amounts   the statement that reads the value of each event
listed_events   the statements that list events
usage_columns   many customers' usage as columns
value_sql       the value of a meter as SQL; filter_sql its filters
windows         days, hours and months of a time zone
single_event    what one event adds to a meter, whether it is stored or not
"""

__all__ = [
    "aggregations",
    "event_amounts",
    "event_source",
    "listed_events",
    "period_scan",
    "period_states",
    "periods_request",
    "queries",
    "single_event",
    "usage_columns",
    "usage_request",
    "windows",
]
