"""A past bill is the same bytes after any later change: of the catalog, of usage, and over a restart. On both catalog stores."""

import json
import random

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest, EventRef, EventRefs, Signature, VoidUsage
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.resources_pb2 import ArchiveResourceRequest, DeleteResourceRequest
from meterline.v1.resources_pb2_grpc import ResourceServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.subscriptions_pb2 import MigrateSubscriptionsRequest
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub
from tests.support.engine.api_world import JUNE_10, api_event, record
from tests.support.long_forms import numbered

_STEPS = 30
CUSTOMERS = ("w_acme", "w_bolt", "w_coil")
MONTHS = [f"2025-{month:02}-20T00:00:00Z" for month in (6, 7, 8)]
AMOUNTS = [f"{cents / 100:.2f}" for cents in range(100, 3_000, 37)]

_REFUSALS = {
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
}


def plan(dice, name):
    tiers = [
        {"up_to": str(dice.randrange(100, 900)), "unit_amount": "0.01"},
        {"unit_amount": f"0.00{dice.randrange(1, 9)}"},
    ]
    return {
        "id": name, "name": name, "currency": "USD",
        "prices": [
            {"id": "fee", "model": "flat", "flat_amount": dice.choice(AMOUNTS)},
            {"id": "seats", "model": "per_unit", "unit_amount": dice.choice(AMOUNTS), "quantity": "3"},
            {"id": "tokens", "meter": "w_tokens", "model": "graduated", "tiers": tiers},
        ],
    }  # fmt: skip


