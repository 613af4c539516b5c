"""A history for each alert in which it fires, and one in which it does not. Values in promtool's notation, one a minute."""

from dataclasses import dataclass, field

_AT = 'job="m",instance="a"'
_ENGINE = {f'meterline_build_info{{{_AT},version="1",commit="c",storage_format="4"}}': "1x600"}
_BESIDE = {
    'meterline_build_info{job="m",instance="b",version="1",commit="c",storage_format="4"}': "1x600",
    'up{job="m",instance="b"}': "1x600",
}
_CALLS = "meterline_rpc_duration_seconds_count"
_WHERE = {"job": "m", "instance": "a"}
_JOB = {"job": "m"}


@dataclass(frozen=True)
class AlertCase:
    """Of `alert`: it fires at `minute` with `labels`, or doesn't if they are None."""

    alert: str
    minute: int
    labels: dict[str, str] | None
    series: dict[str, str] = field(default_factory=dict)


def _series(**values: str) -> dict[str, str]:
    return {f"meterline_{name}{{{_AT}}}": text for name, text in values.items()}


def _disk(free: str) -> dict[str, str]:
    return _series(data_free_bytes=free, data_size_bytes="100x600")


def _calls(method: str, **codes: str) -> dict[str, str]:
    return {f'{_CALLS}{{{_AT},method="{method}",code="{code}"}}': text for code, text in codes.items()}


def _durations(method: str, *buckets: tuple[str, str]) -> dict[str, str]:
    name = "meterline_rpc_duration_seconds_bucket"
    return {f'{name}{{{_AT},method="{method}",code="OK",le="{le}"}}': text for le, text in buckets}


def _verdicts(**verdicts: str) -> dict[str, str]:
    return {f'meterline_events_total{{{_AT},verdict="{name}"}}': text for name, text in verdicts.items()}


def _late(within_a_day: str, of_all: str) -> dict[str, str]:
    return {
        f'meterline_event_lateness_seconds_bucket{{{_AT},le="86400.0"}}': within_a_day,
        f"meterline_event_lateness_seconds_count{{{_AT}}}": of_all,
    }


