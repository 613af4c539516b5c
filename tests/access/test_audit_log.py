"""Refusals in the audit log, on a real database of each kind: whose they are, and how often one is written down."""

from contextlib import closing

import pytest

from engine.access.audit_log import AuditLog

MINUTE_NS = 60_000_000_000


class Clock:
    """Instants in both forms, as a test moves them."""

    def __init__(self):
        self.now_us, self.elapsed_ns = 1_700_000_000_000_000, 0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(database, clock):
    with closing(AuditLog(database, lambda: clock.now_us, lambda: clock.elapsed_ns)) as opened:
        yield opened


def recorded(log, tenant):
    return [(each.credential, each.operation, each.code) for each in log.records(tenant, None, 100)]


def test_the_same_refusal_is_written_down_once_a_minute(log, clock):
    """Another operation, credential or code is another one."""
    same = ("t", "key:1", "SpendService.GetSpend", "UNAUTHENTICATED")
    for elapsed_ns in (0, 1, MINUTE_NS - 1):
        clock.elapsed_ns = elapsed_ns
        log.record_refusal(*same)
    assert recorded(log, "t") == [same[1:]]
    others = [
        ("t", "key:1", "SpendService.GetSpend", "PERMISSION_DENIED"),
        ("t", "key:1", "SpendService.ListSpend", "UNAUTHENTICATED"),
        ("t", "key:2", "SpendService.GetSpend", "UNAUTHENTICATED"),
    ]
    for each in others:
        log.record_refusal(*each)
    clock.elapsed_ns = MINUTE_NS
    log.record_refusal(*same)
    # The newest first.
    assert recorded(log, "t") == [each[1:] for each in (same, *reversed(others), same)]


def test_a_refusal_is_its_tenant_s_alone(log):
    """Another tenant doesn't see that there is such a key."""
    log.record_refusal("one", "key:1", "SpendService.GetSpend", "UNAUTHENTICATED")
    assert (len(recorded(log, "one")), recorded(log, "two")) == (1, [])
