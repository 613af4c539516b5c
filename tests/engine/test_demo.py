"""The demo's promise: the trace ends in the recomputed totals, whatever happens to the engine on the way."""

import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from examples.demo import (
    CATALOG,
    ENGINE_OPTIONS,
    all_line_items,
    apply_catalog,
    differences,
    usage_event,
)
from examples.engine_process import EngineProcess
from examples.llm_trace import read_trace
from examples.recompute import expected_lines, read_catalog
from meterline import Client, Verdict, open_channel
from meterline.v1.billing_pb2 import LineItem, ListLineItemsRequest, ListLineItemsResponse
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trace():
    catalog = read_catalog(CATALOG)
    requests = list(read_trace([customer["id"] for customer in catalog["customers"]]))
    return catalog, requests


def test_the_demo_matches_to_the_cent(tmp_path):
    """The command as a newcomer runs it: exit code 0, the verdict, and nothing left behind."""
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "matches to the cent" in done.stdout
    assert "19,366 duplicates, 0 counted twice" in done.stdout
    assert list(tmp_path.iterdir()) == []


def _demo_against(target):
    """The one line with which it ends, and its exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--target", target], cwd=ROOT, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("demo: ")
    assert line.endswith("meterline serve --data ./x --event-age-max-days 36525")
    return line


def test_the_demo_without_an_engine_ends_in_one_line():
    """It says where it looked, and how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    assert f"no engine answers at {free}" in _demo_against(free)
    assert "nonsense" in _demo_against("nonsense:port")


def test_the_demo_on_an_engine_that_refuses_old_events_ends_in_one_line(tmp_path):
    """An engine as `meterline serve` starts it: the trace is years too old for it."""
    with EngineProcess(tmp_path / "data") as engine:
        line = _demo_against(engine.target)
    assert "event llm-trace-00001 is rejected: event_time is " in line
    assert "at most 35 days are taken" in line


def test_a_wrong_line_is_found(trace):
    """The comparison can fail: a missing line, one too many, one twice, a quantity or an amount off by little."""
    catalog, requests = trace
    expected = expected_lines(catalog, requests[:100])

    def item(key, line):
        customer_id, price_id, model = key
        return LineItem(
            customer_id=customer_id,
            price_id=price_id,
            dimensions={"model": model} if model else {},
            quantity=str(line.quantity),
            amount=f"{int(line.amount * 100) // 100}.{int(line.amount * 100) % 100:02d}",
        )

    items = [item(key, line) for key, line in expected.items()]
    assert differences(items, expected) == []
    assert len(differences(items[1:], expected)) == 1
    assert len(differences([*items, items[0]], expected)) == 1
    key, line = next(iter(expected.items()))
    for wrong in (
        type(line)(line.quantity + 1, line.amount),
        type(line)(line.quantity, line.amount + Fraction(1, 100)),
    ):
        assert len(differences(items, expected | {key: wrong})) == 1
    assert len(differences(items, {**expected, ("nobody", "x", ""): line})) == 1


def test_the_trace_is_the_published_one(trace):
    """19,366 requests of an hour in November 2023, given to at least 50 customers of skewed size."""
    _, requests = trace
    assert len(requests) == 19_366
    assert requests[0].event_time == datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)
    assert (requests[0].input_tokens, requests[0].output_tokens) == (374, 44)
    assert (requests[-1].input_tokens, requests[-1].output_tokens) == (197, 183)
    sizes = Counter(request.customer_id for request in requests).most_common()
    assert len(sizes) >= 50
    assert sizes[0][1] > 20 * sizes[-1][1]


def test_the_recomputation_knows_a_line_by_hand():
    """A graduated price by pencil: 5 at 2, 5 at 1, 2 at 0.5, and a flat 3 on entering the second tier."""
    catalog = {
        "meters": [{"id": "m", "aggregation": "sum", "value": "input_tokens"}],
        "plans": [
            {
                "id": "p",
                "prices": [
                    {
                        "id": "x",
                        "meter": "m",
                        "model": "graduated",
                        "tiers": [
                            {"up_to": "5", "unit_amount": "2"},
                            {"up_to": "10", "unit_amount": "1", "flat_amount": "3"},
                            {"unit_amount": "0.5"},
                        ],
                    }
                ],
            }
        ],
        "subscriptions": [{"customer": "c", "plan": "p"}],
    }
    from examples.llm_trace import TraceRequest

    for quantity, amount in ((0, "0"), (5, "10"), (6, "14"), (10, "18"), (12, "19")):
        request = TraceRequest(1, "", quantity, 0, "c", "small")
        line = expected_lines(catalog, [request])["c", "x", ""]
        assert (line.quantity, line.amount) == (quantity, Fraction(amount))


