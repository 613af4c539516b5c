"""What the customers of a document must hold against each other and against the catalog as it is.

1. An id or alias is one customer's: events that are recorded under it are billed to that one, and to nobody else.
2. An alias moves to another customer by two changes: the one gives it up, then the other takes it. In between its events
   are nobody's, and each state is a revision of its own.
3. Customers above each other make no circle, and at most DEPTH_MAX levels.
"""

from collections.abc import Iterable, Iterator, Mapping

from engine.catalog import limits
from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds.customer import Customer


def check_customers(entries: Iterable[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    given = {
        each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Customer)
    }
    if given:
        customers = {key: customer for key, (_, customer) in given.items()}
        _check_names(given, excerpt, mistakes)
        _check_levels(given, _Above(customers, excerpt), mistakes)


def _check_names(given: Mapping[str, tuple[Entry, Customer]], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rules 1 and 2."""
    catalog = excerpt.catalog.customers
    aliases = [alias for _, customer in given.values() for alias in customer.aliases]
    ids = catalog.stored(aliases).keys() | excerpt.given["customer"]
    owners = catalog.links.owners_of({*aliases, *given})
    taken: dict[str, str] = {}
    for key, (entry, customer) in given.items():
        if (owner := owners.get(key, key)) != key:
            mistakes.add((*entry.path, "id"), f"is an alias of the customer {owner!r}: give another id")
        for position, alias in enumerate(customer.aliases):
            path = (*entry.path, "aliases", position)
            if alias in ids:
                whose = "this customer's own id" if alias == key else f"the id of the customer {alias!r}"
                mistakes.add(path, f"is {whose}: its events are billed to that one")
                continue
            owner = taken.setdefault(alias, key)
            if owner == key:
                owner = owners.get(alias, key)
            if owner != key:
                mistakes.add(
                    path,
                    f"is an alias of the customer {owner!r}: take it away there with a change of its own, and give it here "
                    "after that",
                )


def _check_levels(given: Mapping[str, tuple[Entry, Customer]], above: "_Above", mistakes: Mistakes) -> None:
    """Rule 3."""
    for key, (entry, customer) in given.items():
        if customer.parent is None:
            continue
        path = [key, *above.of(customer.parent)]
        if key in path[1:]:
            circle = " -> ".join(path[: path.index(key, 1) + 1])
            mistakes.add((*entry.path, "parent"), f"makes a circle: {circle}")
        elif (levels := len(path) + above.levels_below(key)) > limits.CUSTOMER_LEVELS_MAX:
            mistakes.add(
                (*entry.path, "parent"),
                f"makes {levels} levels of customers: at most {limits.CUSTOMER_LEVELS_MAX} are allowed",
            )


class _Above:
    """Who is above whom: by the document, and by the catalog for all others."""

    def __init__(self, given: Mapping[str, Customer], excerpt: Excerpt) -> None:
        self._given = given
        self._catalog = excerpt.catalog.customers
        self._parents: dict[str, str | None] = {key: each.parent for key, each in given.items()}

    def of(self, customer: str) -> list[str]:
        """A customer and those above, up to one level more than there may be."""
        found = [customer]
        while len(found) <= limits.CUSTOMER_LEVELS_MAX and (parent := self._parent(found[-1])) is not None:
            found.append(parent)
            if parent in found[:-1]:
                break
        return found

    def levels_below(self, customer: str) -> int:
        """How many levels stand below a customer, up to one more than there may be."""
        below, levels = {customer}, 0
        while levels <= limits.CUSTOMER_LEVELS_MAX and (below := set(self._children(below))):
            levels += 1
        return levels

    def _parent(self, customer: str) -> str | None:
        if customer not in self._parents:
            known = self._catalog.get(customer)
            self._parents[customer] = None if known is None else known.resource.parent
        return self._parents[customer]

    def _children(self, customers: set[str]) -> Iterator[str]:
        for children in self._catalog.links.children_of(customers).values():
            yield from (each for each in children if each not in self._given)
        yield from (key for key, each in self._given.items() if each.parent in customers)