class World:
    """A tenant whose catalog and usage change at random."""

    def __init__(self, dice):
        self._dice = dice
        self._sent = self.refused = 0
        self._changes = (
            self._plan, self._plan, self._customer, self._customer, self._subscription, self._subscription, self._terms,
            self._terms, self._move, self._end, self._record, self._record, self._void,
        )  # fmt: skip

    def connect(self, channel):
        """Calls go this way from now on."""
        self._channel = channel
        self._catalog, self._resources = CatalogServiceStub(channel), ResourceServiceStub(channel)
        self._spend, self._billing = SpendServiceStub(channel), BillingServiceStub(channel)
        self._corrections = CorrectionServiceStub(channel)
        self._subscriptions = SubscriptionServiceStub(channel)

    def begin(self):
        meter = {"id": "w_tokens", "event_type": "w.call", "aggregation": "sum", "value": "tokens", "group_by": ["model"]}  # fmt: skip
        self.apply(
            {
                "meters": [meter],
                "plans": [plan(self._dice, "w"), plan(self._dice, "v")],
                "customers": [{"id": name, "name": name} for name in CUSTOMERS],
                "subscriptions": [
                    {"customer": name, "plan": "w", "start": f"2025-06-{1 + 9 * number:02}"}
                    for number, name in enumerate(CUSTOMERS)
                ],
            }
        )

    def apply(self, document):
        self._catalog.ApplyCatalog(ApplyCatalogRequest(document=json.dumps(document)), timeout=60)

    def change(self):
        """One change of any kind; one that is refused changes nothing."""
        try:
            self._dice.choice(self._changes)()
        except grpc.RpcError as error:
            if error.code() not in _REFUSALS:
                raise
            self.refused += 1

    def _plan(self):
        changed = plan(self._dice, self._dice.choice("wv"))
        if self._dice.random() < 0.3:
            changed["effective_from"] = f"2025-0{self._dice.randrange(6, 9)}-15"
        self.apply({"plans": [changed]})

    def _customer(self):
        changed = {"id": self._dice.choice(CUSTOMERS), "name": f"Name {self._dice.randrange(9)}"}
        if self._dice.random() < 0.3:
            changed["tax_region"] = "w_bc"
        if self._dice.random() < 0.3:
            changed["coupons"] = [{"coupon": "w_off", "start": "2025-06-01"}]
        if self._dice.random() < 0.2:
            changed["aliases"] = [f"{changed['id']}-alias-{self._dice.randrange(3)}"]
        if self._dice.random() < 0.2:
            changed["parent"] = self._dice.choice(CUSTOMERS)
        if self._dice.random() < 0.2:
            changed["time_zone"] = self._dice.choice(("Europe/Berlin", "America/New_York"))
        self.apply({"customers": [changed]})

    def _subscription(self):
        number = self._dice.randrange(len(CUSTOMERS))
        changed = {"customer": CUSTOMERS[number], "plan": "w", "start": f"2025-06-{1 + 9 * number:02}"}
        phase = {"start": f"2025-0{self._dice.randrange(7, 9)}-{self._dice.randrange(1, 29):02}"}
        phase |= self._dice.choice(
            (
                {"plan": "v"},
                {"quantities": {"seats": str(self._dice.randrange(9))}},
                {"overrides": {"fee": {"flat_amount": self._dice.choice(AMOUNTS)}}},
                {"trial": "free"},
                {"paused": True},
            )
        )
        if self._dice.random() < 0.2:
            changed["end"] = "2025-08-25"
        self.apply({"subscriptions": [changed | {"phases": [phase]}]})

    def _terms(self):
        dice = self._dice
        self.apply(
            dice.choice(
                (
                    {"coupons": [{"id": "w_off", "name": "Off", "percent_off": str(dice.randrange(1, 99))}]},
                    {"tax_regions": [{"id": "w_bc", "name": "BC", "rates": [{"id": "gst", "percent": str(dice.randrange(1, 20))}]}]},
                    {"credit_grants": [{"id": f"w_gift-{dice.randrange(3)}", "customer": dice.choice(CUSTOMERS), "currency": "USD",
                                        "amount": dice.choice(AMOUNTS), "effective_at": "2025-06-01"}]},
                )
            )
        )  # fmt: skip

    def _move(self):
        request = MigrateSubscriptionsRequest(plan_id=self._dice.choice("wv"))
        if self._dice.random() < 0.3:
            request.to_plan_id = self._dice.choice("wv")
        if self._dice.random() < 0.7:
            request.at.FromJsonString(f"2025-08-{self._dice.randrange(1, 29):02}T00:00:00Z")
        self._subscriptions.MigrateSubscriptions(request, timeout=60)

    def _end(self):
        kind, key = self._dice.choice(
            (("coupon", "w_off"), ("tax_region", "w_bc"), ("credit_grant", "w_gift-0"), ("subscription", "w_coil:w"))
        )  # fmt: skip
        call, request = self._dice.choice(
            (
                (self._resources.ArchiveResource, ArchiveResourceRequest),
                (self._resources.DeleteResource, DeleteResourceRequest),
            )
        )
        call(request(kind=kind, id=key), timeout=60)

    def _record(self):
        self._sent += 1
        seconds = JUNE_10 + self._dice.randrange(75 * 86_400)
        customer = self._dice.choice(("acme", "bolt", "coil", "acme-alias-1"))
        tokens = str(self._dice.randrange(1, 400))
        record(self._channel, api_event("w", str(self._sent), tokens, customer=customer, seconds=seconds))

    def _void(self):
        refs = EventRefs(events=[EventRef(event_id=f"w-{self._dice.randrange(1, self._sent + 2)}")])
        self._sent += 1
        signature = Signature(correction_id=f"c-{self._sent}", recorded_by="ada", reason="a test")
        self._corrections.CorrectUsage(
            CorrectUsageRequest(signature=signature, event_refs=refs, void=VoidUsage()), timeout=60
        )

    def bill(self, at, pinned=None):
        """Every line and what each customer owes in the periods that contain an instant, as bytes; and the pins of the answer."""
        lines = ListLineItemsRequest(page_size=1000)
        every, one = ListSpendRequest(limit=1000), GetSpendRequest(customer_id=self._dice.choice(CUSTOMERS))
        if pinned is None:
            lines.at.FromJsonString(at)
            now = self._billing.ListLineItems(lines, timeout=60)
            pinned = now.as_of, now.catalog_revision, one.customer_id
        as_of, revision, one.customer_id = pinned
        for request in (lines, every, one):
            request.at.FromJsonString(at)
            request.as_of.CopyFrom(as_of)
            request.catalog_revision = revision
        answers = (
            self._billing.ListLineItems(lines, timeout=60),
            self._spend.ListSpend(every, timeout=60),
            self._spend.GetSpend(one, timeout=60),
        )
        return [each.SerializeToString(deterministic=True) for each in answers], pinned


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def restarted(request, tmp_path_factory):
    """An engine of their own, on either catalog store."""
    options = ["--event-age-max-days", "36525"]
    if request.param == "postgresql":
        options += [
            "--catalog-store",
            request.getfixturevalue("postgres_server").new_url().replace("+psycopg", ""),
        ]
    with EngineProcess(tmp_path_factory.mktemp("past") / "data", *options) as running:
        yield running


@pytest.mark.parametrize("number", numbered(1, 20))
def test_a_past_bill_is_the_same_bytes_after_any_later_change(restarted, seed, number):
    """At its watermark and revision: after each change one of the earlier bills, and after a restart all of them."""
    print(f"METERLINE_SEED={seed}")
    dice = random.Random(f"{seed}-{number}")
    with open_channel(restarted.target) as opened:
        tenant = TenantServiceStub(opened).CreateTenant(
            CreateTenantRequest(tenant=f"past-{number}"), timeout=60
        )
    world, bills = World(dice), []
    with open_channel(restarted.target, api_key=tenant.key_text) as opened:
        world.connect(opened)
        world.begin()
        for _ in range(_STEPS):
            at = dice.choice(MONTHS)
            bills.append((at, *world.bill(at)))
            world.change()
            at, known, pinned = dice.choice(bills)
            assert world.bill(at, pinned)[0] == known
    restarted.stop()
    restarted.start()
    with open_channel(restarted.target, api_key=tenant.key_text) as opened:
        world.connect(opened)
        assert [world.bill(at, pinned)[0] for at, _, pinned in bills] == [known for _, known, _ in bills]
    # Most changes took place, and bills differ from each other.
    assert world.refused < _STEPS // 2
    assert len({known[0] for _, known, _ in bills}) > 5
