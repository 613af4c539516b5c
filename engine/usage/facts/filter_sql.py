"""Filters of a meter to SQL. Their meaning: engine.meters.filters.

Every predicate is 0 or 1, never NULL, so that NOT is the complement.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

from engine.meters.filters import Conditions, Filter, FilterGroup
from engine.usage.store.tables.properties import DECIMAL_PARAMETERS, decimal_sql, exists_sql, text_sql

Filters = Mapping[str, Filter]

_COMPARISONS = {"greater_than": ">", "at_least": ">=", "less_than": "<", "at_most": "<="}


def filter_conditions(filters: Filters, parameters: dict[str, object]) -> list[str]:
    """Predicates that must all hold; binds names and values in `parameters`."""
    return _predicates(filters, parameters, count())


def _predicates(filters: Filters, parameters: dict[str, object], numbers: Iterator[int]) -> list[str]:
    """`numbers` make the names of parameters, each once in all groups."""
    found: list[str] = []
    for name, each in filters.items():
        if isinstance(each, FilterGroup):
            members = [_all_of(_predicates(member, parameters, numbers)) for member in each.members]
            found.append(_group(name, members))
            continue
        parameter = f"filter_{next(numbers)}"
        parameters[parameter] = name
        if isinstance(each, Conditions):
            found.extend(_conditions(parameter, each, parameters))
        else:
            found.append(_one_of(parameter, each, parameters))
    return found


def _group(name: str, members: Sequence[str]) -> str:
    match name:
        case "any":
            return f"({' OR '.join(members)})"
        case "all":
            return _all_of(members)
        case "not":
            return f"NOT ({' OR '.join(members)})"
    raise ValueError(f"there is no group {name!r}")


def _all_of(predicates: Sequence[str]) -> str:
    return f"({' AND '.join(predicates)})"


def _one_of(parameter: str, values: Sequence[str], parameters: dict[str, object]) -> str:
    parameters[f"{parameter}_values"] = list(values)
    return f"({exists_sql(parameter)} AND {text_sql(parameter)} IN {{{parameter}_values:Array(String)}})"


def _conditions(parameter: str, given: Conditions, parameters: dict[str, object]) -> Iterator[str]:
    if given.refused is not None:
        yield f"NOT {_one_of(parameter, given.refused, parameters)}"
    if given.exists is not None:
        yield exists_sql(parameter) if given.exists else f"NOT {exists_sql(parameter)}"
    for name, operator in _COMPARISONS.items():
        bound = getattr(given, name)
        if bound is not None:
            # As text: the driver must not have a say in how many digits a decimal has.
            parameters |= {f"{parameter}_{name}": format(bound, "f"), **DECIMAL_PARAMETERS}
            value = f"toDecimal256({{{parameter}_{name}:String}}, 12)"
            yield f"ifNull({decimal_sql(parameter)} {operator} {value}, 0)"
