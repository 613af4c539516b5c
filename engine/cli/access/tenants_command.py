"""`meterline tenants` and `meterline audit`: the tenants of an engine, and the record of who changed what."""

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import TIMEOUT_S, connected, pages
from engine.cli.terminal.options import TextType, json_option, target_option
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import instant
from meterline.v1.access_pb2 import (
    AuditRecord,
    CreateTenantRequest,
    ListAuditRecordsRequest,
    ListTenantsRequest,
)
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub

_PAGE_SIZE = 1_000


@click.group()
def tenants() -> None:
    """Make and list the tenants of an engine, for whoever runs it: needs the scope operate.

    Nothing of a tenant is seen by another. Which tenant a call is for, its key says.
    """


@tenants.command()
@click.argument("tenant", type=TextType("the tenant"), metavar="TENANT")
@json_option
@target_option
def create(tenant: str, *, as_json: bool, target: str) -> None:
    """Make a tenant and print its first key: this once, and nothing else on standard output."""
    with connected(target) as channel:
        response = TenantServiceStub(channel).CreateTenant(
            CreateTenantRequest(tenant=tenant), timeout=TIMEOUT_S
        )
    if as_json:
        click.echo(message_line(response))
        return
    click.echo(response.key_text)
    click.echo(
        f"made tenant {tenant} with key {response.api_key.key_id}: keep it, it can't be shown again", err=True
    )


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
