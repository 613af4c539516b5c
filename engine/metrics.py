"""The engine's metrics, in the conventions of Prometheus: base units, `_total` on counters, timestamps rather than ages.

Rules:
1. Labels hold only names that the program itself knows, never customers' text: each has a bounded set of values, which a
   test names.
2. A family's help says what it counts, and when.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from engine.bulk_histogram import BulkHistogram

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
# A gauge beside each counter that says when it began, which a restart tells as well.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Seconds: from a quick read to the minute after which nobody waits any more.
_CALL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
# Seconds of a pass in the background, which may look through the whole log.
_PASS_S = (0.01, 0.1, 1, 10, 60, 300, 1_800)
# Seconds between an event and its coming: from live to the oldest that is taken by default, and more.
_LATENESS_S = (1, 10, 60, 600, 3_600, 21_600, 86_400, 7 * 86_400, 35 * 86_400)
# Of events and requests, up to what one insert takes.
_SIZES = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _CALL_S) -> Histogram:
    return Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)


class _Metrics:
    """One attribute for each family."""

    # Calls.
    rpc_duration_seconds = _histogram(
        "meterline_rpc_duration_seconds",
        "Time of one RPC, by method and status code, over gRPC and HTTP.",
        "method",
        "code",
    )
    open_calls = _gauge("meterline_open_calls", "Calls that hold a place now, by kind.", "kind")
    open_calls_max = _gauge(
        "meterline_open_calls_max", "How many calls of a kind may be open at once.", "kind"
    )
    admitted_calls = _counter(
        "meterline_admitted_calls_total", "Calls whose credential allows them, by method.", "method"
    )
    refused_calls = _counter(
        "meterline_refused_calls_total",
        "Calls that the credential, or the lack of one, did not allow: by method and reason.",
        "method",
        "reason",
    )
    limited_calls = _counter(
        "meterline_limited_calls_total",
        "Requests that were refused because their tenant's limit was reached, by the limit's name.",
        "limit",
    )

    # Events on their way in.
    events = _counter("meterline_events_total", "Events answered, by verdict.", "verdict")
    event_problems = _counter(
        "meterline_event_problems_total",
        "Problems of events that were answered with CONFLICT or REJECTED, by reason: an event may have several.",
        "reason",
    )
    lost_event_problems = _counter(
        "meterline_lost_event_problems_total",
        "Problems of events that ListProblems neither lists nor counts: the usage store did not take them.",
    )
    event_lateness_seconds = BulkHistogram(
        "meterline_event_lateness_seconds",
        "Time from an event to its becoming durable, of new events; one that is ahead of the clock counts as 0.",
        _LATENESS_S,
        REGISTRY,
    )
    queue_events = _gauge("meterline_queue_events", "Events that are admitted and wait for the usage store.")
    queue_events_max = _gauge(
        "meterline_queue_events_max", "How many events may wait; beyond it requests are refused."
    )
    queue_bytes = _gauge("meterline_queue_bytes", "Bytes of usage requests that are not answered yet.")
    queue_bytes_max = _gauge(
        "meterline_queue_bytes_max", "How many bytes of requests may wait; beyond it requests are refused."
    )
    queue_wait_seconds = _histogram(
        "meterline_queue_wait_seconds",
        "Time that the first request of a batch waited before the batch was compared and stored.",
    )
    batch_requests = _histogram(
        "meterline_batch_requests", "Requests that shared one batch.", buckets=(1, 2, 5, 10, 20, 50, 100, 200)
    )
    hot_window_events = _gauge(
        "meterline_hot_window_events", "Event ids by which duplicates and conflicts are told at once."
    )
    insert_duration_seconds = _histogram("meterline_insert_duration_seconds", "Time of one insert.")
    insert_events = _histogram("meterline_insert_events", "Events of one insert.", buckets=_SIZES)
    inserted_events = _counter("meterline_inserted_events_total", "Events made durable.")
    failed_inserts = _counter("meterline_failed_inserts_total", "Inserts that the store refused.")
    reconciled_events = _counter(
        "meterline_reconciled_events_total",
        "Events voided because their event_id had been used for an event with other content.",
    )

    # Upkeep.
    upkeep_pass_duration_seconds = _histogram(
        "meterline_upkeep_pass_duration_seconds",
        "Time of one pass in the background, by what it does.",
        "upkeep",
        buckets=_PASS_S,
    )
    upkeep_succeeded_timestamp_seconds = _gauge(
        "meterline_upkeep_succeeded_timestamp_seconds",
        "When the last pass ended well; 0 at a gateway whose turn it is not. Of gateways that share stores one has it.",
        "upkeep",
    )
    failed_upkeep_passes = _counter(
        "meterline_failed_upkeep_passes_total",
        "Passes in the background that ended without a result, by what they do; the next one tries again.",
        "upkeep",
    )
    alert_facts = _counter(
        "meterline_alert_facts_total",
        "Thresholds of alerts that were told as reached (alert.crossed), or as not reached any more (alert.recovered).",
        "type",
    )
    webhook_deliveries_pending = _gauge(
        "meterline_webhook_deliveries_pending",
        "Facts that active webhook endpoints are still to hear; 0 at a gateway whose turn it is not.",
    )
    webhook_oldest_pending_timestamp_seconds = _gauge(
        "meterline_webhook_oldest_pending_timestamp_seconds",
        "When the oldest of those facts was recorded; 0 if there is none.",
    )
    webhook_attempts = _counter(
        "meterline_webhook_attempts_total",
        "Posts to webhook endpoints, by whether they were delivered.",
        "outcome",
    )
    webhook_dead_letters = _counter(
        "meterline_webhook_dead_letters_total", "Facts that an endpoint did not take in any attempt."
    )
    rollups_until_timestamp_seconds = _gauge(
        "meterline_rollups_until_timestamp_seconds",
        "Up to when the rollups of all meters have taken in what was ingested; 0 at a gateway whose turn it is not.",
    )
    rollup_checks = _counter(
        "meterline_rollup_checks_total", "Answers that were read both from rollups and from events."
    )
    rollup_drift = _counter(
        "meterline_rollup_drift_total", "Groups in which a rollup differed from its events: must stay zero."
    )

    # Money.
    rate_duration_seconds = _histogram(
        "meterline_rate_duration_seconds", "Time to read usage and rate it, by one request."
    )
    rated_lines = _counter("meterline_rated_lines_total", "Lines that were given an amount, each time.")
    unrateable_lines = _counter(
        "meterline_unrateable_lines_total",
        "Lines that the price could not give an amount, each time they were asked for.",
    )

    reservations = _counter(
        "meterline_reservations_total",
        "Reservations of limits, by what became of them: granted, refused, committed, released, expired.",
        "outcome",
    )
    open_reservations = _gauge(
        "meterline_open_reservations", "Reservations of limits that are held, at the last pass of upkeep."
    )
    billing_differences = _gauge(
        "meterline_billing_differences",
        "Differences between invoices and events that the last daily run found: must stay zero.",
    )
    open_customers = _gauge(
        "meterline_open_customers",
        "Customers that the automatic closes of all tenants could not bill, and try again; 0 at a gateway whose turn it is not.",
    )
    billing_reconciled_timestamp_seconds = _gauge(
        "meterline_billing_reconciled_timestamp_seconds",
        "When the last daily run over closed periods was through; 0 at a gateway whose turn it is not.",
    )

    # Stores, disk and build.
    store_up = _gauge(
        "meterline_store_up",
        "1 while the store answers, 0 while it does not: usage (ClickHouse) and catalog.",
        "store",
    )
    store_check_duration_seconds = _histogram(
        "meterline_store_check_duration_seconds",
        "Time in which the store answered the smallest question, or failed to; asked every five seconds.",
        "store",
    )
    failed_disk_writes = _counter(
        "meterline_failed_disk_writes_total",
        "Writes of the embedded usage store that the operating system refused: is the disk full?",
    )
    data_free_bytes = _gauge(
        "meterline_data_free_bytes", "What is free, for the engine's user, on the disk of the data directory."
    )
    data_size_bytes = _gauge(
        "meterline_data_size_bytes", "How large the disk of the data directory is, with whatever is on it."
    )
    backup_finished_timestamp_seconds = _gauge(
        "meterline_backup_finished_timestamp_seconds",
        "When the newest backup in this engine's directory of backups was finished; 0 if there is none.",
    )
    certificate_expires_timestamp_seconds = _gauge(
        "meterline_certificate_expires_timestamp_seconds",
        "When the engine's TLS certificate expires, or the first one of its chain; 0 without TLS.",
    )
    build_info = _gauge(
        "meterline_build_info",
        "1, with the version, the commit it was built from, and the form of data directories that it writes.",
        "version",
        "commit",
        "storage_format",
    )


METRICS = _Metrics()
