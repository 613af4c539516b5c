"""Untrusted fields to a resource, with every mistake and its path.

    read_resource("plan", {"id": "starter", "prices": [...], ...}) -> Plan, or ResourceError

Fields are those of the catalog document. A field that is None is a field that isn't given. The fields of a
price lie flat beside its `id` and `meter`, and its currency is the plan's: `rating.Price` reads them,
pydantic reads everything else.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.catalog import limits
from engine.catalog.resources import (
    Customer,
    Kind,
    Meter,
    Plan,
    PlanPrice,
    Resource,
    Subscription,
    meter_problem,
    usage_problem,
)
from engine.catalog.rules import one_currency
from engine.errors import did_you_mean
from engine.meters.filter_checks import FilterError
from engine.meters.filters import CONDITION_NAMES, CONDITIONS_TAG, GROUP_TAG, MEMBERS, VALUES_TAG
from engine.meters.value import EXPRESSION_FIELDS, EXPRESSION_TAG, PROPERTY_TAG
from fields import FieldsError, Problem
from rating import Conversion, Price

Path = tuple[str | int, ...]

CLASSES: Final[Mapping[Kind, type[Resource]]] = {
    "meter": Meter,
    "plan": Plan,
    "customer": Customer,
    "subscription": Subscription,
}

# What may stand beside `id` and `meter`.
_PRICE_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Price) if field.name != "currency")
# Named to someone whose field is like none of them, if they are that few.
_FIELDS_SHOWN_MAX: Final = 10
# pydantic's types of errors, in our words.
_MARKS: Final = frozenset(
    {"[key]", VALUES_TAG, CONDITIONS_TAG, GROUP_TAG, MEMBERS, PROPERTY_TAG, EXPRESSION_TAG}
)
_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_type": "must be text, is {shape}",
    "literal_error": "must be text, is {shape}",
    "mapping_type": "must be a mapping, is {shape}",
    "dict_type": "must be a mapping, is {shape}",
    "tuple_type": "must be a list, is {shape}",
    "list_type": "must be a list, is {shape}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "is empty",
}


class ResourceError(ValueError):
    """Fields that make no resource; `problems` holds every mistake, each with the path of its field."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, each.path))}: {each.message}" for each in problems))
        self.problems = problems


def read_resource(kind: Kind, fields: Mapping[str, object]) -> Resource:
    given = {name: value for name, value in fields.items() if value is not None}
    if kind == "plan":
        return _read_plan(given)
    if kind == "meter" and "conversion" in given:
        return _read_meter(given)
    try:
        return CLASSES[kind].model_validate(given)
    except ValidationError as error:
        problems = tuple(_problems(error, CLASSES[kind]))
        if kind == "subscription" and "id" not in given:
            # A subscription's default id repeats the mistakes of what it is made from.
            problems = tuple(each for each in problems if each.path != ("id",)) or problems
        raise ResourceError(problems) from None


def _read_meter(fields: Mapping[str, object]) -> Resource:
    """A meter with a conversion, which rating reads."""
    own = {name: value for name, value in fields.items() if name != "conversion"}
    problems: list[Problem] = []
    try:
        own["conversion"] = Conversion.read(fields["conversion"])
    except FieldsError as error:
        problems += [Problem(("conversion", *each.path), each.message) for each in error.problems]
    try:
        meter = Meter.model_validate(own)
    except ValidationError as error:
        problems = [*_problems(error, Meter), *problems]
    else:
        if not problems:
            return meter
    raise ResourceError(tuple(problems))


