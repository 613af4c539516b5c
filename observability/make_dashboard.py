"""Writes grafana-dashboard.json from the panels below: `make dashboard`. A test compares the two."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "grafana-dashboard.json"
_WHERE = 'job=~"$job",instance=~"$instance"'
# Grafana's grid is 24 wide.
_WIDTH, _HEIGHT, _STAT_HEIGHT, _GRID = 8, 8, 4, 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """One panel. `lines`: expressions, in which WHERE stands for the chosen engines, each with its legend."""

    title: str
    text: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def _rate(name: str, by: str = "", match: str = "") -> str:
    matchers = ",".join(filter(None, ("WHERE", match)))
    total = f"rate({name}{{{matchers}}}[$__rate_interval])"
    return f"sum by ({by}) ({total})" if by else f"sum({total})"


def _quantile(share: str, name: str, by: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', labels)})"


def _mean(name: str, by: str) -> str:
    return f"{_rate(f'{name}_sum', by)} / {_rate(f'{name}_count', by)}"


def _stat(title: str, text: str, unit: str, expression: str) -> Panel:
    return Panel(title, text, unit, ((expression, ""),), "stat")


_CALLS = "meterline_rpc_duration_seconds"
ROWS: dict[str, tuple[Panel, ...]] = {
    "At a glance": (
        _stat("Engines", "That are scraped.", "none", "count(meterline_build_info{WHERE})"),
        _stat(
            "Stores that answer", "1: all of them, of every engine.", "none", "min(meterline_store_up{WHERE})"
        ),
        _stat("Events made durable", "A second.", "cps", _rate("meterline_inserted_events_total")),
        _stat(
            "Free on the disk of the data",
            "Of the fullest disk.",
            "percentunit",
            "min(meterline_data_free_bytes{WHERE} / meterline_data_size_bytes{WHERE})",
        ),
        _stat(
            "Rollups behind",
            "How old what the rollups have taken in is.",
            "s",
            "time() - max(meterline_rollups_until_timestamp_seconds{WHERE} > 0)",
        ),
        _stat(
            "Rollup drift",
            "Groups in which a rollup differed from its events, ever: must be zero.",
            "none",
            "sum(meterline_rollup_drift_total{WHERE})",
        ),
    ),
    "Calls": (
        Panel(
            "Calls by method",
            "Over gRPC and HTTP.",
            "reqps",
            ((_rate(f"{_CALLS}_count", "method"), "{{method}}"),),
        ),
        Panel(
            "Calls that did not end well",
            "By status code. INTERNAL is a fault of the engine; UNAVAILABLE and RESOURCE_EXHAUSTED mean: come again.",
            "reqps",
            ((_rate(f"{_CALLS}_count", "code", 'code!="OK"'), "{{code}}"),),
        ),
        Panel(
            "Time of a call, p99",
            "By method.",
            "s",
            ((_quantile("0.99", _CALLS, "method"), "{{method}}"),),
        ),
        Panel(
            "Credentials",
            "Calls that were admitted, and those that were refused by reason.",
            "reqps",
            (
                (_rate("meterline_admitted_calls_total"), "admitted"),
                (_rate("meterline_refused_calls_total", "reason"), "refused: {{reason}}"),
            ),
        ),
        Panel(
            "Tenants' limits reached",
            "Requests that were told to come again later, by limit.",
            "reqps",
            ((_rate("meterline_limited_calls_total", "limit"), "{{limit}}"),),
        ),
        Panel(
            "Places taken",
            "Open calls by kind, as a share of what an engine serves at once.",
            "percentunit",
            (
                (
                    "max by (kind) (meterline_open_calls{WHERE} / meterline_open_calls_max{WHERE})",
                    "{{kind}}",
                ),
            ),
        ),
    ),
    "Events on their way in": (
        Panel(
            "Events by verdict",
            "What callers were told.",
            "cps",
            ((_rate("meterline_events_total", "verdict"), "{{verdict}}"),),
        ),
        Panel(
            "Why events are refused",
            "Problems of events by reason; those that meterline problems can't list are lost.",
            "cps",
            (
                (_rate("meterline_event_problems_total", "reason"), "{{reason}}"),
                (_rate("meterline_lost_event_problems_total"), "lost"),
            ),
        ),
        Panel(
            "How late events come",
            "From the event to its becoming durable.",
            "s",
            (
                (_quantile("0.5", "meterline_event_lateness_seconds"), "p50"),
                (_quantile("0.99", "meterline_event_lateness_seconds"), "p99"),
            ),
        ),
        Panel(
            "Queue",
            "What waits for the usage store, as a share of what may.",
            "percentunit",
            (
                ("max(meterline_queue_events{WHERE} / meterline_queue_events_max{WHERE})", "events"),
                ("max(meterline_queue_bytes{WHERE} / meterline_queue_bytes_max{WHERE})", "bytes"),
            ),
        ),
        Panel(
            "Waiting and inserting",
            "A batch's first request waits, then the batch is inserted.",
            "s",
            (
                (_quantile("0.99", "meterline_queue_wait_seconds"), "waited, p99"),
                (_quantile("0.5", "meterline_insert_duration_seconds"), "insert, p50"),
                (_quantile("0.99", "meterline_insert_duration_seconds"), "insert, p99"),
            ),
        ),
        Panel(
            "Size of batches",
            "Small ones cost more an event.",
            "none",
            (
                (_quantile("0.5", "meterline_batch_requests"), "requests of a batch, p50"),
                (_quantile("0.5", "meterline_insert_events"), "events of an insert, p50"),
            ),
        ),
        Panel(
            "What was refused or settled",
            "Inserts and disk writes that failed, and events voided because their id was another's.",
            "cps",
            (
                (_rate("meterline_failed_inserts_total"), "failed inserts"),
                (_rate("meterline_failed_disk_writes_total"), "failed disk writes"),
                (_rate("meterline_reconciled_events_total"), "events voided"),
            ),
        ),
    ),
    "Money and upkeep": (
        Panel(
            "Lines",
            "Each time they are asked for. A line without an amount makes a total incomplete.",
            "cps",
            (
                (_rate("meterline_rated_lines_total"), "rated"),
                (_rate("meterline_unrateable_lines_total"), "without an amount"),
            ),
        ),
        Panel(
            "Time to read and rate",
            "By one request.",
            "s",
            (
                (_quantile("0.5", "meterline_rate_duration_seconds"), "p50"),
                (_quantile("0.99", "meterline_rate_duration_seconds"), "p99"),
            ),
        ),
        Panel(
            "Rollups compared with events",
            "Answers read both ways, and groups that differed.",
            "cps",
            (
                (_rate("meterline_rollup_checks_total"), "compared"),
                (_rate("meterline_rollup_drift_total"), "differed"),
            ),
        ),
        Panel(
            "Time of a pass in the background",
            "On average, by what it does.",
            "s",
            (
                (
                    _mean("meterline_upkeep_pass_duration_seconds", "upkeep"),
                    "{{upkeep}}",
                ),
            ),
        ),
        Panel(
            "Since the last good pass",
            "By what it does.",
            "s",
            (
                (
                    "time() - max by (upkeep) (meterline_upkeep_succeeded_timestamp_seconds{WHERE} > 0)",
                    "{{upkeep}}",
                ),
            ),
        ),
        Panel(
            "Passes that failed",
            "The next one tries again.",
            "cps",
            ((_rate("meterline_failed_upkeep_passes_total", "upkeep"), "{{upkeep}}"),),
        ),
        Panel(
            "Reservations of limits",
            "By what became of them. Many that expire are work that died, or takes longer than it holds.",
            "cps",
            ((_rate("meterline_reservations_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Reservations that are held",
            "At the last pass of upkeep, of all tenants.",
            "none",
            (("max(meterline_open_reservations{WHERE})", "held"),),
        ),
        Panel(
            "Invoices that differ from events",
            "Found by the last daily run over closed periods.",
            "none",
            (("max(meterline_billing_differences{WHERE})", "differences"),),
        ),
        Panel(
            "Customers left open",
            "By automatic closing: their billing periods are over, and a price can't rate their usage.",
            "none",
            (("max(meterline_open_customers{WHERE})", "customers"),),
        ),
        Panel(
            "Invoices compared with events",
            "When the last daily run over closed periods was through.",
            "dateTimeFromNow",
            (("1000 * max(meterline_billing_reconciled_timestamp_seconds{WHERE})", "last run"),),
        ),
        Panel(
            "Alerts told",
            "Thresholds of customers that were reached, and those that no longer are.",
            "cps",
            ((_rate("meterline_alert_facts_total", "type"), "{{type}}"),),
        ),
        Panel(
            "Webhooks posted",
            "By whether they were delivered, and facts that an endpoint never took.",
            "cps",
            (
                (_rate("meterline_webhook_attempts_total", "outcome"), "{{outcome}}"),
                (_rate("meterline_webhook_dead_letters_total"), "dead"),
            ),
        ),
        Panel(
            "Webhooks that wait",
            "Facts that active endpoints are still to hear.",
            "none",
            (("sum(meterline_webhook_deliveries_pending{WHERE})", "waiting"),),
        ),
    ),
    "Stores and processes": (
        Panel(
            "Time in which a store answers",
            "The smallest question, every five seconds; p99.",
            "s",
            ((_quantile("0.99", "meterline_store_check_duration_seconds", "store"), "{{store}}"),),
        ),
        Panel(
            "Free on the disk of the data",
            "By engine.",
            "bytes",
            (("meterline_data_free_bytes{WHERE}", "{{instance}}"),),
        ),
        Panel(
            "Event ids remembered",
            "By which duplicates and conflicts are told at once.",
            "none",
            (("meterline_hot_window_events{WHERE}", "{{instance}}"),),
        ),
        Panel(
            "CPU",
            "Cores, by engine.",
            "none",
            (
                (
                    "rate(process_cpu_seconds_total{WHERE}[$__rate_interval]) and on (job, instance) meterline_build_info",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident, by engine.",
            "bytes",
            (
                (
                    "process_resident_memory_bytes{WHERE} and on (job, instance) meterline_build_info",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Versions",
            "Engines by what they were built from.",
            "none",
            (
                (
                    "count by (version, commit) (meterline_build_info{WHERE})",
                    "{{version}} {{commit}}",
                ),
            ),
        ),
    ),
}


def dashboard() -> str:
    """The whole file."""
    made: dict[str, Any] = {
        "title": "Meterline",
        "uid": "meterline",
        "description": "Made by `make dashboard`. What to do about it: docs/operations.md.",
        "tags": ["meterline"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }
    return json.dumps(made, indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    def of_label(label: str, series: str) -> dict[str, Any]:
        query = f"label_values({series}, {label})"
        return {
            "name": label,
            "label": label.capitalize(),
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": query, "refId": label},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }

    return [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        of_label("job", "meterline_build_info"),
        of_label("instance", 'meterline_build_info{job=~"$job"}'),
    ]


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": _GRID, "h": 1},
        }
        y += 1
        width = _GRID // len(panels) if panels[0].kind == "stat" else _WIDTH
        height = _STAT_HEIGHT if panels[0].kind == "stat" else _HEIGHT
        x = 0
        for panel in panels:
            if x + width > _GRID:
                x, y = 0, y + height
            number += 1
            yield _panel(panel, number, {"x": x, "y": y, "w": width, "h": height})
            x += width
        y += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind != "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + place_of),
                "datasource": _SOURCE,
                "expr": expression.replace("WHERE", _WHERE),
                "legendFormat": legend,
            }
            for place_of, (expression, legend) in enumerate(panel.lines)
        ],
    }


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
    sys.stdout.write(f"wrote {FILE.name}\n")
