"""Usage out.

usage_reader    the one way in to an answer: from rollups and the exact rest, or from events alone
periods_reader  many customers and several meters at once, each customer in a period of its own
amounts_reader  the values of their single events, for prices with terms per event
usage_pages     rows from a place on, as far as somebody wants them, and the customers who may have some
event_list      the events themselves, page by page
late_facts      whose usage changed behind a watermark
problem_list    why events were not stored
stored_since    whose events were stored between two instants
expired_read    what may still be answered of events that have expired; expiries is what is known of them
"""

__all__ = [
    "event_list",
    "expired_read",
    "expiries",
    "late_facts",
    "periods_reader",
    "problem_list",
    "stored_since",
    "usage_pages",
    "usage_reader",
]
