"""Listings of line items and of usage: all pages, of one snapshot, whatever happens on the way."""

import asyncio
import gc
import itertools
import threading
import time
import weakref
from datetime import UTC, datetime

import pytest
from grpc import StatusCode

from meterline import (
    AsyncClient,
    ClientClosedError,
    EngineUnavailableError,
    InvalidArgumentError,
    InvalidRequestError,
    ListingNotBegunError,
    NotFoundError,
    RequestFailedError,
)
from meterline.v1 import billing_pb2, metering_pb2
from tests.support.client.scripted_engine import refuse

AS_OF_US = 1_772_366_400_000_001
AS_OF = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
JUNE = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
CUSTOMERS = ["acme", "bolt", "corn", "dawn", "echo"]


@pytest.fixture(params=["lines", "usage"])
def kind(request):
    """What is listed: line items, or rows of usage."""
    return request.param


@pytest.fixture
def listed(engine, kind):
    """Three pages of five customers, two, none and three; an engine may give a page without a value."""
    listing = getattr(engine, kind)
    for customers in (CUSTOMERS[:2], [], CUSTOMERS[2:]):
        if kind == "lines":
            page = billing_pb2.ListLineItemsResponse(catalog_revision=7)
            page.line_items.extend(billing_pb2.LineItem(customer_id=each, amount="1") for each in customers)
        else:
            page = metering_pb2.QueryUsageResponse(catalog_revision=7, meter_version=3)
            page.rows.extend(metering_pb2.UsageRow(customer_id=each, quantity="1") for each in customers)
        page.as_of.FromMicroseconds(AS_OF_US)
        listing.pages.append(page)
    return listing


def ask(client, kind, **keywords):
    """The listing of a client, of either kind; the meter and the period don't matter here."""
    return client.lines(**keywords) if kind == "lines" else client.usage("tokens", *JUNE, **keywords)


def customers_of(values):
    return [value.customer_id for value in values]


def test_all_pages_come_in_their_order(listed, connect, kind):
    """Also behind a page without a value."""
    assert customers_of(ask(connect(), kind)) == CUSTOMERS
    assert [request.page_token for request in listed.requests] == ["", "1", "2"]


def test_all_pages_come_in_their_order_on_a_loop(engine, listed, kind):
    """`async for` needs no `await` before it."""

    async def main():
        async with AsyncClient(engine.target) as client:
            return [value.customer_id async for value in ask(client, kind)]

    assert asyncio.run(main()) == CUSTOMERS


def test_a_page_is_asked_for_when_the_one_before_is_used_up(listed, connect, kind):
    """Who takes two values reads one page."""
    values = ask(connect(), kind)
    assert len(listed.requests) == 1
    next(values), next(values)
    assert len(listed.requests) == 1
    next(values)
    assert len(listed.requests) == 3


def test_the_snapshot_is_known_from_the_first_page_on(listed, connect, kind):
    """And asked for by its two numbers it is the same again."""
    client = connect()
    values = ask(client, kind)
    assert (values.as_of, values.catalog_revision) == (AS_OF, 7)
    ask(client, kind, as_of=values.as_of, catalog_revision=values.catalog_revision)
    again = listed.requests[-1]
    assert (again.as_of.ToMicroseconds(), again.catalog_revision) == (AS_OF_US, 7)


def test_the_snapshot_is_known_on_a_loop(engine, listed, kind):
    """After an `await`, which reads one page, or after the first value; before, an error says so."""

    async def main():
        async with AsyncClient(engine.target) as client:
            values = ask(client, kind)
            with pytest.raises(ListingNotBegunError, match="await it first, or take its first value"):
                _ = values.as_of
            assert listed.requests == []
            assert await values is values
            assert await values is values
            assert len(listed.requests) == 1
            assert (values.as_of, values.catalog_revision) == (AS_OF, 7)
            return [value.customer_id async for value in values]

    assert asyncio.run(main()) == CUSTOMERS


@pytest.mark.parametrize("other", ["as_of", "catalog_revision"])
def test_pages_of_two_snapshots_are_refused(listed, connect, kind, other):
    """Their sum would be of neither."""
    if other == "as_of":
        listed.pages[2].as_of.FromMicroseconds(AS_OF_US + 1)
    else:
        listed.pages[2].catalog_revision = 8
    values = ask(connect(), kind)
    assert customers_of([next(values), next(values)]) == CUSTOMERS[:2]
    with pytest.raises(
        RequestFailedError, match=r"pages of two snapshots.*catalog revision 7.*start the listing anew"
    ):
        next(values)


def test_a_page_that_fails_is_asked_for_again(listed, connect, kind):
    """The same request, and no value twice."""
    values = ask(connect(), kind)
    listed.script.append(refuse(StatusCode.UNAVAILABLE))
    assert customers_of(values) == CUSTOMERS
    assert [request.page_token for request in listed.requests] == ["", "1", "1", "2"]


def test_after_an_error_the_listing_goes_on_where_it_was(listed, connect, kind):
    """A job that waits for its engine need not begin anew."""
    values = ask(connect(), kind)
    listed.script.append(refuse(StatusCode.INTERNAL))
    found = [next(values), next(values)]
    with pytest.raises(RequestFailedError, match="INTERNAL: scripted"):
        next(values)
    assert customers_of([*found, *values]) == CUSTOMERS


@pytest.mark.parametrize("code", [StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE])
def test_a_busy_engine_is_asked_again_when_it_says(listed, connect, kind, code):
    """Twice 0.7 s are longer than a read bridges on its own."""
    listed.script.extend([refuse(code, pushback_ms=700)] * 2)
    started_s = time.monotonic()
    assert customers_of(ask(connect(), kind)) == CUSTOMERS
    assert time.monotonic() - started_s >= 1.4


