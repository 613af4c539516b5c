"""`meterline customers erase`: one customer's personal data erased, after a look at what that is."""

import click

from engine.api.message_json import message_line
from engine.cli.corrections.correcting import ask, is_to_ask
from engine.cli.terminal.connection import connected, pages
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import counted, instant, visible
from meterline.v1.privacy_pb2 import EraseCustomerRequest, ErasureExtent, ListErasuresRequest
from meterline.v1.privacy_pb2_grpc import PrivacyServiceStub

# The ids of the whole log are looked through, and the customer's usage is read twice.
_TIMEOUT_S = 24 * 3_600


@click.command()
@click.argument("customer", type=TextType("the customer"), metavar="CUSTOMER")
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and change nothing.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
@click.option(
    "--keep-property",
    "keep",
    multiple=True,
    type=TextType("a property"),
    metavar="NAME",
    help="A property that meters group by or count, whose values name nobody; repeatable.",
)
@json_option
@target_option
def erase(
    customer: str, *, dry_run: bool, yes: bool, keep: tuple[str, ...], as_json: bool, target: str
) -> None:
    """Erase a customer's personal data, for ever; needs the scope admin.

    Every amount, quantity and digest stays, under a random pseudonym that stands in the place of id and name everywhere,
    also in what was applied before. Properties that no meter reads go; values that are summed up stay; values that
    meters only tell apart are replaced, unless kept by --keep-property. Keys bound to the customer are revoked.

    Run it again if it breaks off: it goes on. Take the customer out of your catalog files, and stop what sends its usage:
    what comes in afterwards is not erased. Backups that were made before keep it.
    """
    asks = is_to_ask(dry_run=dry_run, yes=yes, expect=None)
    request = EraseCustomerRequest(customer_id=customer, keep_properties=keep)
    with connected(target) as channel:
        stub = PrivacyServiceStub(channel)
        if dry_run or asks:
            trial = EraseCustomerRequest(customer_id=customer, keep_properties=keep, dry_run=True)
            found = stub.EraseCustomer(trial, timeout=_TIMEOUT_S)
            if dry_run and as_json:
                click.echo(message_line(found))
                return
            _show("would erase", found.extent)
            if dry_run:
                click.echo("dry run: nothing was changed")
                return
            ask(f"erase customer {visible(customer)} for ever?", "nothing was changed")
        click.echo(
            "erasing: copies and compares its usage, then waits 10 s until nobody reads what was before",
            err=True,
        )
        erased = stub.EraseCustomer(request, timeout=_TIMEOUT_S)
    if as_json:
        click.echo(message_line(erased))
        return
    _show("erased", erased.extent)
    click.echo(f"the pseudonym is {erased.pseudonym}")


@click.command()
@json_option
@target_option
def erasures(*, as_json: bool, target: str) -> None:
    """Show which erasures there were, the newest first: by pseudonym, since nothing says whose it is."""
    with connected(target) as channel:
        found = [
            each
            for page in pages(PrivacyServiceStub(channel).ListErasures, ListErasuresRequest())
            for each in page.erasures
        ]
    if as_json:
        for each in found:
            click.echo(message_line(each))
        return
    if not found:
        click.echo("nobody was erased")
        return
    table = TextTable("pseudonym", "begun", "ended", "by", "events")
    for each in found:
        ended = instant(each.ended_at) if each.HasField("ended_at") else "not yet: erase the customer again"
        table.add(
            each.pseudonym, instant(each.begun_at), ended, each.begun_by, f"{each.extent.event_count:,}"
        )
    table.show()


def _show(done: str, extent: ErasureExtent) -> None:
    click.echo(
        f"{done} {counted(extent.event_count, 'event')}, "
        f"{counted(extent.correction_row_count, 'row')} of corrections, "
        f"{counted(extent.problem_count, 'problem')}, "
        f"{counted(extent.rollup_row_count, 'row')} of rollups, "
        f"{counted(extent.catalog_version_count, 'version')} in the catalog, "
        f"{counted(extent.api_key_count, 'API key')}, "
        f"{counted(extent.audit_record_count, 'audit record')}"
    )
    for what, names in (
        ("properties kept (read as numbers, by filters or prices, or asked for)", extent.kept_properties),
        ("properties whose values are replaced", extent.replaced_properties),
        ("properties that go", extent.dropped_properties),
    ):
        if names:
            click.echo(f"{what}: {', '.join(map(visible, names))}")
