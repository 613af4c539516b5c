"""Customers: who pays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.resource import Name, Resource
from fields import MapOf, Text

_METADATA = MapOf(
    Text(limits.ID_BYTES_MAX), Text(limits.METADATA_VALUE_BYTES_MAX, free=True), limits.METADATA_ENTRIES_MAX
)


@dataclass(frozen=True, kw_only=True)
class Customer(Resource, section="customers", count_max=limits.CUSTOMERS_MAX):
    """Who pays. `metadata` is the user's own, for joins with other systems."""

    name: Name
    metadata: Annotated[Mapping[str, str], _METADATA] = field(default_factory=lambda: MappingProxyType({}))
