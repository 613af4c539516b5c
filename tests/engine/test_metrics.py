"""The metrics of a running engine: what each says after some traffic, and that no label takes what a caller sends."""

import secrets
import urllib.request
from unittest.mock import MagicMock

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families

from engine.access.api_keys import new_key_text
from engine.access.tenant_limits import Limit
from engine.api.operations import Services, operations
from engine.cluster.data_directory import FORMAT
from engine.metrics import METRICS, REGISTRY
from examples.engine_process import EngineProcess
from ingest import Reason
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine import billed_customer
from tests.support.engine.api_world import AT, CATALOG, api_event, record

METHODS = {
    *(
        each.method
        for each in operations(Services(**{name: MagicMock() for name in Services.__dataclass_fields__}))
    ),
    *("Check", "Watch", "ServerReflectionInfo"),
}
# What a label may say, whoever calls.
ALLOWED = {
    "method": METHODS,
    "code": {code.name for code in grpc.StatusCode},
    "verdict": {"accepted", "duplicate", "conflict", "rejected"},
    "store": {"usage", "catalog"},
    "limit": {limit.value for limit in Limit},
    "upkeep": {
        "reconciler",
        "rollups",
        "disk watch",
        "webhooks",
        "overdue invoices",
        "reservations",
        "automatic close",
        "alerts",
        "top-ups",
        "threshold invoices",
        "billing check",
    },
    "outcome": {
        *("delivered", "failed"),
        *("granted", "refused", "committed", "released", "expired"),
    },
    "type": {"alert.crossed", "alert.recovered"},
    "kind": {
        *("requests", "usage streams", "catalog streams", "health checks", "health watches"),
        *("spend watches", "spend watches over HTTP"),
        *("reflection streams", "HTTP requests"),
    },
}
REFUSALS = {
    *("missing", "malformed", "unknown", "wrong secret", "unknown certificate", "revoked", "expired"),
    *("replaced", "scope", "customer"),
}
PROBLEMS = {reason.name.lower() for reason in Reason} - {"malformed"}
ODD = "odd\n\"name\"{x='y'}"
EVENTS = 7


def _scraped(engine):
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory):
    """Scraped after events, reads, refusals, and callers who send odd names; by name."""
    data = tmp_path_factory.mktemp("engine") / "data"
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0", "--reflection")
    with EngineProcess(data, *options) as engine, open_channel(engine.target) as channel:
        document = CATALOG.replace("NAME", "metrics")
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
        events = [api_event("metrics", str(number)) for number in range(EVENTS)]
        record(channel, *events)
        record(channel, *events[:2])
        record(channel, api_event("metrics", "0", "99"), api_event(ODD, ODD))
        BillingServiceStub(channel).ListLineItems(ListLineItemsRequest(at=AT), timeout=120)
        HealthStub(channel).Check(HealthCheckRequest(), timeout=120)
        with pytest.raises(grpc.RpcError):
            SpendServiceStub(channel).GetSpend(GetSpendRequest(customer_id=ODD), timeout=120)
        with grpc.insecure_channel(engine.target) as stranger:
            for value in (None, "Bearer nonsense", f"Bearer {new_key_text(secrets.token_hex)}"):
                metadata = (("x-request-id", "odd"), *((("authorization", value),) if value else ()))
                with pytest.raises(grpc.RpcError):
                    SpendServiceStub(stranger).GetSpend(GetSpendRequest(), metadata=metadata, timeout=120)
            with pytest.raises(grpc.RpcError):
                stranger.unary_unary("/meterline.v1.SpendService/Odd")(b"", timeout=120)
        first = _scraped(engine)
        # Invoices, payments, reservations, alerts, webhooks.
        billed_customer.bill(channel)
        yield first, _scraped(engine)


@pytest.fixture(scope="module")
def families(scrapes):
    return {each.name: each for each in scrapes[0]}


@pytest.fixture(scope="module")
def later_families(scrapes):
    """After somebody was billed, too."""
    return {each.name: each for each in scrapes[1]}


def _values(families, sample, **labels):
    family = next(each for each in families.values() if any(s.name == sample for s in each.samples))
    return [
        each.value for each in family.samples if each.name == sample and labels.items() <= each.labels.items()
    ]