def test_killing_the_engine_in_mid_stream_ends_in_the_same_totals(tmp_path, trace):
    """SIGKILL three times at random moments, started again on the same directory, the client retrying: every
    event counted once, every line as recomputed.
    """
    catalog, requests = trace
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    engine = EngineProcess(tmp_path / "data", *ENGINE_OPTIONS).start()
    problems = []
    try:
        with open_channel(engine.target) as channel:
            apply_catalog(channel)
        done, killed = threading.Event(), threading.Event()

        def stream():
            with Client(engine.target, on_problem=problems.append, batch_events_max=200) as client:
                for index, request in enumerate(requests):
                    event = usage_event(request)
                    client.record(
                        event.customer_id, event.event_type, event.properties,
                        event_id=event.event_id, event_time=event.event_time,
                    )  # fmt: skip
                    # Slowly at the end, so that the stream outlasts the last kill on a busy machine too.
                    last_quarter = index > len(requests) * 3 // 4
                    if index % (10 if last_quarter and not killed.is_set() else 200) == 0:
                        time.sleep(0.05)
                deliveries.append(client.flush())
            done.set()

        deliveries = []
        producer = threading.Thread(target=stream)
        producer.start()
        for _ in range(3):
            time.sleep(moments.uniform(0.2, 1.2))
            assert not done.is_set(), "the stream ended before the kill"
            engine.kill()
            engine.start()
        killed.set()
        producer.join(120)
        assert done.is_set()
        with open_channel(engine.target) as channel:
            items = all_line_items(channel)
    finally:
        engine.kill()
    assert problems == []
    (delivery,) = deliveries
    assert delivery.accepted + delivery.duplicate == len(requests)
    assert differences(items, expected_lines(catalog, requests)) == []


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path, trace):
    """Acknowledged, then killed at once: the events are stored, and a retry knows them as duplicates."""
    catalog, requests = trace
    events = [usage_event(request) for request in requests[:500]]
    engine = EngineProcess(tmp_path / "data", *ENGINE_OPTIONS).start()
    try:
        with open_channel(engine.target) as channel, Client(engine.target) as client:
            apply_catalog(channel)
            assert {receipt.verdict for receipt in client.record_batch(events)} == {Verdict.ACCEPTED}
            engine.kill()
        engine.start()
        with open_channel(engine.target) as channel, Client(engine.target) as client:
            assert differences(all_line_items(channel), expected_lines(catalog, requests[:500])) == []
            assert {receipt.verdict for receipt in client.record_batch(events)} == {Verdict.DUPLICATE}
            assert differences(all_line_items(channel), expected_lines(catalog, requests[:500])) == []
    finally:
        engine.kill()


def test_the_same_snapshot_gives_the_same_bytes_over_restarts(tmp_path):
    """Raw bytes of the answer, of a line with three dimensions, from three processes."""
    document = """
meters: [{id: m, event_type: call, aggregation: count, group_by: [a, b, c]}]
plans: [{id: p, name: P, currency: USD, prices: [{id: x, meter: m, model: per_unit, unit_amount: 2}]}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2023-11-01}]
"""
    request = ListLineItemsRequest(catalog_revision=1)
    request.at.FromDatetime(datetime(2023, 11, 16, tzinfo=UTC))
    engine, answers = EngineProcess(tmp_path / "data", *ENGINE_OPTIONS), set()
    for start in range(3):
        with engine, open_channel(engine.target) as channel, Client(engine.target) as client:
            if start == 0:
                CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
            client.record(
                "acme", "call", {"a": "1", "b": "2", "c": "3"}, event_time=datetime(2023, 11, 16, tzinfo=UTC)
            )
            client.flush()
            call = channel.unary_unary("/meterline.v1.BillingService/ListLineItems")
            answer = call(request.SerializeToString(), timeout=120)
            if start == 0:
                request.as_of.CopyFrom(ListLineItemsResponse.FromString(answer).as_of)
            answers.add(answer)
    (answer,) = answers
    assert [line.amount for line in ListLineItemsResponse.FromString(answer).line_items] == ["2.00"]
