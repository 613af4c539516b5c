"""`meterline spend --by`: worked out by hand, of all below a customer, of one customer and of several periods."""

import json

import pytest
from click.testing import CliRunner

from engine.cli import cli
from tests.support.engine.api_world import JUNE_10, api_event, record

# Two plans with a product in common, and a price without one; Bolt is below Acme.
WORLD = """
meters: [{id: NAME_calls, event_type: NAME.call, aggregation: count}]
plans:
  - id: NAME_more
    name: More
    currency: USD
    prices:
      - {id: seat, model: flat, flat_amount: "7.50", product: NAME_desk}
      - {id: calls, meter: NAME_calls, model: per_unit, unit_amount: "0.05"}
  - id: NAME_kwd
    name: In dinars
    currency: KWD
    prices: [{id: seat, model: flat, flat_amount: "1.250", product: NAME_desk}]
customers: [{id: NAME_acme, name: Acme}, {id: NAME_bolt, name: Bolt, parent: NAME_acme}]
subscriptions:
  - {customer: NAME_acme, plan: NAME_more, start: 2025-05-01}
  - {customer: NAME_bolt, plan: NAME_more, start: 2025-06-01}
  - {customer: NAME_bolt, plan: NAME_kwd, start: 2025-06-01}
"""


@pytest.fixture
def world(request, apply, channel):
    name = f"by_{request.node.originalname.removeprefix('test_')[:30]}"
    apply(WORLD.replace("NAME", name))
    record(
        channel,
        *(api_event(name, f"a{each}") for each in range(3)),
        *(api_event(name, f"b{each}", customer="bolt") for each in range(4)),
        api_event(name, "may", seconds=JUNE_10 - 30 * 86_400),
    )
    return name


def ran(engine, *words, code=0):
    done = CliRunner().invoke(cli, ["spend", *words, "--target", engine.target])
    assert done.exit_code == code, done.output
    return done.output


def rows(output, world):
    """Of each line of JSON what it is of, and its amount, lines and events."""
    found = []
    for line in output.splitlines():
        each = json.loads(line)
        names = [each.get(name, "") for name in ("product", "plan_id", "price_id", "meter_id")]
        label = "/".join(name.removeprefix(f"{world}_") for name in names if name)
        counts = (int(each.get(name, 0)) for name in ("line_item_count", "event_count"))
        found.append((label, each["currency"], each["amount"], *counts))
    return found


def test_all_below_a_customer_are_added_up_by_the_engine(engine, world):
    """June of both: two desks of 7.50 and one of 1.250 KWD; 3 and 4 calls of 0.05."""
    asked = ("--customer", f"{world}_acme", "--children", "--at", "2025-06-20", "--json", "--by")
    assert rows(ran(engine, *asked, "product"), world) == [
        ("desk", "KWD", "1.250", 1, 0),
        ("desk", "USD", "15.00", 2, 0),
        ("", "USD", "0.35", 2, 7),
    ]
    assert rows(ran(engine, *asked, "plan"), world) == [
        ("kwd", "KWD", "1.250", 1, 0),
        ("more", "USD", "15.35", 4, 7),
    ]
    assert rows(ran(engine, *asked, "price"), world) == [
        ("kwd/seat", "KWD", "1.250", 1, 0),
        ("more/seat", "USD", "15.00", 2, 0),
        ("more/calls", "USD", "0.35", 2, 7),
    ]
    assert rows(ran(engine, *asked, "meter"), world) == [
        ("", "KWD", "1.250", 1, 0),
        ("", "USD", "15.00", 2, 0),
        ("calls", "USD", "0.35", 2, 7),
    ]


def test_one_customer_and_its_periods_are_added_up_from_lines(engine, world):
    """Acme alone in June: 7.50 and 0.15; in May and June 15.00 and 0.20, of one event more."""
    acme = ("--customer", f"{world}_acme", "--json", "--by")
    assert rows(ran(engine, *acme, "product", "--at", "2025-06-20"), world) == [
        ("desk", "USD", "7.50", 1, 0),
        ("", "USD", "0.15", 1, 3),
    ]
    both = ("--from", "2025-05-01", "--to", "2025-07-01")
    assert rows(ran(engine, *acme, "price", *both), world) == [
        ("more/seat", "USD", "15.00", 2, 0),
        ("more/calls", "USD", "0.20", 2, 4),
    ]


def test_a_person_reads_a_table(engine, world):
    """What has no product says so; what the sums leave out stands below."""
    said = ran(engine, "--customer", f"{world}_acme", "--children", "--at", "2025-06-20", "--by", "product")
    assert [line.split() for line in said.splitlines()[:5]] == [
        ["product", "lines", "spend"],
        [f"{world}_desk", "1", "1.250", "KWD"],
        [f"{world}_desk", "2", "15.00", "USD"],
        ["(no", "product)", "2", "0.35", "USD"],
        ["lines", "before", "discounts,", "commitments,", "credit", "and", "taxes"],
    ]


@pytest.mark.parametrize("other", [("--splits",), ("--currency", "EUR")])
def test_questions_that_do_not_go_with_groups_are_refused(engine, other):
    assert "--by goes without --splits and --currency" in ran(engine, "--by", "plan", *other, code=2)
