"""What a meter reads of one event, and what becomes of the sum: slow, obvious, in fractions.

Expressions are parsed by Python's own parser, whose precedence is the usual one, and not by the engine's.
"""

import ast
import re
from fractions import Fraction

from tests.support.rating.oracle_numbers import rounded

_QUANTITY = re.compile(r"[+-]?\d{1,26}(\.\d{1,12})?", re.ASCII)
_COMPARISONS = {
    "greater_than": lambda value, bound: value > bound,
    "at_least": lambda value, bound: value >= bound,
    "less_than": lambda value, bound: value < bound,
    "at_most": lambda value, bound: value <= bound,
}
_OPERATIONS = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
}


class UnreadableError(ValueError):
    """A property that is not a quantity, or a step that leaves the bounds."""


def fraction(text):
    """The exact value; None for what is not a quantity, or not there."""
    return Fraction(text) if text is not None and _QUANTITY.fullmatch(text) else None


def value_of(properties, value):
    """(whether the event has what the value needs, the value or None if that is unreadable)."""
    if isinstance(value, str):
        return value in properties, fraction(properties.get(value))
    text = value["expression"].strip()
    properties = {**value.get("defaults", {}), **properties}
    tree = ast.parse(text, mode="eval").body
    if any(name not in properties for name in _names(tree)):
        return False, None
    try:
        result = _evaluated(tree, text, properties)
    except UnreadableError:
        return True, None
    exact = abs(result) < 10**26 and (result * 10**12).denominator == 1
    return True, result if exact else None


def _names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _evaluated(node, text, properties):
    match node:
        case ast.Name(name) | ast.Constant(str() as name):
            result = fraction(properties[name])
        case ast.Constant():
            result = Fraction(ast.get_source_segment(text, node))
        case ast.UnaryOp(ast.USub(), operand):
            result = -_evaluated(operand, text, properties)
        case ast.BinOp(left, operator, right):
            operands = _evaluated(left, text, properties), _evaluated(right, text, properties)
            result = _OPERATIONS[type(operator)](*operands)
    if result is None or abs(result) >= 10**28:
        raise UnreadableError
    return result


def passes(properties, filters):
    """Whether an event with these properties passes the filters of a catalog document."""
    return all(_passes_one(properties, name, each) for name, each in filters.items())


def _passes_one(properties, name, given):
    if isinstance(given, list) and any(isinstance(member, dict) for member in given):
        passed = [passes(properties, member) for member in given]
        return {"any": any(passed), "all": all(passed), "not": not any(passed)}[name]
    text = properties.get(name)
    if isinstance(given, str):
        return text == given
    if isinstance(given, list):
        return text in given
    return all(_meets(text, condition, each) for condition, each in given.items())


def _meets(text, condition, given):
    if condition == "not":
        return text not in ([given] if isinstance(given, str) else given)
    if condition == "exists":
        return (text is not None) == (given == "true")
    value = fraction(text)
    return value is not None and _COMPARISONS[condition](value, Fraction(given))


def converted(quantity, conversion):
    """The quantity in the unit that the meter says."""
    if conversion is None:
        return quantity
    if "factor" in conversion:
        quantity *= Fraction(conversion["factor"])
    else:
        quantity /= Fraction(conversion["divisor"])
    rounding = conversion.get("rounding")
    return rounded(quantity, int(rounding["digits"]), rounding["mode"]) if rounding else quantity
