"""Reservations of both clients, with a real engine, across its restart, and without one."""

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.engine_process import EngineProcess
from meterline import (
    AsyncClient,
    Client,
    EngineUnavailableError,
    Event,
    InvalidArgumentError,
    InvalidRequestError,
    NotFoundError,
    ReservationConflictError,
    ReservationEndedError,
    ReservationRefusedError,
    ReservationState,
    open_channel,
)
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub

CUSTOMERS = ("simple", "repeat", "block", "coroutines", "restarted", "away", "kinds")
CATALOG = f"""
meters:
  - {{id: tokens, event_type: call, aggregation: sum, value: tokens}}
  - {{id: jobs, event_type: job, aggregation: count}}
plans:
  - id: held
    name: Held
    currency: EUR
    prices: [{{id: base, model: flat, flat_amount: 49}}]
    limits:
      - {{id: tokens, meter: tokens, quantity: 100}}
      - {{id: jobs, meter: jobs, quantity: 2}}
      - {{id: open, meter: tokens, quantity: 1000, when_unreachable: open}}
customers: [{", ".join(f"{{id: {each}, name: {each}}}" for each in CUSTOMERS)}]
subscriptions: [{", ".join(f"{{customer: {each}, plan: held, start: 2025-06-01}}" for each in CUSTOMERS)}]
"""
# No engine listens there.
NOWHERE = "127.0.0.1:1"
PATIENT = {"timeout_s": 60.0}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data") as running:
        with open_channel(running.target) as channel:
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        yield running


def limit(client, customer_id, name="tokens"):
    """What is used, reserved and left of it."""
    (found,) = client.check_access(customer_id, name, **PATIENT).features[name].limits
    return found.used, found.reserved, found.remaining


def test_what_is_reserved_is_committed_or_released(engine):
    """Of 100 tokens 60 are held, so 50 more are refused; 25 are used, and the rest is given back; 40 are released."""
    with Client(engine.target) as client:
        held = client.reserve("simple", "tokens", 60, **PATIENT)
        assert (held.state, held.quantity, held.is_from_engine) == (ReservationState.PENDING, 60, True)
        assert held.expires_at - held.reserved_at == timedelta(minutes=5)
        assert limit(client, "simple") == (0, 60, 40)
        with pytest.raises(ReservationRefusedError, match="not so much of the limit is left") as refused:
            client.reserve("simple", "tokens", "50", **PATIENT)
        assert (refused.value.refusal, refused.value.access.limits[0].remaining) == ("limit_reached", 40)
        done = client.commit(held, Event("simple", "call", {"tokens": 25}))
        assert (done.state, done.committed_quantity) == (ReservationState.COMMITTED, 25)
        assert limit(client, "simple") == (25, 0, 75)
        other = client.reserve("simple", "tokens", Decimal("40.5"), ttl=timedelta(hours=1), **PATIENT)
        assert client.release(other).state is ReservationState.RELEASED
        assert limit(client, "simple") == (25, 0, 75)


def test_every_repeat_is_the_same(engine):
    """A reserve under its id, a commit of its event and a release; with other content it is refused, and what stands stays."""
    with Client(engine.target) as client:
        first = client.reserve("repeat", "tokens", 30, reservation_id="job-1", **PATIENT)
        # A process that begins anew is given the same one, and its commit is the same event.
        with Client(engine.target) as other:
            again = other.reserve("repeat", "tokens", 30, reservation_id="job-1", **PATIENT)
            assert again == first
            event = Event("repeat", "call", {"tokens": "10"})
            assert client.commit(first, event) == other.commit(again, event)
        assert limit(client, "repeat") == (10, 0, 90)
        with pytest.raises(ReservationConflictError, match="quantity"):
            client.reserve("repeat", "tokens", 31, reservation_id="job-1", **PATIENT)
        with pytest.raises(ReservationConflictError):
            client.commit(first, Event("repeat", "call", {"tokens": "11"}))
        with pytest.raises(ReservationEndedError):
            client.release(first)
        gone = client.reserve("repeat", "tokens", 5, reservation_id="job-2", **PATIENT)
        assert client.release(gone) == client.release(gone)
        with pytest.raises(ReservationEndedError):
            client.commit(gone, event)
        with pytest.raises(ReservationRefusedError, match="released: reserve under another id") as refused:
            client.reserve("repeat", "tokens", 5, reservation_id="job-2", **PATIENT)
        assert refused.value.refusal == "released"
        assert limit(client, "repeat") == (10, 0, 90)


