"""Who may call what, over gRPC: every operation refuses every wrong credential, counts it, and leaves a record."""

import queue
import re
import secrets
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.api_keys import new_key_text
from engine.api.page_tokens import opened, sealed
from examples.engine_process import EngineProcess
from meterline import AccessDeniedError, Client, InvalidOptionError, open_channel
from meterline.v1 import usage_pb2
from meterline.v1.access_pb2 import (
    CreateApiKeyRequest,
    CreateTenantRequest,
    ListApiKeysRequest,
    ListAuditRecordsRequest,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
)
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import AT, CATALOG, LATE_JUNE, api_event, record, refusal, spend_of
from tests.support.engine.customer_requests import BY_CUSTOMER
from tests.support.engine.operation_table import TABLE, contract

METHODS = [method for _, method in sorted(contract().items())]
UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
# What a credential must hold, written out a second time: a row that changes its scope has to be changed here as well.
SCOPES = {
    "CreateBackup": "OPERATE",
    "ListAlertCrossings": "READ",
    "ListCustomerAlerts": "READ",
    "SetCustomerBudget": "BUDGET",
    "GetBillingSettings": "BILL",
    "UpdateBillingSettings": "BILL",
    "RecordUsage": "INGEST",
    "StreamUsage": "INGEST",
    "RecordUsageColumns": "INGEST",
    "ApplyCatalog": "CATALOG",
    "ApplyCatalogPieces": "CATALOG",
    "GetCatalog": "READ",
    "CreateResource": "CATALOG",
    "GetResource": "READ",
    "UpdateResource": "CATALOG",
    "ListResources": "READ",
    "ArchiveResource": "CATALOG",
    "DeleteResource": "CATALOG",
    "ListResourceVersions": "READ",
    "CreateCustomer": "CATALOG",
    "GetCustomer": "READ",
    "UpdateCustomer": "CATALOG",
    "ListCustomers": "READ",
    "ArchiveCustomer": "CATALOG",
    "DeleteCustomer": "CATALOG",
    "CreateSubscription": "CATALOG",
    "GetSubscription": "READ",
    "UpdateSubscription": "CATALOG",
    "ListSubscriptions": "READ",
    "ArchiveSubscription": "CATALOG",
    "DeleteSubscription": "CATALOG",
    "MigrateSubscriptions": "CATALOG",
    "ChangeSubscription": "CATALOG",
    "CheckAccess": "READ",
    "ReserveUsage": "INGEST",
    "CommitReservation": "INGEST",
    "ReleaseReservation": "INGEST",
    "ListReservations": "READ",
    "GetSpend": "READ",
    "WatchSpend": "READ",
    "ListSpend": "READ",
    "ListLineItems": "BILL",
    "ExplainLineItem": "BILL",
    "ClosePeriods": "BILL",
    "IssueThresholdInvoices": "BILL",
    "ListInvoices": "BILL",
    "GetInvoice": "BILL",
    "ListInvoiceLines": "BILL",
    "GetInvoiceDocument": "BILL",
    "VoidInvoice": "BILL",
    "RecordPayment": "BILL",
    "RecordPaymentFailure": "BILL",
    "RecordRefund": "BILL",
    "ListPayments": "BILL",
    "WriteOffInvoice": "BILL",
    "GetAccount": "BILL",
    "ListAccountEntries": "BILL",
    "CreateCreditNote": "BILL",
    "VoidCreditNote": "BILL",
    "GetCreditNote": "BILL",
    "GetCreditNoteDocument": "BILL",
    "ListCreditNotes": "BILL",
    "ListDraftInvoices": "BILL",
    "GetDraftInvoice": "BILL",
    "HoldDraftInvoice": "BILL",
    "ReleaseDraftInvoice": "BILL",
    "ApproveDraftInvoices": "BILL",
    "CreateInvoiceItem": "BILL",
    "DeleteInvoiceItem": "BILL",
    "GetInvoiceItem": "BILL",
    "ListInvoiceItems": "BILL",
    "ListJournalEntries": "BILL",
    "SimulateCatalog": "BILL",
    "ReconcileBilling": "BILL",
    "QueryUsage": "READ",
    "ListEvents": "READ",
    "ListProblems": "READ",
    "CorrectUsage": "CORRECT",
    "UndoCorrection": "CORRECT",
    "ListCorrections": "READ",
    "GetCorrection": "READ",
    "ListConflicts": "READ",
    "ReconcileUsage": "CORRECT",
    "ExpireUsage": "ADMIN",
    "CreateSpendLink": "BILL",
    "ExportCustomer": "ADMIN",
    "EraseCustomer": "ADMIN",
    "ListErasures": "ADMIN",
    "CreateApiKey": "ADMIN",
    "ListApiKeys": "ADMIN",
    "RotateApiKey": "ADMIN",
    "RevokeApiKey": "ADMIN",
    "ListAuditRecords": "ADMIN",
    "CreateWebhookEndpoint": "ADMIN",
    "ListWebhookEndpoints": "ADMIN",
    "GetWebhookEndpoint": "ADMIN",
    "UpdateWebhookEndpoint": "ADMIN",
    "DeleteWebhookEndpoint": "ADMIN",
    "RotateWebhookSecret": "ADMIN",
    "ListWebhookDeliveries": "ADMIN",
    "ReplayWebhookDelivery": "ADMIN",
    "SendTestWebhook": "ADMIN",
    "CreateTenant": "OPERATE",
    "ListTenants": "OPERATE",
    "GetTenantLimits": "OPERATE",
    "SetTenantLimits": "OPERATE",
}


