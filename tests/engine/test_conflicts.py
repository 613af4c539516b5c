"""Event ids used twice, as a person sees them: listed page by page, settled on demand and by the engine itself."""

import base64
import itertools
import json
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.caller import DEFAULT_TENANT
from engine.api.services.correction_service import CorrectionService
from engine.errors import InvalidRequestError
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import EventKey, Kind, Void, record_voids
from engine.usage.store.usage_store import UsageStore
from examples.engine_process import EngineProcess
from ingest import IngestClock, partition_batches
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import ListConflictsRequest, ReconcileUsageRequest
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.calls import call_of
from tests.support.command_processes import run_command
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of, message_of

ROOT = Path(__file__).parents[2]
NOTHING = "no id was used for two stored events (what was voided by hand: meterline corrections)"
JUNE_US = 1_748_736_000_000_000  # 2025-06-01T00:00:00Z
JULY_US = 1_751_328_000_000_000


CALL = call_of("t1")
CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - id: p
    name: P
    currency: USD
    prices: [{id: tokens, meter: tokens, model: per_unit, unit_amount: "1"}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2025-06-01}]
"""


def _row(event_id, tokens, *, at_us=JUNE_US, tenant="t1", customer="acme"):
    return Row(tenant, event_id, "call", customer, at_us, (("tokens", tokens),))


def _insert(store, stamp_us, *rows):
    for batch, _ in partition_batches(columns_of(rows), stamp_us, 1_000):
        store.insert(batch)


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture
def world(store):
    """The service over a store with seven ids, each used twice; the second pair's time differs, too."""
    ids = [f"e{n}" for n in range(5)] + ["'\\\x00", "\N{ROCKET}"]
    for n, event_id in enumerate(ids):
        _insert(store, n + 1, _row(event_id, "1"))
        _insert(store, n + 101, _row(event_id, "2", at_us=JUNE_US + n))
    clock, ticks = IngestClock(1_000, lambda _: None), itertools.count(2_000)
    service = CorrectionService(store, Reconciler(store, clock, ticks.__next__), clock, ticks.__next__)
    return service, store, clock, ticks, ids


