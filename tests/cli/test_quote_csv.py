"""`meterline quote --csv`: both forms of the file, all forms of the answer."""

import csv
import io
import json
import random
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llm.yaml"
SCALE = ("quote", "-f", EXAMPLE, "--plan", "scale")

# The example's plan "scale", of which every row pays 49.00:
#   acme       input 1,482,229: 500,000 x 0.0000022 = 1.1; 982,229 x 0.0000016 + 0.25 = 1.8215664; 2.9215664
#              requests 1,272: two packages of 1,000 x 0.19 = 0.38
#   heron      output_small 500.5 x 0.0000025 = 0.00125125; requests 1: one package, 0.19
#   northwind  input 10,000,001: 1.1; 9,500,000 x 0.0000016 + 0.25 = 15.45; 1 x 0.0000012; 16.5500012
#              output_small 7 x 0.0000025 = 0.0000175; requests 1,001: two packages, 0.38
WIDE = """customer,input,requests,output_small
acme,1482229,1272,
"Heron ""Blue"", Inc",0,1,500.5
northwind,10000001,1001,7
"""
WIDE_AMOUNTS = """customer,platform,input,output_large,output_small,requests,total_USD
acme,49.00,2.92,0.00,0.00,0.38,52.30
"Heron ""Blue"", Inc",49.00,0.00,0.00,0.00,0.19,49.19
northwind,49.00,16.55,0.00,0.00,0.38,65.93
"""


def _rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_each_row_of_a_wide_file_is_a_quote(meterline, write):
    """A column for each price, in any order; what --by names comes first; flat prices are in every row."""
    done = meterline(*SCALE, "--csv", write("usage.csv", WIDE), "--by", "customer", "--format", "csv")
    assert done.stdout == WIDE_AMOUNTS
    assert done.stderr.splitlines() == [
        "output_large: no quantity given in 3 of 3 quotes: quoted at zero",
        "output_small: no quantity given in 1 of 3 quotes: quoted at zero",
    ]


@pytest.mark.parametrize(
    "variant",
    [
        WIDE.replace("\n", "\r\n"),
        "\ufeff" + WIDE,
        WIDE.replace("\nnorthwind", "\n\n\nnorthwind") + "\n",
        WIDE.replace("1482229", '"1482229"').replace(",1001,", ", +1001.000 ,"),
    ],
    ids=["crlf", "byte order mark", "blank lines", "quotes, spaces, sign, zeros"],
)
def test_spreadsheets_write_the_same_file_in_many_ways(meterline, write, variant):
    """None of it changes an amount."""
    done = meterline(*SCALE, "--csv", write("usage.csv", variant), "--by", "customer", "--format", "csv")
    assert done.stdout == WIDE_AMOUNTS


def test_a_csv_can_come_through_a_pipe(meterline):
    """`-` is the standard input."""
    done = meterline(*SCALE, "--csv", "-", "--by", "customer", "--format", "csv", input=WIDE)
    assert done.stdout == WIDE_AMOUNTS


def test_the_table_has_a_row_a_quote_and_the_grand_total(meterline, write):
    """52.30 + 49.19 + 65.93 = 167.42."""
    done = meterline(*SCALE, "--csv", write("usage.csv", WIDE), "--by", "customer")
    rows = [" ".join(row.split()) for row in done.stdout.splitlines()]
    assert rows[:5] == [
        "quote customer platform input output_large output_small requests total USD",
        "1 acme 49.00 2.92 0.00 0.00 0.38 52.30",
        '2 Heron "Blue", Inc 49.00 0.00 0.00 0.00 0.19 49.19',
        "3 northwind 49.00 16.55 0.00 0.00 0.38 65.93",
        "total 167.42",
    ]


def test_tiers_as_csv_have_the_whole_working(meterline, write):
    """A row a tier: northwind's input reaches all three."""
    done = meterline(*SCALE, "--csv", write("usage.csv", WIDE), "--by", "customer", "--format", "tiers")
    assert done.stdout.splitlines()[0] == (
        "quote,customer,price,quantity,tier,up_to,tier_quantity,unit_amount,flat_amount,tier_amount,"
        "exact_amount,amount,currency"
    )
    assert [row for row in done.stdout.splitlines() if row.startswith("3,northwind,input")] == [
        "3,northwind,input,10000001,0,500000,500000,0.0000022,0,1.1,16.5500012,16.55,USD",
        "3,northwind,input,10000001,1,10000000,9500000,0.0000016,0.25,15.45,16.5500012,16.55,USD",
        "3,northwind,input,10000001,2,,1,0.0000012,0,0.0000012,16.5500012,16.55,USD",
    ]


