"""`meterline quote`: what quantities would cost, without an engine."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import click

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.files import FileType, read_bytes, read_text
from engine.cli.terminal.options import Pair, PairType
from engine.errors import CatalogDocumentError

if TYPE_CHECKING:
    from engine.billing.quote.price_list import PriceList
    from engine.billing.quote.quotes import Quotes

# Lines of JSON that are written at once.
_LINES_AT_ONCE = 1_000


_HELP = """Price quantities under a plan, tier by tier. Needs no engine.

\b
meterline quote -f examples/llm.yaml --plan developer --quantity input=1482229 --quantity requests=1272
meterline quote -f examples/llm.yaml --plan scale --csv usage.csv --by customer --format csv
meterline quote --price fee.yaml --events 50,100,250

Flat prices are always included, and a price that is given no quantity is quoted at the quantity that the plan says
(seats), or at zero. Each quantity is a line of its own: several of one price are not added up before they are rated,
as those of a meter's groups.
"""


class _Options(TypedDict):
    catalog: Path | None
    plan: str | None
    currency: str | None
    price: tuple[Path, ...]
    quantity: tuple[Pair, ...]
    events: tuple[Pair, ...]
    unit: tuple[Pair, ...]
    dimension: tuple[Pair, ...]
    csv: Path | None
    by: tuple[str, ...]
    form: Literal["table", "json", "csv", "tiers"] | None
    as_json: bool


@click.command(help=_HELP)
@click.option(
    "-f",
    "--file",
    "catalog",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="A catalog in YAML or JSON, as for apply.",
)
@click.option("--plan", metavar="ID", help="The plan in it; needn't be named if it is the only one.")
@click.option("--currency", metavar="CODE", help="One of the plan's currencies; by default its own.")
@click.option(
    "--price",
    type=FileType(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Instead of a plan: a file with one price (id, currency, model, ...) or a list of prices. Repeatable.",
)
@click.option(
    "--quantity",
    type=PairType("PRICE=QUANTITY", names_itself=True),
    multiple=True,
    metavar="PRICE=QUANTITY",
    help="The quantity of a price, by its id. Repeatable.",
)
@click.option(
    "--events",
    type=PairType("PRICE=AMOUNT,...", names_itself=True),
    multiple=True,
    metavar="PRICE=AMOUNT,...",
    help="The events' amounts, in order, of a price with terms per event.",
)
@click.option(
    "--unit",
    type=PairType("UNIT=QUANTITY"),
    multiple=True,
    metavar="UNIT=QUANTITY",
    help="A unit's quantity, for capacity prices. Repeatable.",
)
@click.option(
    "--dimension",
    type=PairType(),
    multiple=True,
    metavar="NAME=VALUE",
    help="A dimension, for matrix prices. Repeatable.",
)
@click.option(
    "--csv",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Quantities in a CSV (- is the standard input): a column for each price id and a row for each quote; "
    "or a row for each line with the columns price and quantity.",
)
@click.option(
    "--by", multiple=True, metavar="COLUMN", help="A column of the CSV that tells quotes apart. Repeatable."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "tiers"]),
    help="table (default); json: one object a line; csv: a row a quote; tiers: CSV, a row a tier.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
def quote(**options: Unpack[_Options]) -> None:
    prices = _prices(options)
    quotes = _quotes(prices, options)
    form = options["form"] or ("json" if options["as_json"] else "table")
    if options["as_json"] and form != "json":
        raise CommandError(f"--json and --format {form} exclude each other")
    _write(quotes, form)


def _prices(options: _Options) -> "PriceList":
    from engine.billing.quote.price_list import prices_of_documents, prices_of_plan, read_prices  # noqa: PLC0415 - loads for this command only

    if (options["catalog"] is None) == (not options["price"]):
        raise CommandError("give either a catalog with -f and --plan, or prices with --price")
    if options["catalog"] is None and options["plan"] is not None:
        raise CommandError("--plan needs the catalog that the plan is in: give it with -f")
    if options["catalog"] is None and options["currency"] is not None:
        raise CommandError("--currency is of a plan: give its catalog with -f")
    if options["catalog"] is not None:
        with _mistakes_above(options["catalog"]):
            text = read_text(options["catalog"])
            return prices_of_plan(str(options["catalog"]), text, options["plan"], options["currency"])
    documents = []
    for path in options["price"]:
        with _mistakes_above(path):
            documents.append((str(path), read_prices(str(path), read_text(path))))
    return prices_of_documents(documents)


@contextlib.contextmanager
def _mistakes_above(path: Path) -> Iterator[None]:
    """One mistake is the command's one line; several are printed, each on a line, before it."""
    try:
        yield
    except CatalogDocumentError as error:
        if len(error.mistakes) == 1:
            raise
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        raise CommandError(f"nothing was quoted: {path} has the mistakes above") from None


def _quotes(prices: "PriceList", options: _Options) -> "Quotes":
    from engine.billing.quote.given_usage import quoted  # noqa: PLC0415 - as above
    from engine.cli.quote.quote_csv import read_csv_usage  # noqa: PLC0415 - as above
    from engine.cli.quote.quote_options import read_options, usage_of_options  # noqa: PLC0415 - as above

    path = options["csv"]
    if path is not None and (options["quantity"] or options["events"]):
        raise CommandError("--csv excludes --quantity and --events: put them into the file")
    if path is None and options["by"]:
        raise CommandError("--by names a column of a CSV: give the file with --csv")
    given = read_options(
        prices,
        quantities=options["quantity"],
        events=options["events"],
        dimensions=options["dimension"],
        units=options["unit"],
    )
    if path is None:
        return quoted(usage_of_options(prices, given))
    return quoted(read_csv_usage(str(path), read_bytes(path), prices, options["by"], given))


def _write(quotes: "Quotes", form: str) -> None:
    """To the standard output; what a machine's form can't hold is said on the standard error."""
    from engine.cli.quote.quote_columns import amounts_csv, tiers_csv  # noqa: PLC0415 - as above
    from engine.cli.quote.quote_table import show_table  # noqa: PLC0415 - as above

    if form == "table":
        show_table(quotes)
        return
    writers: dict[str, Callable[[Quotes], Iterator[bytes]]] = {
        "csv": amounts_csv,
        "tiers": tiers_csv,
        "json": _json,
    }
    output = sys.stdout.buffer
    for part in writers[form](quotes):
        output.write(part)
    output.flush()
    for remark in quotes.remarks():
        click.echo(remark, err=True)


def _json(quotes: "Quotes") -> Iterator[bytes]:
    from engine.cli.quote.quote_json import json_lines  # noqa: PLC0415 - as above

    lines = json_lines(quotes)
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        yield ("\n".join(batch) + "\n").encode()
