"""Events listed page by page from a real usage store, as the lists that judge them have them."""

from engine.usage.facts.listed_events import FIRST
from engine.usage.query.event_list import EventList
from engine.usage.query.usage_reader import UsageReader

_PAGES_MAX = 10_000


def listed(store, choice, page_size=1_000):
    """All events of all pages: (void or not, event), no page longer than it may be."""
    events, place = EventList(store, UsageReader(store)), FIRST
    found = []
    for _ in range(_PAGES_MAX):
        page = events.page(choice, place, page_size)
        assert len(page.events) <= page_size
        found += [(each.voided_at_us is not None, as_delivery(choice.tenant, each)) for each in page.events]
        if page.following is None:
            return found
        place = page.following
    raise AssertionError("the listing has no end")


def as_delivery(tenant, event):
    return {
        "tenant": tenant,
        "event_id": event.place.event_id,
        "event_type": event.place.event_type,
        "customer": event.place.customer_id,
        "time_us": event.place.event_time_us,
        "properties": dict(event.properties),
        "ingested_us": event.ingested_at_us,
    }


def in_order(events):
    """By time and id; versions of one id at one time by whose they are and what, as far as a list of ours can tell."""
    return sorted(events, key=lambda each: (each["time_us"], each["event_id"].encode()))
