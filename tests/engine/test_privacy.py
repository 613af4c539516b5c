"""A person's data exported and erased, as an operator sees it: commands, both faces, the audit log, a backup afterwards."""

import json
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.backup_pb2 import CreateBackupRequest
from meterline.v1.backup_pb2_grpc import BackupServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.privacy_pb2 import EraseCustomerRequest, ExportCustomerRequest
from meterline.v1.privacy_pb2_grpc import PrivacyServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.command_processes import run_command
from tests.support.engine import billed_customer
from tests.support.engine.api_world import refusal
from tests.support.erasure.erasure_world import (
    BOB,
    CATALOG,
    JUNE_US,
    NAME,
    SHE,
    TEXTS,
    files_with,
    usage,
)
from tests.support.ingest.event_columns import message_of

ROOT = Path(__file__).parents[2]
JULY = Timestamp(seconds=JUNE_US // 1_000_000 + 35 * 86_400)
JUNE = Timestamp(seconds=JUNE_US // 1_000_000 + 86_400)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    backups = tmp_path_factory.mktemp("backups")
    data = tmp_path_factory.mktemp("engine") / "data"
    options = (
        "--event-age-max-days",
        "36525",
        "--backup-directory",
        str(backups),
        "--http-listen",
        "127.0.0.1:0",
    )
    with EngineProcess(data, *options) as running:
        running.directory = data
        with open_channel(running.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(
                ApplyCatalogRequest(document=CATALOG, file_name="catalog.yaml"), timeout=120
            )
            events = [message_of(each) for each in usage()]
            # One is wrong, and stands in the log of problems.
            events.append(message_of(replace(usage()[0], event_id=f"{SHE}-typo", event_type="coll")))
            UsageServiceStub(channel).RecordUsage(RecordUsageRequest(events=events), timeout=120)
            AccessServiceStub(channel).CreateApiKey(
                CreateApiKeyRequest(name=f"portal of {NAME}", scopes=["SCOPE_READ"], customer_id=SHE),
                timeout=120,
            )
        yield running


@pytest.fixture(scope="module")
def channel(engine):
    with open_channel(engine.target) as opened:
        yield opened


def meterline(engine, *arguments, fails=False):
    done = run_command("customers", *arguments, "--target", engine.target)
    assert done.returncode == (2 if fails else 0), done.stderr
    return done.stderr if fails else done.stdout


def lines(channel, customer):
    """Of two months, without what names anybody."""
    found = []
    for at in (JUNE, JULY):
        request = ListLineItemsRequest(customer_id=customer, at=at)
        for item in BillingServiceStub(channel).ListLineItems(request, timeout=120).line_items:
            for field in ("line_item_id", "customer_id", "subscription_id", "dimensions"):
                item.ClearField(field)
            found.append(item.SerializeToString(deterministic=True))
    return found


def test_a_person_is_exported_examined_and_erased_from_the_command_line(engine, channel, tmp_path):
    """All at one engine, in the order in which an operator does it."""
    before = lines(channel, SHE)
    file = tmp_path / "her.ndjson"
    meterline(engine, "export", SHE, "-o", str(file))
    sections = [json.loads(line)["section"] for line in file.read_text(encoding="utf-8").splitlines()]
    # She, her subscription, her grant, her alert, and the alert that is called after her.
    assert sections.count("catalog") == 5
    assert sections.count("api_keys") == 1
    assert sections.count("events") == len([each for each in usage() if each.customer_id != BOB])

    said = meterline(engine, "erase", SHE, "--dry-run")
    assert said.startswith("would erase 26 events, ")
    assert "properties whose values are replaced: call.email, call.seat" in said
    assert "properties that go: call.note, gauge.note" in said
    assert said.endswith("dry run: nothing was changed\n")
    assert "nobody is there to be asked" in meterline(engine, "erase", SHE, fails=True)
    assert lines(channel, SHE) == before
    assert files_with(engine.directory, [NAME])

    said = meterline(engine, "erase", SHE, "--yes")
    pseudonym = said.rpartition(" ")[2].strip()
    assert said.endswith(f"the pseudonym is {pseudonym}\n")
    assert lines(channel, pseudonym) == before
    assert files_with(engine.directory, TEXTS) == []
    assert pseudonym in meterline(engine, "erasures")

    records = (
        AccessServiceStub(channel).ListAuditRecords(ListAuditRecordsRequest(), timeout=120).audit_records
    )
    erased = [
        each.subject
        for each in records
        if each.operation == "PrivacyService.EraseCustomer" and each.code == "OK"
    ]
    assert erased.count(pseudonym) == 1
    assert not any(SHE in str(each) or NAME in str(each) for each in records)
    assert "nothing is held about customer" in meterline(engine, "erase", SHE, "--yes", fails=True)
    assert "nothing is held about customer" in meterline(engine, "export", SHE, fails=True)

    made = BackupServiceStub(channel).CreateBackup(CreateBackupRequest(name="after"), timeout=60)
    command = [
        sys.executable,
        "-m",
        "engine",
        "backup",
        "restore",
        made.path,
        "--data",
        str(tmp_path / "restored"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    assert files_with(tmp_path / "restored", TEXTS) == []


def test_who_may_not_administer_neither_exports_nor_erases(engine, channel):
    """Over both faces; and an empty id is refused."""
    key = AccessServiceStub(channel).CreateApiKey(
        CreateApiKeyRequest(name="reads", scopes=["SCOPE_READ"]), timeout=120
    )
    with open_channel(engine.target, api_key=key.key_text) as narrow:
        stub = PrivacyServiceStub(narrow)
        for call, request in (
            (stub.ExportCustomer, ExportCustomerRequest(customer_id="bob")),
            (stub.EraseCustomer, EraseCustomerRequest(customer_id="bob", dry_run=True)),
        ):
            code, _, _ = refusal(lambda call=call, request=request: call(request, timeout=120))
            assert code is grpc.StatusCode.PERMISSION_DENIED
    stub = PrivacyServiceStub(channel)
    code, line, _ = refusal(lambda: stub.EraseCustomer(EraseCustomerRequest(), timeout=120))
    assert (code, line) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "customer_id: is empty: name the customer",
    )


def test_pages_of_an_export_join_up(channel):
    """However few records a page has."""
    stub = PrivacyServiceStub(channel)
    whole = stub.ExportCustomer(ExportCustomerRequest(customer_id="bob"), timeout=120)
    assert not whole.next_page_token
    request, found = ExportCustomerRequest(customer_id="bob", page_size=2), []
    while True:
        page = stub.ExportCustomer(request, timeout=120)
        found += page.records
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    # The first page of each export is in the audit log itself.
    assert [each for each in found if each.section != "audit_records"] == [
        each for each in whole.records if each.section != "audit_records"
    ]
    code, _, _ = refusal(
        lambda: stub.ExportCustomer(
            ExportCustomerRequest(customer_id="acme", page_token=request.page_token), timeout=120
        )
    )
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_the_http_face_exports_too(engine, channel):
    """The same records, in JSON."""
    key = AccessServiceStub(channel).CreateApiKey(
        CreateApiKeyRequest(name="http", scopes=["SCOPE_ADMIN"]), timeout=120
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{engine.http_port}/meterline.v1.PrivacyService/ExportCustomer",
        data=b'{"customerId": "bob"}',
        headers={"authorization": f"Bearer {key.key_text}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        records = json.load(answer)["records"]
    assert {each["section"] for each in records} >= {"catalog", "events"}


def test_what_was_billed_is_explained_after_an_erasure_as_before(channel):
    """Amounts, count and digest of the events of an invoice's line stand as they were booked. It is not rated again."""
    billed_customer.bill(channel)
    before = billed_customer.explained(channel, billed_customer.CUSTOMER)
    assert before.replay.is_same
    request = EraseCustomerRequest(customer_id=billed_customer.CUSTOMER)
    pseudonym = PrivacyServiceStub(channel).EraseCustomer(request, timeout=120).pseudonym
    after = billed_customer.explained(channel, pseudonym)
    assert after.replay.impossible_reason.startswith("the customer's personal data was erased")
    line, was = after.invoice_line, before.invoice_line
    assert (line.due, line.quantity, line.event_count, line.event_digest) == (
        "25.00",
        "500",
        1,
        was.event_digest,
    )
    assert billed_customer.CUSTOMER not in str(after)
