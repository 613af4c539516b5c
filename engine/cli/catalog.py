"""`meterline catalog`: what is applied."""

import json

import click

from engine.cli.connection import TIMEOUT_S, connected, target_option
from meterline.v1.catalog_pb2 import GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub


@click.command()
@target_option
def catalog(target: str) -> None:
    """Print the applied catalog: one line of JSON for each resource, with its version."""
    with connected(target) as channel:
        response = CatalogServiceStub(channel).GetCatalog(GetCatalogRequest(), timeout=TIMEOUT_S)
    for resource in response.resources:
        click.echo(
            json.dumps(
                {
                    "kind": resource.kind,
                    "id": resource.id,
                    "version": resource.version,
                    "definition": json.loads(resource.definition),
                }
            )
        )
