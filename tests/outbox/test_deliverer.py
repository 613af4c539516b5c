"""Every fact reaches every endpoint that wants it: at least once, in order by object, over days of failure."""

import base64
import hashlib
import hmac
import random
import threading

import pytest

from engine.errors import InvalidRequestError, NotFoundError
from engine.outbox.fact_types import FactType
from engine.outbox.webhooks.deliveries import RETRIES_S
from engine.outbox.webhooks.endpoints import ENDPOINTS_MAX, EndpointState
from engine.outbox.webhooks.posting import PostResult
from tests.support.outbox.receiver import receiving
from tests.support.outbox.webhook_world import (
    DAY_US,
    DEAD,
    DELIVERED,
    PENDING,
    START_US,
    WebhookWorld,
)

OK = PostResult(200, "", 1)
HOUR_S = 3_600
# Standard Webhooks' waits, written out a second time.
WAITS_S = [5, 300, 1_800, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S, 20 * HOUR_S, 24 * HOUR_S]


@pytest.fixture
def receiver():
    with receiving() as opened:
        yield opened


@pytest.fixture
def world(database):
    return WebhookWorld(database)


def signed_by(heard, secret):
    """Checked as a receiver would."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{heard.id}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in heard.headers["webhook-signature"].split(" ")


def test_an_endpoint_hears_every_fact_that_it_wants_from_then_on(world, receiver):
    """Signed, with its id and instant; not what was before, of another type, or another tenant's."""
    world.tell(("early", 0))
    made = world.endpoint(receiver.url, "customer.*")
    world.tell(("a", 1), ("b", 1))
    world.tell(("c", 1), tenant="u")
    world.tell(("d", 1), fact_type=FactType.PLAN_CHANGED)
    world.deliver()
    assert receiver.of_objects() == {"a": [1], "b": [1]}
    first = receiver.heard[0]
    assert first.message == {
        "type": "customer.changed",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {"id": "a", "step": 1},
    }
    assert first.headers["content-type"] == "application/json"
    assert first.headers["webhook-timestamp"] == str(START_US // 1_000_000)
    assert all(signed_by(each, made.secret) for each in receiver.heard)
    assert len({each.id for each in receiver.heard}) == 2
    world.deliver(60)
    assert len(receiver.heard) == 2
    assert world.states(made.endpoint.endpoint_id) == [DELIVERED, DELIVERED]


def test_an_object_that_fails_holds_back_its_own_facts_and_no_others(world, receiver):
    """What waits for its turn spends no attempt; a repeat has the same id and bytes, and a new timestamp."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda heard: 500 if heard.object_id == "bad" else 200
    world.tell(("bad", 1), ("good", 1), ("bad", 2), ("good", 2))
    world.deliver()
    assert receiver.of_objects() == {"bad": [1], "good": [1, 2]}
    assert [each.attempt_count for each in world.deliveries(endpoint_id)] == [1, 1, 0, 1]
    receiver.answer = lambda _: 200
    world.deliver(5)
    assert receiver.of_objects() == {"bad": [1, 1, 2], "good": [1, 2]}
    first, again = (each for each in receiver.heard if each.message["data"] == {"id": "bad", "step": 1})
    assert (first.id, first.body) == (again.id, again.body)
    assert int(again.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 5


def test_a_fact_that_nobody_takes_is_tried_over_three_days_and_is_dead_then(world, receiver):
    """One row an attempt, each wait as the standard says; the next fact of the object has its turn then."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda heard: 500 if heard.message["data"]["step"] == 1 else 200
    world.tell(("a", 1), ("a", 2))
    world.deliver()
    for wait_s in WAITS_S:
        before = len(receiver.heard)
        world.deliver(wait_s - 1)
        assert len(receiver.heard) == before
        world.deliver(1)
        assert len(receiver.heard) > before
    assert list(RETRIES_S) == WAITS_S
    assert receiver.of_objects() == {"a": [1] * 10 + [2]}
    assert world.states(endpoint_id) == [DEAD, DELIVERED]
    attempts = world.attempts()
    assert [(each.attempt, each.status) for each in attempts] == [*((n, 500) for n in range(1, 11)), (1, 200)]
    assert attempts[9].attempted_at_us - attempts[0].attempted_at_us == sum(WAITS_S) * 1_000_000


def test_waits_are_spread_by_a_tenth(world, receiver):
    """So that what failed together does not come back together."""
    world.endpoint(receiver.url)
    receiver.answer = lambda _: 500
    world.chance = 1.0
    world.tell(("a", 1))
    world.deliver()
    world.deliver(5)
    assert len(receiver.heard) == 1
    world.now_us += 500_000
    world.deliver()
    assert len(receiver.heard) == 2


def test_a_dead_or_delivered_fact_is_posted_again_by_hand(world, receiver):
    """With the same id; a dead one begins with its attempts anew."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda _: 500
    world.tell(("a", 1))
    for wait_s in (0, *WAITS_S):
        world.deliver(wait_s)
    (dead,) = world.deliveries(endpoint_id)
    assert (dead.state, dead.attempt_count) == (DEAD, 10)
    world.replay(endpoint_id, dead.number)
    world.deliver()
    assert world.states(endpoint_id) == [PENDING]
    receiver.answer = lambda _: 200
    world.deliver(5)
    world.replay(endpoint_id, dead.number)
    world.deliver()
    (done,) = world.deliveries(endpoint_id)
    assert (done.state, done.attempt_count) == (DELIVERED, 13)
    assert len({each.id for each in receiver.heard}) == 1
    with pytest.raises(NotFoundError, match="has no delivery of fact 999"):
        world.replay(endpoint_id, 999)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_only_two_hundreds_are_deliveries(world, receiver, status):
    """A redirect is a failure, and nothing is posted where it leads."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda _: status
    world.tell(("a", 1))
    world.deliver()
    assert len(receiver.heard) == 1
    (found,) = world.deliveries(endpoint_id)
    assert (found.state, found.last_status) == (PENDING, status)


def test_a_receiver_that_never_answers_is_cut_off(database, receiver):
    """Within the deadline, and it costs an attempt; another endpoint is served meanwhile."""
    world = WebhookWorld(database, deadline_s=0.3)
    released = threading.Event()
    receiver.before = lambda _: released.wait(10)
    slow = world.endpoint(receiver.url).endpoint.endpoint_id
    with receiving() as quick:
        world.endpoint(quick.url)
        world.tell(("a", 1))
        world.deliver()
        released.set()
        assert len(quick.heard) == 1
    (found,) = world.deliveries(slow)
    assert (found.state, found.attempt_count, found.last_status) == (PENDING, 1, None)
    assert found.last_error


def test_nobody_listening_is_a_failed_attempt(world):
    """With the operating system's words."""
    endpoint_id = world.endpoint("http://127.0.0.1:1/").endpoint.endpoint_id
    world.tell(("a", 1))
    world.deliver()
    (found,) = world.deliveries(endpoint_id)
    assert "refused" in found.last_error


def test_an_endpoint_that_has_failed_for_five_days_is_disabled_and_others_hear_of_it(world, receiver):
    """It goes on where it was once it is active again; one delivery in between begins the five days anew."""
    with receiving() as other:
        world.endpoint(other.url, "webhook_endpoint.*")
        endpoint_id = world.endpoint(receiver.url, "customer.*").endpoint.endpoint_id
        receiver.answer = lambda _: 500
        for day in range(6):
            assert world.endpoints.get("t", endpoint_id).state is EndpointState.ACTIVE
            world.tell((f"c{day}", day))
            world.deliver()
            world.now_us += DAY_US
        disabled = world.endpoints.get("t", endpoint_id)
        assert disabled.state is EndpointState.DISABLED
        assert disabled.disabled_reason == "every attempt failed since 2027-01-15T08:00:00Z"
        heard = len(receiver.heard)
        world.tell(("late", 9))
        world.deliver()
        (told,) = other.heard
        assert told.message["type"] == "webhook_endpoint.disabled"
        assert told.object_id == endpoint_id
        assert len(receiver.heard) == heard
        receiver.answer = lambda _: 200
        world.endpoints.change("t", endpoint_id, state=EndpointState.ACTIVE)
        world.deliver()
    assert {"late", "c5"} <= {each.object_id for each in receiver.heard[heard:]}


def test_an_endpoint_that_is_gone_is_disabled_at_once(world, receiver):
    """As 410 says."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda _: 410
    world.tell(("a", 1), ("b", 1))
    world.deliver()
    world.deliver(5)
    assert len(receiver.heard) == 1
    assert world.endpoints.get("t", endpoint_id).disabled_reason == "it answered 410: gone"


def test_both_secrets_sign_until_the_overlap_ends(world, receiver):
    """So that a receiver can change over at any time in between."""
    before = world.endpoint(receiver.url)
    after = world.endpoints.rotate("t", before.endpoint.endpoint_id, 3_600_000_000)
    assert after.secret != before.secret
    world.tell(("a", 1))
    world.deliver()
    world.tell(("a", 2))
    world.deliver(HOUR_S)
    first, second = receiver.heard
    assert [signed_by(first, each.secret) for each in (before, after)] == [True, True]
    assert [signed_by(second, each.secret) for each in (before, after)] == [False, True]


def test_whoever_is_killed_between_post_and_mark_posts_again_and_loses_nothing(database, receiver):
    """The next deliverer repeats the one message with the same id, and goes on."""

    class Killed(BaseException):
        pass

    def dies(*args):
        WebhookWorld(database).deliverer._around.post(*args)
        raise Killed

    world = WebhookWorld(database, post=dies)
    world.endpoint(receiver.url)
    world.tell(("a", 1), ("a", 2))
    with pytest.raises(Killed):
        world.deliver()
    WebhookWorld(database).deliver()
    assert receiver.of_objects() == {"a": [1, 1, 2]}
    assert receiver.heard[0].id == receiver.heard[1].id


def test_through_random_failures_everything_arrives_in_order_by_object(database, seed):
    """Whatever fails, each object's steps are first heard in their order, and all of them are."""
    chance = random.Random(seed)
    heard = []

    def post(_url, headers, body):
        if chance.random() < 0.3:
            return PostResult(chance.choice([None, 500, 302]), "", 1)
        heard.append((headers["webhook-id"], body))
        return OK

    world = WebhookWorld(database, post=post)
    endpoint_id = world.endpoint("http://127.0.0.1:9/").endpoint.endpoint_id
    steps = dict.fromkeys("abcd", 0)
    for _ in range(40):
        name = chance.choice("abcd")
        steps[name] += 1
        world.tell((name, steps[name]))
        world.deliver(chance.randrange(400))
    while PENDING in world.states(endpoint_id):
        world.deliver(86_400)
    expected = [f'"id":"{name}","step":{step}}}' for name in "abcd" for step in range(1, steps[name] + 1)]
    for name in "abcd":
        found = [body.decode() for _, body in heard if f'"id":"{name}"' in body.decode()]
        assert [each.split('"data":{')[1].rstrip("}") for each in found] == [
            each.rstrip("}") for each in expected if f'"id":"{name}"' in each
        ]


def test_an_endpoint_is_one_tenant_s_and_there_are_only_so_many(world):
    """Neither read, changed, rotated nor deleted by another."""
    endpoint_id = world.endpoint("http://127.0.0.1:9/").endpoint.endpoint_id
    for act in (
        lambda: world.endpoints.get("u", endpoint_id),
        lambda: world.endpoints.change("u", endpoint_id, description="mine"),
        lambda: world.endpoints.rotate("u", endpoint_id, 0),
        lambda: world.endpoints.delete("u", endpoint_id),
    ):
        with pytest.raises(NotFoundError):
            act()
    for _ in range(ENDPOINTS_MAX - 1):
        world.endpoint("http://127.0.0.1:9/")
    with pytest.raises(InvalidRequestError, match="the most that a tenant has"):
        world.endpoint("http://127.0.0.1:9/")


@pytest.mark.parametrize("fact_types", [(), ("customer",), ("cust*",), ("invoice.nothing",)])
def test_types_that_there_are_not_are_refused(world, fact_types):
    """An endpoint that waits for a typing mistake would wait for ever."""
    with pytest.raises(InvalidRequestError, match="event_types"):
        world.endpoints.create("t", "http://127.0.0.1:9/", fact_types, "", "key:ann")


def test_a_deleted_endpoint_takes_its_deliveries_along(world, receiver):
    """Nothing is posted to it any more."""
    endpoint_id = world.endpoint(receiver.url).endpoint.endpoint_id
    receiver.answer = lambda _: 500
    world.tell(("a", 1))
    world.deliver()
    world.endpoints.delete("t", endpoint_id)
    world.deliver(5)
    assert len(receiver.heard) == 1
    assert world.attempts() == []
    assert world.deliveries(endpoint_id) == []
