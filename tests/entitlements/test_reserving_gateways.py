"""Two gateways that share a ClickHouse server and a PostgreSQL, one of which is killed while callers reserve and commit."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import entitlements_pb2 as pb
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.usage_pb2 import UsageEvent
from tests.support.usage.clickhouse_process import ClickHouseProcess
from tests.support.usage.gateway_drive import PATIENCE

CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - {id: p, name: P, currency: USD, prices: [], limits: [{id: tokens, meter: tokens, quantity: 100}]}
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2026-01-01}]
"""
PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
HELD = [pb.RESERVATION_STATE_PENDING, pb.RESERVATION_STATE_COMMITTING]


@pytest.fixture(scope="module")
def gateways(postgres_server, tmp_path_factory):
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as clickhouse:
        options = (*clickhouse.option(**PATIENCE), "--catalog-store", postgres_server.new_url())
        with EngineProcess(None, *options) as first, EngineProcess(None, *options) as second:
            yield first, second


def _event(number):
    event = UsageEvent(event_id=f"e{number}", event_type="call", customer_id="acme")
    event.event_time.FromDatetime(datetime.now(UTC))
    event.properties["tokens"].string_value = "4"
    return event


def _used(asked):
    (found,) = asked.CheckAccess(
        pb.CheckAccessRequest(customer_id="acme", features=["tokens"]), timeout=60
    ).features
    return int(found.limits[0].used), int(found.limits[0].reserved)


def test_a_killed_gateway_oversells_nothing_and_leaves_nothing_held(gateways):
    """64 callers reserve 7 of 100 and commit 4, at either gateway; one gateway is killed among them. After the time of all
    reservations what is used is what was committed, once, and nothing is held.
    """
    with open_channel(gateways[0].target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
    committed, over, done = set(), [], threading.Event()
    granted = threading.Semaphore(0)

    def work(number):
        with open_channel(gateways[number % 2].target) as channel:
            asked = EntitlementServiceStub(channel)
            request = pb.ReserveUsageRequest(
                reservation_id=f"r{number}", customer_id="acme", limit="tokens", quantity="7", ttl_s=5
            )
            try:
                if asked.ReserveUsage(request, timeout=60).granted:
                    granted.release()
                    commit = pb.CommitReservationRequest(reservation_id=f"r{number}", event=_event(number))
                    asked.CommitReservation(commit, timeout=60)
                    committed.add(number)
            except grpc.RpcError as error:
                # The gateway died, or the reservation's time was over on a busy machine.
                if error.code() not in PASSING | {grpc.StatusCode.FAILED_PRECONDITION}:
                    over.append(str(error))

    def look():
        with open_channel(gateways[0].target) as channel:
            while not done.is_set():
                used, _ = _used(EntitlementServiceStub(channel))
                if used > 100:
                    over.append(used)

    looking = threading.Thread(target=look)
    looking.start()
    with ThreadPoolExecutor(32) as pool:
        working = [pool.submit(work, number) for number in range(64)]
        assert granted.acquire(timeout=60)
        os.kill(gateways[1].pid, 9)
        for each in working:
            each.result(300)
    done.set()
    looking.join(60)
    assert over == []
    with open_channel(gateways[0].target) as channel:
        asked = EntitlementServiceStub(channel)
        give_up_at = time.monotonic() + 120
        while held := asked.ListReservations(
            pb.ListReservationsRequest(states=HELD), timeout=60
        ).reservations:
            assert time.monotonic() < give_up_at, held
            time.sleep(0.5)
        states = [pb.RESERVATION_STATE_COMMITTED]
        request = pb.ListReservationsRequest(states=states, page_size=100)
        ended = {each.reservation_id for each in asked.ListReservations(request, timeout=60).reservations}
        assert {f"r{number}" for number in committed} <= ended
        assert _used(asked) == (4 * len(ended), 0)
        assert 4 * len(ended) <= 100
