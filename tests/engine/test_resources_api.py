"""Single resources over gRPC: etags, idempotency keys, histories, listings page by page."""

import json

import grpc
import pytest

from meterline.v1.access_pb2 import ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import GetCatalogRequest, ResourceChange
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.resources_pb2 import (
    ArchiveResourceRequest,
    CreateResourceRequest,
    DeleteResourceRequest,
    GetResourceRequest,
    ListResourcesRequest,
    ListResourceVersionsRequest,
    UpdateResourceRequest,
)
from meterline.v1.resources_pb2_grpc import ResourceServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import AT, api_event, record, refusal, spend_of


@pytest.fixture
def resources(channel):
    return ResourceServiceStub(channel)


def created(resources, resource_id, **more):
    definition = json.dumps({"id": resource_id, "name": "N"})
    request = CreateResourceRequest(kind="customer", definition=definition, **more)
    return resources.CreateResource(request, timeout=120)


def renamed(resources, resource_id, name, **more):
    request = UpdateResourceRequest(
        kind="customer", id=resource_id, definition=json.dumps({"name": name}), **more
    )
    return resources.UpdateResource(request, timeout=120)


def test_a_resource_is_created_read_changed_and_deleted(resources, channel, name):
    """Each answer has the etag that the next write may give; the catalog has the same."""
    customer = f"{name}_new"
    made = created(resources, customer).resource
    assert (made.version, json.loads(made.definition)) == (1, {"id": customer, "name": "N"})
    changed = renamed(resources, customer, "M", etag=made.etag).resource
    read = resources.GetResource(GetResourceRequest(kind="customer", id=customer), timeout=120).resource
    assert read == changed
    listed = CatalogServiceStub(channel).GetCatalog(GetCatalogRequest(), timeout=120).resources
    assert read in list(listed)
    code, line, _ = refusal(lambda: renamed(resources, customer, "L", etag=made.etag))
    assert code is grpc.StatusCode.ABORTED
    assert "read it again" in line
    resources.DeleteResource(DeleteResourceRequest(kind="customer", id=customer, etag=read.etag), timeout=120)
    code, line, _ = refusal(
        lambda: resources.GetResource(GetResourceRequest(kind="customer", id=customer), timeout=120)
    )
    assert (code, "was deleted" in line) == (grpc.StatusCode.NOT_FOUND, True)


def test_mistakes_of_a_definition_name_its_fields(resources, name):
    """As a form would show them; a number is never a binary float."""
    for definition, fields in (
        ('{"id": "x", "name": ""}', ["name"]),
        ('{"id": "x y", "nmae": "N"}', ["id", "name", "nmae"]),
        ("[]", ["definition"]),
        ('{"id": "x", "id": "y"}', ["definition"]),
        ('{"id": NaN}', ["definition"]),
    ):
        request = CreateResourceRequest(kind="customer", definition=definition)
        code, _, details = refusal(lambda request=request: resources.CreateResource(request, timeout=120))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert sorted(each.field for each in details["BadRequest"].field_violations) == fields
    price = '{"id": "a", "model": "flat", "flat_amount": 0.100000000000000005}'
    plan = f'{{"id": "{name}_p", "name": "P", "currency": "USD", "prices": [{price}]}}'
    request = CreateResourceRequest(kind="plan", definition=plan)
    made = resources.CreateResource(request, timeout=120).resource
    assert json.loads(made.definition)["prices"][0]["flat_amount"] == "0.100000000000000005"


def test_what_is_used_is_not_deleted_and_what_was_billed_stays(resources, channel, name):
    """FAILED_PRECONDITION names the user; the spend of the customer is as before."""
    record(channel, api_event(name, "1", "1500"))
    before = spend_of(channel, name)
    for message, call in (
        (ArchiveResourceRequest, resources.ArchiveResource),
        (DeleteResourceRequest, resources.DeleteResource),
    ):
        request = message(kind="plan", id=name)
        code, line, details = refusal(lambda call=call, request=request: call(request, timeout=120))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert f"subscription '{name}_acme:{name}'" in line
        assert details["ErrorInfo"].reason == "IN_USE"
    assert spend_of(channel, name, as_of=before.as_of) == before


def test_a_key_makes_a_write_count_once(resources, apply, name):
    """Also of a document; another request with it is refused."""
    customer = f"{name}_new"
    first = created(resources, customer, idempotency_key=f"{name}-1")
    renamed(resources, customer, "M")
    assert created(resources, customer, idempotency_key=f"{name}-1") == first
    code, _, details = refusal(lambda: created(resources, f"{name}_2", idempotency_key=f"{name}-1"))
    assert (code, details["ErrorInfo"].reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "IDEMPOTENCY_KEY_USED",
    )
    document = f"customers: [{{id: {name}_doc, name: D}}]"
    applied = apply(document, idempotency_key=f"{name}-2")
    assert len(applied.changes) == 1
    assert apply(document, idempotency_key=f"{name}-2") == applied
    assert len(apply(document).changes) == 0