def _read_plan(fields: Mapping[str, object]) -> Plan:
    prices = fields.get("prices")
    read: dict[str, PlanPrice] = {}
    problems: list[Problem] = []
    if isinstance(prices, list) and len(prices) > limits.PLAN_PRICES_MAX:
        count = f"{len(prices)} entries; at most {limits.PLAN_PRICES_MAX} are allowed"
        problems.append(Problem(("prices",), f"has {count}"))
        fields = {**fields, "prices": ()}
    elif isinstance(prices, list):
        currency = _usable_currency(fields.get("currency"))
        for position, price_fields in enumerate(prices):
            try:
                price = _read_plan_price(price_fields, currency)
            except ResourceError as error:
                problems += [
                    Problem(("prices", position, *each.path), each.message) for each in error.problems
                ]
                continue
            if price.id in read:
                problems.append(
                    Problem(("prices", position, "id"), f"{price.id!r} is the id of a price above, too")
                )
            read[price.id] = price
        fields = {**fields, "prices": tuple(read.values())}
    try:
        plan = Plan.model_validate(fields)
    except ValidationError as error:
        problems = [*_problems(error, Plan), *problems]
    else:
        if not problems:
            return plan
    raise ResourceError(tuple(problems))


def _usable_currency(given: object) -> str | None:
    try:
        return one_currency(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _read_plan_price(fields: object, currency: str | None) -> PlanPrice:
    """A price in the plan's currency; None if that is at fault itself, which the plan reports once."""
    if not isinstance(fields, Mapping):
        raise ResourceError(
            (Problem((), f"must be a mapping with the fields of a price, is {_shape(fields)}"),)
        )
    given = {name: value for name, value in fields.items() if value is not None}
    own = {name: given.pop(name) for name in ("id", "meter") if name in given}
    problems: list[Problem] = []
    for name in [name for name in given if name not in _PRICE_FIELDS]:
        del given[name]
        problems.append(Problem((name,), _not_a_price_field(name)))
    price: Price | None = None
    try:
        price = Price.read({**given, "currency": currency})
    except FieldsError as error:
        problems += [each for each in error.problems if currency or each.path[:1] != ("currency",)]
        model = given.get("model")
        if isinstance(model, str) and (problem := meter_problem(model, own.get("meter"))):
            problems.append(Problem(("meter",), problem))
    if price is not None and (problem := usage_problem(price)):
        problems.append(Problem(("model",), problem))
    try:
        plan_price = PlanPrice.model_validate(own if price is None else {**own, "price": price})
    except ValidationError as error:
        problems = [*(each for each in _problems(error, PlanPrice) if each.path != ("price",)), *problems]
    else:
        if not problems:
            return plan_price
    raise ResourceError(tuple(problems))


def _problems(error: ValidationError, resource: type[Resource | PlanPrice]) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        # A key at fault is located as (..., key, "[key]"), a filter as (..., property, its tag).
        path = tuple(part for part in details["loc"] if part not in _MARKS)
        mistake = details.get("ctx", {}).get("error")
        if isinstance(mistake, FilterError):
            yield from (Problem((*path, *inner), message) for inner, message in mistake.mistakes)
            continue
        yield Problem(path, _message(details, resource))


def _message(details: ErrorDetails, resource: type[Resource | PlanPrice]) -> str:
    context = details.get("ctx", {})
    if details["type"] == "value_error":
        return str(context["error"])
    if details["type"] == "extra_forbidden":
        name = str(details["loc"][-1])
        if CONDITIONS_TAG in details["loc"]:
            return unknown_field(name, "filter", CONDITION_NAMES)
        if EXPRESSION_TAG in details["loc"]:
            return unknown_field(name, "value", EXPRESSION_FIELDS)
        return unknown_field(name, resource.__name__.lower(), tuple(resource.model_fields))
    template = _MESSAGES.get(details["type"])
    return template.format(shape=_shape(details["input"]), **context) if template else details["msg"]


def _not_a_price_field(name: str) -> str:
    if name == "currency":
        return "is not a field of a price: it is the plan's, remove it here"
    return unknown_field(name, "price", ("meter", *_PRICE_FIELDS))


def unknown_field(name: str, owner: str, known: tuple[str, ...]) -> str:
    hint = did_you_mean(name, known)
    if not hint and len(known) <= _FIELDS_SHOWN_MAX:
        hint = f": it has {', '.join(known)}"
    return f"is not a field of a {owner}{hint}"


def _shape(given: object) -> str:
    if given is None:
        return "null"
    if isinstance(given, str):
        return f"the text {given[:48]!r}"
    return "a mapping" if isinstance(given, Mapping) else "a list"
