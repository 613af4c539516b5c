"""Tax ids in the place of others: of the same type and country, well-formed, and made up. Pure.

What is charged depends on the country of a VAT id; so one of the same country stands in its place.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

from engine.catalog.kinds.billing_details import TaxId
from engine.errors import MeterlineError
from fields import FieldsError

# Check digits leave one of some hundred: of some countries a letter too.
_TRIES_MAX: Final = 20_000
# A prime: no two of the tries are the same number.
_STEP: Final = 982_451_653
# Only of this one is the country looked at; all others may go.
_EU_VAT: Final = "eu_vat"


def made_up(tax_ids: Sequence[Any]) -> list[dict[str, str]]:
    """In the place of a customer's tax ids, as the fields of a definition have them."""
    return [{"type": _EU_VAT, "value": _like(each["value"])} for each in tax_ids if each["type"] == _EU_VAT]


def _like(value: str) -> str:
    """The first well-formed one with other digits at the same places.

    Raises:
        MeterlineError: there is none among those that are tried.
    """
    places = [i for i, sign in enumerate(value) if sign.isdecimal()]
    numbers = 10 ** len(places)
    # Numbers that begin with a 0 are often none; then some from everywhere, for those that hold a date.
    tried = itertools.chain(
        range(numbers // 10, numbers // 10 + _TRIES_MAX),
        (each * _STEP % numbers for each in range(_TRIES_MAX)),
    )
    for number in tried:
        signs = list(value)
        for place, digit in zip(places, f"{number % numbers:0{len(places)}d}", strict=True):
            signs[place] = digit
        candidate = "".join(signs)
        if candidate != value and _is_valid(candidate):
            return candidate
    raise MeterlineError(
        f"no other VAT id of {value[:2]} could be made up in the place of the customer's: nothing was deleted; report it"
    )


def _is_valid(value: str) -> bool:
    try:
        TaxId.read({"type": _EU_VAT, "value": value})
    except FieldsError:
        return False
    return True
