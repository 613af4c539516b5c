"""`meterline close` and `meterline invoices` against a real engine: what they print, and when they fail."""

import json
import time

import pytest
from click.testing import CliRunner

from engine.cli import cli
from tests.support.engine.tenant_world import TenantWorld

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value, group_by: [region]}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 1000}, {id: calls, meter: calls,
     model: matrix, dimensions: [region], cells: [{match: {region: moon}, unit_amount: 0.50}]}]}
  - {id: yen, name: Yen, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 300}]}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}, {id: coil, name: Coil}]
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: yen, start: 2025-10-01}
  - {customer: coil, plan: pro, start: 2025-10-01}
"""


@pytest.fixture
def world(engine, channel, request):
    found = TenantWorld.of(engine, channel, request.node.originalname, CATALOG)
    yield found
    found.channel.close()


def test_a_close_says_what_was_issued_by_currency(world):
    """Acme 1,000 + 4 x 0.50 and coil 1,000; bolt 300 yen, which has no minor unit."""
    world.use("a", "acme", "2025-11-05", "4", "moon")
    *table, summary, as_of = world.said("close", "--period", "2025-11")
    assert table == [
        ["currency", "invoices", "amount", "due"],
        ["JPY", "1", "300", "300"],
        ["USD", "2", "2,002.00", "2,002.00"],
    ]
    assert (" ".join(summary), as_of[:2]) == ("3 invoices issued", ["as", "of"])
    again = world.said("close", "--from", "2025-11-01", "--to", "2025-12-01")
    assert " ".join(again[0]) == "0 invoices issued, 3 stood already"


def test_late_usage_is_marked_with_the_invoice_that_it_corrects(world):
    """Two calls of November, recorded after its close: 1.00 more, beside December's fee."""
    world.run("close", "--period", "2025-11")
    world.use("a", "acme", "2025-11-30", "2", "moon")
    summary = world.said("close", "--period", "2025-12")[-2]
    assert " ".join(summary) == "3 invoices issued, with 1 adjustment line"
    shown = world.run("invoices", "show", "INV-000004").stdout.splitlines()
    assert shown[0] == "INV-000004, issued: acme, 2025-12-01 to 2026-01-01, USD"
    late = next(line for line in shown if "corrects INV-000001" in line)
    assert late.split() == [
        *("2", "acme:pro", "calls", "[region=moon]", "corrects", "INV-000001,"),
        *("2025-11-01", "to", "2025-12-01", "2", "1.00", "1.00"),
    ]
    assert [line.split() for line in shown[-6:-4]] == [["amount", "due"], ["1,001.00", "1,001.00", "USD"]]
    lines = [
        json.loads(line)
        for line in world.run("invoices", "lines", "INV-000004", "--json").stdout.splitlines()
    ]
    assert [(each["is_adjustment"], each["corrects_number"], each["due"]) for each in lines][-1] == (
        True,
        "INV-000001",
        "1.00",
    )


def test_a_customer_left_open_is_named_and_the_command_fails(world):
    """Mars has no cell: acme is billed nothing, the others are."""
    world.use("a", "acme", "2025-11-05", "4", region="mars")
    done = world.run("close", "--period", "2025-11", code=2)
    assert "2 invoices issued" in done.stdout
    assert "acme: subscription acme:pro, price calls:" in done.output
    assert "one customer has usage that a price can't rate, so nothing of theirs was billed" in done.output


def test_a_void_invoice_is_listed_as_void(world):
    """And billed anew by the next close."""
    world.run("close", "--period", "2025-11")
    said = world.run("invoices", "void", "INV-000001", "--reason", "wrong address").stdout
    assert said == "INV-000001 is void: close its billing period again to bill it anew\n"
    world.run("close", "--period", "2025-11")
    table = world.said("invoices", "list", "--customer", "acme")
    assert [(row[0], row[1], row[-4]) for row in table[1:]] == [
        ("INV-000004", "issued", "1,000.00"),
        ("INV-000001", "void", "1,000.00"),
    ]
    (void,) = map(json.loads, world.run("invoices", "list", "--state", "void", "--json").stdout.splitlines())
    assert (void["number"], void["void_reason"]) == ("INV-000001", "wrong address")


def test_a_run_in_json_is_one_object(world):
    (fields,) = map(json.loads, world.run("close", "--period", "2025-11", "--json").stdout.splitlines())
    assert (fields["issued_invoice_count"], [each["currency"] for each in fields["issued_totals"]]) == (
        "3",
        ["JPY", "USD"],
    )
    assert not {"issued", "next_page_token"} & fields.keys()


def test_a_month_of_another_zone_ends_there(world):
    """In Los Angeles November ends eight hours later than in UTC: it has the period that ends on 1 December 00:00 UTC; its
    own start is after the end of October's.
    """
    *_, summary, _ = world.said("close", "--period", "2025-11", "--time-zone", "America/Los_Angeles")
    assert " ".join(summary) == "3 invoices issued"
    dates = {row[3] for row in world.said("invoices", "list")[1:]}
    assert dates == {"2025-11-01"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "name what to close"),
        (("--from", "2025-11-01"), "name what to close"),
        (("--period", "2025-11", "--to", "2025-12-01"), "not both"),
        (("--period", "2025-13"), "is not a month"),
        (("--from", "2025-12-01", "--to", "2025-11-01"), "--to must be later than --from"),
    ],
)
def test_a_span_that_says_nothing_clear_is_refused(options, said):
    """Before an engine is asked."""
    done = CliRunner().invoke(cli, ["close", *options])
    assert (done.exit_code, said in done.output) == (2, True)


def test_billing_settings_are_shown_and_changed(world):
    assert "close: manual" in world.run("billing-settings").stdout
    (said, *_) = world.said("billing-settings", "--grace", "7200")
    assert " ".join(said).endswith("closes a billing period, 7,200 seconds after its end at the earliest")
    shown = json.loads(world.run("billing-settings", "--json").stdout)
    assert shown["closing_mode"] == "CLOSING_MODE_MANUAL"
    assert shown["grace_s"] == 7200
    refused = world.run("billing-settings", "--close", "automatic", "--since", "2190-01-01", code=2)
    assert "closed_since: is in the future" in refused.stderr


def test_an_engine_closes_by_itself_for_a_tenant_that_says_so(world):
    """October's and November's invoices of three customers come, up to the last hour that is over, and nobody calls for them."""
    began = json.loads(
        world.run("billing-settings", "--close", "automatic", "--since", "2025-10-15", "--json").stdout
    )
    assert (began["closing_mode"], began["closed_until"]) == (
        "CLOSING_MODE_AUTOMATIC",
        "2025-10-15T00:00:00Z",
    )
    until_s, found = time.monotonic() + 200, []
    while not found and time.monotonic() < until_s:
        time.sleep(1)
        found = world.said("invoices", "list", "--customer", "bolt")[1:]
    assert [line[3:6] for line in found][-2:] == [
        ["2025-11-01", "to", "2025-12-01"],
        ["2025-10-01", "to", "2025-11-01"],
    ]
    assert "closed up to" in world.run("billing-settings").stdout
    world.run("billing-settings", "--close", "manual")
