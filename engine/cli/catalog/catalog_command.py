"""`meterline catalog`: what is applied."""

import json

import click

from engine.cli.terminal.connection import NO_CATALOG, TIMEOUT_S, connected, target_option
from engine.cli.terminal.message_json import json_line
from meterline.v1.catalog_pb2 import GetCatalogRequest, Resource
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub


@click.command()
@target_option
def catalog(target: str) -> None:
    """Print the applied catalog: one line of JSON for each resource, with its version."""
    request = GetCatalogRequest()
    with connected(target) as channel:
        while True:
            response = CatalogServiceStub(channel).GetCatalog(request, timeout=TIMEOUT_S)
            if not response.revision:
                click.echo(NO_CATALOG, err=True)
            for resource in response.resources:
                click.echo(_line(resource))
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token


def _line(resource: Resource) -> str:
    return json_line(
        {
            "kind": resource.kind,
            "id": resource.id,
            "version": resource.version,
            "definition": json.loads(resource.definition),
        }
    )
