"""Raw events expire, as an operator sees it: a dry run, the command, the same lines, and what is refused since."""

import os
import pty
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import metering_pb2
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest, EventRef, EventRefs, Signature, VoidUsage
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.events_pb2 import ListEventsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.retention_pb2 import ExpireUsageRequest
from meterline.v1.retention_pb2_grpc import RetentionServiceStub
from meterline.v1.usage_pb2 import VERDICT_REJECTED, RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.command_processes import run_command
from tests.support.engine.api_world import refusal
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import message_of

ROOT = Path(__file__).parents[2]
JUNE_US = 1_748_736_000_000_000  # 2025-06-01T00:00:00Z
HOUR_US = 3_600_000_000
JULY = Timestamp(seconds=1_751_328_000)
CATALOG = """
meters:
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - id: tokens
        meter: tokens
        model: graduated
        tiers: [{up_to: "10", unit_amount: "1"}, {unit_amount: "0.333"}]
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}]
subscriptions:
  - {customer: acme, plan: p, start: 2025-06-01}
  - {customer: bolt, plan: p, start: "2025-06-01T10:30:00Z"}
"""
NEWER_CATALOG = CATALOG.replace("group_by: [model]", "group_by: [model, region]")


def _row(event_id, tokens, hours, customer="acme"):
    properties = (("model", "large"), ("tokens", tokens))
    return Row("t1", event_id, "call", customer, JUNE_US + hours * HOUR_US, properties)


def _meterline(*arguments, fails=False, answer=None, prompts=True):
    """What it prints, or its error; at a terminal where `answer` is typed, or without one."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer or b"")
        done = run_command(*arguments, stdin=None if answer is None else theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == (2 if fails else 0), done.stderr
    if prompts and not fails and "--dry-run" not in arguments:
        assert done.stderr.startswith("deleting: waits 5 s until every gateway refuses events of that time")
    return done.stdout + done.stderr if fails else done.stdout


def _record(channel, *rows):
    events = [message_of(row) for row in rows]
    return UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=60)


def _usage(channel, **fields):
    request = metering_pb2.QueryUsageRequest(
        meter_id="tokens", period_start=Timestamp(seconds=JUNE_US // 1_000_000), period_end=JULY, **fields
    )
    return MeteringServiceStub(channel).QueryUsage(request, timeout=60)


def _check_listing(channel, target):
    """What has expired is not listed, and the answer says so; one that doesn't reach back says nothing."""
    june = EventServiceStub(channel).ListEvents(ListEventsRequest(customer_ids=["acme"]), timeout=60)
    assert [each.event_id for each in june.events] == ["july"]
    said = [(each.event_type, each.expired_before, each.customer_count) for each in june.expired]
    assert said == [("call", JULY, 1)]
    shown = _meterline("events", "--customer", "acme", "--target", target, prompts=False)
    assert (
        "events of call before 2025-07-01 have expired and can't be listed; what they came to is kept"
        in shown
    )
    after = ListEventsRequest(customer_ids=["acme"], start=JULY)
    assert not EventServiceStub(channel).ListEvents(after, timeout=60).expired


