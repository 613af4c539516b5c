"""The options that commands which correct usage share: which events, by whom, why, and how carefully."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from engine.cli.terminal.options import (
    InstantType,
    PairType,
    TextType,
    by_name,
    check_period,
    timestamp,
    together,
)
from meterline.v1.correction_pb2 import (
    CorrectUsageRequest,
    EventRef,
    EventRefs,
    PropertyMatch,
    Signature,
    UsageSelection,
)

# Which events, by their ids.
chosen_by_id = together(
    click.option(
        "--event-id",
        "event_ids",
        type=TextType("an event"),
        multiple=True,
        metavar="ID",
        help="This event; repeatable.",
    ),
    click.option(
        "--customer",
        "customers",
        type=TextType("a customer"),
        multiple=True,
        metavar="ID",
        help="Of this customer; repeatable.",
    ),
    click.option("--event-type", type=TextType("a type"), metavar="TYPE", help="Of this type."),
    click.option(
        "--ingested-at",
        type=InstantType(),
        metavar="INSTANT",
        help="With --event-id: the version that was first ingested then, as `meterline conflicts` shows it.",
    ),
)

# Which events, by what they are.
chosen_by_selection = together(
    click.option("--from", "start", type=InstantType(), metavar="INSTANT", help="From this event time on."),
    click.option(
        "--to", "end", type=InstantType(), metavar="INSTANT", help="Up to this event time; not part of it."
    ),
    click.option(
        "--where",
        type=PairType(),
        multiple=True,
        metavar="NAME=VALUE",
        help="Whose property has this value; repeatable: of one name, any of the values.",
    ),
    click.option(
        "--has",
        type=TextType("a property"),
        multiple=True,
        metavar="NAME",
        help="With this property; repeatable.",
    ),
    click.option(
        "--lacks",
        type=TextType("a property"),
        multiple=True,
        metavar="NAME",
        help="Without this property; repeatable.",
    ),
)

# By whom and why, and whether it is recorded at once, after a question, or not at all.
signed = together(
    click.option(
        "--reason",
        type=TextType("the reason"),
        metavar="TEXT",
        help="Why: it stays with the correction. Required unless --dry-run.",
    ),
    click.option(
        "--by",
        type=TextType("who says so"),
        metavar="NAME",
        envvar="METERLINE_RECORDED_BY",
        show_envvar=True,
        help="Who says so, beside the credential in the audit log. Required unless --dry-run.",
    ),
    click.option(
        "--correction-id",
        type=TextType("the correction"),
        metavar="ID",
        help="Sent again with the same id it is recorded once. Default: a new one, which is printed.",
    ),
    click.option("--dry-run", is_flag=True, help="Show what would change; record nothing."),
    click.option("--yes", is_flag=True, help="Record without asking."),
    click.option(
        "--expect",
        type=click.IntRange(min=1),
        metavar="N",
        help="Record without asking, if it is about exactly N events.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object."),
)


def signature_of(options: Mapping[str, Any]) -> Signature:
    """The signature; empty for a dry run.

    Raises:
        click.UsageError: it is not said by whom or why.
    """
    if options["dry_run"]:
        return Signature()
    if missing := _unsigned(options):
        raise click.UsageError(f"say {missing}, or look first with --dry-run")
    return Signature(
        correction_id=options["correction_id"] or uuid.uuid4().hex,
        recorded_by=options["by"],
        reason=options["reason"],
    )


def _unsigned(options: Mapping[str, Any]) -> str:
    """The options that a signature needs and that are not given; empty for a dry run, which needs none."""
    needed = () if options["dry_run"] else (("reason", "--reason"), ("by", "--by"))
    return " and ".join(option for name, option in needed if not options[name])


def request_of(options: Mapping[str, Any]) -> CorrectUsageRequest:
    """The request without what becomes of the events.

    Raises:
        click.UsageError: it names no events, or in two ways.
    """
    selects = any(options.get(name) for name in ("start", "end", "where", "has", "lacks"))
    if options["event_ids"] and selects:
        raise click.UsageError("name events with --event-id, or select them with --from and --to: not both")
    if not options["event_ids"] and (options.get("start") is None or options.get("end") is None):
        ways = ", or select them with --from and --to" if "start" in options else ""
        missing = _unsigned(options)
        more = f"; say {missing} as well, or look first with --dry-run" if missing else ""
        raise click.UsageError(f"no events are named: name them with --event-id{ways}{more}")
    request = CorrectUsageRequest(signature=signature_of(options), dry_run=options["dry_run"])
    if options["expect"] is not None:
        request.expected_event_count = options["expect"]
    if options["event_ids"]:
        request.event_refs.CopyFrom(_refs(options))
    else:
        request.selection.CopyFrom(_selection(options))
    return request


def _refs(options: Mapping[str, Any]) -> EventRefs:
    customers = options["customers"] or ("",)
    if len(customers) > 1:
        raise click.UsageError("--event-id takes one --customer")
    ingested_at: datetime | None = options["ingested_at"]
    return EventRefs(
        events=[
            EventRef(
                event_id=event_id,
                customer_id=customers[0],
                event_type=options["event_type"] or "",
                ingested_at=timestamp(ingested_at),
            )
            for event_id in options["event_ids"]
        ]
    )


def _selection(options: Mapping[str, Any]) -> UsageSelection:
    if options["ingested_at"] is not None:
        raise click.UsageError("--ingested-at goes with --event-id")
    check_period(options["start"], options["end"])
    return UsageSelection(
        start=timestamp(options["start"]),
        end=timestamp(options["end"]),
        customer_ids=options["customers"],
        event_type=options["event_type"] or "",
        filters=[
            *(
                PropertyMatch(property=name, any_of=texts)
                for name, texts in by_name(options["where"]).items()
            ),
            *(PropertyMatch(property=name, exists=True) for name in options["has"]),
            *(PropertyMatch(property=name, exists=False) for name in options["lacks"]),
        ],
    )