@pytest.fixture
def admin(channel):
    return AccessServiceStub(channel)


@pytest.fixture
def bare(engine):
    """A channel that adds no credential of its own."""
    with grpc.insecure_channel(engine.target) as opened:
        yield opened


def made(admin, *scopes, **fields):
    """The text of a new key."""
    request = CreateApiKeyRequest(name="test", scopes=[f"SCOPE_{each}" for each in scopes], **fields)
    return admin.CreateApiKey(request, timeout=120).key_text


def link(channel, customer_id, **fields):
    """The token of a signed link."""
    request = CreateSpendLinkRequest(customer_id=customer_id, **fields)
    return SpendLinkServiceStub(channel).CreateSpendLink(request, timeout=120).token


def call(channel, method, header, **fields):
    """Calls a method with this credential, or none; the answer, or the first of a stream."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    request = GetMessageClass(method.input_type)(**fields)
    metadata = () if header is None else (("authorization", header),)
    serializers = (GetMessageClass(method.input_type).SerializeToString,)
    read = GetMessageClass(method.output_type).FromString
    if method.client_streaming:
        answers = channel.stream_stream(path, *serializers, read)(
            iter([request]), metadata=metadata, timeout=120
        )
        return next(answers)
    return channel.unary_unary(path, *serializers, read)(request, metadata=metadata, timeout=120)


def operation(method):
    """As the table and the audit log name it."""
    return f"{method.containing_service.name}.{method.name}"


def refused_count(engine, method, reason):
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as response:
        text = response.read().decode()
    line = rf'^meterline_refused_calls_total{{method="{method}",reason="{reason}"}} ([\d.]+)$'
    found = re.search(line, text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_every_operation_is_in_the_list_of_this_test():
    """Who adds one says here what a credential must hold for it."""
    assert sorted(SCOPES) == sorted(method.name for method in METHODS)


@pytest.fixture(scope="module")
def wrong_keys(channel):
    """The texts of credentials that are none, by the reason that the metrics give."""
    admin = AccessServiceStub(channel)
    every = tuple(set(SCOPES.values()))
    expires_at = Timestamp()
    expires_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=1))
    expired = made(admin, *every, expires_at=expires_at)
    revoked = made(admin, *every)
    admin.RevokeApiKey(RevokeApiKeyRequest(key_id=revoked[4:16]), timeout=120)
    good = made(admin, *every)
    time.sleep(1.1)
    return {
        "missing": None,
        "malformed": "Bearer mlk_x",
        "unknown": f"Bearer {new_key_text(secrets.token_hex)}",
        "wrong secret": f"Bearer {good[:17]}{'0' * 48}",
        "expired": f"Bearer {expired}",
        "revoked": f"Bearer {revoked}",
    }


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.name)
def test_every_operation_refuses_every_wrong_credential_in_the_same_words(
    engine, bare, admin, wrong_keys, method
):
    """UNAUTHENTICATED, with no word of why or of what is there. Each is counted by its reason, and of keys whose id is known
    the audit log has a record.
    """
    said = {}
    for reason, header in wrong_keys.items():
        before = refused_count(engine, method.name, reason)
        code, line, details = refusal(lambda header=header: call(bare, method, header))
        assert (code, details["ErrorInfo"].reason) == (UNAUTHENTICATED, "UNAUTHENTICATED")
        assert refused_count(engine, method.name, reason) == before + 1
        said[reason] = line
    assert said.pop("missing").startswith("the call has no credential: send an API key")
    assert len(set(said.values())) == 1
    newest = admin.ListAuditRecords(ListAuditRecordsRequest(page_size=3), timeout=120).audit_records
    assert [(each.credential, each.operation, each.subject, each.code) for each in newest] == [
        (f"key:{wrong_keys[reason][11:23]}", operation(method), "", "UNAUTHENTICATED")
        for reason in ("revoked", "expired", "wrong secret")
    ]


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.name)
def test_every_operation_refuses_a_credential_without_its_scope(engine, bare, admin, method):
    """Every other scope together does not make up for it. The refusal is counted and stands in the audit log."""
    needed = SCOPES[method.name]
    text = made(admin, *(set(SCOPES.values()) - {needed}))
    before = refused_count(engine, method.name, "scope")
    code, line, _ = refusal(lambda: call(bare, method, f"Bearer {text}"))
    assert (code, needed.lower() in line) == (DENIED, True)
    assert refused_count(engine, method.name, "scope") == before + 1
    newest = admin.ListAuditRecords(ListAuditRecordsRequest(page_size=1), timeout=120).audit_records[0]
    assert newest.credential == f"key:{text[4:16]}"
    assert newest.operation == operation(method)
    assert newest.code == "PERMISSION_DENIED"


def test_every_operation_for_one_customer_is_asked_for_another_one():
    """None of them is left to the refusal of what asks for nobody in particular."""
    assert sorted(BY_CUSTOMER) == sorted(row.method for row in TABLE if row.customer_of is not None)


@pytest.mark.parametrize("method", METHODS, ids=lambda each: each.name)
def test_every_operation_refuses_a_customer_s_credential_for_another_one(channel, bare, admin, method, name):
    """A key and a signed link: whether that one exists or not, in the same words; and what does not ask for one customer,
    always.
    """
    acme = f"{name}_acme"
    texts = (
        made(admin, "READ", "BILL", "BUDGET", customer_id=acme),
        link(channel, acme, may_set_budget=True),
    )
    fields = BY_CUSTOMER.get(method.name, lambda _who: {})
    said = {
        refusal(lambda who=who, text=text: call(bare, method, f"Bearer {text}", **fields(who)))[:2]
        for text in texts
        for who in (f"{name}_bolt", "nobody", "")
        if who or method.name not in ("QueryUsage", "ListEvents")
    }
    assert len(said) == 1
    assert said.pop()[0] is DENIED


def test_the_key_of_a_customer_reads_what_is_theirs(engine, channel, admin, name):
    """The same spend, usage and lines as the billing job reads of this customer."""
    record(channel, api_event(name, "1", "1500"), api_event(name, "2", "7", customer="bolt"))
    text = made(admin, "READ", "BILL", customer_id=f"{name}_acme")
    with Client(engine.target) as everybody, Client(engine.target, api_key=text) as portal:
        at = AT.ToDatetime(UTC)
        start, end = at.replace(day=1), at.replace(month=7, day=1)
        assert portal.spend(f"{name}_acme", at=at).totals == everybody.spend(f"{name}_acme", at=at).totals
        mine = [(line.price_id, line.amount) for line in portal.lines(f"{name}_acme", at=at)]
        assert mine == [(line.price_id, line.amount) for line in everybody.lines(f"{name}_acme", at=at)]
        rows = portal.usage(f"{name}_tokens", start, end, customer_ids=[f"{name}_acme"])
        assert [row.customer_id for row in rows] == [f"{name}_acme"]
        with pytest.raises(AccessDeniedError, match="bound to one customer"):
            portal.lines(at=at)
        with pytest.raises(AccessDeniedError, match="bound to one customer"):
            portal.usage(f"{name}_tokens", start, end, customer_ids=[f"{name}_acme", f"{name}_bolt"])


def test_a_signed_link_reads_what_a_customer_s_key_reads(channel, bare, admin, name):
    """Its spend, lines, usage, invoices and explanations, and not how its money is divided."""
    acme = f"{name}_acme"
    record(channel, api_event(name, "1", "1500"), api_event(name, "2", "7", customer="bolt"))
    key, token = f"Bearer {made(admin, 'READ', 'BILL', customer_id=acme)}", f"Bearer {link(channel, acme)}"
    methods = {each.name: each for each in METHODS}
    line = call(bare, methods["ListLineItems"], key, customer_id=acme, at=AT).line_items[0]
    asked = {
        "GetSpend": {"customer_id": acme, "at": AT},
        "ListLineItems": {"customer_id": acme, "at": AT},
        "ListInvoices": {"customer_id": acme},
        "ListEvents": {"customer_ids": [acme], "end": LATE_JUNE},
        "ExplainLineItem": {"customer_id": acme, "line_item_id": line.line_item_id, "at": AT},
    }
    for method, fields in asked.items():
        answers = [call(bare, methods[method], text, **fields) for text in (key, token)]
        for each in answers:
            if "as_of" in each.DESCRIPTOR.fields_by_name:
                each.ClearField("as_of")
        assert answers[0] == answers[1], method


def test_who_may_make_a_link_gives_away_only_what_they_have(channel, bare, admin, name):
    """It takes bill and read; the key of a customer makes none; nor is there one for a stranger, or for longer than a month."""
    create = next(each for each in METHODS if each.name == "CreateSpendLink")
    acme = {"customer_id": f"{name}_acme"}
    for scopes, words in ((("BILL",), "'read'"), (("READ", "ADMIN"), "'bill'")):
        code, line, _ = refusal(
            lambda scopes=scopes: call(bare, create, f"Bearer {made(admin, *scopes)}", **acme)
        )
        assert (code, words in line) == (DENIED, True)
    # One that sets budgets takes budget, or the catalog, in which budgets are.
    wanted = {**acme, "may_set_budget": True}
    text = made(admin, "READ", "BILL", "ADMIN")
    code, line, _ = refusal(lambda: call(bare, create, f"Bearer {text}", **wanted))
    assert (code, "'budget'" in line) == (DENIED, True)
    for scope in ("BUDGET", "CATALOG"):
        assert call(bare, create, f"Bearer {made(admin, 'READ', 'BILL', scope)}", **wanted).token
    bound = made(admin, "READ", "BILL", **acme)
    assert refusal(lambda: call(bare, create, f"Bearer {bound}", **acme))[0] is DENIED
    for fields, code in (
        ({"customer_id": f"{name}_nobody"}, grpc.StatusCode.NOT_FOUND),
        ({**acme, "valid_for_s": 59}, grpc.StatusCode.INVALID_ARGUMENT),
        ({**acme, "valid_for_s": 31 * 86_400 + 1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({}, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        assert refusal(lambda fields=fields: call(channel, create, None, **fields))[0] is code
    answer = call(channel, create, None, **acme, valid_for_s=31 * 86_400)
    assert 0 <= answer.expires_at.seconds - 31 * 86_400 - time.time() + 60 < 120


def test_a_link_ends_with_its_customer_and_with_its_key(channel, bare, admin, name, apply):
    """The customer archived; the key revoked: each refused as a call without a credential is."""
    get_spend, create = (
        next(each for each in METHODS if each.name == wanted) for wanted in ("GetSpend", "CreateSpendLink")
    )
    apply(f"customers: [{{id: {name}_gone, name: Gone}}]")
    key = made(admin, "READ", "BILL")
    of_gone = link(channel, f"{name}_gone")
    of_key = call(bare, create, f"Bearer {key}", customer_id=f"{name}_acme").token
    assert call(bare, get_spend, f"Bearer {of_gone}", customer_id=f"{name}_gone").as_of
    assert call(bare, get_spend, f"Bearer {of_key}", customer_id=f"{name}_acme", at=AT).spends
    archive = next(each for each in METHODS if each.name == "ArchiveResource")
    call(channel, archive, None, kind="customer", id=f"{name}_gone")
    admin.RevokeApiKey(RevokeApiKeyRequest(key_id=key[4:16]), timeout=120)
    for text, customer in ((of_gone, f"{name}_gone"), (of_key, f"{name}_acme")):
        code, line, _ = refusal(
            lambda text=text, customer=customer: call(bare, get_spend, f"Bearer {text}", customer_id=customer)
        )
        assert (code, line) == (UNAUTHENTICATED, "the link is not valid: ask for a new one")


def test_the_key_of_a_customer_is_not_told_how_its_money_is_divided(channel, bare, admin, name, apply):
    """The customer owes the same; who has which part of it is the platform's matter."""
    split = "{id: NAME_s, name: S, plans: [NAME], shares: [{recipient: author, percent: 70}]}"
    apply(f"revenue_splits: [{split}]".replace("NAME", name))
    get_spend = next(each for each in METHODS if each.name == "GetSpend")
    key = f"Bearer {made(admin, 'READ', customer_id=f'{name}_acme')}"
    answer = call(bare, get_spend, key, customer_id=f"{name}_acme", at=AT)
    assert answer.spends == spend_of(channel, name).spends
    assert (len(answer.shares), len(spend_of(channel, name).shares)) == (0, 2)


