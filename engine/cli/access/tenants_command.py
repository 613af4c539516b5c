"""`meterline tenants` and `meterline audit`: the tenants of an engine, and the record of who changed what."""

from pathlib import Path

import click

from engine.api.message_json import message_line
from engine.cli.access.key_files import key_file_option, key_kept, where_it_is
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected, pages
from engine.cli.terminal.options import Pair, PairType, TextType, json_option, target_option
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import instant
from meterline.v1.access_pb2 import (
    AuditRecord,
    CreateTenantRequest,
    GetTenantLimitsRequest,
    ListAuditRecordsRequest,
    ListTenantsRequest,
    SetTenantLimitsRequest,
    TenantLimitChange,
)
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub

_PAGE_SIZE = 1_000
_DIGITS_MAX = 18


@click.group()
def tenants() -> None:
    """Make and list the tenants of an engine, and limit them, for whoever runs it: needs the scope operate.

    Nothing of a tenant is seen by another. Which tenant a call is for, its key says.
    """


@tenants.command()
@click.argument("tenant", type=TextType("the tenant"), metavar="TENANT")
@key_file_option
@json_option
@target_option
def create(tenant: str, *, output: Path | None, as_json: bool, target: str) -> None:
    """Make a tenant and print its first key: this once, and nothing else on standard output; or write it to a file."""
    with key_kept(output) as keep, connected(target) as channel:
        response = TenantServiceStub(channel).CreateTenant(
            CreateTenantRequest(tenant=tenant), timeout=TIMEOUT_S
        )
        if output is not None or not as_json:
            keep(response.key_text)
    if as_json:
        if output is not None:
            response.ClearField("key_text")
        click.echo(message_line(response))
        return
    click.echo(f"made tenant {tenant} with key {response.api_key.key_id}: {where_it_is(output)}", err=True)


@tenants.command("list")
@json_option
@target_option
def list_(as_json: bool, target: str) -> None:
    """List the tenants by name."""
    with connected(target) as channel:
        answer = pages(TenantServiceStub(channel).ListTenants, ListTenantsRequest(page_size=_PAGE_SIZE))
        found = [tenant for page in answer for tenant in page.tenants]
    if as_json:
        for tenant in found:
            click.echo(message_line(tenant))
        return
    table = TextTable("TENANT", "CREATED")
    for tenant in found:
        table.add(tenant.tenant, instant(tenant.created_at))
    table.show()


@tenants.command()
@click.argument("tenant", type=TextType("the tenant"), metavar="TENANT")
@click.argument("changes", nargs=-1, type=PairType("NAME=NUMBER"), metavar="[NAME=NUMBER]...")
@json_option
@target_option
def limits(tenant: str, *, changes: tuple[Pair, ...], as_json: bool, target: str) -> None:
    """Show what a tenant may take and takes, or change it.

    NAME=NUMBER sets a limit of this tenant, NAME=none lifts it, NAME=default lets hold what holds for all tenants
    (meterline serve --tenant-events-per-s-max and the like). It holds at once at the gateway that is asked, within two seconds at others, at
    each by itself. USED and REFUSED are of the gateway that answers: a second, in the last ten, and since its start.
    """
    with connected(target) as channel:
        stub = TenantServiceStub(channel)
        if changes:
            request = SetTenantLimitsRequest(tenant=tenant, changes=[_change(*each) for each in changes])
            found = list(stub.SetTenantLimits(request, timeout=TIMEOUT_S).limits)
        else:
            asked = GetTenantLimitsRequest(tenant=tenant)
            found = list(stub.GetTenantLimits(asked, timeout=TIMEOUT_S).limits)
    if as_json:
        for limit in found:
            click.echo(message_line(limit))
        return
    table = TextTable(
        "LIMIT", NumberColumn("NUMBER"), "SET FOR", NumberColumn("USED"), NumberColumn("REFUSED")
    )
    for limit in found:
        table.add(
            limit.name,
            f"{limit.number:,}" if limit.HasField("number") else "none",
            tenant if limit.is_own else "all",
            f"{limit.used:,}" if limit.HasField("used") else "not counted",
            f"{limit.refused_count:,}",
        )
    table.show()


def _change(name: str, text: str) -> TenantLimitChange:
    if text == "none":
        return TenantLimitChange(name=name, unlimited=True)
    if text == "default":
        return TenantLimitChange(name=name, inherited=True)
    if not text.isdecimal() or not text.isascii() or len(text) > _DIGITS_MAX:
        raise CommandError(f"{name}={text}: write {name}=NUMBER, {name}=none or {name}=default")
    return TenantLimitChange(name=name, number=int(text))


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="At most so many."
)
@json_option
@target_option
def audit(limit: int, *, as_json: bool, target: str) -> None:
    """Show who changed what, the newest first: corrections, catalogs, keys, deletions, and refused calls.

    What was changed is in `meterline corrections`, `catalog` and `keys list`; which key a record names, in the last.
    """
    request = ListAuditRecordsRequest(page_size=min(limit, _PAGE_SIZE))
    found: list[AuditRecord] = []
    with connected(target) as channel:
        for page in pages(AccessServiceStub(channel).ListAuditRecords, request):
            found += page.audit_records[: limit - len(found)]
            if len(found) == limit:
                break
    if as_json:
        for record in found:
            click.echo(message_line(record))
        return
    table = TextTable("WHEN", "WHO", "OPERATION", "ABOUT", "OUTCOME")
    for record in found:
        table.add(
            instant(record.recorded_at), record.credential, record.operation, record.subject, record.code
        )
    table.show()
