"""What `meterline quote` refuses: one clear line, exit code 2, nothing on the standard output."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.billing.quote import given_usage
from engine.cli import cli
from engine.cli.quote import quote_csv_file

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llm.yaml"
DEVELOPER = ("quote", "-f", EXAMPLE, "--plan", "developer")
SCALE = ("quote", "-f", EXAMPLE, "--plan", "scale")
PRICES = """
- {id: calls, currency: USD, model: per_unit, unit_amount: 1}
- {id: base, currency: USD, model: flat, flat_amount: 5}
- {id: fee, currency: USD, model: percentage, percent: 1, fixed_amount_per_event: 0.10}
- {id: box, currency: USD, model: capacity, tiers: [{up_to: {cpu: 2, memory: 8}, flat_amount: 1}, {flat_amount: 2}]}
- id: compute
  currency: USD
  model: matrix
  dimensions: [region]
  cells: [{match: {region: eu}, unit_amount: 1}]
"""


@pytest.fixture
def prices(write):
    return ("quote", "--price", write("prices.yaml", PRICES))


def test_a_refusal_ends_the_process_with_exit_code_2():
    """As a shell sees it."""
    command = [sys.executable, "-m", "engine", *map(str, DEVELOPER), "--quantity", "inptu=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "meterline: --quantity inptu=1: plan 'developer' has no price 'inptu'; did you mean 'input'?\n"
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "give either a catalog with -f and --plan, or prices with --price"),
        (
            ["-f", EXAMPLE, "--price", "x.yaml"],
            "give either a catalog with -f and --plan, or prices with --price",
        ),
        (
            ["--price", "x.yaml", "--plan", "p"],
            "--plan needs the catalog that the plan is in: give it with -f",
        ),
        (["-f", EXAMPLE], f"{EXAMPLE}: has several plans: name one with --plan: developer, scale"),
        (
            ["-f", EXAMPLE, "--plan", "develper"],
            f"{EXAMPLE}: has no plan 'develper'; did you mean 'developer'?",
        ),
        (["-f", EXAMPLE, "--plan", "zzz"], f"{EXAMPLE}: has no plan 'zzz': there are developer and scale"),
        (["-f", "none.yaml"], "none.yaml: can't be read: No such file or directory"),
        (["--price", "none.yaml"], "none.yaml: can't be read: No such file or directory"),
        (
            ["-f", EXAMPLE, "--plan", "scale", "--csv", "none.csv"],
            "none.csv: can't be read: No such file or directory",
        ),
        (
            ["-f", EXAMPLE, "--plan", "scale", "--csv", "x.csv", "--quantity", "input=1"],
            "--csv excludes --quantity and --events: put them into the file",
        ),
        (
            ["-f", EXAMPLE, "--plan", "scale", "--by", "customer"],
            "--by names a column of a CSV: give the file with --csv",
        ),
        (
            ["-f", EXAMPLE, "--plan", "scale", "--json", "--format", "csv"],
            "--json and --format csv exclude each other",
        ),
    ],
)
def test_options_that_make_no_quote_are_named(refused, options, line):
    """Each with the way out."""
    assert refused("quote", *options) == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ["--quantity", "zzz=1"],
            "--quantity zzz=1: {file} has no price 'zzz': there are calls, base, fee, box and compute",
        ),
        (["--quantity", "7"], "--quantity 7: must name the price: --quantity PRICE=7"),
        (["--quantity", "calls="], "--quantity calls: is empty"),
        (
            ["--quantity", "calls=1", "--quantity", "calls=2"],
            (
                "--quantity calls: is given twice; to quote several lines of one price, "
                "give --csv a file with the columns price,quantity"
            ),
        ),
        (
            ["--quantity", "base=1"],
            "--quantity base=1: 'base' is a flat price, which takes no quantity: it is always included",
        ),
        (
            ["--quantity", "fee=1"],
            "--quantity fee=1: price 'fee' needs each event's amount: give --events fee=50,100,250",
        ),
        (
            ["--quantity", "box=1"],
            "--quantity box=1: price 'box' counts units: give --unit cpu=... --unit memory=...",
        ),
        (
            ["--events", "calls=1,2"],
            "--events calls=1,2: price 'calls' has no terms per event: give --quantity calls=...",
        ),
        (
            ["--events", "1,x,y"],
            (
                "--events fee: 'x' is not a decimal number such as 1482229 or 0.25 (digits and a point, no exponent)"
                " (and 1 more)"
            ),
        ),
        (["--events", "1,,2"], "--events fee: is empty"),
        (["--unit", "cpu"], "--unit cpu: write UNIT=QUANTITY"),
        (["--unit", "cpus=1"], "--unit cpus=1: {file} has no unit 'cpus'; did you mean 'cpu'?"),
        (["--unit", "cpu=1", "--unit", "cpu=2"], "--unit cpu: is given twice"),
        (
            ["--unit", "cpu=a"],
            "--unit cpu: 'a' is not a decimal number such as 1482229 or 0.25 (digits and a point, no exponent)",
        ),
        (["--dimension", "region="], "--dimension region: is empty"),
        (
            ["--dimension", "regoin=eu"],
            "--dimension regoin=eu: {file} has no dimension 'regoin'; did you mean 'region'?",
        ),
        (
            ["--quantity", "compute=1"],
            (
                "--quantity compute: price 'compute' looks its amount up by 'region': "
                "give --dimension region=VALUE, or a column 'region'"
            ),
        ),
        (
            ["--quantity", "compute=1", "--dimension", "region=us"],
            "--quantity compute: price 'compute' has no cell in its matrix price, which has no default: region=us",
        ),
        (
            ["--quantity", "compute=1", "--dimension", "region=u\x1b[2J\ns"],
            (
                "--quantity compute: price 'compute' has no cell in its matrix price, which has no default: "
                "region=u\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}s"
            ),
        ),
    ],
)
def test_an_option_that_fits_no_price_is_named(refused, prices, options, line):
    """With what to give instead."""
    assert refused(*prices, *options) == line.format(file=prices[-1])


def _no_decimal(text):
    return f"{text!r} is not a decimal number such as 1482229 or 0.25 (digits and a point, no exponent)"


@pytest.mark.parametrize(
    ("quantity", "what"),
    [
        ("1,5", _no_decimal("1,5")),
        ("abc", _no_decimal("abc")),
        ("1e3", _no_decimal("1e3")),
        ("1.", _no_decimal("1.")),
        (".5", _no_decimal(".5")),
        ("NaN", _no_decimal("NaN")),
        ("Infinity", _no_decimal("Infinity")),
        ("0x10", _no_decimal("0x10")),
        ("1_000", _no_decimal("1_000")),
        ("\u0663", _no_decimal("\u0663")),
        ("x" * 100, _no_decimal("x" * 61 + "...")),
        ("1" * 27, "has 27 digits before the point; at most 26 are allowed"),
        ("0." + "1" * 13, "has 13 digits after the point; at most 12 are allowed"),
    ],
)
def test_a_quantity_is_read_as_a_meter_reads_it(refused, write, quantity, what):
    """On the command line and in a file alike: plain digits, 26 before and 12 after the point."""
    assert refused(*DEVELOPER, "--quantity", f"input={quantity}") == f"--quantity input: {what}"
    path = write("u.csv", f'requests,input\n1,1\n2,"{quantity}"\n')
    assert refused(*DEVELOPER, "--csv", path) == f"{path}:3: input: {what}"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", ":1", "the header is empty: the first line names the columns"),
        ("\ninput\n1\n", ":1", "the header is empty: the first line names the columns"),
        ("input,\n1,2\n", ":1", "column 2 has no name"),
        ("input,input\n1,2\n", ":1", "names the column 'input' twice"),
        ("input\n", "", "has no rows below its header"),
        (
            "inptu\n1\n",
            ":1",
            (
                "'inptu' is not a price, dimension or unit of plan 'scale'; did you mean 'input'?; "
                "name it with --by if it tells quotes apart"
            ),
        ),
        ("platform\n1\n", ":1: platform", "is a flat price, which takes no quantity: it is always included"),
        ("input,requests\n1,2\n1,2,3\n", ":3", "has 3 cells; the header has 2"),
        (
            'input,model\n1,a\n\n1,"b\n1,c\n1,d\n',
            ":4",
            (
                "a quote opens there and is not closed where it should be (the row is not valid CSV: unexpected end of "
                'data): the rows after it can\'t be told from its text. Close it, or write it as "" within quotes'
            ),
        ),
        (
            'input,model\n1,"a"b\n',
            ":2",
            """is not valid CSV: ',' expected after '"'""",
        ),
        ("input,requests\n1,2\n\n\n1\n", ":5", "has 1 cells; the header has 2"),
        ('model,input\n"two\nlines",1\nx,bad\n', ":4: input", _no_decimal("bad")),
        ("input,requests\n1,x\ny,2\nz,3\n", ":2: requests", _no_decimal("x") + " (and 2 more)"),
        ("\n".join(["requests", *["1"] * 70_000, "", "x", "1"]), ":70003: requests", _no_decimal("x")),
        (
            "price,quantity\ninput,1\ninptu,1\n",
            ":3: price",
            "plan 'scale' has no price 'inptu'; did you mean 'input'?",
        ),
        (
            "price,quantity\nplatform,1\n",
            ":2: price",
            "'platform' is a flat price, which is always included: remove the row",
        ),
        ("price,quantity\ninput,1\ninput,\n", ":3: quantity", "is empty"),
    ],
)
def test_a_mistake_in_a_csv_is_placed_by_line_and_column(refused, write, text, where, what):
    """The first one, however many rows, blank lines and line breaks in values come before it."""
    path = write("usage.csv", text)
    assert refused(*SCALE, "--csv", path) == f"{path}{where}: {what}"


def test_a_missing_name_of_quotes_is_a_mistake(refused, write):
    """And near ones are hinted at."""
    path = write("usage.csv", "customer,input\na,1\n")
    assert refused(*SCALE, "--csv", path, "--by", "custmer") == (
        f"{path}:1: --by custmer: there is no such column; did you mean 'customer'?"
    )
    assert "could mean several things" in refused(*SCALE, "--csv", path, "--by", "customer", "--by", "input")


def test_a_csv_that_is_no_utf_8_is_placed_too(refused, write):
    """By line."""
    path = write("usage.csv", b"input\n1\n\xff\n")
    assert refused(*SCALE, "--csv", path) == f"{path}:3: is not UTF-8 text: invalid start byte"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("box\n1\n", ":1: box", "counts cpu, memory: give a column for each of these"),
        ("cpu\n1\nx\n", ":3: cpu", _no_decimal("x")),
        ("fee\n1;2\n3;x;y\n", ":3: fee", _no_decimal("x") + " (and 1 more)"),
        (
            "compute\n1\n",
            ":2: compute",
            "price 'compute' looks its amount up by 'region': give --dimension region=VALUE, or a column 'region'",
        ),
        (
            "compute,region\n1,eu\n,us\n2,us\n3,fr\n",
            ":4: compute",
            "price 'compute' has no cell in its matrix price, which has no default: region=us",
        ),
        (
            "price,quantity,region\ncompute,1,eu\ncompute,1,\n",
            ":3: quantity",
            "price 'compute' has no cell in its matrix price, which has no default: region=none",
        ),
        (
            "price,quantity,cpu\nbox,,1\nbox,2,1\n",
            ":3: quantity",
            "price 'box' counts cpu, memory: give a column for each of these and leave the quantity empty",
        ),
    ],
)
def test_what_a_row_lacks_is_placed(refused, prices, write, text, where, what):
    """Units, events and cells of a matrix."""
    path = write("usage.csv", text)
    assert refused(*prices, "--csv", path) == f"{path}{where}: {what}"


def test_a_column_and_an_option_of_the_same_name_exclude_each_other(refused, prices, write):
    """Neither wins silently."""
    path = write("usage.csv", "compute,region\n1,eu\n")
    assert refused(*prices, "--csv", path, "--dimension", "region=eu") == (
        f"{path}:1: 'region' is a column and an option: remove one of them"
    )


def test_more_than_memory_holds_is_refused_before_it_is_rated(refused, write, monkeypatch):
    """Bytes of the file, and lines."""
    path = write("usage.csv", "input\n1\n2\n")
    monkeypatch.setattr(given_usage, "CHARGES_MAX", 9)
    assert refused(*SCALE, "--csv", path) == (
        "2 quotes of 5 prices: are more than 9 lines: quote them in parts"
    )
    monkeypatch.setattr(quote_csv_file, "CSV_BYTES_MAX", 9)
    assert refused(*SCALE, "--csv", path) == f"{path}: is larger than 9 bytes: quote it in parts"


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("{currency: USD, model: per_unit}", ":1: unit_amount", "is missing: a per_unit price needs it"),
        ("model: per_unit\nunit_amount: 1\n", ":1: currency", "is missing: an ISO 4217 code such as USD"),
        (
            "id: a b\ncurrency: USD\nmodel: flat\nflat_amount: 1",
            ":1: id",
            "may hold only A-Z a-z 0-9 _ . : @ -, is 'a b'",
        ),
        (
            "- currency: USD\n  model: flat\n  flat_amount: 1\n",
            ":1: [0].id",
            "is missing: each price of a list needs one",
        ),
        (
            "currency: USD\nmodel: flat\nflat_amount:\n",
            ":3: flat_amount",
            "has no value: write one, or remove the field",
        ),
        (
            "currency: USD\nmodel: flat\nflat_amount: 1\nflat_amount: 2\n",
            ":4: flat_amount",
            "is given twice, first on line 3",
        ),
        ("- one\n", ":1: [0]", "a price is a mapping with fields such as currency and model"),
        ("[]", ":1", "holds no price"),
    ],
)
def test_a_mistake_in_a_price_file_is_placed(refused, write, text, where, what):
    """As in a catalog."""
    path = write("p.yaml", text)
    assert refused("quote", "--price", path) == f"{path}{where}: {what}"


def test_one_id_in_two_price_files_is_refused(refused, write, tmp_path):
    """Both files are named."""
    first = write("p.yaml", "{currency: USD, model: flat, flat_amount: 1}")
    second = write("q.yaml", "{id: p, currency: USD, model: flat, flat_amount: 1}")
    assert refused("quote", "--price", first, "--price", second) == (
        f"{second}: price 'p' is in {first}, too: give one of them another id"
    )


@pytest.mark.parametrize("option", ["-f", "--price"])
def test_several_mistakes_of_a_file_are_printed_one_a_line(write, option):
    """Then the verdict."""
    text = (
        "{model: flat, id: p, nam: x, currency: USX}"
        if option == "--price"
        else "plans:\n  - {id: p, nam: x}\n"
    )
    path = write("bad.yaml", text)
    done = CliRunner().invoke(cli, ["quote", option, str(path)])
    assert (done.exit_code, done.stdout) == (2, "")
    *mistakes, verdict = done.stderr.splitlines()
    assert len(mistakes) > 1
    assert all(mistake.startswith(f"{path}:") for mistake in mistakes)
    assert verdict == f"meterline: nothing was quoted: {path} has the mistakes above"
