"""The row of JournalService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Operation
from engine.api.services.journal.journal_service import JournalService
from meterline.v1.journal_pb2 import ListJournalEntriesRequest


def journal_operations(journal: JournalService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "JournalService.ListJournalEntries",
            ListJournalEntriesRequest,
            journal.list_journal_entries,
            Scope.BILL,
            CALL,
        ),
    )