def test_a_block_gives_back_what_it_does_not_commit(engine):
    """Also by an exception, which is heard; a commit that is refused leaves the rest to the end of the block."""
    with Client(engine.target) as client:
        tokens = {"event_type": "call", "amount_property": "tokens", **PATIENT}
        with client.reservation("block", "tokens", 50, **tokens) as held:
            assert limit(client, "block") == (0, 50, 50)
            assert held.commit(20, {"model": "large"}).committed_quantity == 20
        assert limit(client, "block") == (20, 0, 80)
        with client.reservation("block", "tokens", 50, **tokens):
            pass
        with pytest.raises(KeyError, match="work"), client.reservation("block", "tokens", 50, **tokens):
            raise KeyError("work")
        with (
            pytest.raises(InvalidRequestError, match="60"),
            client.reservation("block", "tokens", 50, **tokens) as held,
        ):
            held.commit(60)
        assert limit(client, "block") == (20, 0, 80)
        # Of a meter that counts there is no amount; both jobs are taken then.
        with client.reservation("block", "jobs", 1, event_type="job", **PATIENT) as held:
            with pytest.raises(InvalidArgumentError, match="amount_property"):
                held.commit(1)
            held.commit()
        jobs = {"event_type": "job", **PATIENT}
        with (
            client.reservation("block", "jobs", 1, **jobs),
            pytest.raises(ReservationRefusedError),
            client.reservation("block", "jobs", 1, **jobs),
        ):
            raise AssertionError("it was granted")
        assert limit(client, "block", "jobs") == (1, 0, 1)


def test_coroutines_reserve_alike(engine):
    """A hundred tokens in four pieces of 25; the fifth is refused; a block that is cancelled gives back."""

    async def main():
        async with AsyncClient(engine.target) as client:
            made = await asyncio.gather(
                *(client.reserve("coroutines", "tokens", 25, **PATIENT) for _ in range(5)),
                return_exceptions=True,
            )
            held = [each for each in made if not isinstance(each, Exception)]
            refused = [each for each in made if isinstance(each, ReservationRefusedError)]
            assert (len(held), len(refused)) == (4, 1)
            await client.commit(held[0], Event("coroutines", "call", {"tokens": 5}))
            for each in held[1:]:
                await client.release(each)
            begun = asyncio.Event()

            async def work():
                async with client.reservation("coroutines", "jobs", 2, event_type="job", **PATIENT):
                    begun.set()
                    await asyncio.sleep(3_600)

            task = asyncio.create_task(work())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with client.reservation(
                "coroutines", "tokens", 95, event_type="call", amount_property="tokens", **PATIENT
            ) as block:
                await block.commit(90)

    asyncio.run(main())
    with Client(engine.target) as client:
        assert limit(client, "coroutines") == (95, 0, 5)
        assert limit(client, "coroutines", "jobs") == (0, 0, 2)


def test_a_commit_outlasts_a_restart_of_the_engine(engine):
    """Work begins with one engine, and ends while there is none: its usage counts once, as soon as there is one again."""
    with Client(engine.target) as client:
        block = client.reservation(
            "restarted",
            "tokens",
            80,
            event_type="call",
            amount_property="tokens",
            retry_timeout_s=120,
            **PATIENT,
        )
        with block as held:
            engine.stop()
            started = threading.Thread(target=engine.start)
            started.start()
            done = held.commit(70)
            started.join()
        assert (done.state, done.committed_quantity) == (ReservationState.COMMITTED, 70)
        assert limit(client, "restarted") == (70, 0, 30)
        # A commit that gave up may be made again: it is the same event.
        second = client.reserve("restarted", "tokens", 20, **PATIENT)
        event = Event("restarted", "call", {"tokens": 15})
        engine.stop()
        with pytest.raises(EngineUnavailableError):
            client.commit(second, event, retry_timeout_s=0.2)
        engine.start()
        for _ in range(2):
            assert client.commit(second, event, retry_timeout_s=120).committed_quantity == 15
        assert limit(client, "restarted") == (85, 0, 15)


