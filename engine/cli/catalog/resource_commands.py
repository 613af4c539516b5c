"""`meterline customers`, `meterline plans` and their like: one resource at a time. A kind is a row of KINDS."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import click

from engine.api.message_json import json_line, message_line
from engine.cli.catalog.changes_shown import show_version
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, connected, pages
from engine.cli.terminal.options import (
    Decorator,
    Pair,
    PairType,
    TextType,
    json_option,
    target_option,
    together,
)
from engine.cli.terminal.tables import TextTable
from meterline.v1.catalog_pb2 import Resource
from meterline.v1.resources_pb2 import (
    ArchiveResourceRequest,
    CreateResourceRequest,
    DeleteResourceRequest,
    GetResourceRequest,
    ListResourcesRequest,
    ListResourceVersionsRequest,
    UpdateResourceRequest,
)
from meterline.v1.resources_pb2_grpc import ResourceServiceStub

_PAGE_SIZE: Final = 1_000
_FORM: Final = "NAME=VALUE"
_FIELDS_HELP: Final = "NAME=VALUE gives a field as text, NAME:=JSON one that is more than a text; metadata.team=eu an entry of a mapping."


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """`command`: the group's name. `columns`: the fields that a list shows beside id and version."""

    command: str
    kind: str
    columns: tuple[str, ...]
    example: str


KINDS: Final = (
    ResourceKind("customers", "customer", ("name",), "id=acme name=Acme metadata.team=eu"),
    ResourceKind(
        "subscriptions",
        "subscription",
        ("customer", "plan", "start", "end"),
        "customer=acme plan=basic start=2026-01-01",
    ),
    ResourceKind("plans", "plan", ("name", "currency"), "id=free name=Free currency=USD prices:=[]"),
    ResourceKind(
        "meters",
        "meter",
        ("event_type", "aggregation", "value"),
        "id=calls event_type=api.call aggregation=count",
    ),
    ResourceKind(
        "coupons",
        "coupon",
        ("name", "percent_off", "amount_off", "currency"),
        "id=launch name=Launch percent_off=20",
    ),
    ResourceKind("tax-regions", "tax_region", ("name", "country"), "id=us-or name=Oregon rates:=[]"),
    ResourceKind("sellers", "seller", ("name", "tax_region"), "id=us name='Meters Inc.'"),
    ResourceKind(
        "revenue-splits",
        "revenue_split",
        ("name", "plans", "start", "end"),
        'id=apps name=Apps plans:=\'["pro"]\' shares:=\'[{"recipient": "author", "percent": 70}]\'',
    ),
    ResourceKind(
        "exchange-rates",
        "exchange_rate",
        ("from_currency", "to_currency", "rate", "effective_from"),
        "from_currency=USD to_currency=EUR rate=0.9213 effective_from=2026-01-01",
    ),
    ResourceKind(
        "credit-grants",
        "credit_grant",
        ("customer", "currency", "amount", "effective_at", "expires_at"),
        "id=gift customer=acme currency=USD amount=20 effective_at=2026-01-01",
    ),
    ResourceKind(
        "top-up-rules",
        "top_up_rule",
        ("customer", "currency", "below", "amount", "most_per_month"),
        "id=acme-topup customer=acme currency=USD below=20 amount=100",
    ),
    ResourceKind(
        "alerts",
        "alert",
        ("name", "measure", "customer", "budget", "thresholds"),
        "id=budget name=Budget measure=spend currency=USD thresholds:='[\"100\"]'",
    ),
)

_id_argument = click.argument("resource_id", type=TextType("a resource"), metavar="ID")
_fields_argument = click.argument("fields", nargs=-1, type=PairType(), metavar=f"[{_FORM}]...")
etag_option = click.option(
    "--etag",
    type=TextType("an etag"),
    metavar="ETAG",
    help="Only if it is what was read with this etag.",
)
key_option = click.option(
    "--idempotency-key",
    type=TextType("a key"),
    metavar="KEY",
    help="With the same key again nothing more is changed, and the answer is the same.",
)


