"""Usage out.

usage_reader    the one way in to an answer: from rollups and the exact rest, or from events alone
periods_reader  many customers and several meters at once, each customer in a period of its own
amounts_reader  the values of their single events, for prices with terms per event
usage_pages     rows from a place on, as far as somebody wants them, and the customers who may have some
event_list      the events themselves, page by page
problem_list    why events were not stored
facts_since     whose events and corrections came in between two stamps
expired_read    what may still be answered of events that have expired; expiries is what is known of them
"""

__all__ = [
    "event_list",
    "expired_read",
    "expiries",
    "facts_since",
    "periods_reader",
    "problem_list",
    "usage_pages",
    "usage_reader",
]