def test_a_page_token_leads_nobody_to_another_customer(channel, bare, admin, name):
    """One that was made for another place, or changed, still lists the credential's own lines alone."""
    acme, bolt = f"{name}_acme", f"{name}_bolt"
    record(channel, api_event(name, "1", "1500"), api_event(name, "2", "7", customer="bolt"))
    list_lines = next(each for each in METHODS if each.name == "ListLineItems")
    key = f"Bearer {made(admin, 'BILL', customer_id=bolt)}"
    asked = {"at": LATE_JUNE, "customer_id": bolt}
    first = call(bare, list_lines, key, page_size=1, **asked)
    assert first.next_page_token
    parts = list(opened(first.next_page_token, bolt, int, int, int, int, str, str))
    for customer in (acme, "", "~"):
        forged = sealed(bolt, *parts[:3], 0, customer, "")
        page = call(bare, list_lines, key, page_token=forged, **asked)
        assert {line.customer_id for line in page.line_items} <= {bolt}


def test_a_stream_ends_when_its_credential_does(engine, admin, name):
    """The next message after the revocation is refused."""
    text = made(admin, "INGEST")
    with open_channel(engine.target, api_key=text) as opened:
        request = usage_pb2.StreamUsageRequest(sequence=1, events=[api_event(name, "1")])
        waiting = queue.Queue()
        answers = UsageServiceStub(opened).StreamUsage(iter(waiting.get, None), timeout=60)
        waiting.put(request)
        assert next(answers)
        admin.RevokeApiKey(RevokeApiKeyRequest(key_id=text[4:16]), timeout=120)
        waiting.put(usage_pb2.StreamUsageRequest(sequence=2, events=[api_event(name, "2")]))
        assert refusal(lambda: next(answers))[0] is UNAUTHENTICATED
        waiting.put(None)