def _june(**changes):
    fields = {
        "period_start": Timestamp(seconds=JUNE_US // 10**6),
        "period_end": Timestamp(seconds=JULY_US // 10**6),
    }
    return ReconcileUsageRequest(**(fields | changes))


def _pages(service, size):
    pages, token = [], ""
    while True:
        answer = service.list_conflicts(ListConflictsRequest(page_size=size, page_token=token), CALL)
        pages.append(answer)
        token = answer.next_page_token
        if not token:
            return pages


def test_a_settled_period_lists_what_stands_and_what_is_void(world):
    """Both versions with their properties and when they came; settled once, and no more the second time."""
    service, *_, ids = world
    assert service.reconcile_usage(_june(), CALL).voided_event_count == 7
    assert service.reconcile_usage(_june(), CALL).voided_event_count == 0
    (page,) = _pages(service, 100)
    assert sorted(each.event_id for each in page.conflicts) == sorted(ids)
    for each in page.conflicts:
        n = ids.index(each.event_id)
        assert (each.stands.properties["tokens"], each.voided.properties["tokens"]) == ("1", "2")
        assert each.stands.event_time.ToMicroseconds() == JUNE_US
        assert each.voided.event_time.ToMicroseconds() == JUNE_US + n
        ingested = (each.stands.ingested_at, each.voided.ingested_at)
        assert [instant.ToMicroseconds() for instant in ingested] == [n + 1, n + 101]
        assert not each.restored
        assert each.voided_at.ToMicroseconds() <= page.as_of.ToMicroseconds()


def test_pages_share_one_snapshot(world):
    """Two a page, each conflict once, though another is found and one restored meanwhile."""
    service, store, clock, ticks, ids = world
    service.reconcile_usage(_june(), CALL)
    (whole,) = _pages(service, 100)
    first = service.list_conflicts(ListConflictsRequest(page_size=2), CALL)
    _insert(store, clock.watermark(next(ticks)), _row("e0", "3"))
    service.reconcile_usage(_june(), CALL)
    key = EventKey("t1", "acme", "call", JUNE_US, "e0", 0)
    restored = Void(event=key, voided=False, kind=Kind.VOID, correction_id="c", reason="", recorded_by="p")
    record_voids([restored], store, clock, ticks.__next__)
    rest, token = [], first.next_page_token
    while token:
        page = service.list_conflicts(ListConflictsRequest(page_size=2, page_token=token), CALL)
        assert page.as_of == first.as_of
        rest += page.conflicts
        token = page.next_page_token
    assert [*first.conflicts, *rest] == list(whole.conflicts)
    (now,) = _pages(service, 100)
    assert len(now.conflicts) == len(ids) + 1


def test_one_id_is_listed_alone_and_a_restored_event_says_so(world):
    """Whatever characters the id has; another tenant sees none of it."""
    service, store, clock, ticks, ids = world
    service.reconcile_usage(_june(), CALL)
    (found,) = service.list_conflicts(ListConflictsRequest(event_id=ids[5]), CALL).conflicts
    assert found.event_id == ids[5]
    assert not service.list_conflicts(ListConflictsRequest(event_id="' OR 1=1 --"), CALL).conflicts
    assert not service.list_conflicts(ListConflictsRequest(), call_of("t2")).conflicts
    ((content_hash,),) = store.query(_hash_of(ids[5]))
    key = EventKey("t1", "acme", "call", JUNE_US + 5, ids[5], content_hash)
    restored = Void(event=key, voided=False, kind=Kind.VOID, correction_id="c", reason="", recorded_by="p")
    record_voids([restored], store, clock, ticks.__next__)
    (found,) = service.list_conflicts(ListConflictsRequest(event_id=ids[5]), CALL).conflicts
    assert found.restored
    assert service.reconcile_usage(_june(), CALL).voided_event_count == 0


def _hash_of(event_id):
    from engine.usage.facts.queries import Query

    return Query(
        "SELECT content_hash FROM meterline.events WHERE event_id = {id:String} AND properties['tokens'] = '2'",
        {"id": event_id},
    )


@pytest.mark.parametrize(
    "request_",
    [
        ListConflictsRequest(page_size=251),
        ListConflictsRequest(page_token="x"),
        ListConflictsRequest(page_token=base64.b64encode(b'["", 1, -1]').decode()),
        ListConflictsRequest(page_token=base64.b64encode(b'["other", 1, 1]').decode()),
        ListConflictsRequest(page_token=base64.b64encode(json.dumps(["", 10**15, 1]).encode()).decode()),
    ],
)
def test_a_listing_that_can_t_be_is_refused(world, request_):
    """Too large a page, a token that was never given out, or of another listing."""
    with pytest.raises(InvalidRequestError, match=r"page_size|page_token"):
        world[0].list_conflicts(request_, CALL)


@pytest.mark.parametrize(
    "request_",
    [
        ReconcileUsageRequest(),
        ReconcileUsageRequest(period_start=Timestamp(seconds=1)),
        _june(period_end=Timestamp(seconds=JUNE_US // 10**6)),
        _june(period_end=Timestamp(seconds=10**12)),
    ],
)
def test_a_period_that_is_none_is_refused(world, request_):
    """Without a start or an end, empty, or out of the calendar."""
    with pytest.raises(InvalidRequestError, match="period_"):
        world[0].reconcile_usage(request_, CALL)


def _meterline(*arguments):
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_id_used_twice_across_gateways_counts_once_from_then_on(tmp_path):
    """One event through the engine, another under its id by a gateway that didn't know it; then the commands."""
    data = tmp_path / "data"
    with EngineProcess(data, "--event-age-max-days", "36525") as engine:
        with open_channel(engine.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
            events = [message_of(_row("order-1", "5")), message_of(_row("order-2", "100"))]
            UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)
        at = ("--target", engine.target)
        assert _meterline("conflicts", *at).startswith(NOTHING)
        assert "the id 'order-1' was not used for two stored" in _meterline(
            "conflicts", "--event-id", "order-1", *at
        )
        signed = ("--by", "ada", "--reason", "a test run", "--yes", *at)
        _meterline("void", "--event-id", "order-2", *signed)
        assert _meterline("conflicts", *at).startswith(NOTHING)
        correction = json.loads(_meterline("corrections", "--json", *at))["signature"]["correction_id"]
        _meterline("undo", correction, *signed)
    store = UsageStore.open_embedded(data / "usage")
    try:
        stamp_us = store.latest_stamp_us() + 1
        _insert(store, stamp_us, _row("order-1", "7", tenant=DEFAULT_TENANT))
    finally:
        store.close()
    with engine:
        period = ("--from", "2025-06-01", "--to", "2025-07-01")
        first = _meterline("reconcile", *period, "--target", engine.target)
        # The engine may have been faster.
        assert "looked at 3 events, voided" in first
        assert "looked at 3 events, voided 0" in _meterline("reconcile", *period, "--target", engine.target)
        shown = _meterline("conflicts", "--target", engine.target).splitlines()
        assert [line.split()[:2] for line in shown[1:3]] == [
            ["order-1", "stands"],
            ["void", shown[2].split()[1]],
        ]
        assert "tokens=5" in shown[1]
        assert "tokens=7" in shown[2]
        (as_json,) = _meterline("conflicts", "--json", "--target", engine.target).splitlines()
        assert json.loads(as_json)["voided"]["properties"] == {"tokens": "7"}
        at = ("--at", "2025-06-10", "--target", engine.target)
        assert "105.00 USD" in _meterline("spend", *at)
        before = _meterline("spend", "--as-of", _instant(stamp_us), *at)
        assert "112.00 USD" in before
        signed = ("--by", "ada", "--reason", "two orders", "--yes", "--target", engine.target)
        assert "restored 1 event" in _meterline("restore", "--event-id", "order-1", *signed)
        assert "112.00 USD" in _meterline("spend", *at)
        shown = _meterline("conflicts", "--target", engine.target).splitlines()
        assert shown[2].split()[0] == "restored"


def _instant(at_us):
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).isoformat()
