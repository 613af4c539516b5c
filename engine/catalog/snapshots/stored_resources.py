"""Customers and subscriptions as they are kept: columns, from which an object is made when somebody asks for it.

    customers["acme"]                          Versioned[Customer], read from its definition
    customers.stored(["acme", "nobody"])       {"acme": StoredVersion}: many at once, without objects
    subscriptions.of_customers(["acme"])       {"acme": [StoredSubscription, ...]}

A tenant has a million of them: an object is a KiB, a row a tenth of it, and snapshots share rows (sorted_rows).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import ClassVar, Final, Generic, NamedTuple, Self, TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import plan_spans
from engine.catalog.snapshots.customer_links import ALIASES_KEY, CustomerLinks
from engine.catalog.snapshots.redemption_columns import RedemptionColumns
from engine.catalog.snapshots.sorted_rows import Row, SortedRows
from engine.catalog.snapshots.subscription_columns import SubscriptionColumns, columns_of
from engine.catalog.snapshots.taxed_customers import TaxedCustomers
from engine.catalog.snapshots.versions import CUSTOMERS, SUBSCRIPTIONS, Versioned, read_stored

R_co = TypeVar("R_co", Customer, Subscription, covariant=True)

# Customers whose definitions are read one by one rather than looked for among all aliases.
_FEW = 50
_VERSIONED = ("id", "version", "revision", "definition")
# Where a subscription is found that only its id is known of.
_BY_ID = pa.schema([SUBSCRIPTIONS.field(name) for name in ("id", "customer", "version", "created")])


class StoredVersion(NamedTuple):
    """The newest version of a resource, as text."""

    kind: str
    id: str
    version: int
    definition: str


_BILLED_KEPT: Final = 2


class StoredSubscription(NamedTuple):
    """A subscription of a customer; `end_us` is NO_END_US for one without an end."""

    id: str
    plan: str
    start_us: int
    end_us: int
    version: int
    definition: str

    def plan_spans(self) -> Sequence[tuple[str, int, int]]:
        """Plan, start and end of each plan that it has, add-ons too."""
        if '"phases":' not in self.definition and '"add_ons":' not in self.definition:
            return [(self.plan, self.start_us, self.end_us)]
        return plan_spans(json.loads(self.definition), self.end_us)

    @property
    def stored(self) -> StoredVersion:
        return StoredVersion("subscription", self.id, self.version, self.definition)


class _Stored(Mapping[str, Versioned[R_co]], Generic[R_co]):
    """Resources of one kind by id, iterated in the order of their creation."""

    kind: ClassVar[str]

    def __init__(self, rows: SortedRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not None

    def __getitem__(self, key: str) -> Versioned[R_co]:
        row = self._find(key)
        if row is None:
            raise KeyError(key)
        return self._versioned_of(row)

    def __iter__(self) -> Iterator[str]:
        return (resource_id for (resource_id,) in self._rows.by_creation(0, ("id",)))

    def in_order(self) -> Iterator[Versioned[R_co]]:
        """As `values()`, without looking each up."""
        return (self._versioned(*row) for row in self._rows.by_creation(0, _VERSIONED))

    def listed(self, first: int) -> Iterator[StoredVersion]:
        """In the order of their creation, from a place in it."""
        for row in self._rows.by_creation(first, ("id", "version", "definition")):
            yield StoredVersion(self.kind, *row)

    def chosen(self, first: int, id_prefix: str, texts: Sequence[str]) -> Iterator[tuple[int, StoredVersion]]:
        """As `listed`, those whose ids begin so and whose definitions have all of these texts in them; each with its place."""

        def is_chosen(chunk: pa.RecordBatch) -> pa.BooleanArray:
            found = pc.starts_with(chunk.column("id"), id_prefix)
            for text in texts:
                found = pc.and_(found, pc.match_substring(chunk.column("definition"), text))
            return found

        places = self._rows.places_where(first, is_chosen)
        rows = self._rows.at_places(places, ("id", "version", "definition"))
        for place, row in zip(map(int, places), rows, strict=True):
            yield place, StoredVersion(self.kind, *row)

    def holding(self, text: str) -> Iterator[StoredVersion]:
        """Those whose definitions have a text in them, by id; they are looked through as they are asked for."""
        for chunk in self._rows.chunks:
            found = pc.match_substring(chunk.column("definition"), text)
            if pc.any(found).as_py():
                for row in chunk.filter(found).select(["id", "version", "definition"]).to_pylist():
                    yield StoredVersion(self.kind, **row)

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """What they are kept in, and later versions of them share."""
        yield from self._rows.chunks

    @cached_property
    def redemptions(self) -> RedemptionColumns:
        """The coupons that they have, in the order of the rows."""
        return RedemptionColumns.of(self._rows.chunks)

    def _find(self, key: str) -> Row | None:
        return self._rows.find((key,))

    def _versioned_of(self, row: Row) -> Versioned[R_co]:
        return self._versioned(*(row[name] for name in _VERSIONED))

    def _versioned(self, resource_id: str, version: int, revision: int, definition: str) -> Versioned[R_co]:
        resource = read_stored(self.kind, resource_id, version, definition)
        return Versioned(cast("R_co", resource), version, revision)


class Customers(_Stored[Customer]):
    """Sorted by id."""

    kind = "customer"

    def __init__(self, rows: SortedRows, earlier_links: CustomerLinks | None = None) -> None:
        super().__init__(rows)
        self._earlier_links = earlier_links

    @classmethod
    def empty(cls) -> Self:
        return cls(SortedRows.empty(CUSTOMERS, ("id",)))

    def merged(self, versions: pa.Table) -> "Customers":
        """With these versions, of the schema CUSTOMERS."""
        if not versions.num_rows:
            return self
        known: CustomerLinks | None = self.__dict__.get("links", self._earlier_links)
        return Customers(self._rows.merged(versions), known)

    def aliases_of(self, customers: Collection[str]) -> Mapping[str, Sequence[str]]:
        """The aliases of those of these customers that have any."""
        if len(customers) > _FEW:
            return self.links.aliases_of(customers)
        found = {
            key: json.loads(each.definition).get("aliases", ())
            for key, each in self.stored(customers).items()
            if ALIASES_KEY in each.definition
        }
        return {key: aliases for key, aliases in found.items() if aliases}

    def with_aliases(self, customers: tuple[str, ...]) -> tuple[str, ...]:
        """These customers as they are, or sorted with their aliases if any of them has one."""
        aliases = self.aliases_of(customers)
        also = {alias for each in aliases.values() for alias in each}
        return tuple(sorted({*customers, *also})) if also else customers

    def with_all_below(self, customer: str) -> tuple[str, ...]:
        """A customer and all below it, sorted."""
        found, level = {customer}, {customer}
        while level:
            below = {each for children in self.links.children_of(level).values() for each in children}
            level = below - found
            found |= level
        return tuple(sorted(found))

    @cached_property
    def links(self) -> CustomerLinks:
        """Their aliases, and who is above whom."""
        found = CustomerLinks.of(self._rows.chunks, self._earlier_links)
        self._earlier_links = None
        return found

    def stored(self, ids: Collection[str]) -> dict[str, StoredVersion]:
        """Those of them that there are."""
        found = self._rows.matching(sorted(set(ids)))
        columns = (found.column(name).to_pylist() for name in ("id", "version", "definition"))
        return {row[0]: StoredVersion(self.kind, *row) for row in zip(*columns, strict=True)}

    @cached_property
    def taxed(self) -> TaxedCustomers:
        """Those that have a tax region."""
        return TaxedCustomers.of(self._rows.chunks)

    @cached_property
    def ids(self) -> pa.StringArray:
        """All of them, sorted."""
        return self._rows.column("id").combine_chunks()

    def texts(self, name: str) -> tuple[pa.StringArray, tuple[str, ...]]:
        """The customers that have a `time_zone` or a `currency`, sorted, and that of each."""
        if name not in self._texts:
            having = [chunk.filter(pc.is_valid(chunk[name])) for chunk in self._rows.chunks]
            found = pa.Table.from_batches(having, CUSTOMERS)
            self._texts[name] = found["id"].combine_chunks(), tuple(found[name].to_pylist())
        return self._texts[name]

    @cached_property
    def _texts(self) -> dict[str, tuple[pa.StringArray, tuple[str, ...]]]:
        """Those that were asked for."""
        return {}


class Subscriptions(_Stored[Subscription]):
    """Sorted by customer and id; `by_id` knows the customer of each, which never changes."""

    kind = "subscription"

    def __init__(self, rows: SortedRows, by_id: SortedRows) -> None:
        super().__init__(rows)
        self._by_id = by_id
        self._billed: tuple[tuple[Customers, SubscriptionColumns], ...] = ()

    @classmethod
    def empty(cls) -> Self:
        return cls(SortedRows.empty(SUBSCRIPTIONS, ("customer", "id")), SortedRows.empty(_BY_ID, ("id",)))

    def merged(self, versions: pa.Table) -> "Subscriptions":
        """With these versions, of the schema SUBSCRIPTIONS."""
        if not versions.num_rows:
            return self
        by_id = self._by_id.merged(versions.select(_BY_ID.names))
        return Subscriptions(self._rows.merged(versions), by_id)

    def of_customer(self, customer: str) -> tuple[Versioned[Subscription], ...]:
        """By start."""
        rows = takewhile(lambda row: row["customer"] == customer, self._rows.rows_from((customer,)))
        ordered = sorted(rows, key=lambda row: (row["start_us"], row["id"]))
        return tuple(map(self._versioned_of, ordered))

    def of_customers(self, customers: Collection[str]) -> Mapping[str, list[StoredSubscription]]:
        """Those of many customers at once; no entry for a customer without one."""
        found: dict[str, list[StoredSubscription]] = defaultdict(list)
        table = self._rows.matching(sorted(set(customers)))
        names = ("customer", *StoredSubscription._fields)
        for customer, *fields in zip(*(table.column(name).to_pylist() for name in names), strict=True):
            found[customer].append(StoredSubscription(*fields))
        return found

    def customer_of(self, ids: Collection[str]) -> dict[str, str]:
        """The customers of those of these subscriptions that there are."""
        found = self._by_id.matching(sorted(set(ids)))
        return dict(zip(found.column("id").to_pylist(), found.column("customer").to_pylist(), strict=True))

    @cached_property
    def columns(self) -> SubscriptionColumns:
        """All of them, in order."""
        return columns_of(self._rows.column)

    def billed_columns(self, customers: Customers) -> SubscriptionColumns:
        """`columns`, whose terms have the currency of these customers where they don't say one."""
        ids, currencies = customers.texts("currency")
        if not currencies:
            return self.columns
        known = self._billed
        found = next((columns for whose, columns in known if whose is customers), None)
        if found is None:
            found = self.columns.in_currencies(ids, currencies)
            # Of the customers that were asked for last: who rates at a revision, and who reads the newest.
            self._billed = (*known[1 - _BILLED_KEPT :], (customers, found))
        return found

    @property
    def column_rows(self) -> int:
        """How many rows `columns` has, if they are made."""
        return len(self) if "columns" in self.__dict__ else 0

    def forget_columns(self) -> None:
        """They are made again for the next who asks."""
        self.__dict__.pop("columns", None)
        self._billed = ()

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """As of all resources, and where they are found by id."""
        yield from super().chunks()
        yield from self._by_id.chunks

    def _find(self, key: str) -> Row | None:
        place = self._by_id.find((key,))
        return None if place is None else self._rows.find((place["customer"], key))
