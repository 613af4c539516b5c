"""`meterline journal`: what is billed and paid as a double-entry journal, for accounting."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.csv_text import csv_line
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    check_period,
    target_option,
    timestamp,
)
from engine.cli.terminal.text import instant
from meterline.v1.journal_pb2 import JournalEntry, ListJournalEntriesRequest
from meterline.v1.journal_pb2_grpc import JournalServiceStub

_PAGE_SIZE_MAX = 1_000
_TIMEOUT_S = 600
_CSV_COLUMNS = (
    *("recorded_at", "kind", "document", "invoice", "customer_id"),
    *("account", "amount", "currency", "reason"),
)
_BY_SUFFIX = {".beancount": "beancount", ".ledger": "ledger", ".journal": "ledger", ".json": "json"}
# Beancount wants accounts to be opened, before whatever is entered.
_OPENED = "1970-01-01"


@click.command(epilog=f"A date is the entry's in UTC. {INSTANT_HELP}")
@click.option(
    "--from", "start", type=InstantType(), metavar="INSTANT", help="What was recorded from then on."
)
@click.option("--to", "end", type=InstantType(), metavar="INSTANT", help="... and before this.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "beancount", "ledger", "json"]),
    help="ledger is for hledger, too. Default: as FILE ends (.beancount, .ledger, .journal, .json), else csv.",
)
@click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Where to write it. Default: standard output.",
)
@target_option
def journal(
    start: datetime | None, end: datetime | None, form: str | None, output: Path | None, target: str
) -> None:
    """Give all that was billed and paid as a double-entry journal: receivables, revenue by product or plan, taxes by region, what
    customers paid ahead, bad debts.

    The postings of each entry come to nothing, or it is not given. Debit is above 0.
    """
    if start is not None and end is not None:
        check_period(start, end)
    request = ListJournalEntriesRequest(
        recorded_from=timestamp(start), recorded_before=timestamp(end), page_size=_PAGE_SIZE_MAX
    )
    with connected(target) as channel:
        answer = pages(JournalServiceStub(channel).ListJournalEntries, request, timeout_s=_TIMEOUT_S)
        entries = [each for page in answer for each in page.entries]
    if form is None:
        form = "csv" if output is None else _BY_SUFFIX.get(output.suffix.lower(), "csv")
    text = journal_text(form, entries)
    if output is None or output == Path("-"):
        click.echo(text, nl=False)
        return
    with written_whole(output) as file:
        file.write(text.encode())
    click.echo(f"wrote {output}")


def journal_text(form: str, entries: list[JournalEntry]) -> str:
    """`form`: one of the formats of the command."""
    return "".join(_FORMS[form](entries))


def _csv(entries: Iterable[JournalEntry]) -> Iterator[str]:
    yield csv_line(_CSV_COLUMNS)
    for entry in entries:
        about = (instant(entry.recorded_at), entry.kind, entry.document, entry.invoice, entry.customer_id)
        for each in entry.postings:
            yield csv_line((*about, each.account, each.amount, entry.currency, entry.reason))


def _json(entries: Iterable[JournalEntry]) -> Iterator[str]:
    return (f"{message_line(entry)}\n" for entry in entries)


def _beancount(entries: list[JournalEntry]) -> Iterator[str]:
    for account in sorted({each.account for entry in entries for each in entry.postings}):
        yield f"{_OPENED} open {account}\n"
    for entry in entries:
        payee, what = (_quoted(text) for text in (entry.customer_id, _what(entry)))
        yield f"\n{_day(entry)} * {payee} {what}\n{_postings(entry)}"


def _ledger(entries: Iterable[JournalEntry]) -> Iterator[str]:
    for place, entry in enumerate(entries):
        blank = "\n" if place else ""
        yield f"{blank}{_day(entry)} * {_plain(f'{entry.customer_id} | {_what(entry)}')}\n{_postings(entry)}"


_FORMS: dict[str, Callable[[list[JournalEntry]], Iterator[str]]] = {
    "csv": _csv,
    "beancount": _beancount,
    "ledger": _ledger,
    "json": _json,
}


def _postings(entry: JournalEntry) -> str:
    return "".join(f"  {each.account}  {each.amount} {entry.currency}\n" for each in entry.postings)


def _day(entry: JournalEntry) -> str:
    return entry.recorded_at.ToDatetime().date().isoformat()


def _what(entry: JournalEntry) -> str:
    return f"{entry.kind.replace('_', ' ')} {entry.document}"


def _quoted(text: str) -> str:
    """As a string of beancount's, on one line."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str) -> str:
    """As a description of ledger's: a semicolon would begin a comment."""
    return "".join(each if each.isprintable() and each != ";" else " " for each in text)
