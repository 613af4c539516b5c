"""Tax ids of customers, checked offline: their form, and their check digits where they have some."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Annotated, Final

import stdnum.au.abn
import stdnum.ca.bn
import stdnum.ch.vat
import stdnum.eu.vat
import stdnum.gb.vat
import stdnum.in_.gstin
import stdnum.no.mva
import stdnum.us.ein
from stdnum.exceptions import ValidationError

from engine.catalog import limits
from fields import ListOf, Nested, Problem, Record, Text, rule


class TaxIdType(StrEnum):
    """What gives the id out."""

    EU_VAT = "eu_vat"
    """With its country in front, such as DE136695976."""
    GB_VAT = "gb_vat"
    CH_VAT = "ch_vat"
    NO_VAT = "no_vat"
    AU_ABN = "au_abn"
    CA_BN = "ca_bn"
    IN_GST = "in_gst"
    US_EIN = "us_ein"


_CHECKS: Final[Mapping[TaxIdType, ModuleType]] = {
    TaxIdType.EU_VAT: stdnum.eu.vat,
    TaxIdType.GB_VAT: stdnum.gb.vat,
    TaxIdType.CH_VAT: stdnum.ch.vat,
    TaxIdType.NO_VAT: stdnum.no.mva,
    TaxIdType.AU_ABN: stdnum.au.abn,
    TaxIdType.CA_BN: stdnum.ca.bn,
    TaxIdType.IN_GST: stdnum.in_.gstin,
    TaxIdType.US_EIN: stdnum.us.ein,
}


@dataclass(frozen=True, kw_only=True)
class TaxId(Record):
    """One of a customer's. Whether an authority knows it isn't asked."""

    type: TaxIdType
    value: Annotated[str, Text(limits.TAX_ID_BYTES_MAX)]

    @rule("type", "value")
    def _is_one(self) -> Iterator[Problem]:
        try:
            _CHECKS[self.type].validate(self.value)
        except ValidationError as error:
            yield Problem(("value",), f"is no {self.type}: {str(error).rstrip('.').lower()}")


TaxIds = Annotated[tuple[TaxId, ...], ListOf(Nested(TaxId), 0, limits.TAX_IDS_MAX, unique="type")]
