"""What corrections, imports and reused ids make of the models' usage."""

from tests.golden.catalog import SECOND_INSTANT
from tests.golden.events import MARCH, deliver, model_events

_SIGNED = ("--by", "ada", "--reason", "a golden test")


def corrections(calls):
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
    deliver(calls, [{**first, "properties": {"units": {"string_value": "77"}}}])
    calls.answer("ReconcileUsage", **MARCH | {"period_start": "2025-01-01T00:00:00Z"})
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


def correction_commands(calls):
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


def imports(calls, directory):
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
