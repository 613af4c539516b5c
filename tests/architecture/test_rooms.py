"""The rooms of the engine and of the rating core: which may import which, and by which doors."""

import graphlib
import importlib
from collections.abc import Iterator

import pytest

from tests.support.sources import ROOT, imports, sources

# Which other rooms each may import. Arrows go down only, so nobody runs in a circle. A module belongs to the room
# with the longest name that it begins with.
ROOMS = {
    "errors": set(),
    "metrics": {"bulk_histogram"},
    "bulk_histogram": set(),
    "tracing": set(),
    "current_call": {"tracing"},
    "times": {"errors"},
    "time_zones": set(),
    "decimal_texts": {"errors"},
    "recent_answers": set(),
    "whole_files": {"errors"},
    "fair_share": set(),
    "fair_pool": set(),
    "json_cells": set(),
    "health.outages": set(),
    "sql": {"errors", "health.outages"},
    "outbox": {"sql"},
    "outbox.webhooks": {"outbox", "sql", "errors", "metrics", "times"},
    "cluster": {"health.outages", "sql", "errors", "metrics", "times", "whole_files"},
    "access": {"sql", "cluster", "errors", "metrics", "recent_answers", "whole_files"},
    "meters": set(),
    "catalog.limits": set(),
    "catalog.kinds": {"meters", "catalog.limits", "time_zones"},
    "catalog.snapshots": {"catalog.kinds", "errors", "times"},
    "catalog.documents": {
        *("catalog.snapshots", "catalog.kinds", "catalog.limits"),
        *("meters", "errors", "times"),
    },
    "catalog.single": {"catalog.documents", "catalog.snapshots", "catalog.kinds", "errors"},
    "catalog": {
        *("catalog.documents", "catalog.snapshots", "catalog.kinds", "catalog.limits"),
        *("outbox", "sql", "errors", "times", "recent_answers"),
    },
    "usage.store.query": set(),
    "usage.store.tables": {"usage.store.query", "errors"},
    "usage.store.backends": {"usage.store.tables", "usage.store.query", "errors", "metrics"},
    "usage.store": {
        *("usage.store.backends", "usage.store.tables", "usage.store.query"),
        *("current_call", "fair_pool"),
    },
    "configuration": {
        *(
            "usage.store.backends",
            "usage.store.tables",
            "catalog.documents",
            "access",
            "sql",
            "errors",
            "whole_files",
        ),
    },
    "usage.facts": {"usage.store.tables", "usage.store.query", "meters", "times"},
    "usage.corrections": {"usage.store", "usage.store.tables", "usage.store.query", "errors", "metrics"},
    "usage.recording": {
        *("usage.corrections", "usage.store", "usage.store.tables", "usage.store.query"),
        *("errors", "health.outages", "metrics", "current_call", "tracing", "fair_share"),
    },
    "usage.rollups": {
        *("usage.facts", "usage.store", "usage.store.tables", "usage.store.query"),
        *("errors", "times", "recent_answers"),
    },
    "usage.query": {
        *("usage.rollups", "usage.facts", "usage.store", "usage.store.tables", "usage.store.query"),
        *("errors", "times", "recent_answers"),
    },
    "billing": {
        *("usage.query", "usage.facts", "cluster"),
        *("catalog", "catalog.snapshots", "catalog.kinds"),
        *("errors", "metrics", "times", "time_zones", "decimal_texts"),
    },
    "billing.quote": {
        *("catalog.documents", "catalog.kinds", "catalog.limits"),
        *("errors", "decimal_texts"),
    },
    "billing.changes": {"billing", "catalog.snapshots", "catalog.kinds", "errors", "times"},
    "billing.terms": {"billing", "catalog.snapshots", "catalog.kinds", "errors", "times"},
    "billing.accounts": {"outbox", "sql", "errors"},
    "billing.receivables": {
        *("billing.accounts", "billing.closing", "catalog.kinds", "outbox", "sql", "errors", "times"),
    },
    "billing.simulation": {
        *("billing", "billing.terms", "catalog.snapshots"),
        *("errors", "decimal_texts"),
    },
    "billing.holds": {"sql"},
    "billing.closing": {
        *(
            "billing",
            "billing.accounts",
            "billing.holds",
            "billing.terms",
            "catalog",
            "catalog.kinds",
            "catalog.snapshots",
            "outbox",
            "sql",
        ),
        *("errors", "times", "decimal_texts"),
        *("usage.query", "usage.store", "usage.store.tables", "usage.store.query"),
    },
    "billing.running_periods": {
        *("billing", "billing.accounts", "billing.closing", "billing.holds", "billing.terms"),
        *("catalog.kinds", "catalog.snapshots"),
        *("errors", "decimal_texts"),
    },
    "billing.automatic": {
        *("billing", "billing.closing", "billing.running_periods", "catalog.snapshots"),
        *("sql", "errors", "metrics", "usage.query", "usage.store"),
    },
    "billing.drafts": {
        *("billing", "billing.accounts", "billing.automatic", "billing.closing", "billing.holds"),
        *("catalog", "catalog.snapshots", "sql", "errors"),
    },
    "billing.items": {
        *("billing", "billing.accounts", "billing.closing", "billing.holds"),
        *("catalog", "catalog.documents", "catalog.kinds", "catalog.single", "catalog.snapshots"),
        *("sql", "errors", "times"),
    },
    "billing.documents": {
        *("billing.accounts", "billing.closing", "billing.receivables"),
        *("catalog.kinds", "catalog.snapshots"),
        *("errors", "times", "time_zones"),
    },
    "billing.annex": {
        *("billing", "billing.closing", "billing.documents"),
        *("catalog", "catalog.kinds", "catalog.snapshots"),
        *("errors", "times", "time_zones", "usage.facts", "usage.query"),
    },
    "billing.rendering": {"billing.documents", "errors"},
    "entitlements": {
        *("billing", "catalog.kinds", "catalog.snapshots", "errors", "metrics", "sql"),
        *("usage.facts", "usage.query", "usage.store"),
    },
    "spend.alerts": {
        *("spend", "billing", "billing.accounts", "billing.terms", "catalog", "catalog.kinds"),
        *("catalog.snapshots", "usage.query", "usage.store", "outbox", "sql", "errors", "metrics", "times"),
    },
    "spend.top_ups": {
        *("spend.alerts", "access", "billing", "billing.terms", "erasure"),
        *(
            "catalog",
            "catalog.documents",
            "catalog.kinds",
            "catalog.limits",
            "catalog.single",
            "catalog.snapshots",
        ),
        *("usage.store", "outbox", "sql", "errors", "times"),
    },
    "spend": {
        *("billing", "billing.terms", "usage.corrections", "catalog.snapshots"),
        *("errors", "health.outages", "times"),
    },
    "billing.reconciliation": {
        *("billing.accounts", "billing.closing", "catalog", "catalog.kinds", "catalog.snapshots"),
        *("meters", "metrics", "sql", "times"),
        *("usage.store", "usage.store.tables", "usage.store.query"),
    },
    "billing.explaining": {
        *("billing", "billing.reconciliation", "billing.closing", "billing.terms", "billing.running_periods"),
        *("spend", "catalog.kinds"),
        *("errors", "times", "time_zones", "decimal_texts"),
        *("usage.facts", "usage.store", "usage.store.tables", "usage.store.query"),
    },
    "upkeep": {
        *(
            "billing",
            "cluster",
            "catalog",
            "catalog.snapshots",
            "catalog.kinds",
            "errors",
            "metrics",
            "times",
        ),
        *("usage.query", "usage.rollups", "usage.corrections", "usage.facts"),
        *("usage.store", "usage.store.tables", "usage.store.query"),
    },
    "backup": {
        *("cluster", "sql", "errors", "metrics", "whole_files"),
        *("usage.store", "usage.store.tables", "usage.store.query"),
    },
    "erasure": {
        *("billing", "catalog", "catalog.kinds", "cluster", "meters", "sql", "errors", "times"),
        *("usage.query", "usage.rollups", "usage.corrections", "usage.facts"),
        *("usage.store", "usage.store.tables", "usage.store.query"),
    },
    "api": {
        *("backup", "entitlements", "erasure", "access", "upkeep", "spend", "spend.alerts", "cluster"),
        "outbox.webhooks",
        *(
            "billing",
            "billing.accounts",
            "billing.changes",
            "billing.automatic",
            "billing.closing",
            "billing.annex",
            "billing.documents",
            "billing.drafts",
            "billing.holds",
            "billing.explaining",
            "billing.items",
            "billing.receivables",
            "billing.rendering",
            "billing.reconciliation",
            "billing.simulation",
            "billing.terms",
            "billing.running_periods",
        ),
        *(
            "errors",
            "metrics",
            "times",
            "time_zones",
            "current_call",
            "tracing",
            "fair_pool",
            "decimal_texts",
        ),
        *("catalog", "catalog.documents", "catalog.single"),
        *("catalog.snapshots", "catalog.kinds", "catalog.limits"),
        *("usage.query", "usage.recording", "usage.corrections", "usage.facts", "usage.store"),
    },
    "health": {"health.outages", "errors", "metrics"},
    "doctor": {
        *("access", "api", "cluster", "sql", "errors", "whole_files"),
        *("usage.store.backends", "usage.store.tables"),
    },
    "api.grpc": {"api", "access", "fair_share", "errors", "metrics"},
    "api.pages": {"api", "access", "billing.documents", "errors", "time_zones", "times"},
    "api.http": {"api", "api.pages", "access", "fair_share", "errors", "metrics", "times", "json_cells"},
    "app": {
        *("spend", "spend.alerts", "spend.top_ups"),
        *("backup", "doctor", "entitlements", "erasure", "outbox.webhooks"),
        *(
            "access",
            "api",
            "api.grpc",
            "api.http",
            "api.pages",
            "upkeep",
            "billing",
            "billing.automatic",
            "billing.closing",
            "billing.annex",
            "billing.documents",
            "billing.drafts",
            "billing.explaining",
            "billing.items",
            "billing.receivables",
            "billing.rendering",
            "billing.reconciliation",
            "billing.running_periods",
            "catalog",
            "cluster",
            "sql",
            "errors",
            "metrics",
            "health",
            "current_call",
            "tracing",
        ),
        *("usage.query", "usage.rollups", "usage.recording", "usage.corrections"),
        *("usage.store", "usage.store.backends", "usage.store.tables"),
    },
    "cli": {
        *(
            "access",
            "app",
            "api",
            "billing.quote",
            "configuration",
            "time_zones",
            "usage.facts",
        ),
        *("catalog.documents", "catalog.kinds", "catalog.limits"),
        *("errors", "times", "decimal_texts", "json_cells", "whole_files"),
    },
    "__main__": {"cli"},
}


