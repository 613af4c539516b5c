"""Two tenants in random alternation: each sees what it would see alone, whatever the other does with the same ids."""

import itertools
import random
import re
from collections import Counter

import pytest

from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest, ListApiKeysRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import (
    CorrectUsageRequest,
    EventRef,
    EventRefs,
    GetCorrectionRequest,
    ListConflictsRequest,
    ListCorrectionsRequest,
    Signature,
    UndoCorrectionRequest,
    VoidUsage,
)
from meterline.v1.correction_pb2_grpc import CorrectionServiceStub
from meterline.v1.events_pb2 import ListEventsRequest
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.metering_pb2 import QueryUsageRequest
from meterline.v1.metering_pb2_grpc import MeteringServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import RecordUsageRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import CATALOG, LATE_JUNE, api_event
from tests.support.long_forms import numbered

_STEPS = 40
_tenants = itertools.count(1)
# What differs between two runs of the same: instants of now, also in the definition of a plan that was changed, and page
# tokens, which hold one.
_OF_THE_RUN = re.compile(
    r"(?s)(as_of|recorded_at|voided_at|ingested_at|created_at) \{.*?\}|next_page_token: \"[^\"]*\"|"
    r"(event_digest|usage_digest|key_id|created_by): \"[^\"]*\"|effective_from\\\":\\\"[^\"]*\""
)
CUSTOMERS, EVENTS, CORRECTIONS = ("acme", "bolt"), range(6), range(4)


class World:
    """One tenant's calls, each named by numbers that a die has thrown; all use the same ids."""

    def __init__(self, channel):
        self._usage, self._spend = UsageServiceStub(channel), SpendServiceStub(channel)
        self._catalog, self._billing = CatalogServiceStub(channel), BillingServiceStub(channel)
        self._metering, self._corrections = MeteringServiceStub(channel), CorrectionServiceStub(channel)
        self._access, self._events = AccessServiceStub(channel), EventServiceStub(channel)
        # How often an event was to be voided. It gets another id then: the gateway hears of it some seconds later, and
        # what it answers to the same id until then is a matter of time.
        self._voids = Counter()

    def step(self, kind, one, two):
        """What the call answers, as text, without what no two runs share; or how it is refused."""
        call, request = self._calls(one, two)[kind]
        self._voids[two % 6] += kind == "void"
        try:
            return _OF_THE_RUN.sub("", str(call(request, timeout=60)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same alone
            return f"{error.code()} {error.details()}"

    def _calls(self, one, two):
        customer, number = f"w_{CUSTOMERS[one % 2]}", f"{EVENTS[two % 6]}.{self._voids[two % 6]}"
        signature = Signature(correction_id=f"c-{CORRECTIONS[two % 4]}", recorded_by="ada", reason="a test")
        period = {"period_start": "2025-06-01T00:00:00Z", "period_end": "2025-07-01T00:00:00Z"}
        usage = QueryUsageRequest(meter_id="w_tokens")
        for field, text in period.items():
            getattr(usage, field).FromJsonString(text)
        document = CATALOG.replace("NAME", "w").replace('"0.01"', f'"0.0{1 + one % 3}"')
        recorded = api_event("w", number, str(100 * (1 + one % 2)), customer=CUSTOMERS[one // 2 % 2])
        return {
            "apply": (self._catalog.ApplyCatalog, ApplyCatalogRequest(document=document)),
            "catalog": (self._catalog.GetCatalog, GetCatalogRequest()),
            "record": (self._usage.RecordUsage, RecordUsageRequest(events=[recorded])),
            "spend": (self._spend.GetSpend, GetSpendRequest(customer_id=customer, at=LATE_JUNE)),
            "all spend": (self._spend.ListSpend, ListSpendRequest(at=LATE_JUNE)),
            "lines": (self._billing.ListLineItems, ListLineItemsRequest(at=LATE_JUNE)),
            "usage": (self._metering.QueryUsage, usage),
            "void": (
                self._corrections.CorrectUsage,
                CorrectUsageRequest(
                    signature=signature,
                    event_refs=EventRefs(events=[EventRef(event_id=f"w-{number}")]),
                    void=VoidUsage(),
                ),
            ),
            "undo": (
                self._corrections.UndoCorrection,
                UndoCorrectionRequest(
                    signature=Signature(correction_id=f"u-{two % 4}", recorded_by="ada", reason="a test"),
                    correction_id=signature.correction_id,
                ),
            ),
            "corrections": (self._corrections.ListCorrections, ListCorrectionsRequest()),
            "correction": (
                self._corrections.GetCorrection,
                GetCorrectionRequest(correction_id=signature.correction_id),
            ),
            "conflicts": (self._corrections.ListConflicts, ListConflictsRequest()),
            "events": (
                self._events.ListEvents,
                ListEventsRequest(include_voided=True, page_size=1 + one % 4),
            ),
            "events of a correction": (
                self._events.ListEvents,
                ListEventsRequest(correction_id=signature.correction_id),
            ),
            "keys": (self._access.ListApiKeys, ListApiKeysRequest()),
        }


@pytest.fixture
def tenant(engine, channel):
    """Makes a tenant with a world of its own."""
    opened = []

    def made():
        name = f"apart-{next(_tenants)}"
        key = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=name), timeout=30).key_text
        opened.append(open_channel(engine.target, api_key=key))
        return World(opened[-1])

    yield made
    for each in opened:
        each.close()


@pytest.mark.parametrize("number", numbered(2, 60))
def test_a_tenant_sees_the_same_with_a_neighbour_as_alone(tenant, seed, number):
    """Every answer and every refusal of one, while another does as it likes with the same ids."""
    dice = random.Random(f"{seed}-{number}")
    print(f"METERLINE_SEED={seed}")
    one, other, alone = tenant(), tenant(), tenant()
    kinds = list(one._calls(0, 0))
    steps = [
        ("apply", 0, 0),
        *(
            (dice.choice([*kinds, "record", "record"]), dice.randrange(12), dice.randrange(12))
            for _ in range(_STEPS)
        ),
    ]
    beside = []
    for step in steps:
        for _ in range(dice.randrange(3)):
            other.step(dice.choice([*kinds, "record"]), dice.randrange(12), dice.randrange(12))
        beside.append(one.step(*step))
    assert beside == [alone.step(*step) for step in steps]
