"""One subscription changed at an instant, and what it comes to: against a real engine, by the API and the command line."""

import json

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli import cli
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.subscriptions_pb2 import ChangeSubscriptionRequest
from meterline.v1.subscriptions_pb2_grpc import SubscriptionServiceStub
from tests.support.engine.api_world import refusal

# June has thirty days.
CATALOG = """
plans:
  - id: NAME
    name: Team
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 30}
      - {id: seats, model: per_unit, unit_amount: 12, quantity: 5}
  - {id: NAME_pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 90}]}
  - {id: NAME_help, name: Help, currency: USD, prices: [{id: hotline, model: flat, flat_amount: 15}]}
  - {id: NAME_year, name: Year, currency: USD, billing_period: year, prices: [{id: fee, model: flat, flat_amount: 900}]}
customers: [{id: NAME_acme, name: Acme}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2025-06-01}]
"""


@pytest.fixture
def engine(either_engine):
    """On both catalog stores."""
    return either_engine


@pytest.fixture
def channel(either_channel):
    return either_channel


@pytest.fixture
def world(request, apply):
    name = request.node.originalname.removeprefix("test_")[:40]
    apply(CATALOG.replace("NAME", name))
    return name


@pytest.fixture
def change(channel, world):
    """Changes the subscription; `at`: a date of 2025."""

    def changed(at=None, **fields):
        request = ChangeSubscriptionRequest(subscription_id=f"{world}_acme:{world}", **fields)
        if at is not None:
            request.at.FromJsonString(f"2025-{at}T00:00:00Z")
        return SubscriptionServiceStub(channel).ChangeSubscription(request, timeout=120)

    return changed


def lines(channel, world, at="06-20"):
    """(price, amount) of each line of the period that contains a date of 2025."""
    request = GetSpendRequest(customer_id=f"{world}_acme")
    request.at.FromJsonString(f"2025-{at}T00:00:00Z")
    found = SpendServiceStub(channel).GetSpend(request, timeout=120).line_items
    return [(each.price_id, each.amount) for each in found]


def test_more_seats_count_from_their_day(channel, world, change):
    """5 x 12.00 for 10 of 30 days are 20.00, 8 x 12.00 for 20 days 64.00."""
    changed = change("06-11", quantities={"seats": "8"})
    assert lines(channel, world) == [("fee", "30.00"), ("seats", "20.00"), ("seats", "64.00")]
    assert json.loads(changed.subscription.more)["phases"] == [
        {"start": "2025-06-11T00:00:00Z", "quantities": {"seats": "8"}}
    ]
    assert [each.path for each in changed.change.fields] == ["phases"]


def test_an_upgrade_and_an_add_on_and_what_stays(channel, world, change):
    """Ten days of the team plan, ten of the other with a hotline, ten without it."""
    change("06-11", plan_id=f"{world}_pro", quantities={"seats": ""}, add_ons={f"{world}_help": 2})
    change("06-21", add_ons={f"{world}_help": 0})
    assert lines(channel, world) == [
        ("fee", "10.00"),
        ("seats", "20.00"),
        ("fee", "60.00"),
        # 2 x 15.00 for 10 of 30 days.
        ("hotline", "10.00"),
    ]


def test_a_change_leaves_what_is_planned_for_later(channel, world, change):
    """Seats of 8 from the 21st on were planned; from the 11th on there are 2, and an override of the fee."""
    change("06-21", quantities={"seats": "8"})
    change("06-11", quantities={"seats": "2"}, overrides={"fee": '{"flat_amount": "60"}'})
    assert lines(channel, world) == [
        # 30.00 for 10 days and 60.00 for 20.
        ("fee", "10.00"),
        ("fee", "40.00"),
        # 60.00, 24.00 and 96.00 for ten days each.
        ("seats", "20.00"),
        ("seats", "8.00"),
        ("seats", "32.00"),
    ]
    change("06-26", overrides={"fee": ""})
    assert lines(channel, world)[:3] == [("fee", "10.00"), ("fee", "30.00"), ("fee", "5.00")]


