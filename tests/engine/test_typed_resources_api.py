"""Customers and subscriptions as messages of their own: what ResourceService does, in other words."""

import json

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.catalog.single.etags import etag_of
from meterline.v1.customers_pb2 import (
    ArchiveCustomerRequest,
    CreateCustomerRequest,
    Customer,
    DeleteCustomerRequest,
    GetCustomerRequest,
    ListCustomersRequest,
    UpdateCustomerRequest,
)
from meterline.v1.customers_pb2_grpc import CustomerServiceStub
from meterline.v1.resources_pb2 import GetResourceRequest
from meterline.v1.resources_pb2_grpc import ResourceServiceStub
from meterline.v1.subscriptions_pb2 import (
    CreateSubscriptionRequest,
    ListSubscriptionsRequest,
    Subscription,
    UpdateSubscriptionRequest,
)
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub
from tests.support.engine.api_world import refusal


@pytest.fixture
def channel(either_channel):
    """On both catalog stores."""
    return either_channel


@pytest.fixture
def customers(channel):
    return CustomerServiceStub(channel)


@pytest.fixture
def subscriptions(channel):
    return SubscriptionServiceStub(channel)


def test_a_customer_is_a_message_and_a_definition(customers, channel, name):
    """Created as the one, read as the other; its version, etag and state are in answers only."""
    customer_id = f"{name}_c"
    given = Customer(id=customer_id, name="C", metadata={"team": "eu"}, version=9, archived=True)
    made = customers.CreateCustomer(
        CreateCustomerRequest(customer=given, idempotency_key=name), timeout=120
    ).customer
    assert made == Customer(
        id=customer_id,
        name="C",
        metadata={"team": "eu"},
        version=1,
        etag=etag_of("customer", customer_id, 1),
    )
    assert customers.GetCustomer(GetCustomerRequest(customer_id=customer_id), timeout=120).customer == made
    request = GetResourceRequest(kind="customer", id=customer_id)
    stored = ResourceServiceStub(channel).GetResource(request, timeout=120).resource
    assert json.loads(stored.definition) == {"id": customer_id, "name": "C", "metadata": {"team": "eu"}}


def test_an_update_of_a_message_sets_what_its_mask_names(customers, name):
    """And refuses a stale etag, which is the message's."""
    customer_id = f"{name}_c"
    made = customers.CreateCustomer(
        CreateCustomerRequest(customer=Customer(id=customer_id, name="C", metadata={"a": "1"})), timeout=120
    ).customer

    def updated(customer, *mask):
        request = UpdateCustomerRequest(customer=customer, update_mask=mask)
        return customers.UpdateCustomer(request, timeout=120).customer

    both = Customer(id=customer_id, name="D", metadata={"b": "2"}, etag=made.etag)
    changed = updated(both, "metadata.b")
    assert (changed.name, dict(changed.metadata), changed.version) == ("C", {"a": "1", "b": "2"}, 2)
    assert refusal(lambda: updated(both, "name"))[0] is grpc.StatusCode.ABORTED
    assert dict(updated(Customer(id=customer_id, name="D")).metadata) == {"a": "1", "b": "2"}
    assert dict(updated(Customer(id=customer_id, name="D"), "*").metadata) == {}


def test_what_a_message_has_no_field_for_is_in_more(customers, subscriptions, name):
    """So nothing of a definition is lost; what there is a field for does not go there, nor what nobody knows."""
    for more, field in (('{"name": "N"}', "more"), ("[]", "more"), ('{"nmae": "N"}', "nmae")):
        given = Customer(id=f"{name}_c", name="C", more=more)
        code, _, details = refusal(
            lambda given=given: customers.CreateCustomer(CreateCustomerRequest(customer=given), timeout=120)
        )
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert [each.field for each in details["BadRequest"].field_violations] == [field]
    code, _, details = refusal(
        lambda: subscriptions.CreateSubscription(CreateSubscriptionRequest(), timeout=120)
    )
    assert details["BadRequest"].field_violations[0].field == "subscription"


def test_a_subscription_has_instants_and_is_listed_by_its_customer(subscriptions, name):
    """An id is made of customer and plan, as in a document."""
    start, end = Timestamp(seconds=1_735_689_600), Timestamp(seconds=1_738_368_000)
    given = Subscription(id=f"{name}_s", customer_id=f"{name}_acme", plan_id=name, start=start, end=end)
    made = subscriptions.CreateSubscription(
        CreateSubscriptionRequest(subscription=given), timeout=120
    ).subscription
    assert (made.id, made.start, made.end, made.version) == (f"{name}_s", start, end, 1)
    request = ListSubscriptionsRequest(fields={"customer_id": f"{name}_acme"}, page_size=1)
    first = subscriptions.ListSubscriptions(request, timeout=120)
    request.page_token = first.next_page_token
    second = subscriptions.ListSubscriptions(request, timeout=120)
    ids = [each.id for page in (first, second) for each in page.subscriptions]
    assert ids == [f"{name}_acme:{name}", f"{name}_s"]
    moved = Subscription(id=f"{name}_s", end=Timestamp(seconds=1_736_000_000))
    request = UpdateSubscriptionRequest(subscription=moved)
    changed = subscriptions.UpdateSubscription(request, timeout=120).subscription
    assert (changed.start, changed.end.seconds) == (start, 1_736_000_000)


def test_customers_are_archived_and_deleted(customers, name):
    """As other resources."""
    for each in ("x", "y"):
        customers.CreateCustomer(
            CreateCustomerRequest(customer=Customer(id=f"{name}_{each}", name="N")), timeout=120
        )
    gone = customers.ArchiveCustomer(ArchiveCustomerRequest(customer_id=f"{name}_x"), timeout=120).customer
    assert (gone.archived, gone.version) == (True, 2)
    customers.DeleteCustomer(DeleteCustomerRequest(customer_id=f"{name}_y"), timeout=120)
    request = ListCustomersRequest(id_prefix=f"{name}_", include_archived=True)
    listed = customers.ListCustomers(request, timeout=120).customers
    assert [each.id for each in listed] == [f"{name}_{each}" for each in ("acme", "bolt", "x")]
