"""Every model and aggregation, asked through every face; then what corrections make of it."""

import json

from tests.golden.catalog import (
    FIRST_INSTANT,
    MISTAKEN,
    SECOND_INSTANT,
    first_document,
    second_document,
)
from tests.golden.corrections import correction_commands, corrections, imports
from tests.golden.events import MARCH, deliver, model_events
from tests.golden.faces import metric_names, schemas


def record_models(calls, engine, directory):
    """Every model and aggregation, then what corrections make of it."""
    files = {"models/catalog.txt": _catalog(calls, directory)}
    files["models/verdicts.txt"] = _verdicts(calls)
    as_of = _watermark(calls)
    first = {"at": FIRST_INSTANT, "as_of": as_of, "catalog_revision": "1"}
    files["models/first_revision.txt"] = calls.rpc("ListLineItems", **first, page_size=1000)
    files["models/revised.txt"] = calls.rpc(
        "ApplyCatalog", document=second_document(), file_name="second.json"
    )
    files["models/lines.txt"] = calls.rpc("ListLineItems", at=SECOND_INSTANT, as_of=as_of, page_size=1000)
    files["models/spend.txt"] = "\n".join(_spend(calls, as_of))
    files["models/pages.txt"] = "\n".join(_pages(calls, as_of))
    files["models/commands.txt"] = "\n".join(_commands(calls, as_of))
    files["models/usage.txt"] = "\n".join(_usage(calls, as_of))
    files["models/refusals.txt"] = "\n".join(_refusals(calls, as_of))
    files["models/corrections.txt"] = "\n".join(corrections(calls))
    files["models/correction_commands.txt"] = "\n".join(correction_commands(calls))
    files["models/import.txt"] = "\n".join(imports(calls, directory))
    files["models/lines_corrected.txt"] = "\n".join(
        calls.rpc("ListLineItems", at=SECOND_INSTANT, customer_id=name) for name in ("ada", "cleo", "ida")
    )
    files["models/metrics.txt"] = metric_names(engine.metrics_port)
    engine.stop()
    files["models/schemas.txt"] = schemas(directory / "data")
    engine.start()
    return files


def _catalog(calls, directory):
    mistaken = directory / "mistaken.yaml"
    mistaken.write_text(MISTAKEN, encoding="utf-8")
    texts = [
        calls.command("spend"),
        calls.command("apply", "-f", mistaken),
        calls.rpc("ApplyCatalog", document=first_document(), file_name="first.json", dry_run=True),
        calls.rpc("ApplyCatalog", document=first_document(), file_name="first.json"),
        calls.rpc("GetCatalog"),
    ]
    return (
        "\n".join(texts)
        .replace(str(directory), "<directory>")
        .replace(json.dumps(first_document(), ensure_ascii=False), '"<the catalog>"')
    )


def _verdicts(calls):
    deliver(calls, model_events())
    first = model_events()[0]
    newest = model_events()[-1]
    return "\n".join(
        calls.rpc("RecordUsage", events=events)
        for events in (
            [newest, {**newest, "customer_id": "ben"}],
            [
                {**first, "event_id": "unknown", "event_type": "api.cal"},
                {
                    **first,
                    "event_id": "",
                    "properties": {"units": {"string_value": "many"}, "charge": {"double_value": "NaN"}},
                },
                {**first, "event_id": "x" * 129, "event_time": "2999-01-01T00:00:00Z"},
                {**first, "event_id": "digits", "properties": {"units": {"string_value": "0." + "1" * 13}}},
            ],
            [],
        )
    )


def _spend(calls, as_of):
    for at in (FIRST_INSTANT, SECOND_INSTANT):
        yield calls.rpc("ListSpend", at=at, as_of=as_of)
        yield calls.rpc("ListSpend", at=at, as_of=as_of, catalog_revision=1, limit=2)
    for customer in ("fay", "gus", "hal"):
        yield calls.rpc("GetSpend", customer_id=customer, at=FIRST_INSTANT, as_of=as_of)


def _pages(calls, as_of):
    """All lines in pages of seventy: how many each has, and which customers."""
    token, request = "", {"at": SECOND_INSTANT, "page_size": 70}
    while True:
        page = calls.answer("ListLineItems", **request, as_of=as_of, page_token=token)
        yield f"{len(page.line_items)} lines: " + ", ".join(
            f"{line.customer_id} {line.price_id}" for line in page.line_items
        )
        token = page.next_page_token
        if not token:
            return