def test_a_pause_bills_no_fees_until_they_are_resumed(channel, world, change):
    """Paused for ten of thirty days."""
    change("06-11", paused=True)
    change("06-16", quantities={"seats": "10"})
    change("06-21", paused=False)
    # 30.00 and 60.00 for 10 days; then 30.00 and 120.00 for 10 days.
    assert lines(channel, world) == [
        ("fee", "10.00"),
        ("fee", "10.00"),
        ("seats", "20.00"),
        ("seats", "40.00"),
    ]


def test_a_pause_goes_on_through_what_is_planned(channel, world, change):
    """Ten seats from the 21st on were planned; nothing is billed from the 11th on, and all of it from the 26th."""
    change("06-21", quantities={"seats": "10"})
    change("06-11", paused=True)
    assert lines(channel, world) == [("fee", "10.00"), ("seats", "20.00")]
    change("06-26", paused=False)
    # 5 of 30 days of 30.00 and of 120.00.
    assert sorted(lines(channel, world)) == [
        ("fee", "10.00"),
        ("fee", "5.00"),
        ("seats", "20.00"),
        ("seats", "20.00"),
    ]


def test_a_resumption_resumes_what_was_paused_with_it(channel, world, change):
    """Paused from the 11th, resumed from the 16th: the seats that were planned for the 21st are billed."""
    change("06-21", quantities={"seats": "10"})
    change("06-11", paused=True)
    change("06-16", paused=False)
    # 60.00 and 120.00 for 5 and 10 of 30 days.
    assert lines(channel, world)[2:] == [("seats", "20.00"), ("seats", "10.00"), ("seats", "40.00")]


def test_what_is_so_already_changes_nothing(change):
    """No new version, and no phase that says nothing."""
    change("06-11", paused=True)
    for at, same in (
        ("06-16", {"paused": True}),
        ("06-05", {"paused": False}),
        ("06-16", {"quantities": {"seats": ""}}),
    ):
        answer = change(at, **same)
        assert not answer.HasField("change"), same
        assert answer.subscription.version == 2


def test_a_cancellation_ends_it_and_what_was_planned(channel, world, change):
    """15 of 30 days, and no July."""
    change("07-10", plan_id=f"{world}_pro", quantities={"seats": ""})
    cancelled = change("06-16", cancel=True)
    assert cancelled.subscription.end == Timestamp(seconds=1_750_032_000)
    assert cancelled.subscription.more == ""
    assert lines(channel, world) == [("fee", "15.00"), ("seats", "30.00")]
    assert lines(channel, world, "07-20") == []


def test_at_the_period_s_end_the_present_one_stays(channel, world, change):
    """The dry run is of the period after it: 90.00 for the fee instead of 90.00 for both."""
    tried = change(at_period_end=True, plan_id=f"{world}_pro", quantities={"seats": ""}, dry_run=True)
    assert tried.effect.change_count == 0
    tried = change(at_period_end=True, quantities={"seats": "6"}, dry_run=True)
    assert [(each.before, each.after) for each in tried.effect.changes] == [("90.00", "102.00")]
    assert tried.revision == change(at_period_end=True, quantities={"seats": "6"}, dry_run=True).revision
    changed = change(at_period_end=True, quantities={"seats": "6"})
    (phase,) = json.loads(changed.subscription.more)["phases"]
    request = GetSpendRequest(customer_id=f"{world}_acme")
    now = SpendServiceStub(channel).GetSpend(request, timeout=120).line_items
    assert phase["start"] == now[0].period_end.ToJsonString()
    assert [(each.price_id, each.amount) for each in now] == [("fee", "30.00"), ("seats", "60.00")]


