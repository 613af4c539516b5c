"""Filters of a meter to SQL. Their meaning: engine.catalog.filters."""

from collections.abc import Iterator, Mapping, Sequence

from engine.catalog.filters import Conditions
from engine.usage.properties import DECIMAL_PARAMETERS, decimal_sql, exists_sql, text_sql

Filters = Mapping[str, Sequence[str] | Conditions]

_COMPARISONS = {"greater_than": ">", "at_least": ">=", "less_than": "<", "at_most": "<="}


def filter_conditions(filters: Filters, parameters: dict[str, object]) -> list[str]:
    """Predicates that must all hold; binds names and values in `parameters`."""
    found: list[str] = []
    for i, (name, each) in enumerate(filters.items()):
        parameter = f"filter_{i}"
        parameters[parameter] = name
        if isinstance(each, Conditions):
            found.extend(_conditions(parameter, each, parameters))
        else:
            found.append(_one_of(parameter, each, parameters))
    return found


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
