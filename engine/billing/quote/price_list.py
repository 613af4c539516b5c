"""What a quote prices: a plan of a catalog document, or documents of one price each.

A price document is a mapping with the fields of a price and its `currency`, or a list of such mappings:

    id: fee            # by default the file's name without its ending; needed in a list
    currency: USD
    model: percentage
    percent: 2.9
    fixed_amount_per_event: 0.30

A `meter` is allowed, so that a plan's price can be pasted in, and is not read. Any model that can be rated can
be quoted so, also one that plans don't take yet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from pathlib import PurePath
from typing import Final

from engine.catalog import limits
from engine.catalog.documents.document import read_document
from engine.catalog.documents.mistakes import Mistakes, unreadable
from engine.catalog.documents.yaml_tree import ListNode, MapNode, Node, YamlError, parse_yaml
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.resource import ID
from engine.errors import FieldMistake, InvalidRequestError
from fields import NAMES_SHOWN_MAX, FieldsError, did_you_mean
from rating import Model, Price

_SETTLED: Final = ("percent_off", "amount_off", "spend_discount", "minimum_amount", "commitments")


class Counts(StrEnum):
    """What must be given for a price to be rated."""

    NOTHING = "nothing"
    QUANTITY = "quantity"
    EVENTS = "events"
    """The amount of each event, in order."""
    UNITS = "units"
    """A quantity of each of several units."""


@dataclass(frozen=True, slots=True)
class QuotedPrice:
    """A price under its id.

    dimensions: what tells its lines apart, be it by a matrix or by its meter's groups.
    quantity: what it counts where none is given: of a price by a quantity that isn't metered, the plan's.
    """

    id: str
    price: Price
    dimensions: tuple[str, ...]
    quantity: Decimal = Decimal(0)

    @property
    def counts(self) -> Counts:
        if self.price.model is Model.FLAT:
            return Counts.NOTHING
        if self.price.model is Model.CAPACITY:
            return Counts.UNITS
        return Counts.EVENTS if self.price.needs_events else Counts.QUANTITY

    @property
    def units(self) -> tuple[str, ...]:
        """What a capacity price counts; empty for another."""
        bounds = [tier.up_to for tier in self.price.tiers or () if isinstance(tier.up_to, tuple)]
        return tuple(dict.fromkeys(unit for bound in bounds for unit, _ in bound))


@dataclass(frozen=True)
class PriceList:
    """The prices of a quote, in the order of its lines. `owner` is theirs in messages: "plan 'scale'". `terms`: what the plan has besides
    that an invoice comes to, and a quote of lines doesn't: its discounts and commitments, by their fields' names.
    """

    owner: str
    prices: tuple[QuotedPrice, ...]
    terms: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prices)

    @cached_property
    def ids(self) -> dict[str, int]:
        return {each.id: place for place, each in enumerate(self.prices)}

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self.prices for name in each.dimensions))

    @cached_property
    def units(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(unit for each in self.prices for unit in each.units))

    @cached_property
    def currencies(self) -> dict[str, int]:
        """Each currency, in alphabetical order, with the most digits that one of its prices rounds to."""
        digits: dict[str, int] = {}
        for each in self.prices:
            digits[each.price.currency] = max(each.price.digits, digits.get(each.price.currency, 0))
        return dict(sorted(digits.items()))

    def place_of(self, price_id: str) -> int:
        """Where the price stands. Raises ValueError that says which ids there are."""
        if price_id not in self.ids:
            raise ValueError(f"{self.owner} has no price {price_id[:48]!r}{near(price_id, self.ids)}")
        return self.ids[price_id]


def near(given: str, known: Iterable[str]) -> str:
    """The name that was meant, to append to a message; or all names, if they are few."""
    names = list(known)
    hint = did_you_mean(given, names)
    if hint or not 0 < len(names) <= NAMES_SHOWN_MAX:
        return hint
    if len(names) == 1:
        return f": there is {names[0]}"
    return f": there are {', '.join(names[:-1])} and {names[-1]}"


def prices_of_plan(file_name: str, text: str, plan_id: str | None, currency: str | None = None) -> PriceList:
    """The prices of a catalog document's plan, which needn't be named if it is the only one; `currency`: None for its own.

    The whole document must be free of mistakes of its own; what it refers to may be in a catalog elsewhere.

    Raises:
        InvalidRequestError: it has no such plan, or not in the currency; CatalogDocumentError holds all mistakes of the document.
    """
    document = read_document(text, file_name)
    if document.own_mistakes:
        raise document.own_mistakes.error()
    resources = [entry.resource for entry in document.entries]
    plan = _chosen({each.id: each for each in resources if isinstance(each, Plan)}, file_name, plan_id)
    found = plan.in_currency(currency)
    if found is None:
        codes = ", ".join(sorted(plan.currency_codes))
        raise _refused(file_name, f"plan {plan.id!r} is not offered in {currency}: it is in {codes}")
    plan = found
    group_by = {each.id: each.group_by for each in resources if isinstance(each, Meter)}
    if not plan.prices:
        raise _refused(file_name, f"plan {plan.id!r} has no prices")
    return PriceList(
        f"plan {plan.id!r}",
        tuple(
            QuotedPrice(
                each.id,
                each.price,
                tuple(dict.fromkeys((*group_by.get(each.meter or "", ()), *(each.price.dimensions or ())))),
                each.quantity or Decimal(0),
            )
            for each in plan.prices
        ),
        tuple(name for name in _SETTLED if getattr(plan, name)),
    )


def _chosen(plans: dict[str, Plan], file_name: str, plan_id: str | None) -> Plan:
    if not plans:
        raise _refused(file_name, "has no plan")
    if plan_id is None and len(plans) > 1:
        raise _refused(file_name, f"has several plans: name one with --plan: {', '.join(plans)}")
    plan = next(iter(plans.values())) if plan_id is None else plans.get(plan_id)
    if plan is None:
        raise _refused(file_name, f"has no plan {plan_id!r}{near(plan_id or '', plans)}")
    return plan


def prices_of_documents(documents: Sequence[tuple[str, Iterable[QuotedPrice]]]) -> PriceList:
    """The prices of several documents together, each with its file's name.

    Raises:
        InvalidRequestError: an id comes twice, or there are too many.
    """
    prices: dict[str, QuotedPrice] = {}
    found_in: dict[str, str] = {}
    for file_name, found in documents:
        for each in found:
            if each.id in prices:
                raise _refused(
                    file_name,
                    f"price {each.id!r} is in {found_in[each.id]}, too: give one of them another id",
                )
            prices[each.id], found_in[each.id] = each, file_name
    if len(prices) > limits.PLAN_PRICES_MAX:
        raise _refused("prices", f"are {len(prices)}; at most {limits.PLAN_PRICES_MAX} are quoted together")
    owner = documents[0][0] if len(documents) == 1 else f"the {len(documents)} price files"
    return PriceList(owner, tuple(prices.values()))


def _refused(where: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(where, message))


def read_prices(file_name: str, text: str) -> list[QuotedPrice]:
    """The prices of one document. Raises CatalogDocumentError with all of its mistakes."""
    try:
        root = parse_yaml(text)
    except YamlError as error:
        raise unreadable(file_name, error.line, error.message) from None
    mistakes = Mistakes(file_name, root)
    if isinstance(root, ListNode):
        read = [_read_price(item, (place,), None, mistakes) for place, item in enumerate(root.items)]
    else:
        read = [_read_price(root, (), PurePath(file_name).stem, mistakes)]
    if not read:
        mistakes.add((), "holds no price")
    if mistakes:
        raise mistakes.error()
    return [each for each in read if each is not None]


def _read_price(
    node: Node, path: tuple[int, ...], default_id: str | None, mistakes: Mistakes
) -> QuotedPrice | None:
    if not isinstance(node, MapNode):
        mistakes.add(path, "a price is a mapping with fields such as currency and model")
        return None
    found = len(mistakes)
    fields = mistakes.fields_of(node, path)
    fields.pop("meter", None)
    price_id = fields.pop("id", default_id)
    try:
        if not isinstance(price_id, str):
            raise ValueError("is missing: each price of a list needs one")  # noqa: TRY004, TRY301 - one rule of the id
        ID.read(price_id)
    except ValueError as error:
        mistakes.add((*path, "id"), str(error))
    try:
        price = Price.read(fields)
    except FieldsError as error:
        mistakes.add_all(path, error)
        return None
    return None if len(mistakes) > found else QuotedPrice(str(price_id), price, tuple(price.dimensions or ()))
