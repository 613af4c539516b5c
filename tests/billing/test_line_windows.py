"""Pages of one listing that share reads of the store: a real catalog, real events, and a service for each way of paging."""

import random
import time
from collections import Counter
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.caller import Caller, Scope
from engine.api.operation import Call
from engine.api.services.billing_service import BillingService
from engine.app.reading import build_reading
from engine.app.stores import Placement, Warming, open_stores
from engine.billing.line_windows import LINES_MAX, LineWindows
from engine.catalog.documents.document import read_document
from engine.usage.store.tables.durability import Durability
from meterline.v1.billing_pb2 import LineItemForm, ListLineItemsRequest
from tests.support.usage.meter_reads import deliver

AT = datetime(2026, 3, 30, 12, tzinfo=UTC)
CUSTOMERS = 28
CALL = Call(Caller("default", "key:test", frozenset({Scope.BILL})), is_active=lambda: True)
PLANS = """
meters:
  - {id: calls, event_type: call, aggregation: count}
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: metered
    name: Metered
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - {id: calls, meter: calls, model: per_unit, unit_amount: "0.01"}
      - {id: tokens, meter: tokens, model: per_unit, unit_amount: "0.5"}
  - id: by_model
    name: By model
    currency: USD
    prices:
      - {id: cells, meter: tokens, model: matrix, dimensions: [model], default: 1, cells: [{match: {model: m0}, unit_amount: 2}]}
"""


def now_us():
    return time.time_ns() // 1_000


class World:
    """Stores with a catalog, and services that list from them."""

    def __init__(self, stores):
        self.stores = stores
        self.reading = build_reading(stores, now_us)

    def apply(self, text):
        self.stores.catalog.apply("default", read_document(text, "c.yaml"), applied_at=AT)

    def record(self, *events):
        """Given as (id, customer, tokens, model)."""
        stamp_us = self.stores.order.begin(now_us())
        deliver(
            self.stores.usage,
            [
                {
                    "tenant": "default",
                    "event_id": event_id,
                    "event_type": "call",
                    "customer": customer,
                    "time_us": int(AT.timestamp()) * 1_000_000,
                    "properties": {"tokens": str(tokens), "model": model},
                    "ingested_us": stamp_us,
                }
                for event_id, customer, tokens, model in events
            ],
        )
        self.stores.order.end(stamp_us)

    def service(self, lines_max=LINES_MAX):
        """A service that has listed nothing yet, and its windows."""
        delayed = []
        windows = LineWindows(self.reading.rater, lambda _, work: delayed.append(work), lines_max)
        return BillingService(self.reading.rater, windows), windows, delayed


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """28 customers: without events, with one group, and with up to 12, on a plan that lists all of them or none without usage."""
    data = tmp_path_factory.mktemp("windows") / "data"
    with open_stores(Placement(data), Durability.PROCESS, Warming(0, lambda _: None), now_us) as stores:
        made = World(stores)
        names = [f"c{number:02}" for number in range(CUSTOMERS)]
        customers = "\n".join(f"  - {{id: {each}, name: C}}" for each in names)
        subscriptions = "\n".join(
            f"  - {{customer: {each}, plan: {'by_model' if number % 4 == 3 else 'metered'}, start: 2026-01-{number % 28 + 1:02}}}"
            for number, each in enumerate(names)
        )
        made.apply(f"{PLANS}customers:\n{customers}\nsubscriptions:\n{subscriptions}\n")
        made.record(
            *(
                (f"e{number}-{each}", names[number], each + 1, f"m{each}")
                for number in range(CUSTOMERS)
                for each in range(number % 13)
            )
        )
        # Before any test adds to it.
        (made.whole,) = pages(made.service()[0], 20_000)
        yield made


def pages(service, page_size, form=LineItemForm.LINE_ITEM_FORM_ARROW, **fields):
    token = ""
    while True:
        request = ListLineItemsRequest(
            at=Timestamp(seconds=int(AT.timestamp())),
            form=form,
            page_size=page_size,
            page_token=token,
            **fields,
        )
        page = service.list_line_items(request, CALL)
        yield page
        token = page.next_page_token
        if not token:
            return


def rows(listed):
    """The lines of pages, one after the other; their number is what each page says."""
    return [row for page in listed for row in pa.ipc.open_stream(page.arrow).read_all().to_pylist()]


def snapshot_of(page):
    return {"as_of": page.as_of, "catalog_revision": page.catalog_revision}


@pytest.fixture(scope="module")
def whole(world):
    """All lines on one page, and its snapshot."""
    return rows([world.whole]), snapshot_of(world.whole)


# Of the 28: 21 have a fee and calls, and tokens for each group or once; 7 have a line a group or none.
LINES = sum(
    max(1, number % 13) + 2 if number % 4 != 3 else number % 13 for number in range(CUSTOMERS)
)  # fmt: skip


