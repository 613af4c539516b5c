"""Reading spend: exact Decimals, and one clear line for what goes wrong."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from grpc import StatusCode

from meterline import (
    AccessDeniedError,
    EngineUnavailableError,
    InvalidArgumentError,
    InvalidRequestError,
    NoSingleCurrencyError,
    NotFoundError,
    RequestFailedError,
    StageAmount,
    TierAmount,
)
from meterline.v1 import billing_pb2, spend_pb2
from tests.support.client.scripted_engine import refuse


@pytest.fixture
def acme(engine):
    """An engine that knows what acme owes: 12.50 USD in one graduated line."""
    answer = spend_pb2.GetSpendResponse(catalog_revision=7)
    answer.as_of.FromMicroseconds(1_772_366_400_000_001)
    answer.spends.add(customer_id="acme", currency="USD", amount="12.50", line_item_count=1, event_count=3)
    line = answer.line_items.add(
        line_item_id="li-1",
        customer_id="acme",
        subscription_id="sub-1",
        plan_id="pro",
        plan_version=2,
        price_id="tokens",
        price_version=1,
        model="graduated",
        meter_id="tokens",
        meter_version=1,
        dimensions={"model": "large"},
        quantity="1500.000000000001",
        exact_amount="12.500000000001",
        amount="12.50",
        currency="USD",
        formula="1000 x 0.01 + 500.000000000001 x 0.005",
        event_count=3,
        event_digest="00000000deadbeef",
        rounding=billing_pb2.Rounding(mode="half_up", scope="line", digits=2),
        stages=[billing_pb2.StageAmount(stage="price", amount="12.500000000001")],
        tiers=[
            billing_pb2.TierAmount(
                index=0, up_to="1000", quantity="1000", unit_amount="0.01", flat_amount="0", amount="10"
            ),
            billing_pb2.TierAmount(
                index=1, quantity="500.000000000001", unit_amount="0.005", amount="2.500000000000005"
            ),
        ],
    )
    line.period_start.FromMicroseconds(1_772_323_200_000_000)
    line.period_end.FromMicroseconds(1_775_001_600_000_000)
    engine.spends["acme"] = answer
    return engine


def test_spend_is_exact(acme, connect):
    """Decimals as the engine wrote them, to the last of 12 digits, and times in UTC."""
    spend = connect().spend("acme")
    assert (spend.amount, spend.currency) == (Decimal("12.50"), "USD")
    assert str(spend.amount) == "12.50"
    assert spend.as_of == datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    assert spend.catalog_revision == 7
    [line] = spend.line_items
    assert line.quantity == Decimal("1500.000000000001")
    assert line.dimensions == {"model": "large"}
    assert (line.period_start, line.period_end) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    assert line.tiers == (
        TierAmount(0, Decimal(1000), Decimal(1000), Decimal("0.01"), Decimal(0), Decimal(10)),
        TierAmount(
            1, None, Decimal("500.000000000001"), Decimal("0.005"), None, Decimal("2.500000000000005")
        ),
    )
    assert line.stages == (StageAmount("price", Decimal("12.500000000001")),)
    assert (line.rounding.mode, line.rounding.scope, line.rounding.digits) == ("half_up", "line", 2)
    assert (line.event_count, line.event_digest) == (3, "00000000deadbeef")


def test_times_travel_to_the_microsecond(acme, connect):
    """`at` chooses the period, `as_of` the watermark."""
    connect().spend(
        "acme", at=datetime(2026, 3, 1, tzinfo=UTC), as_of=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    )
    request = spend_pb2.GetSpendRequest.FromString(acme.spend_requests[0])
    assert request.at.ToMicroseconds() == 1_772_323_200_000_000
    assert request.as_of.ToMicroseconds() == 1_772_366_400_000_001


def test_several_currencies_have_no_one_amount(acme, connect):
    """Nobody adds dollars to euros."""
    acme.spends["acme"].spends.add(customer_id="acme", currency="EUR", amount="1.00")
    spend = connect().spend("acme")
    assert [(total.currency, total.amount) for total in spend.totals] == [
        ("USD", Decimal("12.50")),
        ("EUR", Decimal("1.00")),
    ]
    with pytest.raises(ValueError, match=r"customer acme has 2 currencies \(USD, EUR\): read `totals`"):
        _ = spend.amount


def test_a_customer_without_a_line_item_has_no_amount(engine, connect):
    """The error is of the tree, and says why; it is a ValueError too."""
    engine.spends["new"] = spend_pb2.GetSpendResponse()
    spend = connect().spend("new")
    assert spend.totals == ()
    for read in (lambda: spend.amount, lambda: spend.currency):
        with pytest.raises(
            NoSingleCurrencyError,
            match="customer new has no line item in this period, so no currency and no amount",
        ):
            read()
    assert issubclass(NoSingleCurrencyError, ValueError)


def test_a_naive_time_is_refused(acme, connect):
    """The error names the argument."""
    with pytest.raises(InvalidArgumentError, match="as_of 2026-03-01T00:00:00 has no time zone"):
        connect().spend("acme", as_of=datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake under test
    with pytest.raises(InvalidArgumentError, match=r"customer_id is a int \(7\): give a str"):
        connect().spend(7)


def test_without_an_engine_the_error_says_how_to_start_one(engine, connect):
    """Long before the time that it was given, on one line."""
    engine.stop()
    started_s = time.monotonic()
    with pytest.raises(EngineUnavailableError) as caught:
        connect().spend("acme", timeout_s=100)
    assert time.monotonic() - started_s < 50
    assert str(caught.value).startswith(
        f"no engine answers at {engine.target}: start one with `meterline serve`"
    )
    assert "\n" not in str(caught.value)
    assert caught.value.code is StatusCode.UNAVAILABLE


def test_a_moment_of_absence_is_bridged(acme, connect):
    """One refusal, then the answer."""
    acme.spend_script.append(refuse(StatusCode.UNAVAILABLE))
    assert connect().spend("acme").amount == Decimal("12.50")
    assert len(acme.spend_requests) == 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (StatusCode.UNAUTHENTICATED, AccessDeniedError),
        (StatusCode.PERMISSION_DENIED, AccessDeniedError),
        (StatusCode.FAILED_PRECONDITION, RequestFailedError),
    ],
)
def test_a_status_becomes_its_error(acme, connect, code, error):
    """With the engine's words and the status at hand; nothing final is tried twice."""
    acme.spend_script.append(refuse(code))
    with pytest.raises(error) as caught:
        connect().spend("acme")
    assert type(caught.value) is error
    assert str(caught.value) == f"the engine at {acme.target} answered {code.name}: scripted"
    assert caught.value.code is code
    assert len(acme.spend_requests) == 1


def test_an_unknown_customer_is_not_found(engine, connect):
    """Its own error, since callers often have an answer to it."""
    with pytest.raises(NotFoundError, match="no customer nobody"):
        connect().spend("nobody")