CASES = [
    AlertCase("MeterlineAbsent", 5, {}, {f"up{{{_AT}}}": "0x60"}),
    AlertCase("MeterlineAbsent", 5, None, _ENGINE),
    # One of two gateways, which is not told by the first rule.
    AlertCase("MeterlineGatewayDown", 10, _WHERE, _BESIDE | {f"up{{{_AT}}}": "1 1 0x60"}),
    AlertCase("MeterlineAbsent", 10, None, _BESIDE | {f"up{{{_AT}}}": "1 1 0x60"}),
    # A restart, and somebody else's job.
    AlertCase("MeterlineGatewayDown", 6, None, _BESIDE | {f"up{{{_AT}}}": "1x3 0 0 1x60"}),
    AlertCase("MeterlineGatewayDown", 10, None, _ENGINE | {'up{job="node",instance="a"}': "0x60"}),
    # All of a job, which another deployment's engine keeps from being absent.
    AlertCase(
        "MeterlineGatewayDown",
        20,
        {"job": "n", "instance": "c"},
        _ENGINE
        | {
            'meterline_build_info{job="n",instance="c",version="1",commit="c",storage_format="4"}': "1x3 stale",
            'up{job="n",instance="c"}': "1x3 0x60",
        },
    ),
    # Two weeks are 1,209,600 s, and half an hour is 1,800 s of them.
    AlertCase(
        "MeterlineCertificateExpires", 30, _WHERE, _series(certificate_expires_timestamp_seconds="1200000x60")
    ),
    AlertCase(
        "MeterlineCertificateExpires", 30, None, _series(certificate_expires_timestamp_seconds="1300000x60")
    ),
    # Without TLS.
    AlertCase("MeterlineCertificateExpires", 30, None, _series(certificate_expires_timestamp_seconds="0x60")),
    AlertCase(
        "MeterlineRestartsOften",
        30,
        _WHERE,
        _ENGINE | {f"process_start_time_seconds{{{_AT}}}": "1+9x4 60x60"},
    ),
    AlertCase(
        "MeterlineRestartsOften", 30, None, _ENGINE | {f"process_start_time_seconds{{{_AT}}}": "1 5x60"}
    ),
    AlertCase(
        "MeterlineVersionsDiffer",
        90,
        _JOB,
        _ENGINE
        | {'meterline_build_info{job="m",instance="b",version="2",commit="c",storage_format="4"}': "1x600"},
    ),
    AlertCase(
        "MeterlineVersionsDiffer",
        90,
        None,
        _ENGINE
        | {'meterline_build_info{job="m",instance="b",version="1",commit="c",storage_format="4"}': "1x600"},
    ),
    AlertCase(
        "MeterlineFilesRunOut",
        10,
        _WHERE,
        _ENGINE | {f"process_open_fds{{{_AT}}}": "95x60", f"process_max_fds{{{_AT}}}": "100x60"},
    ),
    # Somebody else's process.
    AlertCase(
        "MeterlineFilesRunOut",
        10,
        None,
        {f"process_open_fds{{{_AT}}}": "95x60", f"process_max_fds{{{_AT}}}": "100x60"},
    ),
    AlertCase(
        "MeterlineStoreDown",
        5,
        _WHERE | {"store": "usage"},
        {f'meterline_store_up{{{_AT},store="usage"}}': "1 0x60"},
    ),
    AlertCase("MeterlineStoreDown", 5, None, {f'meterline_store_up{{{_AT},store="usage"}}': "1x3 0 1x60"}),
    AlertCase("MeterlineInsertsFail", 12, _WHERE, _series(failed_inserts_total="0+1x60")),
    AlertCase("MeterlineInsertsFail", 12, None, _series(failed_inserts_total="5x60")),
    AlertCase("MeterlineDiskWritesFail", 10, _WHERE, _series(failed_disk_writes_total="0x5 1x60")),
    AlertCase("MeterlineDiskWritesFail", 40, None, _series(failed_disk_writes_total="0x5 1x60")),
    AlertCase("MeterlineDiskFull", 5, _WHERE, _disk("2x600")),
    AlertCase("MeterlineDiskFull", 5, None, _disk("5x600")),
    # 36 hours are 2,160 minutes; the last one was finished in the tenth.
    AlertCase("MeterlineBackupOld", 2_190, _JOB, _series(backup_finished_timestamp_seconds="600x2300")),
    AlertCase("MeterlineBackupOld", 2_160, None, _series(backup_finished_timestamp_seconds="600x2300")),
    # There never was one.
    AlertCase("MeterlineBackupOld", 2_190, None, _series(backup_finished_timestamp_seconds="0x2300")),
    AlertCase("MeterlineDiskFillsUp", 45, _WHERE, _disk("10x600")),
    AlertCase("MeterlineDiskFillsUp", 400, _WHERE, _disk("49-0.05x600")),
    AlertCase("MeterlineDiskFillsUp", 400, None, _disk("49-0.001x600")),
    AlertCase(
        "MeterlineCallsFail",
        10,
        _WHERE | {"method": "GetSpend"},
        _calls("GetSpend", INTERNAL="0x5 1x60", OK="0+9x60"),
    ),
    # The first of its kind.
    AlertCase(
        "MeterlineCallsFail",
        10,
        _WHERE | {"method": "GetSpend"},
        _calls("GetSpend", INTERNAL="_x5 1x60", OK="0+9x60"),
    ),
    AlertCase("MeterlineCallsFail", 50, None, _calls("GetSpend", INTERNAL="_x5 1x60", NOT_FOUND="0+9x60")),
    AlertCase(
        "MeterlineCallsTurnedAway", 30, _JOB, _calls("RecordUsage", UNAVAILABLE="0+10x60", OK="0+90x60")
    ),
    AlertCase(
        "MeterlineCallsTurnedAway", 30, None, _calls("RecordUsage", UNAVAILABLE="0+1x60", OK="0+90x60")
    ),
    AlertCase(
        "MeterlineIngestionSlow",
        30,
        _JOB | {"method": "RecordUsage"},
        _durations("RecordUsage", ("5.0", "0+5x60"), ("10.0", "0+9x60"), ("+Inf", "0+9x60")),
    ),
    AlertCase(
        "MeterlineIngestionSlow",
        30,
        None,
        _durations("ApplyCatalog", ("5.0", "0+5x60"), ("10.0", "0+9x60"), ("+Inf", "0+9x60")),
    ),
    AlertCase(
        "MeterlinePlacesTaken",
        10,
        _WHERE | {"kind": "requests"},
        {
            f'meterline_open_calls{{{_AT},kind="requests"}}': "190x60",
            f'meterline_open_calls_max{{{_AT},kind="requests"}}': "192x60",
        },
    ),
    AlertCase(
        "MeterlinePlacesTaken",
        10,
        None,
        {
            f'meterline_open_calls{{{_AT},kind="requests"}}': "20x60",
            f'meterline_open_calls_max{{{_AT},kind="requests"}}': "192x60",
        },
    ),
    AlertCase(
        "MeterlineCredentialsRefused",
        20,
        _JOB | {"reason": "revoked"},
        {f'meterline_refused_calls_total{{{_AT},method="GetSpend",reason="revoked"}}': "0+120x60"},
    ),
    AlertCase(
        "MeterlineCredentialsRefused",
        20,
        None,
        {f'meterline_refused_calls_total{{{_AT},method="GetSpend",reason="revoked"}}': "0+12x60"},
    ),
    AlertCase(
        "MeterlineTenantsLimited",
        30,
        _JOB | {"limit": "events_per_s_max"},
        {f'meterline_limited_calls_total{{{_AT},limit="events_per_s_max"}}': "0+60x60"},
    ),
    AlertCase(
        "MeterlineTenantsLimited",
        30,
        None,
        {f'meterline_limited_calls_total{{{_AT},limit="events_per_s_max"}}': "9x60"},
    ),
    AlertCase("MeterlineQueueFull", 10, _WHERE, _series(queue_events="190x60", queue_events_max="200x60")),
    AlertCase("MeterlineQueueFull", 10, _WHERE, _series(queue_bytes="190x60", queue_bytes_max="200x60")),
    AlertCase("MeterlineQueueFull", 10, None, _series(queue_bytes="90x60", queue_bytes_max="200x60")),
    AlertCase("MeterlineEventsRejected", 60, _JOB, _verdicts(rejected="0+10x90", accepted="0+90x90")),
    AlertCase("MeterlineEventsRejected", 60, None, _verdicts(rejected="0+1x90", accepted="0+90x90")),
    AlertCase(
        "MeterlineIdsReused",
        30,
        _JOB,
        _verdicts(conflict="0x9 1x90") | _series(reconciled_events_total="0x90"),
    ),
    AlertCase(
        "MeterlineIdsReused", 30, None, _verdicts(conflict="7x90") | _series(reconciled_events_total="9x90")
    ),
    AlertCase("MeterlineEventsLate", 150, _JOB, _late("0+50x600", "0+100x600")),
    AlertCase("MeterlineEventsLate", 150, None, _late("0+99x600", "0+100x600")),
    AlertCase("MeterlineRollupDrift", 10, _WHERE, _series(rollup_drift_total="0x5 1x90")),
    AlertCase("MeterlineRollupDrift", 10, None, _series(rollup_drift_total="0x90")),
    AlertCase(
        "MeterlineRollupsBehind", 120, _JOB, _series(rollups_until_timestamp_seconds="0+60x10 600x600")
    ),
    AlertCase("MeterlineRollupsBehind", 120, None, _series(rollups_until_timestamp_seconds="0+60x600")),
    # Gateways whose turn it never was.
    AlertCase("MeterlineRollupsBehind", 120, None, _series(rollups_until_timestamp_seconds="0x600")),
    AlertCase(
        "MeterlineUpkeepFails",
        40,
        _JOB | {"upkeep": "rollups"},
        {f'meterline_failed_upkeep_passes_total{{{_AT},upkeep="rollups"}}': "0+1x60"},
    ),
    AlertCase(
        "MeterlineUpkeepFails",
        40,
        None,
        {f'meterline_failed_upkeep_passes_total{{{_AT},upkeep="rollups"}}': "0x20 1x60"},
    ),
    AlertCase(
        "MeterlineWebhooksBehind", 480, _JOB, _series(webhook_oldest_pending_timestamp_seconds="600x600")
    ),
    AlertCase(
        "MeterlineWebhooksBehind", 480, None, _series(webhook_oldest_pending_timestamp_seconds="0+60x600")
    ),
    # Nothing waits.
    AlertCase(
        "MeterlineWebhooksBehind", 480, None, _series(webhook_oldest_pending_timestamp_seconds="0x600")
    ),
    AlertCase("MeterlineInvoicesDiffer", 20, _JOB, _series(billing_differences="0x9 3x90")),
    AlertCase("MeterlineInvoicesDiffer", 20, None, _series(billing_differences="0x90")),
    AlertCase("MeterlineCustomersOpen", 180, _JOB, _series(open_customers="0x9 3x240")),
    AlertCase("MeterlineCustomersOpen", 180, None, _series(open_customers="0x9 3x60 0x180")),
    AlertCase("MeterlineLinesUnrateable", 20, _JOB, _series(unrateable_lines_total="0x9 3x90")),
    AlertCase("MeterlineLinesUnrateable", 20, None, _series(unrateable_lines_total="0x90")),
]