@pytest.mark.timeout(300)
def test_closed_usage_expires_and_stays_explained(tmp_path):
    """The lines of June are the same bytes at the same watermark and revision, with no event of June left."""
    options = ("--event-age-max-days", "36525", "--raw-events-days-min", "30")
    with (
        EngineProcess(tmp_path / "data", *options) as engine,
        open_channel(engine.target) as channel,
    ):
        apply = CatalogServiceStub(channel).ApplyCatalog
        revision = apply(ApplyCatalogRequest(document=CATALOG), timeout=60).revision
        rows = [_row(f"e{n}", f"{n}.5", 5 * n) for n in range(20)]
        _record(channel, *rows, _row("b", "3", 12, "bolt"), _row("july", "7", 31 * 24))
        lines = BillingServiceStub(channel).ListLineItems
        first = lines(
            ListLineItemsRequest(customer_id="acme", at=Timestamp(seconds=JUNE_US // 1_000_000)), timeout=60
        )
        again = ListLineItemsRequest(
            customer_id="acme",
            at=Timestamp(seconds=JUNE_US // 1_000_000),
            as_of=first.as_of,
            catalog_revision=revision,
        )
        # 0.5 + 1.5 + ... + 19.5 = 200 tokens: 10 at 1, 190 at 0.333.
        assert [each.amount for each in first.line_items] == ["73.27"]
        usage = _usage(channel, window=metering_pb2.USAGE_WINDOW_DAY, as_of=first.as_of)
        # A meter that is changed later is another one; lines at the earlier revision still need the first.
        apply(ApplyCatalogRequest(document=NEWER_CATALOG), timeout=60)

        expire = ("expire", "--target", engine.target, "--before")
        assert "must be the first of a month in UTC, is 2025-06-02T00:00:00Z" in _meterline(
            *expire, "2025-06-02", "--yes", fails=True
        )
        assert "--raw-events-days-min" in _meterline(*expire, "2199-01-01", "--yes", fails=True)
        dry = _meterline(*expire, "2025-07-01", "--dry-run")
        assert "would delete 20 raw events before 2025-07-01 of 1 customer" in dry
        assert "kept those of 1 customer" in dry
        assert _meterline(*expire, "2025-07-01", fails=True) == (
            "meterline: nobody is there to be asked: look with --dry-run, then say --yes or --expect N\n"
        )
        assert _meterline(*expire, "2025-07-01", "--yes", "--expect", "21", fails=True) == (
            "meterline: 20 events would go, not 21: nothing was deleted\n"
        )
        refused = _meterline(*expire, "2025-07-01", fails=True, answer=b"n\n")
        assert refused == f"{dry}delete 20 events for ever? [y/N]: meterline: nothing was deleted\n"
        assert _meterline(*expire, "2025-07-01", "--dry-run") == dry
        assert lines(again, timeout=60) == first
        agreed = _meterline(*expire, "2025-07-01", answer=b"y\n")
        assert agreed.startswith(f"{dry}delete 20 events for ever?")
        assert "deleted 20 raw events before 2025-07-01 of 1 customer" in agreed

        assert lines(again, timeout=60) == first
        assert (
            _usage(
                channel, window=metering_pb2.USAGE_WINDOW_DAY, as_of=first.as_of, catalog_revision=revision
            ).rows
            == usage.rows
        )
        left = RetentionServiceStub(channel).ExpireUsage(
            ExpireUsageRequest(before=JULY, dry_run=True), timeout=60
        )
        assert (left.event_count, left.customer_count, left.kept_customer_count) == (0, 0, 1)

        _check_listing(channel, engine.target)

        assert "deleted 0 raw events" in _meterline(*expire, "2025-07-01", "--expect", "0")

        late = _record(channel, _row("late", "1", 3))
        assert late.verdicts == [VERDICT_REJECTED]
        assert "usage before 2025-07-01 has expired" in late.problems[0].message
        code, line, details = refusal(lambda: _usage(channel, source=metering_pb2.USAGE_SOURCE_RAW))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert details["ErrorInfo"].reason == "USAGE_EXPIRED"
        assert "'acme' before 2025-07-01 has expired" in line
        void = CorrectUsageRequest(
            signature=Signature(correction_id="c", reason="r", recorded_by="p"),
            event_refs=EventRefs(events=[EventRef(event_id="b")]),
            void=VoidUsage(),
        )
        code, line, _ = refusal(lambda: CorrectionServiceStub(channel).CorrectUsage(void, timeout=60))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "has expired and can't be corrected" in line
        gone = _meterline("void", "--event-id", "e1", "--dry-run", "--target", engine.target, fails=True)
        assert (
            "event 'e1' is not recorded, or has expired: events before 2025-07-01 can't be corrected" in gone
        )
