"""`check_access` of both clients, with a real engine, and without one."""

import asyncio
import time
from decimal import Decimal

import pytest

from examples.engine_process import EngineProcess
from meterline import (
    AsyncClient,
    Client,
    EngineUnavailableError,
    InvalidArgumentError,
    NotFoundError,
    open_channel,
)
from meterline.reads.access import AccessMemory
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.entitlements_pb2 import CheckAccessResponse, FeatureAccess

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: count}]
plans:
  - id: pro
    name: Pro
    currency: EUR
    prices: [{id: base, model: flat, flat_amount: 49}]
    features: {sso: true, support: gold, audit_log: false}
    limits:
      - {id: hard, meter: calls, quantity: 2}
      - {id: soft, meter: calls, quantity: 2, enforcement: soft}
      - {id: open, meter: calls, quantity: 1000, when_unreachable: open}
      - {id: shut, amount: 40, enforcement: soft, when_unreachable: closed}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}]
subscriptions: [{customer: acme, plan: pro, start: 2025-06-01}]
"""
FEATURES = ("sso", "support", "audit_log", "hard", "soft", "open", "shut")
# No engine listens there.
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def engine(tmp_path):
    with EngineProcess(tmp_path / "data") as running:
        with open_channel(running.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        yield running


def allowed(access):
    return {name for name in access.features if access.allows(name)}


def test_what_may_be_used_is_the_engine_s_answer_and_without_it_what_it_said_for_then(engine):
    """Two calls of two use up the limits `hard` and `soft`; 49.00 are past the soft limit of 40. Then the engine stops."""
    with Client(engine.target) as client:
        client.record("acme", "call")
        client.record("acme", "call")
        client.flush()
        access = client.check_access("acme", *FEATURES, timeout_s=60)
        assert allowed(access) == {"sso", "support", "soft", "open", "shut"}
        refused = {name: each.refusal for name, each in access.features.items() if not each.allowed}
        assert refused == {"hard": "limit_reached", "audit_log": "not_included"}
        assert access.features["support"].value == "gold"
        (limit,) = access.features["open"].limits
        assert (limit.limit, limit.used, limit.remaining, limit.is_hard) == (Decimal(1000), 2, 998, True)
        (limit,) = access.features["shut"].limits
        assert (limit.currency, limit.used, limit.reached, limit.is_hard) == ("EUR", Decimal(49), True, False)
        assert access.is_from_engine
        assert access.catalog_revision == 1
        assert list(client.check_access("acme", timeout_s=60).features) == sorted(FEATURES)
        with pytest.raises(NotFoundError, match="nobody"):
            client.check_access("nobody", "sso", timeout_s=60)

        engine.stop()
        access = client.check_access("acme", *FEATURES, "new", timeout_s=0.5)
        assert allowed(access) == {"sso", "support", "soft", "open"}
        assert {each.refusal for each in access.features.values() if not each.allowed} == {"unreachable"}
        assert access.features["support"].value == "gold"
        assert (access.is_from_engine, access.as_of, access.catalog_revision) == (False, None, None)
        # All that is known of the customer; and what was never asked for, as the caller says.
        assert set(client.check_access("acme", timeout_s=0.5).features) == set(FEATURES)
        assert allowed(client.check_access("acme", "new", timeout_s=0.5, allow_unknown=True)) == {"new"}
        with pytest.raises(EngineUnavailableError):
            client.check_access("bolt", timeout_s=0.5)

        engine.start()
        # The connection is made again within some seconds.
        until_s = time.monotonic() + 60
        while not client.check_access("acme", "hard", timeout_s=60).is_from_engine:
            assert time.monotonic() < until_s


def test_coroutines_are_answered_alike(engine):
    """With the engine, and without it."""

    async def main():
        async with AsyncClient(engine.target) as client:
            first = await client.check_access("acme", timeout_s=60)
            engine.stop()
            return first, await client.check_access("acme", timeout_s=0.5)

    first, then = asyncio.run(main())
    assert allowed(first) == {"sso", "support", "hard", "soft", "open", "shut"}
    assert (allowed(then), then.is_from_engine) == ({"sso", "support", "soft", "open"}, False)


def test_what_can_t_be_asked_is_a_mistake_of_the_caller():
    """It is not taken for an engine that is away."""
    with Client(NOWHERE) as client:
        with pytest.raises(InvalidArgumentError, match="feature is a int"):
            client.check_access("acme", 7)
        with pytest.raises(InvalidArgumentError, match="customer_id is a NoneType"):
            client.check_access(None, "sso")


def test_a_client_remembers_ten_thousand_answers():
    """The ones that were given last."""
    memory = AccessMemory()

    def say(number):
        told = FeatureAccess(feature="sso", allowed=True, allowed_when_unreachable=True)
        memory.read(f"c{number}", CheckAccessResponse(features=[told]))

    for number in range(10_000):
        say(number)
    say(0)
    say(10_000)
    away = EngineUnavailableError("no engine answers", code=None)
    known = [
        memory.answer(each, ["sso"], away, allow_unknown=False).allows("sso")
        for each in ("c0", "c1", "c2", "c10000")
    ]
    assert known == [True, False, True, True]