def test_a_document_is_applied_at_the_revision_that_it_expects(apply, name):
    """Or not at all: somebody changed the catalog since it was looked at."""
    revision = apply(f"customers: [{{id: {name}_a, name: A}}]").revision
    document = f"customers: [{{id: {name}_b, name: B}}]"
    code, line, _ = refusal(lambda: apply(document, expected_revision=revision - 1))
    assert code is grpc.StatusCode.ABORTED
    assert f"has revision {revision} now, not {revision - 1}" in line
    assert apply(document, expected_revision=revision).revision == revision + 1


def test_the_history_of_a_resource_names_the_credential(resources, channel, name):
    """The one that audit records name, which tell of the call; versions tell what it changed."""
    customer = f"{name}_new"
    created(resources, customer)
    renamed(resources, customer, "M")
    resources.ArchiveResource(ArchiveResourceRequest(kind="customer", id=customer), timeout=120)
    request = ListResourceVersionsRequest(kind="customer", id=customer, page_size=2)
    first = resources.ListResourceVersions(request, timeout=120)
    request.page_token = first.next_page_token
    second = resources.ListResourceVersions(request, timeout=120)
    versions = [*first.versions, *second.versions]
    assert [each.change.action for each in versions] == [
        ResourceChange.ACTION_ARCHIVE,
        ResourceChange.ACTION_UPDATE,
        ResourceChange.ACTION_CREATE,
    ]
    assert second.next_page_token == ""
    [field] = versions[1].change.fields
    assert (field.path, field.before, field.after) == ("name", '"N"', '"M"')
    records = AccessServiceStub(channel).ListAuditRecords(ListAuditRecordsRequest(page_size=3), timeout=120)
    audited = {(each.operation, each.subject): each.credential for each in records.audit_records}
    credential = audited["ResourceService.ArchiveResource", f"customer {customer}"]
    assert {each.changed_by for each in versions} == {credential}
    assert credential.startswith("key:")


def test_a_listing_goes_on_at_its_revision(resources, name):
    """Whatever is written between two pages; a token of another question is refused."""
    for number in range(5):
        created(resources, f"{name}_{number}")
    request = ListResourcesRequest(kind="customer", id_prefix=f"{name}_", page_size=4)
    first = resources.ListResources(request, timeout=120)
    resources.DeleteResource(DeleteResourceRequest(kind="customer", id=f"{name}_4"), timeout=120)
    request.page_token = first.next_page_token
    second = resources.ListResources(request, timeout=120)
    ids = [each.id for page in (first, second) for each in page.resources]
    assert ids == [f"{name}_{each}" for each in ("acme", "bolt", *range(5))]
    assert (second.revision, second.next_page_token) == (first.revision, "")
    request.id_prefix = "other"
    code, line, _ = refusal(lambda: resources.ListResources(request, timeout=120))
    assert (code, "page_token" in line) == (grpc.StatusCode.INVALID_ARGUMENT, True)


def test_what_ended_bills_as_before_at_earlier_revisions(resources, channel, apply, name):
    """A subscription that has ended is archived, its customer and plan deleted: the month stays to the byte."""
    apply(
        f"plans: [{{id: {name}_old, name: O, currency: USD, prices: [{{id: t, meter: {name}_tokens, model: per_unit, "
        f"unit_amount: 0.02}}]}}]\ncustomers: [{{id: {name}_gone, name: G}}]\n"
        f"subscriptions: [{{customer: {name}_gone, plan: {name}_old, start: 2025-06-01, end: 2025-07-01}}]\n"
    )
    record(channel, api_event(name, "1", "1500", customer="gone"))
    request = GetSpendRequest(customer_id=f"{name}_gone", at=AT)
    spend = SpendServiceStub(channel)
    before = spend.GetSpend(request, timeout=120)
    assert [each.amount for each in before.spends] == ["30.00"]
    subscription = ArchiveResourceRequest(kind="subscription", id=f"{name}_gone:{name}_old")
    resources.ArchiveResource(subscription, timeout=120)
    for kind, resource_id in (("customer", f"{name}_gone"), ("plan", f"{name}_old")):
        resources.DeleteResource(DeleteResourceRequest(kind=kind, id=resource_id), timeout=120)
    assert refusal(lambda: spend.GetSpend(request, timeout=120))[0] is grpc.StatusCode.NOT_FOUND
    request.catalog_revision = before.catalog_revision
    request.as_of.CopyFrom(before.as_of)
    assert spend.GetSpend(request, timeout=120) == before