def test_json_of_several_quotes_ends_with_the_grand_total(meterline, write):
    """Each line and total says which quote it is of."""
    done = meterline(*SCALE, "--csv", write("usage.csv", WIDE), "--by", "customer", "--json")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    totals = [(each["quote"], each["names"], each["amount"]) for each in objects if each["kind"] == "total"]
    assert totals == [
        (1, {"customer": "acme"}, "52.30"),
        (2, {"customer": 'Heron "Blue", Inc'}, "49.19"),
        (3, {"customer": "northwind"}, "65.93"),
    ]
    assert objects[-1] == {"kind": "grand_total", "quote_count": 3, "amount": "167.42", "currency": "USD"}


LONG = """customer,price,quantity,model
acme,input,500001,large
northwind,requests,1001,
acme,input,100,small
acme,requests,1,
"""


def test_rows_of_a_long_file_are_lines_and_equal_names_are_one_quote(meterline, write):
    """Two groups of one meter are two lines: they are not added up before they are rated.

    500,001 tokens enter the second tier: 1.1 + 0.0000016 + 0.25; 100 others start at the first: 0.00022.
    """
    done = meterline(*SCALE, "--csv", write("usage.csv", LONG), "--by", "customer", "--json")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    lines = [each for each in objects if each["kind"] == "line" and each["quantity_given"]]
    assert [
        (each["quote"], each["price_id"], each["dimensions"], each["exact_amount"]) for each in lines
    ] == [
        (1, "input", {"model": "large"}, "1.3500016"),
        (1, "input", {"model": "small"}, "0.00022"),
        (1, "requests", {}, "0.19"),
        (2, "requests", {}, "0.38"),
    ]
    # 49.00 + 1.35 + 0.00 + 0.19, and 49.00 + 0.38
    totals = [each["amount"] for each in objects if each["kind"] == "total"]
    assert totals == ["50.54", "49.38"]


def test_a_long_file_without_names_is_one_quote_tier_by_tier(meterline, write):
    """49.00 + 1.35 + 0.00 + 0.19 + 0.38 = 50.92; the flat price is in it once."""
    path = write("usage.csv", "".join(line.partition(",")[2] + "\n" for line in LONG.splitlines()))
    done = meterline(*SCALE, "--csv", path)
    assert "input [model=large]" in done.stdout
    assert "total 50.92 USD" in [" ".join(row.split()) for row in done.stdout.splitlines()]


def test_several_columns_can_name_a_quote(meterline, write):
    """Rows of the same customer and month are one quote, in the order in which the quotes appear."""
    path = write(
        "usage.csv",
        "month,customer,price,quantity\n2,b,requests,1\n1,a,requests,1\n2,a,requests,1\n2,b,input,500000\n",
    )
    done = meterline(*SCALE, "--csv", path, "--by", "customer", "--by", "month", "--format", "csv")
    # 49.00 + 0.19 each; 500,000 x 0.0000022 = 1.10 more in the first
    assert [(row["customer"], row["month"], row["total_USD"]) for row in _rows(done.stdout)] == [
        ("b", "2", "50.29"),
        ("a", "1", "49.19"),
        ("a", "2", "49.19"),
    ]


PRICES = """
- id: compute
  currency: USD
  model: matrix
  dimensions: [region, size]
  cells:
    - {match: {region: eu, size: s}, unit_amount: 0.10}
    - {match: {region: us, size: s}, unit_amount: 0.08}
- {id: box, currency: JPY, model: capacity, tiers: [{up_to: {cpu: 2, memory: 8}, flat_amount: 1000}, {flat_amount: 2500}]}
- {id: fee, currency: USD, model: percentage, percent: 1, fixed_amount_per_event: 0.10}
"""


def test_dimensions_units_and_events_have_columns_too(meterline, write):
    """And what is the same in all rows may be an option.

    1: 1 x 0.10; 3 CPUs are past 2; events of 1 and 2 pay 0.03 + 0.20.
    2: 2 x 0.08; nothing counted is the first tier; 600 pay 6.00 + 0.30.
    3: no compute; 9 GiB are past 8; no events.
    """
    prices = write("prices.yaml", PRICES)
    usage = write("w.csv", "compute,fee,cpu,memory,region\n1,1;2,3,1,eu\n2,100;200;300,,,us\n,,0,9,us\n")
    given = ("quote", "--price", prices, "--csv", usage, "--dimension", "size=s", "--format")
    done = meterline(*given, "csv")
    assert done.stdout == (
        "compute,box,fee,total_JPY,total_USD\n0.10,2500,0.23,2500,0.33\n0.16,1000,6.30,1000,6.46\n,2500,0.00,2500,0.00\n"
    )
    assert done.stderr.splitlines() == [
        "compute: no quantity given in 1 of 3 quotes: no line",
        "fee: no quantity given in 1 of 3 quotes: quoted at zero",
    ]
    tiers = _rows(meterline(*given, "tiers").stdout)
    shown = [
        (row["price"], row["region"], row["size"], row["cpu"], row["memory"], row["amount"])
        for row in tiers[:3]
    ]
    assert shown == [
        ("compute", "eu", "s", "", "", "0.10"),
        ("box", "", "", "3", "1", "2500"),
        ("fee", "", "", "", "", "0.23"),
    ]