# Pages of one line that share no read ask the store more than a thousand times.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page_size", [1, 7, 20, 100, 1_000])
@pytest.mark.parametrize("lines_max", [0, 40, LINES_MAX])
def test_pages_are_cut_from_windows_as_from_one_listing(world, whole, page_size, lines_max):
    """Whatever room windows have, also none, and in both forms."""
    lines, snapshot = whole
    assert len(lines) == LINES
    service, windows, _ = world.service(lines_max)
    found = []
    for page in pages(service, page_size, **snapshot):
        page_rows = rows([page])
        assert snapshot_of(page) == snapshot
        assert len(page_rows) == page_size or not page.next_page_token
        assert windows.line_count <= lines_max
        found += page_rows
    assert found == lines
    items = [
        item.line_item_id
        for page in pages(service, page_size, LineItemForm.LINE_ITEM_FORM_UNSPECIFIED, **snapshot)
        for item in page.line_items
    ]
    assert items == [line["line_item_id"] for line in lines]


def test_several_pages_share_one_read(world, whole, monkeypatch):
    """Of the pages of 10 lines: the first reads by itself, and then about three share a read."""
    lines, snapshot = whole
    reads = Counter()
    read = world.stores.usage.query_columns
    monkeypatch.setattr(
        world.stores.usage, "query_columns", lambda query: reads.update(["scan"]) or read(query)
    )
    service, _, _ = world.service()
    count = sum(1 for _ in pages(service, 10, **snapshot))
    assert count == -(-len(lines) // 10)
    assert reads["scan"] <= 1 + -(-count // 2)
    reads.clear()
    alone, _, _ = world.service(lines_max=0)
    assert sum(1 for _ in pages(alone, 10, **snapshot)) == count <= reads["scan"]


def test_any_page_comes_from_a_service_that_knows_nothing(world, whole):
    """As after a restart, or from another engine: pages from both in turn, by random dice."""
    lines, snapshot = whole
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    known, _, _ = world.service()
    token, found = "", []
    while True:
        service = dice.choice([known, world.service()[0]])
        request = ListLineItemsRequest(
            at=Timestamp(seconds=int(AT.timestamp())),
            form=LineItemForm.LINE_ITEM_FORM_ARROW,
            page_size=dice.randint(1, 25),
            page_token=token,
            **snapshot,
        )
        page = service.list_line_items(request, CALL)
        found += rows([page])
        token = page.next_page_token
        if not token:
            break
    assert found == lines


def test_a_customers_listing_has_no_line_of_another(world, whole):
    """Also where the window of everybody's listing, at the same snapshot, holds that customer."""
    lines, snapshot = whole
    service, windows, _ = world.service()
    everybody = pages(service, 20, **snapshot)
    for _ in range(3):
        next(everybody)
    assert windows.line_count
    for customer_id in ("c00", "c12", "c25", "c27"):
        theirs = [line for line in lines if line["customer_id"] == customer_id]
        assert rows(pages(service, 5, customer_id=customer_id, **snapshot)) == theirs


def test_events_and_prices_of_later_change_no_page(world):
    """A listing goes on as of its first page, while a new one has what came in between."""
    service, _, _ = world.service()
    listed = pages(service, 15)
    first = [next(listed), next(listed)]
    snapshot = snapshot_of(first[0])
    (before,) = pages(world.service()[0], 20_000, **snapshot)
    world.record(*((f"late{number}", f"c{number:02}", 1_000, "m0") for number in range(CUSTOMERS)))
    world.apply(
        "customers: [{id: c000, name: New}]\nsubscriptions: [{customer: c000, plan: metered, start: 2026-01-05}]"
    )
    rest = list(listed)
    assert rows([*first, *rest]) == rows([before])
    assert {str(page.as_of) for page in rest} == {str(first[0].as_of)}
    (after,) = pages(service, 20_000)
    assert len(rows([after])) > len(rows([before]))
    assert sum(line["event_count"] for line in rows([after]) if line["price_id"] == "calls") == (
        sum(line["event_count"] for line in rows([before]) if line["price_id"] == "calls") + 21
    )


def test_a_listing_that_nobody_goes_on_with_is_forgotten(world, whole):
    """At the second sweep after its last window; a listing that came to its end is forgotten at once."""
    _, snapshot = whole
    service, windows, delayed = world.service()
    stopped = pages(service, 20, **snapshot)
    for _ in range(3):
        next(stopped)
    assert windows.line_count
    (sweep,) = delayed
    delayed.clear()
    sweep()
    assert windows.line_count
    (sweep,) = delayed
    delayed.clear()
    sweep()
    assert windows.line_count == 0
    assert delayed == []
    assert len(list(stopped)) > 3
    for _ in pages(service, 20, **snapshot):
        pass
    assert windows.line_count == 0


def test_listings_share_the_room_of_windows(world, whole):
    """A listing for whose window there is no room reads by itself, and takes nobody's."""
    lines, snapshot = whole
    service, windows, _ = world.service(lines_max=130)
    at_once = [pages(service, 20, customer_id=each, **snapshot) for each in ("", "c12", "c25")]
    found = [[], [], []]
    for _ in range(40):
        for number, listing in enumerate(at_once):
            found[number] += rows([page for page in [next(listing, None)] if page])
            assert windows.line_count <= 130
    assert found == [
        lines,
        *([line for line in lines if line["customer_id"] == each] for each in ("c12", "c25")),
    ]