# The same of the rating core. What lies beside the rooms is its way in.
RATING_ROOMS = {
    "numbers": set(),
    "prices": {"numbers"},
    "kernels": {"prices", "numbers"},
    "lines": {"kernels", "prices", "numbers"},
    "settlement": {"lines", "numbers"},
    "rate": {"lines", "kernels", "prices", "numbers"},
}


# The same of admission: decoding knows no rule of it.
INGEST_ROOMS = {
    "limits": set(),
    "columns": set(),
    "event": set(),
    "decoding": {"limits", "columns"},
    "properties": {"decoding", "columns", "event", "limits"},
    "admission": {"properties", "decoding", "columns", "event", "limits"},
    "fingerprint": {"columns"},
    "identity": {"fingerprint", "event"},
    "watermark": set(),
}


# The client's rooms; the files beside them are below (errors, options, transport, ...) or above (session, client).
CLIENT_ROOMS = {
    "reads": set(),
    "spooling": set(),
    "sending": {"spooling"},
    "aio": {"sending", "spooling", "reads"},
}


def _room(module: str) -> str:
    """The room that a module belongs to; its name is without `engine`."""
    rooms = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return max(rooms, key=len, default=f"{module}, which belongs to no room")


def _engine_imports() -> Iterator[tuple[str, str]]:
    return _imports_inside("engine")