def test_a_rotation_loses_no_call(engine, admin, name):
    """The older key and the new one both record."""
    text = made(admin, "INGEST")
    rotated = admin.RotateApiKey(RotateApiKeyRequest(key_id=text[4:16]), timeout=120)
    for number, key in enumerate([text, rotated.key_text]):
        with open_channel(engine.target, api_key=key) as opened:
            assert record(opened, api_event(name, str(number))).verdicts == [usage_pb2.VERDICT_ACCEPTED]
    assert rotated.replaced.HasField("expires_at")


def test_who_changed_what_is_in_the_audit_log(channel, admin, name):
    """With the code that the caller saw; a trial changes nothing and leaves nothing."""
    catalog = next(each for each in METHODS if each.name == "ApplyCatalog")

    def newest(count):
        answer = admin.ListAuditRecords(ListAuditRecordsRequest(page_size=count), timeout=120)
        return [(each.operation, each.subject, each.code) for each in answer.audit_records]

    document = CATALOG.replace("NAME", name).replace("name: Acme", "name: Acme Inc")
    call(channel, catalog, None, document=document, file_name=f"{name}.yaml", dry_run=True)
    call(channel, catalog, None, document=document, file_name=f"{name}.yaml")
    refusal(lambda: call(channel, catalog, None, document="colour: [", file_name=f"{name}-2.yaml"))
    assert newest(2) == [
        ("CatalogService.ApplyCatalog", f"{name}-2.yaml", "INVALID_ARGUMENT"),
        ("CatalogService.ApplyCatalog", f"{name}.yaml", "OK"),
    ]


