"""Filters of a meter as plain SQL over a map of properties. Pure. Their meaning: engine.meters.filters."""

from collections.abc import Iterator

from engine.meters.filters import Conditions, Filter, FilterGroup, Filters
from engine.usage.store.query import Parameters
from ingest import QUANTITY_PATTERN

_BOUNDS = {"greater_than": ">", "at_least": ">=", "less_than": "<", "at_most": "<="}


class BoundTexts:
    """Texts that a statement names by parameters of its own."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def sql(self, text: str) -> str:
        """What stands for a text."""
        name = f"raw_{len(self._parameters)}"
        self._parameters[name] = text
        return f"{{{name}:String}}"


def decimal_sql(properties: str, name: str, texts: BoundTexts) -> str:
    """A property as Decimal(76, 12); NULL where it is none, or not there."""
    text = f"{properties}[{texts.sql(name)}]"
    return f"if(match({text}, {texts.sql(QUANTITY_PATTERN)}), toDecimal256OrNull({text}, 12), NULL)"


def passes_sql(filters: Filters, properties: str, texts: BoundTexts) -> str:
    """Whether an event with these properties passes all of them: never NULL."""
    found = [each for name, given in filters.items() for each in _passes(name, given, properties, texts)]
    return " AND ".join(["true", *found])


def _passes(name: str, given: Filter, properties: str, texts: BoundTexts) -> Iterator[str]:
    if isinstance(given, FilterGroup):
        members = [f"({passes_sql(each, properties, texts)})" for each in given.members]
        joined = (" AND " if name == "all" else " OR ").join(members)
        yield f"NOT ({joined})" if name == "not" else f"({joined})"
        return
    own = texts.sql(name)
    text, exists = f"{properties}[{own}]", f"mapContains({properties}, {own})"
    if not isinstance(given, Conditions):
        yield f"({exists} AND {text} IN ({', '.join(map(texts.sql, given))}))"
        return
    if given.refused is not None:
        yield f"NOT ({exists} AND {text} IN ({', '.join(map(texts.sql, given.refused))}))"
    if given.exists is not None:
        yield exists if given.exists else f"NOT {exists}"
    for bound, operator in _BOUNDS.items():
        value = getattr(given, bound)
        if value is not None:
            number = f"toDecimal256({texts.sql(format(value, 'f'))}, 12)"
            yield f"ifNull({decimal_sql(properties, name, texts)} {operator} {number}, false)"
