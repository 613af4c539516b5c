"""A line named on the command line: a draft by its id, one of an invoice by number or id."""

import re
from datetime import datetime
from typing import Final

from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import timestamp
from meterline.v1.explanations_pb2 import ExplainLineItemRequest

_OF_INVOICE: Final = re.compile(r"(INV-[0-9]+)/([0-9a-f]{32}|[0-9]{1,9})")
_LINE_ITEM_ID: Final = re.compile("[0-9a-f]{32}")


def named_line(
    line: str,
    customer: str | None = None,
    at: datetime | None = None,
    as_of: datetime | None = None,
    catalog_revision: int | None = None,
) -> ExplainLineItemRequest:
    """The request that explains it.

    Raises:
        CommandError: it is neither form, or the options are not for it.
    """
    if found := _OF_INVOICE.fullmatch(line):
        for name, given in (("--at", at), ("--as-of", as_of), ("--catalog-revision", catalog_revision)):
            if given is not None:
                raise CommandError(
                    f"{name} is for drafts: an invoice has a watermark and a revision of its own"
                )
        request = ExplainLineItemRequest(invoice_number=found[1], customer_id=customer or "")
        if len(found[2]) == 32:
            request.line_item_id = found[2]
        else:
            request.line_number = int(found[2])
        return request
    if not _LINE_ITEM_ID.fullmatch(line):
        raise CommandError(
            f"{line!r} names no line: write INV-000001/2 for the second of an invoice, or the line_item_id of a draft"
        )
    return ExplainLineItemRequest(
        line_item_id=line,
        customer_id=customer or "",
        at=timestamp(at),
        as_of=timestamp(as_of),
        catalog_revision=catalog_revision or 0,
    )