def test_tenants_see_nothing_of_each_other(engine, channel, name):
    """The same ids at two tenants are two worlds: catalog, usage, money, corrections, keys and audit log."""
    tenant = name.replace("_", "-")[:40]
    key = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=120).key_text
    record(channel, api_event(name, "1", "1500"))
    with open_channel(engine.target, api_key=key) as other:
        code, line, _ = refusal(lambda: spend_of(other, name))
        assert (code, "not in the catalog" in line) == (grpc.StatusCode.NOT_FOUND, True)
        admin = AccessServiceStub(other)
        assert [each.key_id for each in admin.ListApiKeys(ListApiKeysRequest(), timeout=120).api_keys] == [
            key[4:16]
        ]
        assert not admin.ListAuditRecords(ListAuditRecordsRequest(), timeout=120).audit_records
        # Its catalog has no meter of this type.
        assert record(other, api_event(name, "1", "7")).verdicts == [usage_pb2.VERDICT_REJECTED]
        apply = next(each for each in METHODS if each.name == "ApplyCatalog")
        call(other, apply, None, document=CATALOG.replace("NAME", name))
        assert record(other, api_event(name, "1", "7")).verdicts == [usage_pb2.VERDICT_ACCEPTED]
        # 20 for the month and 0.01 for each of 7 tokens; the first tenant's 1,500 are 10.00 + 500 x 0.0025.
        assert [each.amount for each in spend_of(other, name).spends] == ["20.07"]
    assert [each.amount for each in spend_of(channel, name).spends] == ["31.25"]