def test_without_an_engine_the_limit_says_whether_work_may_begin(engine):
    """A limit that is open then grants, and what the work makes is recorded once there is an engine; a closed one refuses."""
    with Client(engine.target) as client:
        client.check_access("away", "tokens", "open", **PATIENT)
        engine.stop()
        with pytest.raises(ReservationRefusedError, match="no engine can be reached") as refused:
            client.reserve("away", "tokens", 5, timeout_s=0.5)
        assert refused.value.refusal == "unreachable"
        with client.reservation(
            "away", "open", 5, event_type="call", amount_property="tokens", timeout_s=0.5
        ) as held:
            assert not held.reservation.is_from_engine
            done = held.commit(4)
        assert (done.state, done.is_from_engine) == (ReservationState.COMMITTED, False)
        # What holds nothing is given back without a call.
        assert (
            client.release(client.reserve("away", "open", 5, timeout_s=0.5)).state
            is ReservationState.RELEASED
        )
        engine.start()
        assert client.flush(120).accepted == 1
        assert limit(client, "away", "open") == (4, 0, 996)
    with Client(NOWHERE) as stranger:
        with pytest.raises(ReservationRefusedError, match="no engine"):
            stranger.reserve("away", "open", 5, timeout_s=0.2)
        assert stranger.reserve("away", "open", 5, timeout_s=0.2, allow_unknown=True).quantity == 5


def test_mistakes_are_told_before_anything_is_asked_and_refusals_by_their_kind(engine):
    """A customer that isn't there; an event of another one; amounts and times that can't be."""
    with Client(NOWHERE) as client:
        for wrong, words in (
            ({"quantity": 1.5}, "quantity is a float"),
            ({"quantity": True}, "quantity is a bool"),
            ({"quantity": "many"}, "is not a number"),
            ({"quantity": "NaN"}, "give a finite number"),
            ({"ttl": 60}, "ttl is a int"),
            ({"ttl": timedelta(days=2)}, "a second to a day"),
            ({"reservation_id": 7}, "reservation_id is a int"),
        ):
            with pytest.raises(InvalidArgumentError, match=words):
                client.reserve(**{"customer_id": "kinds", "limit": "tokens", "quantity": 1} | wrong)
        with pytest.raises(InvalidArgumentError, match="with` block"):
            client.reservation("kinds", "tokens", 1, event_type="call").reservation  # noqa: B018 - it raises
    with Client(engine.target) as client:
        with pytest.raises(NotFoundError, match="nobody"):
            client.reserve("nobody", "tokens", 1, **PATIENT)
        with pytest.raises(InvalidRequestError, match="quantity"):
            client.reserve("kinds", "tokens", 0, **PATIENT)
        held = client.reserve("kinds", "tokens", 1, **PATIENT)
        with pytest.raises(InvalidArgumentError, match="the reservation is of 'kinds'"):
            client.commit(held, Event("simple", "call", {"tokens": 1}))
        with pytest.raises(InvalidRequestError, match="event"):
            client.commit(held, Event("kinds", "job"))
        # An id and a time of the caller's own, too.
        at = datetime.now(UTC)
        event = Event("kinds", "call", {"tokens": 1}, event_id="own", event_time=at)
        assert client.commit(held, event).committed_quantity == 1


def test_the_example_of_the_page_prints_what_it_shows(engine, capsys):
    """On the page's own catalog: one of 100,000 calls is used, so that 100,000 more are refused."""
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    (document,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with open_channel(engine.target) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
    blocks = re.findall(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```$)?", page, re.MULTILINE | re.DOTALL)
    ((block, expected),) = [each for each in blocks if "client.reservation(" in each[0]]
    exec(block.replace("localhost:7070", engine.target), {"__name__": "page"})
    assert capsys.readouterr().out == expected