def test_a_dry_run_changes_nothing_and_says_the_period_s_difference(channel, world, change):
    """64.00 and 20.00 instead of 60.00 for the seats."""
    tried = change("06-11", quantities={"seats": "8"}, dry_run=True)
    assert [(each.before, each.after) for each in tried.effect.changes] == [("90.00", "114.00")]
    assert lines(channel, world) == [("fee", "30.00"), ("seats", "60.00")]
    assert tried.subscription.version == 2


def test_the_same_key_again_changes_once(channel, world, change):
    """The answer is the same, although now is later."""
    first = change(quantities={"seats": "8"}, idempotency_key="once")
    assert change(quantities={"seats": "8"}, idempotency_key="once") == first
    again = change(quantities={"seats": "9"}, idempotency_key="twice", etag=first.subscription.etag)
    assert again.subscription.version == 3


@pytest.mark.parametrize(
    ("at", "fields", "message"),
    [
        ("05-11", {"cancel": True}, "at: is before the subscription 'NAME_acme:NAME' begins"),
        ("06-11", {}, "subscription_id: is given with nothing to change"),
        ("06-11", {"cancel": True, "paused": True}, "cancel: is given beside paused"),
        ("06-11", {"quantities": {"sets": "2"}}, "'sets'"),
        ("06-11", {"plan_id": "NAME_por"}, "NAME_pro"),
        ("06-11", {"plan_id": "NAME_year", "quantities": {"seats": ""}}, "billing period"),
        ("06-11", {"overrides": {"fee": "20"}}, "overrides.fee"),
    ],
)  # fmt: skip
def test_a_change_that_can_t_be_is_refused_with_its_reason(channel, world, change, at, fields, message):
    fields = {
        name: value.replace("NAME", world) if isinstance(value, str) else value
        for name, value in fields.items()
    }
    found, text, _ = refusal(lambda: change(at, **fields))
    assert found is grpc.StatusCode.INVALID_ARGUMENT
    assert message.replace("NAME", world) in text
    assert lines(channel, world) == [("fee", "30.00"), ("seats", "60.00")]


def test_a_change_of_what_was_changed_meanwhile_is_aborted(channel, world, change):
    """The etag is of the version before."""
    etag = change("06-11", quantities={"seats": "8"}).subscription.etag
    change("06-11", quantities={"seats": "9"}, etag=etag)
    code, text, _ = refusal(lambda: change("06-11", cancel=True, etag=etag))
    assert code is grpc.StatusCode.ABORTED
    assert "was changed" in text
    # 60.00 for 10 of 30 days, 108.00 for 20.
    assert lines(channel, world) == [("fee", "30.00"), ("seats", "20.00"), ("seats", "72.00")]


def test_people_change_pause_and_cancel_from_the_command_line(engine, channel, world):
    """Each says what it wrote, a dry run what it would come to."""

    def run(*arguments):
        command = ["subscriptions", *arguments, "--target", engine.target]
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, done.output
        return done.output

    known = f"{world}_acme:{world}"
    tried = run("change", known, "--quantity", "seats=8", "--when", "2025-06-11", "--dry-run")
    assert f"~ subscription {known} (version 2)" in tried
    assert "+24.00 USD" in tried
    assert lines(channel, world) == [("fee", "30.00"), ("seats", "60.00")]
    assert "changed; catalog revision" in run(
        "change", known, "--quantity", "seats=8", "--when", "2025-06-11"
    )
    run("pause", known, "--when", "2025-06-21")
    run("resume", known, "--when", "2025-06-26")
    run("cancel", known, "--when", "2025-07-01")
    # 25 of 30 days of 30.00; 20.00, then 10 and 5 days of 96.00.
    assert sorted(lines(channel, world)) == [
        ("fee", "20.00"), ("fee", "5.00"), ("seats", "16.00"), ("seats", "20.00"), ("seats", "32.00"),
    ]  # fmt: skip
    assert lines(channel, world, "07-20") == []
    assert "is like that already" in run("change", known, "--plan", world, "--when", "2025-06-15")