def test_every_label_has_a_bounded_set_of_values(later_families):
    """Whatever callers send: methods and codes of the contract, names that the program knows, and nothing else."""
    seen = 0
    for family in later_families.values():
        if not family.name.startswith("meterline_"):
            continue
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label in {"le", "version", "commit", "storage_format"}:
                    continue
                allowed = REFUSALS if family.name == "meterline_refused_calls" else ALLOWED.get(label, ())
                allowed = PROBLEMS if family.name == "meterline_event_problems" else allowed
                allowed = ALLOWED["method"] if label == "method" else allowed
                assert value in allowed, (sample.name, sample.labels)
                seen += 1
    assert seen > 100


def test_no_family_has_a_label_that_the_tests_do_not_know():
    """Whether or not there was traffic that gives it a value."""
    labels = {label for family in REGISTRY.collect() for sample in family.samples for label in sample.labels}
    labels |= {label for each in vars(type(METRICS)).values() for label in getattr(each, "_labelnames", ())}
    assert labels <= {*ALLOWED, "reason", "le", "version", "commit", "storage_format", "generation"}


def test_events_are_counted_by_verdict_with_their_lateness(families):
    """Events of 2025 are later than the last bound; each new event counts once."""
    for verdict, count in (("accepted", EVENTS), ("duplicate", 2), ("conflict", 1), ("rejected", 1)):
        assert _values(families, "meterline_events_total", verdict=verdict) == [count]
    assert _values(families, "meterline_inserted_events_total") == [EVENTS]
    assert _values(families, "meterline_event_lateness_seconds_bucket", le="3.024e+06") == [0]
    assert _values(families, "meterline_event_lateness_seconds_bucket", le="+Inf") == [EVENTS]
    (total,) = _values(families, "meterline_event_lateness_seconds_sum")
    assert total / EVENTS > 86_400 * 365
    assert _values(families, "meterline_hot_window_events") == [EVENTS]


def test_problems_are_counted_by_reason_from_the_start(families):
    """An id with other content, and a type that no meter reads; the other reasons stand at zero."""
    found = {each: _values(families, "meterline_event_problems_total", reason=each) for each in PROBLEMS}
    assert found == {each: [each in ("id_reused", "unknown_event_type")] for each in PROBLEMS}


def test_batches_and_inserts_are_measured(families):
    """Three requests, each a batch of its own; one of them had something to insert."""
    assert _values(families, "meterline_batch_requests_count") == [3]
    assert _values(families, "meterline_queue_wait_seconds_count") == [3]
    assert _values(families, "meterline_insert_events_sum") == [EVENTS]
    assert _values(families, "meterline_insert_duration_seconds_count") == [1]
    assert _values(families, "meterline_queue_events_max") == [200_000]


def test_credentials_are_counted_by_what_became_of_them(families):
    """Accepted by method, refused by reason."""
    assert _values(families, "meterline_admitted_calls_total", method="RecordUsage") == [3]
    refused = {
        reason: sum(_values(families, "meterline_refused_calls_total", reason=reason)) for reason in REFUSALS
    }
    assert {reason: count for reason, count in refused.items() if count} == {
        "missing": 1,
        "malformed": 1,
        "unknown": 1,
    }


def test_rated_lines_are_counted(families):
    """One customer has begun by then: a flat price, and one by usage."""
    assert _values(families, "meterline_rated_lines_total") == [2]
    assert _values(families, "meterline_unrateable_lines_total") == [0]


def test_stores_disk_process_and_build_are_told(families):
    """What an operator looks at first."""
    assert _values(families, "meterline_store_up") == [1, 1]
    (free,), (size,) = (
        _values(families, "meterline_data_free_bytes"),
        _values(families, "meterline_data_size_bytes"),
    )
    assert 0 < free < size
    assert _values(families, "process_resident_memory_bytes")[0] > 1e6
    (build,) = families["meterline_build_info"].samples
    assert (build.value, build.labels["storage_format"]) == (1, str(FORMAT))
    assert build.labels.keys() == {"version", "commit", "storage_format"}


def test_upkeep_is_told_from_the_start(families):
    """So that a rate has a first value."""
    for upkeep in ALLOWED["upkeep"]:
        assert _values(families, "meterline_failed_upkeep_passes_total", upkeep=upkeep) == [0]
