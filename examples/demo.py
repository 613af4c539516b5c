"""`make demo`: real usage in, exact line items out, and an independent recomputation of every line.

1. Starts an engine on a temporary directory and applies llm.yaml.
2. Streams the LLM trace: the first half paced, so that you can watch the spend move, the rest as fast as the
   engine acknowledges.
3. Sends the whole trace again, as a producer does that never saw the acks: nothing is counted twice.
4. Prints the line items of three customers and compares every line of all customers with recompute.py.

Exits with 0 if every line matches to the cent, with 1 if one differs, and with 2 after one line that says why it could
not run to its end.

    python -m examples.demo                          on an engine of its own, which is gone at the end
    python -m examples.demo --target localhost:7070  into yours: empty, and started with --event-age-max-days 36525
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import grpc
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from engine.cli.billing.line_tables import line_item_table, spend_table
from engine.cli.terminal.connection import CommandError, connected
from engine.cli.terminal.credentials import api_key_for
from engine.cli.terminal.text import day, footer, grouped, instant
from examples.engine_process import EngineProcess
from examples.llm_trace import TraceRequest, read_trace
from examples.recompute import ExpectedLine, LineKey, expected_lines, read_catalog
from meterline import Client, Event, MeterlineClientError, Receipt, Verdict
from meterline.v1.billing_pb2 import LineItem, ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest, ListSpendResponse
from meterline.v1.spend_pb2_grpc import SpendServiceStub

CATALOG = Path(__file__).parent / "llm.yaml"
# The trace is of November 2023: the engine must take events that old, and lines are asked for that month.
ENGINE_OPTIONS = ("--event-age-max-days", "36525")
_START_ONE = f"the demo needs an empty engine: meterline serve --data ./x {' '.join(ENGINE_OPTIONS)}"
AT = datetime(2023, 11, 16, tzinfo=UTC)
_PACED_S = 8.0
_STEPS = 40
_BATCH_EVENTS = 1_000
_CUSTOMERS_SHOWN = 3


def usage_event(request: TraceRequest) -> Event:
    """The event that a product service would send for this request."""
    properties = {
        "model": request.model,
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
    }
    return Event(request.customer_id, "llm.completion", properties, request.event_id, request.event_time)


def apply_catalog(channel: grpc.Channel) -> int:
    """Applies llm.yaml; how many resources it made."""
    request = ApplyCatalogRequest(document=CATALOG.read_text(encoding="utf-8"), file_name=CATALOG.name)
    response = CatalogServiceStub(channel).ApplyCatalog(request, timeout=60)
    return len(response.changes) + int(response.unchanged_count)


def all_line_items(channel: grpc.Channel) -> list[LineItem]:
    """Every line item of the trace's month, page by page."""
    stub, request = BillingServiceStub(channel), ListLineItemsRequest(page_size=200)
    request.at.FromDatetime(AT)
    items: list[LineItem] = []
    while True:
        response = stub.ListLineItems(request, timeout=60)
        items += response.line_items
        if not response.next_page_token:
            return items
        request.page_token = response.next_page_token


def differences(items: Sequence[LineItem], expected: dict[LineKey, ExpectedLine]) -> list[str]:
    """What differs between the engine's lines and the recomputed ones: lines missing on either side, and every
    quantity and amount that is not the same number.
    """
    found = {(item.customer_id, item.price_id, item.dimensions.get("model", "")): item for item in items}
    lines = [f"{key}: only in the engine's answer" for key in found.keys() - expected.keys()]
    lines += [f"{key}: missing in the engine's answer" for key in expected.keys() - found.keys()]
    if len(found) != len(items):
        lines.append(f"{len(items) - len(found)} lines come twice")
    for key in found.keys() & expected.keys():
        item, line = found[key], expected[key]
        if Fraction(item.quantity) != line.quantity or Fraction(item.amount) != line.amount:
            lines.append(
                f"{key}: the engine says {item.quantity} -> {item.amount}, "
                f"recomputed {line.quantity} -> {line.amount}"
            )
    return sorted(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        description="Stream the example trace and compare every rated line with a recomputation."
    )
    options.add_argument(
        "--target", metavar="HOST:PORT", help="an empty engine of yours; default: one of its own"
    )
    target = options.parse_args(arguments).target
    console = Console(highlight=False, soft_wrap=True)
    with nullcontext(target) if target else _own_engine(console) as where:
        try:
            return _run(where, console)
        except (CommandError, MeterlineClientError) as error:
            # An engine that is away, refuses the trace, or goes in mid-stream: a person's to mend, not a defect.
            reason = error.message if isinstance(error, CommandError) else str(error)
            print(f"demo: {reason}; {_START_ONE}", file=sys.stderr)
            return 2


def _run(target: str, console: Console) -> int:
    catalog = read_catalog(CATALOG)
    customer_ids = [customer["id"] for customer in catalog["customers"]]
    requests = list(read_trace(customer_ids))
    with connected(target) as channel, Client(target, api_key=api_key_for(target)) as client:
        resources = apply_catalog(channel)
        console.print(
            f"applied [bold]examples/llm.yaml[/]: {resources} resources, {len(customer_ids)} customers\n"
        )
        _stream(client, channel, [usage_event(request) for request in requests], console)
        items = all_line_items(channel)
        totals = _list_spend(channel, limit=1)
        page = _spend_page(channel, customer_ids[0])
    _show_lines(items, customer_ids, console)
    spend_table([], totals.totals).show()
    console.print(f"{footer(totals.as_of, totals.catalog_revision)}\n", style="dim")
    code = _judge(items, expected_lines(catalog, requests), console)
    if page:
        console.print(f"What {customer_ids[0]} sees, live, in a browser:\n  {page}", style="bold")
    return code