def test_an_engine_that_stays_busy_is_not_waited_for_for_ever(listed, connect, kind):
    """No wait begins that would end after `timeout_s`."""
    listed.script.extend([refuse(StatusCode.RESOURCE_EXHAUSTED, pushback_ms=400)] * 1_000)
    started_s = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="RESOURCE_EXHAUSTED: scripted"):
        ask(connect(), kind, timeout_s=1.5)
    # 400 ms and at most 400 more of chance between attempts: 1 to 3 waits fit.
    assert 2 <= len(listed.requests) <= 4
    assert time.monotonic() - started_s < 100


def test_closing_the_client_ends_the_wait_for_a_busy_engine(listed, connect, kind):
    """Long before the hundred seconds that the engine asks for."""
    client = connect()
    listed.script.append(refuse(StatusCode.RESOURCE_EXHAUSTED, pushback_ms=100_000))
    failures = []

    def read():
        try:
            ask(client, kind, timeout_s=200)
        except RequestFailedError as error:
            failures.append(error)

    reading = threading.Thread(target=read)
    started_s = time.monotonic()
    reading.start()
    while not listed.requests:
        time.sleep(0.01)
    time.sleep(0.1)
    client.close(timeout_s=0)
    reading.join()
    assert time.monotonic() - started_s < 50
    assert len(failures) == 1


def test_what_the_engine_refuses_is_raised_at_the_call(listed, connect, kind):
    """Nobody has to take a value first to learn of it, and nothing final is tried twice."""
    for code, error in (
        (StatusCode.NOT_FOUND, NotFoundError),
        (StatusCode.INVALID_ARGUMENT, InvalidRequestError),
    ):
        listed.script.append(refuse(code))
        with pytest.raises(error, match="scripted"):
            ask(connect(), kind)
    assert len(listed.requests) == 2


def test_a_listing_that_is_left_in_the_middle_leaves_nothing_open(listed, connect, kind):
    """No thread, no call, and nothing that holds the listing."""
    client = connect()
    threads = set(threading.enumerate())
    values = ask(client, kind)
    next(values)
    left = weakref.ref(values)
    gc.disable()
    try:
        del values
        assert left() is None
    finally:
        gc.enable()
    # gRPC's own thread for the channel's state may come and go.
    assert [each for each in set(threading.enumerate()) - threads if each.name.startswith("meterline")] == []
    assert len(listed.requests) == 1


def hold_until_broken_off(seen):
    """A fault: the engine answers nothing until the caller is gone, and then says so."""

    def fault(request, context, store):
        deadline_s = time.monotonic() + 100
        while context.is_active() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        if not context.is_active():
            seen.set()

    return fault


def test_a_cancelled_iteration_breaks_the_read_off(engine, listed, kind):
    """The engine learns of it, and a later step asks for that page again: no value is lost or doubled."""
    seen = threading.Event()

    async def main():
        async with AsyncClient(engine.target) as client:
            values = ask(client, kind, timeout_s=200)
            found = [await anext(values), await anext(values)]
            listed.script.append(hold_until_broken_off(seen))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(values)
            assert await asyncio.to_thread(seen.wait, 50)
            return customers_of([*found, *[value async for value in values]])

    started_s = time.monotonic()
    assert asyncio.run(main()) == CUSTOMERS
    assert time.monotonic() - started_s < 50


def test_threads_that_share_a_listing_get_each_value_once(listed, connect, kind):
    """Eight threads, each page asked for once."""
    values = ask(connect(), kind)
    found = []
    threads = [threading.Thread(target=lambda: found.extend(values)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(customers_of(found)) == CUSTOMERS
    assert len(listed.requests) == 3


def test_tasks_that_share_a_listing_get_each_value_once(engine, listed, kind):
    """As threads do."""

    async def main():
        async with AsyncClient(engine.target) as client:
            values = ask(client, kind)

            async def take():
                return [value.customer_id async for value in values]

            return sorted(itertools.chain(*await asyncio.gather(*(take() for _ in range(8)))))

    assert asyncio.run(main()) == CUSTOMERS
    assert len(listed.requests) == 3


def test_a_closed_client_reads_no_further_page(listed, connect, kind):
    """What it had read is still there."""
    client = connect()
    values = ask(client, kind)
    client.close()
    assert customers_of([next(values), next(values)]) == CUSTOMERS[:2]
    for read in (lambda: next(values), lambda: ask(client, kind)):
        with pytest.raises(ClientClosedError, match="the client is closed"):
            read()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"as_of": datetime(2026, 3, 1)}, "as_of 2026-03-01T00:00:00 has no time zone"),  # noqa: DTZ001 - the mistake
        ({"catalog_revision": 0}, "catalog_revision is 0: revisions count from 1"),
        ({"catalog_revision": 2**64}, "catalog_revision is 18446744073709551616: revisions"),
        ({"catalog_revision": "7"}, r"catalog_revision is a str \('7'\): give an int"),
        ({"catalog_revision": True}, r"catalog_revision is a bool \(True\): give an int"),
    ],
)
def test_a_snapshot_that_is_none_is_refused(listed, connect, kind, keywords, message):
    """Before anything is sent, by spend as by listings."""
    client = connect()
    for read in (lambda: ask(client, kind, **keywords), lambda: client.spend("acme", **keywords)):
        with pytest.raises(InvalidArgumentError, match=message):
            read()
    assert listed.requests == []
