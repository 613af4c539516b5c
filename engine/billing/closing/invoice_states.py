"""The states of an invoice and what leads from one to another, in one table.

    issued --void--> void

An issued invoice is never changed: its number stays, also when it is void. The billing period of a void one is open again: the
next close bills it anew, under another number.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.errors import InvoiceStateError


class InvoiceState(StrEnum):
    """`VOID`: it was never owed; what it billed is billed again."""

    ISSUED = "issued"
    VOID = "void"


class InvoiceAction(StrEnum):
    """What is done to an invoice."""

    VOID = "void"


TRANSITIONS: Final[Mapping[tuple[InvoiceState, InvoiceAction], InvoiceState]] = MappingProxyType(
    {(InvoiceState.ISSUED, InvoiceAction.VOID): InvoiceState.VOID}
)


def state_after(state: InvoiceState, action: InvoiceAction, name: str) -> InvoiceState:
    """The state that an action leads to. `name`: the invoice, for who reads the error.

    Raises:
        InvoiceStateError: the action leads nowhere from this state.
    """
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise InvoiceStateError(f"{name} is {state}: it can't be made {action}") from None
