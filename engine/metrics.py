"""The engine's metrics, in the conventions of Prometheus: base units, `_total` on counters."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class _Metrics:
    """One field for each metric. Labels hold only names that the program itself knows, never customers' text."""

    events: Counter = field(
        default_factory=lambda: _counter("meterline_events_total", "Events answered, by verdict.", "verdict")
    )
    inserted_events: Counter = field(
        default_factory=lambda: _counter("meterline_inserted_events_total", "Events made durable.")
    )
    failed_inserts: Counter = field(
        default_factory=lambda: _counter("meterline_failed_inserts_total", "Inserts that the store refused.")
    )
    failed_disk_writes: Counter = field(
        default_factory=lambda: _counter(
            "meterline_failed_disk_writes_total",
            "Writes of the embedded usage store that the operating system refused: is the disk full?",
        )
    )
    reconciled_events: Counter = field(
        default_factory=lambda: _counter(
            "meterline_reconciled_events_total",
            "Events voided because their event_id had been used for an event with other content.",
        )
    )
    refused_calls: Counter = field(
        default_factory=lambda: _counter(
            "meterline_refused_calls_total",
            "Calls that the credential, or the lack of one, did not allow: by method and reason.",
            "method",
            "reason",
        )
    )
    limited_calls: Counter = field(
        default_factory=lambda: _counter(
            "meterline_limited_calls_total",
            "Requests that were refused because their tenant's limit was reached, by the limit's name.",
            "limit",
        )
    )
    failed_upkeep_passes: Counter = field(
        default_factory=lambda: _counter(
            "meterline_failed_upkeep_passes_total",
            "Passes in the background that ended without a result, by what they do; the next one tries again.",
            "upkeep",
        )
    )
    rollup_checks: Counter = field(
        default_factory=lambda: _counter(
            "meterline_rollup_checks_total", "Answers that were read both from rollups and from events."
        )
    )
    rollup_drift: Counter = field(
        default_factory=lambda: _counter(
            "meterline_rollup_drift_total",
            "Groups in which a rollup differed from its events: must stay zero.",
        )
    )
    queue_events: Gauge = field(
        default_factory=lambda: Gauge(
            "meterline_queue_events",
            "Events that are admitted and wait for the usage store.",
            registry=REGISTRY,
        )
    )
    queue_bytes: Gauge = field(
        default_factory=lambda: Gauge(
            "meterline_queue_bytes",
            "Bytes of usage requests that are not answered yet.",
            registry=REGISTRY,
        )
    )
    insert_duration_seconds: Histogram = field(
        default_factory=lambda: _histogram("meterline_insert_duration_seconds", "Time of one insert.")
    )
    rate_duration_seconds: Histogram = field(
        default_factory=lambda: _histogram(
            "meterline_rate_duration_seconds", "Time to read usage and rate it, by one request."
        )
    )
    rpc_duration_seconds: Histogram = field(
        default_factory=lambda: _histogram(
            "meterline_rpc_duration_seconds", "Time of one RPC, by method and status code.", "method", "code"
        )
    )
    store_up: Gauge = field(
        default_factory=lambda: Gauge(
            "meterline_store_up",
            "1 while the store answers, 0 while it does not: usage (ClickHouse) and catalog.",
            ("store",),
            registry=REGISTRY,
        )
    )
    store_check_duration_seconds: Histogram = field(
        default_factory=lambda: _histogram(
            "meterline_store_check_duration_seconds",
            "Time in which the store answered the smallest question, or failed to; asked every five seconds.",
            "store",
        )
    )


METRICS = _Metrics()
