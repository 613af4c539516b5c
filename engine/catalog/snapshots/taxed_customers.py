"""Which customers are taxed where, as columns, read from their definitions in bulk."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.snapshots.definition_columns import definition_fields, marked_definitions

_MARK: Final = '"tax_region":"'
_TAX_IDS: Final = pa.list_(pa.struct([("type", pa.string()), ("value", pa.string())]))
_DEFINITION: Final = pa.schema(
    [("id", pa.string()), ("tax_region", pa.string()), ("tax_exempt", pa.bool_()), ("tax_ids", _TAX_IDS)]
)


@dataclass(frozen=True, eq=False)
class TaxedCustomers:
    """n customers with a tax region, by id.

    Attributes:
        customer: Arrow strings [n].
        profile: Arrow structs [n] of what decides a customer's taxes: region, exempt, and vat_country, the letters in front of
            its EU VAT id, empty without one.
    """

    customer: pa.StringArray
    profile: pa.StructArray

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def of(cls, chunks: Iterable[pa.RecordBatch]) -> "TaxedCustomers":
        """Those of the rows of customers, which have a column `definition`."""
        marked = marked_definitions(chunks, _MARK)
        customer, region, exempt, tax_ids = definition_fields(marked, _DEFINITION)
        columns = [region, pc.fill_null(exempt, False), _vat_countries(tax_ids, len(customer))]
        return cls(customer, pa.StructArray.from_arrays(columns, ["region", "exempt", "vat_country"]))


def _vat_countries(tax_ids: pa.ListArray, customers: int) -> pa.StringArray:
    owner, ids = pc.list_parent_indices(tax_ids), pc.list_flatten(tax_ids)
    # A customer has one of each kind at most.
    own = pc.equal(pc.struct_field(ids, "type"), "eu_vat")
    letters = pc.replace_substring_regex(pc.struct_field(ids, "value").filter(own), "[^A-Za-z]", "")
    country = pc.utf8_upper(pc.utf8_slice_codeunits(letters, 0, 2))
    place = pc.index_in(pa.array(range(customers), pa.int64()), value_set=owner.filter(own).cast(pa.int64()))
    return pc.fill_null(country.take(place), "")
