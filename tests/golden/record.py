"""Asks an engine for everything that the golden files hold. `python -m tests.golden.record` writes them."""

import json
import shutil
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

from examples.engine_process import EngineProcess
from examples.llm_trace import read_trace
from examples.recompute import read_catalog
from tests.golden.catalog import (
    FIRST_INSTANT,
    MISTAKEN,
    SECOND_INSTANT,
    first_document,
    second_document,
)
from tests.golden.events import model_events
from tests.golden.faces import (
    ROOT,
    Calls,
    help_of_every_command,
    metric_names,
    now,
    run_command,
    schemas,
    without_what_no_run_repeats,
)

FILES = Path(__file__).parent / "files"
_DEMO_EVENTS = 600
_DEMO_AT = "2023-11-16T00:00:00Z"
# So few ids are remembered that one of the first events can be stored again with other content.
_BATCH = 100
_LIMITS = (
    "request_events_max",
    "columns_events_max",
    "insert_events_max",
    "queue_events_max",
    "hot_window_events_max",
)
_OPTIONS = ("--event-age-max-days", "36525", *(f"--limit={name}={_BATCH}" for name in _LIMITS))
_MARCH = {"period_start": "2025-03-01T00:00:00Z", "period_end": "2025-04-01T00:00:00Z"}
_SIGNED = ("--by", "ada", "--reason", "a golden test")


def record_help():
    """File name -> text."""
    return {f"help/{name}.txt": text for name, text in help_of_every_command().items()}


def record_demo():
    """The demo's catalog with a slice of its trace, as its README tells it."""
    with _engine() as (calls, engine, _directory):
        files = {
            "demo/catalog.txt": calls.rpc("ApplyCatalog", document="colour: [") + _applied_by_hand(calls)
        }
        _record(calls, _trace_events())
        files["demo/spend.txt"] = calls.command("spend", "--at", _DEMO_AT) + calls.rpc(
            "ListSpend", at=_DEMO_AT, limit=1000
        )
        files["demo/lines.txt"] = "\n".join(
            [
                calls.command("lines", "--customer", "acme", "--at", _DEMO_AT),
                calls.command("lines", "--customer", "zephyr", "--at", _DEMO_AT, "--json"),
                calls.rpc("ListLineItems", at=_DEMO_AT, page_size=400),
            ]
        )
        files["demo/usage.txt"] = "\n".join(_demo_usage(calls))
        files["demo/metrics.txt"] = metric_names(engine.metrics_port)
        files["demo/quote.txt"] = "\n".join(_demo_quotes())
    return files


def _applied_by_hand(calls):
    path = "examples/llm.yaml"
    commands = (
        ("apply", "-f", path, "--dry-run"),
        ("apply", "-f", path),
        ("apply", "-f", path),
        ("catalog",),
    )
    return "\n".join(calls.command(*each) for each in commands)


def _trace_events():
    catalog = read_catalog(ROOT / "examples" / "llm.yaml")
    trace = read_trace([customer["id"] for customer in catalog["customers"]])
    for request, _ in zip(trace, range(_DEMO_EVENTS), strict=False):
        yield {
            "event_id": request.event_id,
            "event_type": "llm.completion",
            "customer_id": request.customer_id,
            "event_time": request.event_time.isoformat().replace("+00:00", "Z"),
            "properties": {
                "model": {"string_value": request.model},
                "input_tokens": {"int_value": str(request.input_tokens)},
                "output_tokens": {"int_value": str(request.output_tokens)},
            },
        }


def _demo_usage(calls):
    november = ("--from", "2023-11-16", "--to", "2023-11-17")
    for options in (
        ("--meter", "requests", "--customer", "acme"),
        ("--meter", "input_tokens", "--window", "hour", "--total"),
        ("--meter", "input_tokens", "--group-by", "model", "--format", "csv"),
        ("--meter", "input_tokens", "--window", "minute", "--customer", "acme", "--json"),
        ("--meter", "output_tokens_small", "--where", "model=large", "--total", "--raw"),
        ("--meter", "nothing"),
    ):
        yield calls.command("usage", *options, *november)