def _write_options(*more: Decorator) -> Decorator:
    return together(*more, key_option, target_option)


def _create_command(kind: ResourceKind) -> click.Command:
    @click.command(
        name="create",
        help=f"Create a {kind.kind}.\n\n{_FIELDS_HELP}\n\nmeterline {kind.command} create {kind.example}",
    )
    @_fields_argument
    @_write_options()
    def create(fields: tuple[Pair, ...], idempotency_key: str | None, target: str) -> None:
        request = CreateResourceRequest(
            kind=kind.kind, definition=json.dumps(_definition(fields)), idempotency_key=idempotency_key or ""
        )
        _show(target, lambda stub: stub.CreateResource(request, timeout=TIMEOUT_S).resource)

    return create


def _get_command(kind: ResourceKind) -> click.Command:
    @click.command(name="get", help=f"Show a {kind.kind} as a line of JSON, with its version and etag.")
    @_id_argument
    @target_option
    def get(resource_id: str, target: str) -> None:
        request = GetResourceRequest(kind=kind.kind, id=resource_id)
        _show(target, lambda stub: stub.GetResource(request, timeout=TIMEOUT_S).resource)

    return get


def _update_command(kind: ResourceKind) -> click.Command:
    @click.command(
        name="update",
        help=f"Change fields of a {kind.kind}, and leave the others. An archived one comes back.\n\n{_FIELDS_HELP}",
    )
    @_id_argument
    @_fields_argument
    @click.option(
        "--unset",
        multiple=True,
        type=TextType("a field"),
        metavar="NAME",
        help="Remove a field, or an entry as metadata.team; repeatable.",
    )
    @_write_options(etag_option)
    def update(
        resource_id: str,
        fields: tuple[Pair, ...],
        unset: tuple[str, ...],
        etag: str | None,
        idempotency_key: str | None,
        target: str,
    ) -> None:
        request = UpdateResourceRequest(
            kind=kind.kind,
            id=resource_id,
            definition=json.dumps(_definition(fields)),
            update_mask=[*(name.removesuffix(":") for name, _ in fields), *unset],
            etag=etag or "",
            idempotency_key=idempotency_key or "",
        )
        _show(target, lambda stub: stub.UpdateResource(request, timeout=TIMEOUT_S).resource)

    return update


def _list_command(kind: ResourceKind) -> click.Command:
    @click.command(name="list", help=f"List the {kind.command}, as they were created.")
    @click.option(
        "--where",
        multiple=True,
        type=PairType(),
        metavar=_FORM,
        help="Only those with this text in a field, as plan=basic or metadata.team=eu; repeatable.",
    )
    @click.option(
        "--prefix", type=TextType("a beginning"), metavar="TEXT", help="Only those whose ids begin so."
    )
    @click.option("--archived", is_flag=True, help="The archived ones behind the others.")
    @click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
    @json_option
    @target_option
    def list_(
        *,
        where: tuple[Pair, ...],
        prefix: str | None,
        archived: bool,
        limit: int,
        as_json: bool,
        target: str,
    ) -> None:
        request = ListResourcesRequest(
            kind=kind.kind,
            id_prefix=prefix or "",
            fields=dict(where),
            include_archived=archived,
            page_size=min(limit, _PAGE_SIZE),
        )
        with connected(target) as channel:
            listed = pages(ResourceServiceStub(channel).ListResources, request)
            found = islice((each for page in listed for each in page.resources), limit)
            if as_json:
                for each in found:
                    click.echo(_line(each))
            else:
                _table(kind, found).show()

    return list_


def _archive_command(kind: ResourceKind) -> click.Command:
    @click.command(
        name="archive",
        help=f"Take a {kind.kind} that nothing uses out of what is rated. An update brings it back.",
    )
    @_id_argument
    @_write_options(etag_option)
    def archive(resource_id: str, etag: str | None, idempotency_key: str | None, target: str) -> None:
        request = ArchiveResourceRequest(
            kind=kind.kind, id=resource_id, etag=etag or "", idempotency_key=idempotency_key or ""
        )
        _show(target, lambda stub: stub.ArchiveResource(request, timeout=TIMEOUT_S).resource)

    return archive