def test_a_long_file_names_dimensions_units_and_events_in_its_rows(meterline, write):
    """A quantity stays empty where units are counted. 4 x 0.10 + 6 x 0.08; 9 GiB; 50 pays 0.50 + 0.10."""
    usage = write(
        "l.csv",
        "price,quantity,region,size,memory\ncompute,4,eu,s,\ncompute,6,us,s,\nbox,,,,9\nfee,50,,,\n",
    )
    done = meterline("quote", "--price", write("prices.yaml", PRICES), "--csv", usage, "--format", "csv")
    # the two cells are two lines: 0.40 + 0.48
    assert done.stdout == "compute,box,fee,total_JPY,total_USD\n0.88,2500,0.60,2500,1.48\n"


def test_quantities_past_64_bits_are_exact_in_a_column(meterline, write):
    """Beside ordinary ones: 26 + 12 digits times 3."""
    price = write("p.yaml", "{currency: USD, model: per_unit, unit_amount: 3}")
    usage = write("u.csv", "p\n1\n33333333333333333333333333.333333333333\n-4\n0.5\n")
    tiers = _rows(meterline("quote", "--price", price, "--csv", usage, "--format", "tiers").stdout)
    assert [row["exact_amount"] for row in tiers] == [
        "3",
        "99999999999999999999999999.999999999999",
        "0",
        "1.5",
    ]
    done = meterline("quote", "--price", price, "--csv", usage, "--format", "csv")
    assert [row["p"] for row in _rows(done.stdout)] == [
        "3.00",
        "100000000000000000000000000.00",
        "0.00",
        "1.50",
    ]


CELLS = """
- {id: calls, currency: USD, model: graduated, tiers: [{up_to: 10, unit_amount: 2}, {unit_amount: 1}]}
- id: traffic
  currency: USD
  model: matrix
  dimensions: [region]
  cells:
    - {match: {region: eu}, unit_amount: 3}
    - {match: {region: us}, model: graduated, tiers: [{up_to: 5, unit_amount: 2}, {up_to: 9, unit_amount: 1}, {unit_amount: 0.5}]}
  default: {model: volume, tiers: [{up_to: 7, unit_amount: 4}, {unit_amount: 3}]}
"""


def test_tiers_of_a_matrix_stand_under_their_cells(meterline, write):
    """The cell eu has tier 0, us tiers 1 to 3, the default 4 and 5: 5 x 2 + 4 x 1 + 1 x 0.5 are 14.50, 8 x 3 are 24.00."""
    usage = write(
        "usage.csv", "price,quantity,region\ncalls,12,\ntraffic,10,us\ntraffic,8,ap\ntraffic,7,eu\n"
    )
    done = meterline("quote", "--price", write("cells.yaml", CELLS), "--csv", usage, "--format", "tiers")
    assert [
        (row["price"], row["region"], row["tier"], row["up_to"], row["tier_quantity"], row["amount"])
        for row in _rows(done.stdout)
    ] == [
        ("calls", "", "0", "10", "10", "22.00"),
        ("calls", "", "1", "", "2", "22.00"),
        ("traffic", "us", "1", "5", "5", "14.50"),
        ("traffic", "us", "2", "9", "4", "14.50"),
        ("traffic", "us", "3", "", "1", "14.50"),
        ("traffic", "ap", "5", "", "8", "24.00"),
        ("traffic", "eu", "0", "", "7", "21.00"),
    ]


def test_a_large_file_keeps_its_order_and_loses_no_row(meterline, write):
    """More rows than are written at a time: row i pays i x 0.01."""
    price = write("p.yaml", "{currency: USD, model: per_unit, unit_amount: 0.01}")
    rows = 150_001
    usage = write("u.csv", "n,p\n" + "".join(f"{i},{i}\n" for i in range(rows)))
    done = meterline("quote", "--price", price, "--csv", usage, "--by", "n", "--format", "csv")
    expected = "".join(f"{i},{i // 100}.{i % 100:02},{i // 100}.{i % 100:02}\n" for i in range(rows))
    assert done.stdout == "n,p,total_USD\n" + expected
    tiers = meterline("quote", "--price", price, "--csv", usage, "--by", "n", "--format", "tiers").stdout
    assert [row["quantity"] for row in _rows(tiers)] == [str(i) for i in range(rows)]