def _demo_quotes():
    file = ("quote", "-f", "examples/llm.yaml")
    for options in (
        ("--plan", "developer", "--quantity", "input=1482229", "--quantity", "requests=1272"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--json"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--format", "csv"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--format", "tiers"),
        ("--plan", "nothing"),
    ):
        yield run_command(*file, *options)


def record_models():
    """Every model and aggregation, then what corrections make of it."""
    with _engine() as (calls, engine, directory):
        files = {"models/catalog.txt": _models_catalog(calls, directory)}
        files["models/verdicts.txt"] = _models_verdicts(calls)
        as_of = _watermark(calls)
        first = {"at": FIRST_INSTANT, "as_of": as_of, "catalog_revision": "1"}
        files["models/first_revision.txt"] = calls.rpc("ListLineItems", **first, page_size=1000)
        files["models/revised.txt"] = calls.rpc(
            "ApplyCatalog", document=second_document(), file_name="second.json"
        )
        files["models/lines.txt"] = calls.rpc("ListLineItems", at=SECOND_INSTANT, as_of=as_of, page_size=1000)
        files["models/spend.txt"] = "\n".join(_models_spend(calls, as_of))
        files["models/pages.txt"] = "\n".join(_models_pages(calls, as_of))
        files["models/commands.txt"] = "\n".join(_models_commands(calls, as_of))
        files["models/usage.txt"] = "\n".join(_models_usage(calls, as_of))
        files["models/refusals.txt"] = "\n".join(_models_refusals(calls, as_of))
        files["models/corrections.txt"] = "\n".join(_models_corrections(calls))
        files["models/correction_commands.txt"] = "\n".join(_correction_commands(calls))
        files["models/import.txt"] = "\n".join(_imports(calls, directory))
        files["models/lines_corrected.txt"] = "\n".join(
            calls.rpc("ListLineItems", at=SECOND_INSTANT, customer_id=name) for name in ("ada", "cleo", "ida")
        )
        files["models/metrics.txt"] = metric_names(engine.metrics_port)
        engine.stop()
        files["models/schemas.txt"] = schemas(directory / "data")
        engine.start()
    return files


def _models_catalog(calls, directory):
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


def _models_verdicts(calls):
    _record(calls, model_events())
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


def _models_spend(calls, as_of):
    for at in (FIRST_INSTANT, SECOND_INSTANT):
        yield calls.rpc("ListSpend", at=at, as_of=as_of)
        yield calls.rpc("ListSpend", at=at, as_of=as_of, catalog_revision=1, limit=2)
    for customer in ("fay", "gus", "hal"):
        yield calls.rpc("GetSpend", customer_id=customer, at=FIRST_INSTANT, as_of=as_of)


def _models_pages(calls, as_of):
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


def _models_commands(calls, as_of):
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


def _models_usage(calls, as_of):
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
        yield calls.rpc("QueryUsage", **question, **_MARCH, as_of=as_of)
    march = ("--from", "2025-03-01", "--to", "2025-04-01", "--as-of", as_of)
    yield calls.command("usage", "--meter", "units_by_place", *march)
    yield calls.command("usage", "--meter", "units_by_place", *march, "--json")
    yield calls.command("usage", "--meter", "units_by_place", *march, "--window", "week", "--format", "csv")


def _models_refusals(calls, as_of):
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
        ("QueryUsage", {"meter_id": "unit", **_MARCH}),
        ("QueryUsage", {"meter_id": "units", **_MARCH, "time_zone": "Mars", "window": "USAGE_WINDOW_DAY"}),
        ("QueryUsage", {"meter_id": "units", "period_start": FIRST_INSTANT, "period_end": FIRST_INSTANT}),
        ("CorrectUsage", {}),
        ("CorrectUsage", {"void": {}, "event_refs": {"events": [{"event_id": "nothing"}]}, "dry_run": True}),
        ("UndoCorrection", {"correction_id": "nothing", "dry_run": True}),
        ("GetCorrection", {"correction_id": "nothing"}),
        ("ReconcileUsage", {}),
        ("ExpireUsage", {"before": "2025-01-15T00:00:00Z", "dry_run": True}),
    ):
        yield calls.rpc(name, **request)


