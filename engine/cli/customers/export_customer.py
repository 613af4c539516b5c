"""`meterline customers export`: all that is held about one customer."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import click

from engine.api.message_json import json_line
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.files import FileType
from engine.cli.terminal.options import TextType, target_option
from engine.cli.terminal.output import opened
from engine.cli.terminal.text import counted, footer
from meterline.v1.privacy_pb2 import ExportCustomerRequest
from meterline.v1.privacy_pb2_grpc import PrivacyServiceStub


@click.command()
@click.argument("customer", type=TextType("the customer"), metavar="CUSTOMER")
@click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    metavar="FILE",
    help="Write there instead of standard output: all of it, or nothing, for the file's owner alone (0600).",
)
@target_option
def export(customer: str, *, output: Path | None, target: str) -> None:
    """Write everything that is held about a customer, one object of JSON a line; needs the scope admin.

    Every version of the customer and of its subscriptions, keys that are bound to it, audit records that name it, all
    its events, what was corrected, problems, and what is left of usage whose events have expired.
    """
    counts: Counter[str] = Counter()
    with connected(target) as channel:
        found = pages(PrivacyServiceStub(channel).ExportCustomer, ExportCustomerRequest(customer_id=customer))
        # Nothing is written for a customer of whom nothing is held.
        first = next(found)
        with opened(output, private=True) as file:
            for page in chain([first], found):
                for record in page.records:
                    fields = {"section": record.section, **json.loads(record.json)}
                    file.write(f"{json_line(fields)}\n".encode())
                    counts[record.section] += 1
    told = ", ".join(f"{section} {count:,}" for section, count in counts.items())
    click.echo(f"{counted(counts.total(), 'record')} ({told}), {footer(first.as_of)}", err=True)
