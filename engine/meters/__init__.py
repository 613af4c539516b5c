"""What a meter measures: which events of a type count, and which value of each of them.

    value              the property that is aggregated, or an expression over several
    expression         what an expression means; expression_text reads and writes it
    filters            which events count, by their properties; filter_checks looks at them as a whole
    impossible_filters filters that no event can pass
    kinds, limits      single fields, and every bound with its reason

The catalog keeps meters and usage turns them into SQL. This room knows neither: it is pure, and both stand on it.
"""

__all__ = [
    "expression",
    "expression_text",
    "filter_checks",
    "filters",
    "kinds",
    "limits",
    "value",
]
