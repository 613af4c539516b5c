"""JournalService: lists the entries of the journal."""

from typing import Final

from engine.api.messages import fitting
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.turns import Turns
from engine.billing.accounts.amounts import text_of
from engine.billing.receivables.journal import JournalEntry
from engine.billing.receivables.journal_reader import JournalReader
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1 import journal_pb2 as pb

_PAGE_SIZES: Final = (250, 1_000)


class JournalService:
    """Gives the journal, some entries a call."""

    def __init__(self, reader: JournalReader, turns: Turns) -> None:
        self._reader = reader
        self._turns = turns

    def list_journal_entries(
        self, request: pb.ListJournalEntriesRequest, call: Call
    ) -> pb.ListJournalEntriesResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        span = optional_us(request, "recorded_from"), optional_us(request, "recorded_before")
        if span[0] is not None and span[1] is not None and span[1] <= span[0]:
            raise InvalidRequestError(FieldMistake("recorded_before", "must be after recorded_from"))
        listing, after, until = question_digest(request), 0, 0
        if request.page_token:
            after, until = map(int, opened(request.page_token, listing, int, int))
        with self._turns.turn(call.tenant):
            page = self._reader.page(call.tenant, span, after, until, size)
        messages = fitting(map(_message, page.entries))
        response = pb.ListJournalEntriesResponse(entries=messages)
        if page.after or len(messages) < len(page.entries):
            behind = page.entries[len(messages) - 1].number
            response.next_page_token = sealed(listing, behind, page.until)
        return response


def _message(entry: JournalEntry) -> pb.JournalEntry:
    return pb.JournalEntry(
        recorded_at=to_timestamp(entry.recorded_at_us),
        kind=entry.kind.value,
        document=entry.document,
        invoice=entry.invoice,
        customer_id=entry.customer_id,
        currency=entry.currency,
        postings=[
            pb.Posting(account=each.account, amount=text_of(each.amount_minor, entry.currency))
            for each in entry.postings
        ],
        reason=entry.reason,
    )
