"""`meterline problems`: why events were not stored."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    check_period,
    json_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.tables import TextTable, show_found
from engine.cli.terminal.text import instant
from meterline.v1.events_pb2 import (
    ListProblemsRequest,
    ListProblemsResponse,
    LoggedProblem,
    ProblemCount,
)
from meterline.v1.events_pb2_grpc import EventServiceStub
from meterline.v1.usage_pb2 import ProblemReason, Verdict

_PREFIX = "PROBLEM_REASON_"
_LIMIT_DEFAULT = 100
_PAGE_SIZE_MAX = 1_000
_REASONS = [ProblemReason.Name(each).removeprefix(_PREFIX).lower() for each in ProblemReason.values() if each]


@click.command(epilog=INSTANT_HELP)
@click.option(
    "--reason", "reasons", type=click.Choice(_REASONS), multiple=True, help="For this reason; repeatable."
)
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Of events that named this one.")
@click.option(
    "--from", "start", type=InstantType(), metavar="INSTANT", help="Of events that came in from then on."
)
@click.option("--to", "end", type=InstantType(), metavar="INSTANT", help="... and before this.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=None,
    help=f"At most so many. Default: {_LIMIT_DEFAULT}, and all of them with --json.",
)
@json_option
@target_option
def problems(
    reasons: tuple[str, ...],
    customer: str | None,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
    as_json: bool,
    target: str,
) -> None:
    """Show why events were not stored: rejected ones, and ids that were used before with other content.

    The newest come first. The log has the last seven days, at most 500 problems of a reason an hour; below it stands how
    many there were (on standard error with --json). A row is one field of an event: an event that is wrong in two has two. It may
    lag some seconds behind the answers that producers were given.
    """
    if start is not None and end is not None:
        check_period(start, end)
    limit = limit or (None if as_json else _LIMIT_DEFAULT)
    request = ListProblemsRequest(
        reasons=[f"{_PREFIX}{each.upper()}" for each in reasons],
        customer_id=customer or "",
        start=timestamp(start),
        end=timestamp(end),
        page_size=_PAGE_SIZE_MAX if limit is None else min(limit, _PAGE_SIZE_MAX),
    )
    with connected(target) as channel:
        first, found = _some(pages(EventServiceStub(channel).ListProblems, request), limit)
    show_found(found, _table, "no problem is in the log", as_json=as_json)
    if first.counts:
        click.echo(err=as_json)
        for count in first.counts:
            click.echo(_count_line(count), err=as_json)


def _some(
    answer: Iterator[ListProblemsResponse], limit: int | None
) -> tuple[ListProblemsResponse, list[LoggedProblem]]:
    """The first page, and at most so many problems; no more pages than that takes."""
    first = next(answer)
    found = list(first.problems)
    while (limit is None or len(found) < limit) and (page := next(answer, None)) is not None:
        found += page.problems
    return first, found[:limit]


def _reason(number: int) -> str:
    return ProblemReason.Name(number).removeprefix(_PREFIX).lower()


def _count_line(count: ProblemCount) -> str:
    more = count.problem_count - count.logged_count
    left_out = f", {more:,} of them not in the log, which was full" if more > 0 else ""
    return f"{_reason(count.reason)}: {count.problem_count:,}{left_out}"


def _table(found: Sequence[LoggedProblem]) -> TextTable:
    table = TextTable(
        "received",
        "verdict",
        "reason",
        "field",
        "event_id",
        "customer",
        "event type",
        "event time",
        "sent by",
    )
    for each in found:
        table.add(
            instant(each.received_at),
            Verdict.Name(each.verdict).removeprefix("VERDICT_").lower(),
            _reason(each.reason),
            each.field,
            each.event_id,
            each.customer_id,
            each.event_type,
            instant(each.event_time) if each.HasField("event_time") else "",
            each.credential,
        )
    return table
