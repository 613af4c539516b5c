"""Running subscriptions moved to another version of their plan, and what it comes to: against a real engine."""

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.subscriptions_pb2 import MigrateSubscriptionsRequest
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub
from tests.support.engine.api_world import CATALOG, refusal

# Both run since long ago; the plan's fee is 20, and 50 in its second version.
RUNNING = CATALOG.replace("start: 2025-06-15", "start: 2025-06-01")


def dearer(name):
    return RUNNING.replace("NAME", name).replace('flat_amount: "20"', 'flat_amount: "50"')


@pytest.fixture
def channel(either_channel):
    """On both catalog stores."""
    return either_channel


@pytest.fixture
def world(name, apply):
    apply(RUNNING.replace("NAME", name))
    apply(dearer(name))
    return name


def migrate(channel, world, **fields):
    request = MigrateSubscriptionsRequest(plan_id=world, **fields)
    return SubscriptionServiceStub(channel).MigrateSubscriptions(request, timeout=120)


def fees(channel, world, customer, at=None):
    """(version, amount) of each line of the fee, by time."""
    request = GetSpendRequest(customer_id=f"{world}_{customer}", at=at)
    lines = SpendServiceStub(channel).GetSpend(request, timeout=120).line_items
    return [(line.plan_version, line.amount) for line in lines if line.price_id == "fee"]


def test_a_dry_run_says_who_would_owe_what(channel, world):
    """20 more each, of a whole period, and nothing is changed."""
    tried = migrate(channel, world, dry_run=True)
    assert [(each.customer_id, each.before, each.after) for each in tried.effect.changes] == [
        (f"{world}_acme", "20.00", "50.00"),
        (f"{world}_bolt", "20.00", "50.00"),
    ]
    assert [(each.before, each.after) for each in tried.effect.totals] == [("40.00", "100.00")]
    assert (tried.moved_count, tried.remaining_count) == (2, 0)
    assert fees(channel, world, "acme") == [(1, "20.00")]


def test_at_the_period_s_end_the_present_period_stays(channel, world):
    """The one after it has the new version; who is moved already isn't moved again."""
    moved = migrate(channel, world, at_period_end=True, customer_ids=[f"{world}_acme"])
    assert [each.subscription_id for each in moved.moved] == [f"{world}_acme:{world}"]
    assert fees(channel, world, "acme") == [(1, "20.00")]
    later = Timestamp(seconds=moved.moved[0].at.seconds)
    assert fees(channel, world, "acme", later) == [(2, "50.00")]
    assert fees(channel, world, "bolt", later) == [(1, "20.00")]
    again = migrate(channel, world, at_period_end=True)
    assert [each.customer_id for each in again.moved] == [f"{world}_bolt"]
    assert migrate(channel, world, at_period_end=True).moved_count == 0


def test_now_cuts_the_present_period(channel, world):
    """A line for the part before and one for the part after; together between the two fees."""
    assert migrate(channel, world).moved_count == 2
    lines = fees(channel, world, "acme")
    assert [version for version, _ in lines] == [1, 2]
    assert 20 < sum(float(amount) for _, amount in lines) < 50


def test_what_there_isn_t_is_not_found(channel, world):
    """A version, a plan and a customer of no world."""
    for fields in ({"to_version": 7}, {"to_plan_id": "nothing"}, {"customer_ids": ["nobody"]}):
        code, _, _ = refusal(lambda fields=fields: migrate(channel, world, **fields))
        assert code is grpc.StatusCode.NOT_FOUND


def test_a_dry_run_of_an_apply_says_what_customers_would_owe(channel, name, apply):
    """Another start is for the present period: half the fee of acme would be somebody else's; a dearer plan is for none who
    runs.
    """
    apply(RUNNING.replace("NAME", name))
    stub = CatalogServiceStub(channel)
    request = ApplyCatalogRequest(document=dearer(name), dry_run=True, with_effect=True)
    assert stub.ApplyCatalog(request, timeout=120).effect.change_count == 0
    request.document = f"subscriptions: [{{customer: {name}_acme, plan: {name}, start: 2025-06-01, overrides: {{fee: {{flat_amount: 5}}}}}}]"
    effect = stub.ApplyCatalog(request, timeout=120).effect
    assert [(each.customer_id, each.before, each.after) for each in effect.changes] == [
        (f"{name}_acme", "20.00", "5.00")
    ]
