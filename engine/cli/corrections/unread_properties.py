"""Properties that an amendment sets and no meter reads: what the engine takes, and a person may have misspelt."""

from collections.abc import Iterator

import grpc

from engine.cli.terminal.connection import TIMEOUT_S
from engine.cli.terminal.show import visible
from meterline.v1.catalog_pb2 import GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.correction_pb2 import CorrectUsageRequest


def unread_notes(channel: grpc.Channel, request: CorrectUsageRequest) -> Iterator[str]:
    """A line for each. Of an event that is named by its id alone the type isn't known: then any meter's will do."""
    if not request.amend.set_properties:
        return
    from engine.errors import did_you_mean  # noqa: PLC0415 - it loads for --set only

    types = {each.event_type for each in request.event_refs.events} | {request.selection.event_type}
    event_types = types - {""}
    read = _read_properties(channel, event_types)
    of = f" of {' or '.join(map(repr, sorted(event_types)))}" if event_types else ""
    for name in sorted(set(request.amend.set_properties) - read):
        yield visible(f"no meter{of} reads a property {name!r}{did_you_mean(name, read)}").plain


def _read_properties(channel: grpc.Channel, event_types: set[str]) -> set[str]:
    """What the meters of these types read, or all meters where none is named."""
    from engine.catalog.definition import read_definition  # noqa: PLC0415 - it loads for --set only
    from engine.catalog.resources import Meter  # noqa: PLC0415 - as above

    read: set[str] = set()
    request = GetCatalogRequest()
    while True:
        response = CatalogServiceStub(channel).GetCatalog(request, timeout=TIMEOUT_S)
        for resource in response.resources:
            # Meters come first.
            if resource.kind != Meter.kind:
                return read
            meter = read_definition(Meter.kind, resource.definition)
            if isinstance(meter, Meter) and (not event_types or meter.event_type in event_types):
                read |= meter.properties
        if not response.next_page_token:
            return read
        request.page_token = response.next_page_token