def _imports_inside(package: str) -> Iterator[tuple[str, str]]:
    """Each module of a package with each module of it that it imports, without the package's name."""
    for path, tree in sources(package):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        importer = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for module, names in imports(tree):
            top, _, inside = module.partition(".")
            if top == package:
                is_folder = (ROOT / module.replace(".", "/")).is_dir()
                whole = [f"{inside}.{name}".strip(".") for name in names] if is_folder else [inside]
                yield from ((importer, each) for each in whole)


def test_a_room_imports_only_the_rooms_below_it():
    """The table of rooms is what the imports are."""
    wrong = []
    for importer, module in _engine_imports():
        mine, other = _room(importer), _room(module)
        if mine != other and other not in ROOMS.get(mine, set()):
            wrong.append(f"{importer} imports {module}")
    assert wrong == []


@pytest.mark.parametrize(("package", "rooms"), [("rating", RATING_ROOMS), ("ingest", INGEST_ROOMS)])
def test_a_room_of_a_pure_core_imports_only_the_rooms_below_it(package, rooms):
    """Numbers, prices, kernels, lines, settlement: nothing runs back up, and no arrow is allowed that nobody takes."""
    taken: dict[str, set[str]] = {room: set() for room in rooms}
    for importer, module in _imports_inside(package):
        mine, other = importer.split(".")[0], module.split(".")[0]
        if mine and mine != other:
            taken[mine].add(other)
    assert taken == rooms


def test_a_room_of_the_client_imports_only_the_rooms_below_it():
    """What is read knows nothing of what is sent, and the spool nothing of who fills it."""
    taken: dict[str, set[str]] = {room: set() for room in CLIENT_ROOMS}
    for importer, module in _imports_inside("meterline"):
        mine, other = importer.split(".")[0], module.split(".")[0]
        if mine in CLIENT_ROOMS and other in CLIENT_ROOMS and mine != other:
            taken[mine].add(other)
    assert taken == CLIENT_ROOMS


def test_the_table_of_rooms_has_no_arrow_that_nobody_takes():
    """An arrow that is allowed and not taken is a circle that waits for its other half."""
    taken = {(_room(importer), _room(module)) for importer, module in _engine_imports()}
    idle = [
        f"{room} may import {other}"
        for room, others in ROOMS.items()
        for other in others
        if (room, other) not in taken
    ]
    assert idle == []


def test_rooms_never_import_each_other_in_a_circle():
    """Each room can be understood, and tested, with what lies below it alone."""
    assert list(graphlib.TopologicalSorter(ROOMS).static_order())


def test_a_room_is_entered_by_what_it_declares():
    """A folder whose `__init__` has `__all__` is imported through the modules that are named there alone."""
    wrong = []
    for importer, module in _engine_imports():
        room = _room(module)
        declared = (
            getattr(importlib.import_module(f"engine.{room}"), "__all__", None) if room in ROOMS else None
        )
        inside = module.removeprefix(room).removeprefix(".").split(".")[0]
        if _room(importer) != room and declared is not None and inside not in declared:
            wrong.append(f"{importer} imports {module}, which {room} does not declare")
    assert wrong == []
