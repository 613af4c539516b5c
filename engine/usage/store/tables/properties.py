"""The SQL that reads a property of an event: the one place that knows how the log keeps properties.

A property's name is always a bound parameter; the functions take the name of that parameter.
"""

from ingest import QUANTITY_PATTERN

# What `decimal_sql` needs bound.
DECIMAL_PARAMETERS = {"quantity_pattern": QUANTITY_PATTERN}


def exists_sql(parameter: str) -> str:
    """Whether the event has the property: UInt8."""
    return f"mapContains(properties, {{{parameter}:String}})"


def text_sql(parameter: str) -> str:
    """The property as String; empty without it."""
    return f"properties[{{{parameter}:String}}]"


def nullable_text_sql(parameter: str) -> str:
    """The property as Nullable(String); NULL without it."""
    return f"if({exists_sql(parameter)}, {text_sql(parameter)}, NULL)"


def decimal_sql(parameter: str) -> str:
    """The property as Nullable(Decimal(76, 12)), |value| < 10^26; NULL without it or if it is not such a decimal."""
    # More than 12 fractional digits would be cut off silently by the conversion: the pattern keeps them out.
    text = text_sql(parameter)
    return f"if(match({text}, {{quantity_pattern:String}}), toDecimal256OrNull({text}, 12), NULL)"