def _commands(calls, as_of):
    snapshot = ("--at", SECOND_INSTANT, "--as-of", as_of)
    for command in (
        ("catalog",),
        ("spend", *snapshot),
        ("spend", *snapshot, "--json", "--top", "1"),
        ("spend", "--at", "2020-01-01"),
        ("lines", *snapshot, "--customer", "ada"),
        ("lines", *snapshot, "--customer", "fay", "--json"),
        ("lines", *snapshot, "--customer", "hal"),
        ("lines", *snapshot, "--customer", "nobody"),
        ("lines", "--at", "2020-01-01"),
        ("lines", "--at", "yesterday"),
        ("conflicts",),
        ("corrections",),
    ):
        yield calls.command(*command)


def _usage(calls, as_of):
    zone = {"time_zone": "Europe/Berlin"}
    for question in (
        {"meter_id": "units", "group_by": {"customer": True}},
        {"meter_id": "units", "window": "USAGE_WINDOW_WEEK", **zone},
        {"meter_id": "units_by_place", "group_by": {"customer": False, "properties": ["class", "region"]}},
        {"meter_id": "users", "window": "USAGE_WINDOW_MONTH", "group_by": {"properties": ["region"]}},
        {"meter_id": "mean", "window": "USAGE_WINDOW_DAY", "customer_ids": ["ada"], **zone},
        {
            "meter_id": "level",
            "window": "USAGE_WINDOW_WEEK",
            "customer_ids": ["ada", "ben"],
            "group_by": {"customer": True},
        },
        {"meter_id": "seats", "customer_ids": ["ada"], "source": "USAGE_SOURCE_RAW"},
        {"meter_id": "p95", "filters": [{"property": "region", "values": ["eu", "ap"]}]},
        {"meter_id": "picked", "group_by": {"customer": True}, "page_size": 2},
        {"meter_id": "late", "group_by": {"customer": True}},
        {"meter_id": "weighted", "group_by": {"customer": True}},
    ):
        yield calls.rpc("QueryUsage", **question, **MARCH, as_of=as_of)
    march = ("--from", "2025-03-01", "--to", "2025-04-01", "--as-of", as_of)
    yield calls.command("usage", "--meter", "units_by_place", *march)
    yield calls.command("usage", "--meter", "units_by_place", *march, "--json")
    yield calls.command("usage", "--meter", "units_by_place", *march, "--window", "week", "--format", "csv")


def _refusals(calls, as_of):
    for name, request in (
        ("GetSpend", {}),
        ("GetSpend", {"customer_id": "nobody", "at": FIRST_INSTANT}),
        ("GetSpend", {"customer_id": "ada", "as_of": "2999-01-01T00:00:00Z"}),
        ("ListSpend", {"limit": 5000}),
        ("ListSpend", {"catalog_revision": "77"}),
        ("ListLineItems", {"page_size": 1001}),
        ("ListLineItems", {"page_token": "x"}),
        ("ListLineItems", {"customer_id": "hal", "at": SECOND_INSTANT, "as_of": as_of}),
        ("QueryUsage", {}),
        ("QueryUsage", {"meter_id": "unit", **MARCH}),
        ("QueryUsage", {"meter_id": "units", **MARCH, "time_zone": "Mars", "window": "USAGE_WINDOW_DAY"}),
        ("QueryUsage", {"meter_id": "units", "period_start": FIRST_INSTANT, "period_end": FIRST_INSTANT}),
        ("CorrectUsage", {}),
        ("CorrectUsage", {"void": {}, "event_refs": {"events": [{"event_id": "nothing"}]}, "dry_run": True}),
        ("UndoCorrection", {"correction_id": "nothing", "dry_run": True}),
        ("GetCorrection", {"correction_id": "nothing"}),
        ("ReconcileUsage", {}),
        ("ExpireUsage", {"before": "2025-01-15T00:00:00Z", "dry_run": True}),
    ):
        yield calls.rpc(name, **request)


def _watermark(calls):
    return calls.answer("ListSpend", at=SECOND_INSTANT).as_of.ToJsonString()
