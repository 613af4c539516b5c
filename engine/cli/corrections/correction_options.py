"""The options that commands which correct usage share: which events, by whom, why, and how carefully."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import click

from engine.cli.terminal.connection import InstantType, check_period, timestamp
from engine.cli.terminal.option_text import TextType
from meterline.v1.correction_pb2 import (
    CorrectUsageRequest,
    EventRef,
    EventRefs,
    PropertyMatch,
    Signature,
    UsageSelection,
)

_PAIR = re.compile(r"(?P<name>[^=]+)=(?P<text>.*)", re.DOTALL)
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class PairType(click.ParamType["tuple[str, str]"]):
    """NAME=VALUE; the value may be empty and hold any sign."""

    name = "pair"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        pair = _PAIR.fullmatch(value)
        if pair is None:
            self.fail(f"{value!r} is no NAME=VALUE", param, ctx)
        return pair["name"], pair["text"]


def chosen_by_id(command: Callable[..., None]) -> Callable[..., None]:
    """Which events, by their ids."""
    return _all(
        command,
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


def chosen_by_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Which events, by what they are."""
    return _all(
        command,
        click.option(
            "--from", "start", type=InstantType(), metavar="INSTANT", help="From this event time on."
        ),
        click.option(
            "--to",
            "end",
            type=InstantType(),
            metavar="INSTANT",
            help="Up to this event time; not part of it.",
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


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """By whom and why, and whether it is recorded at once, after a question, or not at all."""
    return _all(
        command,
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
            help="Who says so: there are no credentials yet. Required unless --dry-run.",
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
    if missing := unsigned(options):
        raise click.UsageError(f"say {missing}, or look first with --dry-run")
    return Signature(
        correction_id=options["correction_id"] or uuid.uuid4().hex,
        recorded_by=options["by"],
        reason=options["reason"],
    )


def unsigned(options: Mapping[str, Any]) -> str:
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
        missing = unsigned(options)
        more = f"; say {missing} as well, or look first with --dry-run" if missing else ""
        raise click.UsageError(f"no events are named: name them with --event-id{ways}{more}")
    request = CorrectUsageRequest(signature=signature_of(options), dry_run=options["dry_run"])
    if options["expect"] is not None:
        request.expected_event_count = options["expect"]
    if options["event_ids"]:
        request.event_refs.CopyFrom(_refs(options))
        return request
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
    values: dict[str, list[str]] = {}
    for name, text in options["where"]:
        values.setdefault(name, []).append(text)
    return UsageSelection(
        start=timestamp(options["start"]),
        end=timestamp(options["end"]),
        customer_ids=options["customers"],
        event_type=options["event_type"] or "",
        filters=[
            *(PropertyMatch(property=name, any_of=texts) for name, texts in values.items()),
            *(PropertyMatch(property=name, exists=True) for name in options["has"]),
            *(PropertyMatch(property=name, exists=False) for name in options["lacks"]),
        ],
    )


def _all(command: Callable[..., None], *decorators: Decorator) -> Callable[..., None]:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def pairs(given: Iterable[tuple[str, str]], option: str) -> dict[str, str]:
    """NAME=VALUE pairs, each name once.

    Raises:
        click.UsageError: a name comes twice.
    """
    found: dict[str, str] = {}
    for name, text in given:
        if name in found:
            raise click.UsageError(f"{option} {name} is given twice")
        found[name] = text
    return found