def test_a_client_without_a_valid_key_says_so_at_once(engine):
    """A text that is not a key never leaves the process, and is not repeated."""
    with pytest.raises(InvalidOptionError) as refused:
        Client(engine.target, api_key="hunter2")
    assert "hunter2" not in str(refused.value)
    with (
        Client(engine.target, api_key=new_key_text(secrets.token_hex)) as stranger,
        pytest.raises(AccessDeniedError, match="not valid"),
    ):
        stranger.spend("acme")


def test_no_secret_is_in_the_log_or_the_data(tmp_path, monkeypatch):
    """Neither of keys that are made nor of those that are refused; the files that hold one are their owner's."""
    monkeypatch.delenv("METERLINE_ADMIN_KEY_FILE")
    data = tmp_path / "data"
    with EngineProcess(data, "--log-level", "debug") as engine:
        text = engine.api_key
        assert Path(data / "admin.key").read_text().strip() == text
        with open_channel(engine.target, api_key=text) as opened:
            new = made(AccessServiceStub(opened), "READ")
        stranger = new_key_text(secrets.token_hex)
        with open_channel(engine.target, api_key=stranger) as opened:
            refusal(lambda: spend_of(opened, "x"))
    secrets_shown = [each.rpartition("_")[2] for each in (text, new, stranger)]
    assert all(secret not in line for line in engine.log for secret in secrets_shown)
    holding = {
        file.name
        for file in data.rglob("*")
        if file.is_file() and any(secret.encode() in file.read_bytes() for secret in secrets_shown)
    }
    assert holding == {"admin.key"}
    assert {(data / each).stat().st_mode & 0o777 for each in ("admin.key", "api_keys.key")} == {0o600}