def _delete_command(kind: ResourceKind) -> click.Command:
    @click.command(name="delete", help=f"Delete a {kind.kind} that nothing uses. Its history stays.")
    @_id_argument
    @_write_options(etag_option)
    def delete(resource_id: str, etag: str | None, idempotency_key: str | None, target: str) -> None:
        request = DeleteResourceRequest(
            kind=kind.kind, id=resource_id, etag=etag or "", idempotency_key=idempotency_key or ""
        )
        with connected(target) as channel:
            answer = ResourceServiceStub(channel).DeleteResource(request, timeout=TIMEOUT_S)
        click.echo(f"deleted {kind.kind} {resource_id}; catalog revision {answer.revision}")

    return delete


def _history_command(kind: ResourceKind) -> click.Command:
    @click.command(
        name="history", help=f"Show who changed a {kind.kind}, when, and from what to what; the newest first."
    )
    @_id_argument
    @click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
    @json_option
    @target_option
    def history(*, resource_id: str, limit: int, as_json: bool, target: str) -> None:
        request = ListResourceVersionsRequest(
            kind=kind.kind, id=resource_id, page_size=min(limit, _PAGE_SIZE)
        )
        with connected(target) as channel:
            listed = pages(ResourceServiceStub(channel).ListResourceVersions, request)
            for version in islice((each for page in listed for each in page.versions), limit):
                if as_json:
                    click.echo(message_line(version))
                else:
                    show_version(version)

    return history


def _group(kind: ResourceKind) -> click.Group:
    made = (
        *(_create_command(kind), _get_command(kind), _update_command(kind), _list_command(kind)),
        *(_archive_command(kind), _delete_command(kind), _history_command(kind)),
    )
    return click.Group(kind.command, made, help=f"Work on single {kind.command} of the catalog.")


def _show(target: str, ask: Callable[[ResourceServiceStub], Resource]) -> None:
    with connected(target) as channel:
        resource = ask(ResourceServiceStub(channel))
    click.echo(_line(resource))


def _line(resource: Resource) -> str:
    fields = {"kind": resource.kind, "id": resource.id, "version": resource.version, "etag": resource.etag}
    archived = {"archived": True} if resource.archived else {}
    return json_line({**fields, **archived, "definition": json.loads(resource.definition)})


def _table(kind: ResourceKind, resources: Iterator[Resource]) -> TextTable:
    table = TextTable("ID", "VERSION", *(name.upper().replace("_", " ") for name in kind.columns))
    for each in resources:
        fields = json.loads(each.definition)
        version = f"{each.version} archived" if each.archived else str(each.version)
        cells = (fields.get(name, "") for name in kind.columns)
        table.add(each.id, version, *(cell if isinstance(cell, str) else json_line(cell) for cell in cells))
    return table


def _definition(fields: tuple[Pair, ...]) -> dict[str, Any]:
    """Raises CommandError for a value that is not the JSON that it is said to be."""
    found: dict[str, Any] = {}
    for given, text in fields:
        name = given.removesuffix(":")
        value: object = text
        if name != given:
            try:
                # Numbers stay as they are written.
                value = json.loads(text, parse_int=str, parse_float=str)
            except ValueError as error:
                raise CommandError(f"{name}:={text}: is not JSON: {error}") from None
        first, point, entry = name.partition(".")
        if point:
            mapping = found.setdefault(first, {})
            if not isinstance(mapping, dict):
                raise CommandError(f"{name}: {first} is given as a whole, too")
            mapping[entry] = value
        else:
            found[first] = value
    return found


(
    customers,
    subscriptions,
    plans,
    meters,
    coupons,
    tax_regions,
    sellers,
    revenue_splits,
    exchange_rates,
    credit_grants,
    top_up_rules,
    alerts,
) = map(_group, KINDS)