def _models_corrections(calls):
    """Each dry, then in earnest, and what it makes of the spend; last a reused id and its restoring."""
    chosen = {"start": "2025-03-01T00:00:00Z", "end": "2025-03-21T00:00:00Z", "customer_ids": ["cleo", "ida"]}
    narrowed = {**chosen, "event_type": "api.call", "filters": [{"property": "region", "any_of": ["eu"]}]}
    one = {"event_refs": {"events": [{"event_id": "cleo-call-7"}]}}
    for number, (name, correction) in enumerate(
        (
            ("CorrectUsage", {"void": {}, "selection": narrowed}),
            (
                "CorrectUsage",
                {"amend": {"set_properties": {"units": "1000.25"}, "remove_properties": ["user"]}, **one},
            ),
            ("CorrectUsage", {"amend": {"customer_id": "ida", "event_time": "2025-03-29T00:00:00Z"}, **one}),
            ("CorrectUsage", {"void": {}, **one}),
            ("UndoCorrection", {"correction_id": "c4"}),
            ("UndoCorrection", {"correction_id": "c1"}),
            ("UndoCorrection", {"correction_id": "c6"}),
        ),
        1,
    ):
        signature = {"correction_id": f"c{number}", "recorded_by": "ada", "reason": f"reason {number}"}
        yield calls.rpc(name, **correction, dry_run=True)
        yield calls.rpc(name, **correction, signature=signature)
        yield calls.rpc("GetSpend", customer_id="cleo" if number % 2 else "ida", at=SECOND_INSTANT)
    yield calls.rpc(
        "CorrectUsage", void={}, **one, signature={"correction_id": "c1", "recorded_by": "b", "reason": "r"}
    )
    # By now the window has forgotten the first events: another content of an id is stored, and then voided.
    first = next(event for event in model_events() if event["customer_id"] == "cleo")
    _record(calls, [{**first, "properties": {"units": {"string_value": "77"}}}])
    calls.answer("ReconcileUsage", **_MARCH | {"period_start": "2025-01-01T00:00:00Z"})
    yield calls.rpc("ListConflicts")
    ingested_at = calls.answer("ListConflicts").conflicts[0].voided.ingested_at.ToJsonString()
    reused = {
        "event_refs": {"events": [{"event_id": first["event_id"], "ingested_at": ingested_at}]},
        "restore": {},
    }
    yield calls.rpc("CorrectUsage", **reused, dry_run=True)
    yield calls.rpc(
        "CorrectUsage", **reused, signature={"correction_id": "c8", "recorded_by": "ada", "reason": "both"}
    )
    yield calls.rpc("ListConflicts", event_id=first["event_id"])
    yield calls.rpc("ListCorrections")
    yield calls.rpc("ListCorrections", page_size=3)
    for number in range(1, 9):
        yield calls.rpc("GetCorrection", correction_id=f"c{number}", page_size=5)


def _correction_commands(calls):
    for command in (
        ("void", "--event-id", "ida-call-3", "--dry-run"),
        ("void", "--event-id", "ida-call-3", *_SIGNED, "--correction-id", "k1", "--yes"),
        ("void", "--event-id", "ida-call-3", *_SIGNED, "--correction-id", "k1", "--yes"),
        ("amend", "--event-id", "ida-call-4", "--set", "units=5", "--dry-run", "--json"),
        (
            "amend",
            "--event-id",
            "ida-call-4",
            "--set",
            "units=5",
            *_SIGNED,
            "--correction-id",
            "k2",
            "--expect",
            "1",
        ),
        ("undo", "k1", *_SIGNED, "--correction-id", "k3", "--yes"),
        ("undo", "k1", *_SIGNED, "--correction-id", "k4", "--yes"),
        ("corrections", "--limit", "3"),
        ("corrections", "k2"),
        ("corrections", "k2", "--json"),
        ("conflicts",),
        ("conflicts", "--json"),
        ("reconcile", "--from", "2025-03-01", "--to", "2025-04-01"),
        ("void", "--event-id", "ida-call-5"),
    ):
        yield calls.command(*command)


def _imports(calls, directory):
    file = directory / "usage.csv"
    file.write_text(
        "event_id,event_type,customer_id,event_time,units,region\n"
        "i1,api.call,ada,2025-03-10T00:00:00Z,5,eu\n"
        "i2,api.call,ada,2025-03-10T00:00:00Z,many,eu\n"
        "i3,api.cal,ada,yesterday,5,eu\n",
        encoding="utf-8",
    )
    yield calls.command("import", file).replace(str(directory), "<directory>")
    yield (directory / "usage.csv.rejects.ndjson").read_text(encoding="utf-8")
    yield calls.command("import", file).replace(str(directory), "<directory>")


@contextmanager
def _engine():
    with tempfile.TemporaryDirectory(prefix="meterline-golden-") as name:
        directory = Path(name)
        with (
            EngineProcess(directory / "data", *_OPTIONS) as engine,
            closing(Calls(engine.target, engine.api_key)) as calls,
        ):
            yield calls, engine, directory


def _record(calls, events):
    events = list(events)
    for first in range(0, len(events), _BATCH):
        answer = calls.answer("RecordUsage", events=events[first : first + _BATCH])
        if set(answer.verdicts) != {1}:
            raise RuntimeError(f"an event of the golden files was not accepted: {answer.problems}")


def _watermark(calls):
    return calls.answer("ListSpend", at=SECOND_INSTANT).as_of.ToJsonString()


RECORDINGS = {"help": record_help, "demo": record_demo, "models": record_models}


def recorded(name):
    """The files of one recording: name -> text."""
    since = now()
    return {file: without_what_no_run_repeats(text, since) for file, text in RECORDINGS[name]().items()}


def main():
    for name in sys.argv[1:] or RECORDINGS:
        files = recorded(name)
        shutil.rmtree(FILES / name, ignore_errors=True)
        for file, text in files.items():
            path = FILES / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{name}: {len(files)} files, {sum(map(len, files.values())):,} characters")


if __name__ == "__main__":
    main()