def test_a_table_shows_the_first_quotes_and_the_total_of_all(meterline, write):
    """A person reads 50 rows; 60 x 0.01 + 59 x 60 / 2 x 0.01 = 18.30."""
    price = write("p.yaml", "{currency: USD, model: per_unit, unit_amount: 0.01}")
    usage = write("u.csv", "p\n" + "".join(f"{i}\n" for i in range(1, 61)))
    rows = meterline("quote", "--price", price, "--csv", usage).stdout.splitlines()
    assert [row.split()[0] for row in rows[1:51]] == [str(i) for i in range(1, 51)]
    assert rows[51].split() == ["total", "18.30"]
    assert rows[52] == "the first 50 of 60 quotes; all of them with --format csv, tiers or json"


def _scale_amounts(row):
    """A row at a time, in fractions, by the words of the example's plan."""

    def graduated(quantity, tiers):
        amount, below = Fraction(0), Fraction(0)
        for up_to, unit, flat in tiers:
            if below and quantity <= below:
                break
            inside = quantity - below if up_to is None else min(quantity, up_to) - below
            amount += inside * Fraction(unit) + Fraction(flat)
            below = up_to
        return amount

    exact = {
        "platform": Fraction(49),
        "input": graduated(
            Fraction(row["input"]),
            [(500_000, "0.0000022", "0"), (10_000_000, "0.0000016", "0.25"), (None, "0.0000012", "0")],
        ),
        "output_large": graduated(
            Fraction(row["output_large"]), [(100_000, "0.00001", "0"), (None, "0.000008", "0")]
        ),
        "output_small": Fraction(row["output_small"]) * Fraction("0.0000025"),
        "requests": -(-Fraction(row["requests"]) // 1000) * Fraction("0.19"),
    }
    # Nothing here is negative, so a half up is away from zero.
    cents = {price: (amount * 100 + Fraction(1, 2)) // 1 for price, amount in exact.items()}
    total = sum(cents.values())
    return exact, {
        price: f"{Decimal(c).scaleb(-2):.2f}" for price, c in (cents | {"total_USD": total}).items()
    }


def test_every_form_says_what_the_plan_says(meterline, write, seed):
    """300 random rows against fractions; the amounts, the tiers and the JSON agree."""
    chance = random.Random(f"quote {seed}")
    bounds = [0, 1, 99_999, 100_000, 100_001, 500_000, 500_001, 10_000_000, 10_000_001]
    usage = [
        {
            "input": str(chance.choice([*bounds, chance.randrange(30_000_000)])),
            "output_large": f"{chance.choice([*bounds, chance.randrange(300_000)])}.{chance.randrange(1000):03}",
            "output_small": f"{chance.randrange(3_000_000)}.{chance.randrange(10**6):06}",
            "requests": str(chance.randrange(5_000)),
        }
        for _ in range(300)
    ]
    text = ",".join(usage[0]) + "\n" + "".join(",".join(row.values()) + "\n" for row in usage)
    path = write("usage.csv", text)
    expected = [_scale_amounts(row) for row in usage]

    amounts = _rows(meterline(*SCALE, "--csv", path, "--format", "csv").stdout)
    assert amounts == [rounded for _, rounded in expected]

    sums = {}
    for row in _rows(meterline(*SCALE, "--csv", path, "--format", "tiers").stdout):
        key = (int(row["quote"]) - 1, row["price"])
        sums[key] = sums.get(key, 0) + Fraction(row["tier_amount"])
        worked = Fraction(row["tier_quantity"]) * Fraction(row["unit_amount"]) + Fraction(row["flat_amount"])
        assert Fraction(row["tier_amount"]) == worked
        assert Decimal(row["exact_amount"]).quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(row["amount"])
    assert sums == {
        (i, price): amount for i, (exact, _) in enumerate(expected) for price, amount in exact.items()
    }

    for line in meterline(*SCALE, "--csv", path, "--json").stdout.splitlines():
        fields = json.loads(line)
        if fields["kind"] == "line":
            exact, rounded = expected[fields["quote"] - 1]
            assert fields["amount"] == rounded[fields["price_id"]]
            assert sum(Fraction(tier["amount"]) for tier in fields["tiers"]) == exact[fields["price_id"]]


def test_a_reader_that_leaves_early_meets_no_traceback(write):
    """`meterline quote ... | head -1`."""
    usage = write("u.csv", "requests\n" + "1\n" * 200_000)
    quote = [sys.executable, "-m", "engine", *map(str, SCALE), "--csv", str(usage), "--format", "tiers"]
    with subprocess.Popen(quote, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.readline()
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()
        running.wait(timeout=60)
