"""The audit log: what was changed, by whose credential, and what came of it. In the catalog database.

Rules:
1. Every call of an operation that the table marks as audited leaves one record when it has ended, with the status code
   that its caller saw. The records of a tenant are numbered as they were written, and changed by an erasure alone
   (engine.erasure.catalog_erasure), which puts a pseudonym where they named its customer.
2. A call that a credential's scopes refuse leaves a record, too, whatever the operation, and so does one with a key of the
   tenant that is expired or revoked, or has another secret. The same refusal again within _REFUSAL_EVERY_NS does not, so
   that nobody fills the disk by being refused. Each is counted in the metrics. These are written by a thread of their own,
   at most _WAITING_MAX of them waiting: whoever is refused keeps nobody waiting, and is not told by a wait that a key is
   known.
3. What the engine does by itself (top-ups of credit) leaves a record in the same transaction.
4. A record of a call that can't be written is a line of the process's log with the same content: what the call did is done.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from engine.access.caller import Caller
from engine.errors import StoreUnavailableError, log_text
from engine.sql.database import Database
from engine.sql.schema import AUDIT_RECORDS

_log = structlog.get_logger(__name__)
_REFUSAL_EVERY_NS: Final = 60_000_000_000
_REFUSALS_MAX: Final = 10_000
_WAITING_MAX: Final = 1_000
# What a call was about is a name or an id; a payload has longer texts, which are cut.
SUBJECT_CHARACTERS_MAX: Final = 256
AUTOMATIC: Final = "automatic"
"""Who does what nobody asked for: in the place of a credential."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """`number` grows within the engine; `subject` is what the call was about, such as a correction's id; `code` is the
    name of the status code.
    """

    number: int
    recorded_at_us: int
    credential: str
    operation: str
    subject: str
    code: str


def record_own_act(connection: Connection, tenant: str, operation: str, subject: str, now_us: int) -> None:
    """What the engine did by itself, in the transaction that does it."""
    connection.execute(
        insert(AUDIT_RECORDS).values(
            tenant=tenant,
            recorded_at_us=now_us,
            credential=AUTOMATIC,
            operation=operation,
            subject=subject[:SUBJECT_CHARACTERS_MAX],
            code="OK",
        )
    )


class AuditLog:
    """Thread-safe."""

    def __init__(
        self, database: Database, now_us: Callable[[], int], monotonic_ns: Callable[[], int]
    ) -> None:
        self._database = database
        self._now_us = now_us
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._refusals: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="meterline-audit")
        self._waiting = threading.Semaphore(_WAITING_MAX)

    def close(self) -> None:
        """Writes what waits."""
        self._writer.shutdown()

    def record(self, caller: Caller, operation: str, subject: str, code: str) -> None:
        """A call has ended."""
        self._write(caller.tenant, caller.credential, operation, subject, code)

    def _write(self, tenant: str, credential: str, operation: str, subject: str, code: str) -> None:
        values = {
            "tenant": tenant,
            "recorded_at_us": self._now_us(),
            "credential": credential,
            "operation": operation,
            "subject": subject[:SUBJECT_CHARACTERS_MAX],
            "code": code,
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(AUDIT_RECORDS).values(**values))
        except (StoreUnavailableError, SQLAlchemyError) as error:
            _log.error("an audit record could not be written", **values, error=log_text(error))

    def record_refusal(self, tenant: str, credential: str, operation: str, code: str) -> None:
        """A credential of this tenant does not allow the call."""
        key, now_ns = (credential, operation, code), self._monotonic_ns()
        with self._lock:
            last_ns = self._refusals.get(key)
            if last_ns is not None and now_ns - last_ns < _REFUSAL_EVERY_NS:
                return
            self._refusals[key] = now_ns
            self._refusals.move_to_end(key)
            if len(self._refusals) > _REFUSALS_MAX:
                self._refusals.popitem(last=False)
        if not self._waiting.acquire(blocking=False):
            _log.error("too many refusals wait to be recorded", credential=credential, operation=operation)
            return
        self._writer.submit(self._write_refusal, tenant, credential, operation, code)

    def _write_refusal(self, tenant: str, credential: str, operation: str, code: str) -> None:
        try:
            self._write(tenant, credential, operation, "", code)
        finally:
            self._waiting.release()

    def records(self, tenant: str, before: int | None, count: int) -> list[AuditRecord]:
        """A tenant's records, the newest first; those older than the number `before`.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        # Whoever was refused before is in it.
        self._writer.submit(lambda: None).result()
        columns = AUDIT_RECORDS.c
        wanted = select(AUDIT_RECORDS).where(columns.tenant == tenant)
        if before is not None:
            wanted = wanted.where(columns.number < before)
        wanted = wanted.order_by(columns.number.desc()).limit(count)
        with self._database.reading() as connection:
            return [
                AuditRecord(
                    each.number,
                    each.recorded_at_us,
                    each.credential,
                    each.operation,
                    each.subject,
                    each.code,
                )
                for each in connection.execute(wanted)
            ]
