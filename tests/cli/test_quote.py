"""`meterline quote` of one quote: every number here is worked out by hand, in the comment beside it."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llm.yaml"

# The example's plan "developer":
#   input     1,482,229 tokens: 100,000 x 0.000003 = 0.3; 900,000 x 0.0000025 = 2.25; the other 482,229 x 0.0000022
#             = 1.0609038; together 3.6109038, which is 3.61
#   requests  1,272 in packages of 100 are 13 x 0.05 = 0.65
DEVELOPER = (
    "quote", "-f", EXAMPLE, "--plan", "developer", "--quantity", "input=1482229", "--quantity", "requests=1272",
)  # fmt: skip


def _objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def _lines(done):
    return {each["price_id"]: each for each in _objects(done) if each["kind"] == "line"}


def _totals(done):
    return {each["currency"]: each["amount"] for each in _objects(done) if each["kind"] == "total"}


def test_a_plan_is_quoted_tier_by_tier(meterline):
    """Each line with its tiers, then the total; what was given no quantity is at zero, and said to be."""
    table = [" ".join(row.split()) for row in meterline(*DEVELOPER).stdout.splitlines()]
    assert table == [
        "price working quantity exact amount",
        "input graduated 1,482,229 3.6109038 3.61 USD",
        "to 100,000 × 0.000003 100,000 0.3",
        "to 1,000,000 × 0.0000025 900,000 2.25",
        "to 5,000,000 × 0.0000022 482,229 1.0609038",
        "output_large graduated 0 0 0.00 USD",
        "to 10,000 × 0.000015 0 0",
        "output_small per_unit 0 0 0.00 USD",
        "× 0.000004 0 0",
        "requests package 1,272 0.65 0.65 USD",
        "packages of 100 × 0.05 13 0.65",
        "total 4.26 USD",
        "output_large: no quantity given: quoted at zero",
        "output_small: no quantity given: quoted at zero",
    ]


def test_a_quote_as_json_has_the_whole_working(meterline):
    """One object a line; numbers are exact text; the total comes last; stdout holds nothing else."""
    done = meterline(*DEVELOPER, "--json")
    assert _objects(done)[0] == {
        "kind": "line",
        "quote": 1,
        "price_id": "input",
        "model": "graduated",
        "dimensions": {},
        "quantity": "1482229",
        "quantity_given": True,
        "billable_quantity": "1482229",
        "allowance": "",
        "free_amount": "",
        "package_size": "",
        "block_size": "",
        "tiers": [
            {"index": 0, "up_to": "100000", "quantity": "100000", "unit_amount": "0.000003", "flat_amount": "0",
             "amount": "0.3"},
            {"index": 1, "up_to": "1000000", "quantity": "900000", "unit_amount": "0.0000025", "flat_amount": "0",
             "amount": "2.25"},
            {"index": 2, "up_to": "5000000", "quantity": "482229", "unit_amount": "0.0000022", "flat_amount": "0",
             "amount": "1.0609038"},
        ],
        "stages": [{"stage": "price", "amount": "3.6109038", "term": ""}],
        "exact_amount": "3.6109038",
        "rounding": {
            "mode": "half_up",
            "scope": "line",
            "digits": 2,
            "group_count": 0,
            "charge_exact_amount": "",
            "charge_amount": "",
        },
        "amount": "3.61",
        "currency": "USD",
        "formula": "100000 × 0.000003 + 900000 × 0.0000025 + 482229 × 0.0000022 = 3.6109038 → 3.61 USD",
        "negative_quantity": False,
    }  # fmt: skip
    assert [each.get("price_id") for each in _objects(done)[:-1]] == [
        "input",
        "output_large",
        "output_small",
        "requests",
    ]
    # 3.61 + 0.00 + 0.00 + 0.65
    assert _objects(done)[-1] == {
        "kind": "total", "quote": 1, "line_count": 4, "amount": "4.26", "currency": "USD",
    }  # fmt: skip
    assert _lines(done)["output_small"]["quantity_given"] is False
    assert "output_small: no quantity given: quoted at zero" in done.stderr


def test_seats_are_quoted_at_what_the_plan_says(meterline):
    """A subscription that says nothing has one seat for 12.00; five are 60.00. Usage is at zero."""
    team = ("quote", "-f", ROOT / "examples" / "saas" / "catalog.yaml", "--plan", "team", "--json")
    done = meterline(*team)
    assert {name: each["amount"] for name, each in _lines(done).items()} == {
        "seats": "12.00",
        "automation_runs": "0.00",
    }
    assert done.stderr.splitlines() == [
        "seats: no quantity given: quoted at 1, the plan's",
        "automation_runs: no quantity given: quoted at zero",
    ]
    assert _totals(meterline(*team, "--quantity", "seats=5")) == {"EUR": "60.00"}


def test_flat_prices_are_always_included(meterline):
    """The plan "scale" costs 49.00 before anything is used."""
    done = meterline("quote", "-f", EXAMPLE, "--plan", "scale", "--json")
    assert _lines(done)["platform"]["amount"] == "49.00"
    assert _totals(done) == {"USD": "49.00"}
    assert "platform" not in done.stderr


def test_the_total_adds_up_rounded_amounts(meterline, write):
    """Twice 1 x 0.005 are twice 0.01, although the exact amounts make 0.01."""
    path = write(
        "two.yaml",
        "[{id: a, currency: USD, model: per_unit, unit_amount: 0.005},"
        " {id: b, currency: USD, model: per_unit, unit_amount: 0.005}]",
    )
    done = meterline("quote", "--price", path, "--quantity", "a=1", "--quantity", "b=1", "--json")
    assert {price: each["exact_amount"] for price, each in _lines(done).items()} == {
        "a": "0.005",
        "b": "0.005",
    }
    assert _totals(done) == {"USD": "0.02"}


def test_currencies_are_totalled_apart_each_with_its_digits(meterline, write):
    """3 x 1.5 yen are 4.5, rounded 5; 3 x 0.333 dinars are 0.999; neither touches the other."""
    yen = write("yen.yaml", "{currency: JPY, model: per_unit, unit_amount: 1.5}")
    dinar = write("dinar.yaml", "{currency: KWD, model: per_unit, unit_amount: 0.333}")
    given = ("--price", yen, "--price", dinar, "--quantity", "yen=3", "--quantity", "dinar=3")
    done = meterline("quote", *given, "--json")
    assert _totals(done) == {"JPY": "5", "KWD": "0.999"}
    assert [" ".join(row.split()) for row in meterline("quote", *given).stdout.splitlines()[-2:]] == [
        "total 5 JPY",
        "total 0.999 KWD",
    ]


@pytest.mark.parametrize(
    ("price", "options", "exact", "amount"),
    [
        # 40 are past the first 10: 10 x 2 + 5, then 30 x 1
        (
            "{model: graduated, tiers: [{up_to: 10, unit_amount: 2, flat_amount: 5}, {unit_amount: 1}]}",
            ["--quantity", "40"], "55", "55.00",
        ),
        # all 40 at the second tier's 1
        ("{model: volume, tiers: [{up_to: 10, unit_amount: 2}, {unit_amount: 1}]}", ["--quantity", "40"], "40", "40.00"),
        # 11 reach the second step
        ("{model: stairstep, tiers: [{up_to: 10, flat_amount: 5}, {flat_amount: 9}]}", ["--quantity", "11"], "9", "9.00"),
        # 2,001 are three packages of 1,000
        ("{model: package, package_size: 1000, package_amount: 2.50}", ["--quantity", "2001"], "7.5", "7.50"),
        # (250 - 100) x 1.5 %
        ("{model: percentage, percent: 1.5, free_amount: 100}", ["--quantity", "250"], "2.25", "2.25"),
        # 1,000 x 1 % + 500 x 0.5 %
        (
            "{model: graduated_percentage, tiers: [{up_to: 1000, percent: 1}, {percent: 0.5}]}",
            ["--quantity", "1500"], "12.5", "12.50",
        ),
        # 10 x 1.2
        ("{model: dynamic, multiplier: 1.2}", ["--quantity", "10"], "12", "12.00"),
        # (150.5 - 100) x 0.02
        ("{model: overage, included_units: 100, unit_amount: 0.02}", ["--quantity", "150.5"], "1.01", "1.01"),
        # 49.90 whatever the usage
        ("{model: flat, flat_amount: 49.90}", [], "49.9", "49.90"),
        # two free events up to 150: 100 is free; 70 goes 20 beyond: 0.58 + 0.30; 10: 0.29 + 0.30; 280: 8.12 + 0.30,
        # at most 5; together 0.88 + 0.59 + 5
        (
            ("{model: percentage, percent: 2.9, fixed_amount_per_event: 0.30, free_events: 2, free_amount: 150,"
            " minimum_per_event: 0.50, maximum_per_event: 5}"),
            ["--events", "100,70,10,280"], "6.47", "6.47",
        ),
        # 3 CPUs are past the 2 of the first tier, whatever the memory
        (
            "{model: capacity, tiers: [{up_to: {cpu: 2, memory: 8}, flat_amount: 10}, {flat_amount: 25}]}",
            ["--unit", "cpu=3", "--unit", "memory=1"], "25", "25.00",
        ),
        # 5 x 0.08, the cell of us and small
        (
            ("{model: matrix, dimensions: [region, size], default: 9, cells: ["
            "{match: {region: eu, size: small}, unit_amount: 0.10},"
            "{match: {region: us, size: small}, unit_amount: 0.08}]}"),
            ["--quantity", "5", "--dimension", "region=us", "--dimension", "size=small"], "0.4", "0.40",
        ),
        # 123,456 / 1,000 rounded up is 124, less 10 is 114: 100 x 1 + 5 + 14 x 0.5 = 112, less 10 % is 100.8
        (
            ("{model: graduated, conversion: {divisor: 1000, rounding: {mode: up, digits: 0}}, free_units: 10,"
            " percent_off: 10, minimum_amount: 20,"
            " tiers: [{up_to: 100, unit_amount: 1, flat_amount: 5}, {unit_amount: 0.5}]}"),
            ["--quantity", "123456"], "100.8", "100.80",
        ),
    ],
)  # fmt: skip
def test_every_model_can_be_quoted_from_a_price_file(meterline, write, price, options, exact, amount):
    """Also those that plans can't have yet. The only price of its kind needn't be named."""
    path = write("it.yaml", price.replace("{", "{currency: USD, ", 1))
    done = meterline("quote", "--price", path, *options, "--json")
    line = _lines(done)["it"]
    assert (line["exact_amount"], line["amount"]) == (exact, amount)
    assert _totals(done) == {"USD": amount}
    assert meterline("quote", "--price", path, *options).stdout.splitlines()[-1].split() == [
        "total",
        amount,
        "USD",
    ]


def test_the_table_shows_what_changes_the_quantity_and_each_stage(meterline, write):
    """The conversion, the allowance, the tiers, the discount and the minimum: the case worked out above."""
    path = write(
        "it.yaml",
        "{currency: USD, model: graduated, conversion: {divisor: 1000, rounding: {mode: up, digits: 0}},"
        " free_units: 10, percent_off: 10, minimum_amount: 20, rounding: {mode: half_even},"
        " tiers: [{up_to: 100, unit_amount: 1, flat_amount: 5}, {unit_amount: 0.5}]}",
    )
    done = meterline("quote", "--price", path, "--quantity", "123456")
    assert [" ".join(row.split()) for row in done.stdout.splitlines()[1:]] == [
        "it graduated, rounded half_even 123,456 100.8 100.80 USD",
        "after conversion ÷ 1000 and allowance of 10 114",
        "to 100 × 1 + 5 100 105",
        "above × 0.5 14 7",
        "percent_off 10 100.8",
        "minimum_amount 20 100.8",
        "total 100.80 USD",
    ]


def test_events_and_units_are_in_the_json(meterline, write):
    """How many events the fee is of, with their sum as the quantity; what the capacity counted."""
    fee = write("fee.yaml", "{currency: USD, model: percentage, percent: 1, fixed_amount_per_event: 0.10}")
    cap = write(
        "cap.yaml",
        "{currency: USD, model: capacity, tiers: [{up_to: {cpu: 2, memory: 8}, flat_amount: 1}, {flat_amount: 2}]}",
    )
    done = meterline(
        "quote", "--price", fee, "--price", cap, "--events", "50,100.5", "--unit", "cpu=2", "--json"
    )
    lines = _lines(done)
    # 1 % of 150.50 and twice 0.10
    assert (lines["fee"]["event_count"], lines["fee"]["quantity"], lines["fee"]["exact_amount"]) == (
        2, "150.5", "1.705",
    )  # fmt: skip
    # 2 CPUs are still in the first tier; no memory counts as none
    assert (lines["cap"]["units"], lines["cap"]["amount"]) == ({"cpu": "2", "memory": "0"}, "1.00")


def test_a_matrix_price_without_a_quantity_gives_no_line(meterline, write):
    """There is no cell to look up: as in a billing period without usage."""
    matrix = write(
        "m.yaml",
        "{currency: USD, model: matrix, dimensions: [region], cells: [{match: {region: eu}, unit_amount: 1}]}",
    )
    flat = write("flat.yaml", "{currency: USD, model: flat, flat_amount: 7}")
    done = meterline("quote", "--price", matrix, "--price", flat, "--json")
    assert list(_lines(done)) == ["flat"]
    assert done.stderr == "m: no quantity given: no line\n"


def test_a_negative_quantity_bills_as_zero_and_says_so(meterline, write):
    """Only what is due at zero is charged."""
    path = write("p.yaml", "{currency: USD, model: per_unit, unit_amount: 1}")
    done = meterline("quote", "--price", path, "--quantity", "p=-7", "--json")
    assert (_lines(done)["p"]["amount"], _lines(done)["p"]["negative_quantity"]) == ("0.00", True)
    assert "what is negative bills as zero" in meterline("quote", "--price", path, "--quantity", "-7").stdout


def test_the_largest_quantity_is_exact(meterline, write):
    """26 digits before the point and 12 after it, times 3."""
    path = write("p.yaml", "{currency: USD, model: per_unit, unit_amount: 3}")
    quantity = "33333333333333333333333333.333333333333"
    line = _lines(meterline("quote", "--price", path, "--quantity", quantity, "--json"))["p"]
    assert line["exact_amount"] == "99999999999999999999999999.999999999999"
    assert line["amount"] == "100000000000000000000000000.00"


def test_no_number_is_cut_in_a_narrow_terminal(meterline):
    """A table that is too wide runs over the edge instead."""
    wide = meterline(*DEVELOPER, env={"COLUMNS": "200"}).stdout
    narrow = meterline(*DEVELOPER, env={"COLUMNS": "20"}).stdout
    assert "…" not in narrow
    assert narrow.split() == wide.split()


def test_a_plan_is_quoted_whatever_meters_it_refers_to(meterline, write):
    """They may be in the applied catalog only; and the only plan needn't be named."""
    path = write(
        "plan.yaml",
        "plans: [{id: p, name: P, currency: USD, prices:"
        " [{id: calls, meter: elsewhere, model: per_unit, unit_amount: 0.25}]}]",
    )
    assert _totals(meterline("quote", "-f", path, "--quantity", "3", "--json")) == {"USD": "0.75"}


