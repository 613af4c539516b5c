"""What requests about drafts name: a billing period, or a selection of drafts."""

from typing import Final

from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.billing.closing.invoice import PeriodSelection
from engine.billing.holds.held_periods import CustomerPeriod
from engine.catalog.limits import ID_BYTES_MAX
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, rfc3339_us
from meterline.v1 import draft_invoices_pb2 as pb

_CUSTOMERS_MAX: Final = 1_000
"""Of a filter: a request of them is some 100 KB."""
_NAMED_MAX: Final = 20
"""Of the audit log: it names so many customers of a filter."""


def asked_period(
    request: pb.GetDraftInvoiceRequest | pb.HoldDraftInvoiceRequest | pb.ReleaseDraftInvoiceRequest,
) -> CustomerPeriod:
    """Raises InvalidRequestError: names the fields."""
    raise_all(stored_text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX))
    start_us, end_us = optional_us(request, "period_start"), optional_us(request, "period_end")
    if start_us is None or end_us is None or end_us <= start_us:
        raise InvalidRequestError(
            FieldMistake("period_end", "must be after period_start: the two name a billing period")
        )
    return CustomerPeriod(request.customer_id, start_us, end_us)


def asked_selection(of: pb.DraftInvoiceFilter) -> PeriodSelection:
    """Raises InvalidRequestError: names the fields."""
    if len(of.customer_ids) > _CUSTOMERS_MAX:
        raise InvalidRequestError(
            FieldMistake("filter.customer_ids", f"has {len(of.customer_ids)}: name at most {_CUSTOMERS_MAX}")
        )
    raise_all(
        mistake
        for place, each in enumerate(of.customer_ids)
        for mistake in stored_text_mistakes(f"filter.customer_ids[{place}]", each, ID_BYTES_MAX)
    )
    after_us, until_us = optional_us(of, "period_end_after"), optional_us(of, "period_end_until")
    if after_us is not None and until_us is not None and until_us <= after_us:
        raise InvalidRequestError(FieldMistake("filter.period_end_until", "must be after period_end_after"))
    return PeriodSelection(frozenset(of.customer_ids), optional_us(of, "period_start"), after_us, until_us)


def subject(of: CustomerPeriod | PeriodSelection, reason: str, approval_id: str = "") -> str:
    """What a change is about, for the audit log."""
    if isinstance(of, CustomerPeriod):
        said = f"{of.customer_id} {rfc3339_us(of.start_us)} to {rfc3339_us(of.end_us)}"
    else:
        said = " ".join(filter(None, (approval_id, *_selected(of))))
    return f"{said}: {reason}" if reason else said


def _selected(of: PeriodSelection) -> list[str]:
    named = sorted(of.customers)
    said = [",".join(named[:_NAMED_MAX]) or "all customers"]
    if len(named) > _NAMED_MAX:
        said.append(f"and {len(named) - _NAMED_MAX} more")
    for name in ("start", "after", "until"):
        at_us = getattr(of, f"{name}_us")
        if at_us is not None:
            said.append(f"{name}={rfc3339_us(at_us)}")
    return said
