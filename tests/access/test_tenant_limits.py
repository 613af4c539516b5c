"""What a tenant may take: buckets by a clock that the test moves, and limits on a real catalog database."""

import random

import pytest

from engine.access.access_store import AccessStore
from engine.access.allowances import Allowances
from engine.access.api_keys import ApiKey
from engine.access.caller import Scope
from engine.access.tenant_limit_store import TenantLimitStore
from engine.access.tenant_limits import (
    CALL,
    NUMBER_MAX,
    UNLIMITED,
    USAGE,
    USAGE_STREAM,
    LargestRequest,
    Limit,
    TenantLimits,
    mistake_of,
)
from engine.access.token_bucket import BURST_S, TokenBucket
from engine.errors import LimitExceededError, NotFoundError

SECOND_NS = 1_000_000_000
LARGEST = LargestRequest(events=50_000, nbytes=4_194_304)


def test_a_bucket_lets_no_more_through_than_its_rate_whoever_comes_when(seed):
    """Of random requests: what went in by any time is at most the rate, the burst, and one request."""
    dice = random.Random(seed)
    rate, largest = dice.randint(1, 10_000), dice.randint(1, 5_000)
    bucket, start_ns = TokenBucket(rate), 123 * SECOND_NS
    now_ns, taken = start_ns, 0
    for _ in range(3_000):
        now_ns += dice.randint(0, 20_000_000)
        if bucket.owed_ns(now_ns) <= 0:
            count = dice.randint(1, largest)
            bucket.take(count, now_ns)
            taken += count
        assert taken <= rate * ((now_ns - start_ns) / SECOND_NS + BURST_S) + largest


def test_who_keeps_coming_gets_the_whole_rate():
    """Sent again when it is told to, 10 events at a time: 1,000 events take 9 s at 100 a second, after one of burst."""
    start_ns = 10 * SECOND_NS
    bucket, now_ns = TokenBucket(100), start_ns
    for _ in range(100):
        now_ns += max(0, bucket.owed_ns(now_ns))
        bucket.take(10, now_ns)
    assert now_ns - start_ns == pytest.approx(9 * SECOND_NS, abs=SECOND_NS / 5)


def test_a_request_larger_than_the_rate_passes_and_is_paid_for():
    """5,000 at 100 a second: all owed but the burst of 100."""
    bucket = TokenBucket(100)
    bucket.take(5_000, SECOND_NS)
    assert bucket.owed_ns(SECOND_NS) == 49 * SECOND_NS


def test_what_is_owed_is_paid_at_the_new_rate():
    """49 s at 100 a second are 4,900, which are 4.9 s at 1,000."""
    bucket = TokenBucket(100)
    bucket.take(5_000, SECOND_NS)
    bucket.change(1_000, SECOND_NS)
    assert bucket.owed_ns(SECOND_NS) == 4_900_000_000


def test_use_is_told_for_the_last_ten_seconds():
    """The span before the one that runs; nothing once that has passed, too."""
    bucket = TokenBucket(1_000)
    for second in range(1, 10):
        bucket.take(700, second * SECOND_NS)
    assert [bucket.used_per_s(at * SECOND_NS) for at in (9, 10, 19, 20)] == [0, 630, 630, 0]


@pytest.mark.parametrize(
    ("limit", "number", "text"),
    [
        (Limit.REQUESTS, 0, "is 0: it is 1 to"),
        (Limit.STREAMS, NUMBER_MAX + 1, "it is 1 to"),
        (Limit.EVENTS, 499, "may hold 50000 events, which take longer than 100 s then: set at least 500"),
        (
            Limit.BYTES,
            41_943,
            "may hold 4194304 bytes, which take longer than 100 s then: set at least 41944",
        ),
        (Limit.EVENTS, 500, None),
        (Limit.BYTES, 41_944, None),
        (Limit.REQUESTS, 1, None),
    ],
)
def test_a_limit_that_the_largest_request_would_owe_too_long_is_refused(limit, number, text):
    """It is held against what a request may hold, with the number that would do."""
    found = mistake_of(limit, number, LARGEST)
    assert found is None if text is None else text in found


class World:
    """Gateways over one database, and a clock that the test moves."""

    def __init__(self, database):
        self.elapsed_ns = 50 * SECOND_NS
        self.store = TenantLimitStore(database)
        for number, tenant in enumerate(("globex", "initech")):
            key = ApiKey(
                key_id=f"{number:012x}",
                tenant=tenant,
                name="n",
                scopes=frozenset({Scope.READ}),
                customer_id=None,
                created_at_us=1,
                created_by="engine",
            )
            AccessStore(database).add_tenant(tenant, 1, key, "hash")

    def gateway(self, **defaults):
        return Allowances(self.store, TenantLimits(**defaults), lambda: self.elapsed_ns)