def test_a_price_can_be_pasted_from_a_plan(meterline, write):
    """Its meter isn't read; its id wins over the file's name."""
    path = write(
        "x.json", '{"id": "calls", "meter": "m", "currency": "USD", "model": "per_unit", "unit_amount": "2"}'
    )
    assert (
        _lines(meterline("quote", "--price", path, "--quantity", "calls=4", "--json"))["calls"]["amount"]
        == "8.00"
    )


def test_the_quote_in_the_guide_is_what_comes_out(meterline):
    """Command and table are on the page about rating."""
    page = (ROOT / "docs" / "rating.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n\$ meterline (quote .*?)```", page, re.DOTALL)
    command, *shown = block.splitlines()
    done = meterline(*command.replace("examples/llm.yaml", str(EXAMPLE)).split(), env={"COLUMNS": "80"})
    assert [row.rstrip() for row in done.stdout.splitlines()] == shown


def test_a_plan_is_quoted_in_one_of_its_currencies(meterline, refused, tmp_path):
    """3 calls at 75.4 yen are 226.2, which is 226; in dollars 1.50."""
    catalog = tmp_path / "pro.yaml"
    catalog.write_text(
        "meters: [{id: calls, event_type: call, aggregation: count}]\n"
        "plans: [{id: pro, name: Pro, currency: USD, prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.5}], "
        "currencies: {JPY: {prices: {calls: {unit_amount: 75.4}}}}}]\n",
        encoding="utf-8",
    )
    given = ("quote", "-f", catalog, "--quantity", "calls=3", "--json")
    assert _totals(meterline(*given)) == {"USD": "1.50"}
    assert _totals(meterline(*given, "--currency", "JPY")) == {"JPY": "226"}
    assert "plan 'pro' is not offered in EUR: it is in JPY, USD" in refused(*given, "--currency", "EUR")


def test_a_quote_says_what_of_the_plan_an_invoice_has_besides(meterline, tmp_path):
    """Lines are quoted as they are before discounts and commitments."""
    catalog = tmp_path / "pro.yaml"
    plan = "id: pro, name: Pro, currency: USD, TERMS prices: [{id: fee, model: flat, flat_amount: 5}]"
    catalog.write_text(
        f"plans: [{{{plan.replace('TERMS', 'percent_off: 10, minimum_amount: 50,')}}}]", encoding="utf-8"
    )
    shown = meterline("quote", "-f", catalog).stdout
    assert (
        "not in these amounts: percent_off, minimum_amount of the plan 'pro', which an invoice has" in shown
    )
    catalog.write_text(f"plans: [{{{plan.replace('TERMS', '')}}}]", encoding="utf-8")
    assert "not in these amounts" not in meterline("quote", "-f", catalog).stdout