@contextmanager
def _own_engine(console: Console) -> Iterator[str]:
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="meterline-demo-") as directory,
        EngineProcess(Path(directory) / "data", *ENGINE_OPTIONS) as engine,
    ):
        console.print(
            f"engine serving on {engine.target} after {time.monotonic() - started:.1f} s, one process"
        )
        yield engine.target


def _stream(client: Client, channel: grpc.Channel, events: Sequence[Event], console: Console) -> None:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    task = progress.add_task("streaming events", total=len(events))
    half = len(events) // 2
    with Live(console=console, refresh_per_second=10) as live:
        for step in range(_STEPS):
            due = time.monotonic() + _PACED_S / _STEPS
            _send(client, events[half * step // _STEPS : half * (step + 1) // _STEPS], progress, task)
            live.update(Group(progress, Text(), _spend_view(channel)))
            time.sleep(max(0.0, due - time.monotonic()))
        started = time.monotonic()
        _send(client, events[half:], progress, task)
        seconds = time.monotonic() - started
        live.update(Group(progress, Text(), _spend_view(channel)))
    console.print(
        f"\nacknowledged {len(events):,} events, each durable before its ack; the second half, unpaced: "
        f"[bold]{(len(events) - half) / seconds:,.0f} events a second[/]"
    )
    started = time.monotonic()
    repeated = _send(client, events, progress, task)
    seconds = time.monotonic() - started
    duplicates = sum(receipt.verdict is Verdict.DUPLICATE for receipt in repeated)
    console.print(
        f"sent all of them again: {duplicates:,} duplicates, {len(events) - duplicates:,} counted twice, "
        f"{len(events) / seconds:,.0f} events a second\n"
    )


def _send(client: Client, events: Sequence[Event], progress: Progress, task: object) -> list[Receipt]:
    receipts: list[Receipt] = []
    for first in range(0, len(events), _BATCH_EVENTS):
        batch = client.record_batch(events[first : first + _BATCH_EVENTS])
        for receipt in batch:
            if receipt.verdict not in (Verdict.ACCEPTED, Verdict.DUPLICATE):
                raise CommandError(
                    f"event {receipt.event_id} is {receipt.verdict.name.lower()}: {receipt.message}"
                )
        receipts += batch
        progress.advance(task, len(batch))  # type: ignore[arg-type] # rich's TaskID is an int of its own name
    return receipts


def _spend_page(channel: grpc.Channel, customer_id: str) -> str:
    """A link to the customer's page of the trace's month; empty where the engine serves no HTTP."""
    request = CreateSpendLinkRequest(customer_id=customer_id)
    url: str = SpendLinkServiceStub(channel).CreateSpendLink(request, timeout=60).url
    return f"{url}&at={AT:%Y-%m-%d}" if url else ""


def _list_spend(channel: grpc.Channel, limit: int) -> ListSpendResponse:
    request = ListSpendRequest(limit=limit)
    request.at.FromDatetime(AT)
    response: ListSpendResponse = SpendServiceStub(channel).ListSpend(request, timeout=60)
    return response


def _spend_view(channel: grpc.Channel) -> Group:
    response = _list_spend(channel, limit=6)
    return Group(
        spend_table(response.spends, response.totals), Text(f"as of {instant(response.as_of)}", style="dim")
    )


def _show_lines(items: Sequence[LineItem], customer_ids: Sequence[str], console: Console) -> None:
    # The largest, one of the middle, and the smallest.
    shown = (customer_ids[0], customer_ids[len(customer_ids) // 4], customer_ids[-1])[:_CUSTOMERS_SHOWN]
    for customer_id in shown:
        theirs = [item for item in items if item.customer_id == customer_id]
        period = f"{day(theirs[0].period_start)} to {day(theirs[0].period_end)}"
        line_item_table(theirs).show(f"{customer_id}, plan {theirs[0].plan_id}, {period}")
        console.print()


def _judge(items: Sequence[LineItem], expected: dict[LineKey, ExpectedLine], console: Console) -> int:
    wrong = differences(items, expected)
    cents = int(sum((line.amount for line in expected.values()), Fraction(0)) * 100)
    total = grouped(f"{cents // 100}.{cents % 100:02d}")
    if wrong:
        for line in wrong[:20]:
            console.print(Text(line, style="red"))
        console.print(f"[bold red]{len(wrong)} of {len(expected)} lines differ from the recomputation[/]")
        return 1
    console.print(
        f"recomputed in plain fractions from the CSV: {len(expected):,} lines, {total} USD: "
        "[bold green]matches to the cent[/]\n"
    )
    console.print("Next: edit a price in examples/llm.yaml and run it again, or keep an engine of your own:")
    console.print(
        "  .venv/bin/meterline serve --data ./meterline-data --event-age-max-days 36525 --http-listen 127.0.0.1:7080",
        style="bold",
    )
    console.print("  .venv/bin/python -m examples.demo --target localhost:7070", style="bold")
    console.print(
        "  .venv/bin/meterline spend-link acme    (the customer's page, live in a browser)", style="bold"
    )
    console.print("  .venv/bin/meterline --help", style="bold")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