@pytest.fixture
def world(database):
    """Over a database of each kind."""
    return World(database)


def refused(call):
    with pytest.raises(LimitExceededError) as error:
        call()
    return error.value.limit, error.value.retry_after_ms


def numbers(gateway, tenant="globex"):
    return [(use.number, use.is_own) for use in gateway.uses(tenant)]


def test_what_is_set_for_a_tenant_stands_before_what_is_set_for_all(world):
    """A number, or none; what is dropped falls back. Another tenant has what holds for all."""
    gateway = world.gateway(requests_per_s_max=10, events_per_s_max=1_000)
    gateway.change("globex", {Limit.REQUESTS: 99, Limit.EVENTS: None, Limit.STREAMS: 3}, frozenset())
    assert numbers(gateway) == [(99, True), (None, True), (None, False), (3, True), (None, False)]
    assert numbers(gateway, "initech") == [
        (10, False),
        (1_000, False),
        (None, False),
        (None, False),
        (None, False),
    ]
    gateway.change("globex", {Limit.REQUESTS: 98}, frozenset({Limit.EVENTS}))
    assert numbers(gateway) == [(98, True), (1_000, False), (None, False), (3, True), (None, False)]
    with pytest.raises(NotFoundError, match="there is no tenant 'nobody'"):
        gateway.change("nobody", {Limit.REQUESTS: 1}, frozenset())


def test_a_limit_holds_at_once_here_and_within_two_seconds_elsewhere(world):
    """No gateway starts again for it."""
    here, there = world.gateway(), world.gateway()
    assert [each.of("globex").limits.requests_per_s_max for each in (here, there)] == [None, None]
    here.change("globex", {Limit.REQUESTS: 1}, frozenset())
    assert here.of("globex").limits.requests_per_s_max == 1
    assert there.of("globex").limits.requests_per_s_max is None
    world.elapsed_ns += 2 * SECOND_NS
    assert there.of("globex").limits.requests_per_s_max == 1


def test_a_tenant_is_refused_by_each_limit_until_it_has_paid(world):
    """With the time when it has; others go on."""
    gateway = world.gateway(requests_per_s_max=2, events_per_s_max=1_000, bytes_per_s_max=10_000)
    allowance = gateway.of("globex")
    for _ in range(3):
        allowance.enter(CALL)
    assert refused(lambda: allowance.enter(CALL)) == ("requests_per_s_max", 500)
    gateway.of("initech").enter(CALL)
    world.elapsed_ns += SECOND_NS
    allowance.enter(USAGE)
    gateway.charge_events("globex", 3_000)
    assert refused(lambda: gateway.charge_events("globex", 0)) == ("events_per_s_max", 2_000)
    assert refused(lambda: gateway.of("globex").enter(USAGE)) == ("events_per_s_max", 2_000)
    # A read takes no events.
    gateway.of("globex").enter(CALL)
    world.elapsed_ns += 2 * SECOND_NS
    allowance.charge(Limit.BYTES, 15_000)
    assert refused(lambda: allowance.charge(Limit.BYTES, 1)) == ("bytes_per_s_max", 500)
    refused_counts = [use.refused for use in gateway.uses("globex")]
    assert refused_counts == [1, 2, 1, 0, 0]


def test_what_is_refused_costs_nothing(world):
    """Who keeps coming too early gets in at the same time as who waits."""
    allowance = world.gateway(requests_per_s_max=1).of("globex")
    for _ in range(2):
        allowance.enter(CALL)
    for _ in range(100):
        refused(lambda: allowance.enter(CALL))
    world.elapsed_ns += SECOND_NS
    allowance.enter(CALL)


def test_open_streams_are_counted_and_end(world):
    """Also those that were opened before there was a limit."""
    gateway = world.gateway()
    allowance = gateway.of("globex")
    allowance.enter(USAGE_STREAM)
    gateway.change("globex", {Limit.STREAMS: 1}, frozenset())
    assert refused(lambda: gateway.of("globex").enter(USAGE_STREAM)) == ("open_streams_max", 1_000)
    gateway.of("globex").enter(USAGE)
    allowance.leave(USAGE_STREAM)
    gateway.of("globex").enter(USAGE_STREAM)
    assert gateway.uses("globex")[-2].used == 1


def test_what_only_those_do_who_run_the_engine_is_never_refused(world):
    """They lift a limit also while it is reached."""
    allowance = world.gateway(requests_per_s_max=1).of("globex")
    for _ in range(2):
        allowance.enter(CALL)
    refused(lambda: allowance.enter(CALL))
    allowance.enter(UNLIMITED)
