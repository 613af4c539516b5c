"""`meterline catalog`: what is applied."""

import json
from collections.abc import Iterator

import click
import grpc

from engine.api.message_json import json_line
from engine.cli.terminal.connection import NO_CATALOG, connected, pages
from engine.cli.terminal.options import target_option
from meterline.v1.catalog_pb2 import GetCatalogRequest, Resource
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub


@click.command()
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of catalog files, for an editor; ask no engine."
)
@target_option
def catalog(target: str, schema: bool) -> None:
    """Print the applied catalog: one line of JSON for each resource, with its version and etag."""
    if schema:
        from engine.catalog.kinds import catalog_schema  # noqa: PLC0415 - the rating core, which takes a second

        click.echo(json.dumps(catalog_schema(), indent=2))
        return
    with connected(target) as channel:
        applied = False
        for resource in applied_resources(channel):
            applied = True
            definition = json.loads(resource.definition)
            fields = {"kind": resource.kind, "id": resource.id, "version": resource.version}
            click.echo(json_line({**fields, "etag": resource.etag, "definition": definition}))
    if not applied:
        click.echo(NO_CATALOG, err=True)


def applied_resources(channel: grpc.Channel) -> Iterator[Resource]:
    """Every resource of the applied catalog: meters first, then plans, customers, subscriptions."""
    for page in pages(CatalogServiceStub(channel).GetCatalog, GetCatalogRequest()):
        yield from page.resources
