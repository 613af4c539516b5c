"""What an expression may say, how it is read, and where it is told to be wrong."""

import re

import pytest

from engine.meters import limits
from engine.meters.expression import Arithmetic, Constant, Negative, Property, fraction_digits, properties_of
from engine.meters.expression_text import expression_text, read_expression

A, B, C = Property("a"), Property("b"), Property("c")


@pytest.mark.parametrize(
    ("text", "tree", "canonical"),
    [
        ("a", A, "a"),
        ("a+b*c", Arithmetic("+", A, Arithmetic("*", B, C)), "a + b * c"),
        ("(a+b)*c", Arithmetic("*", Arithmetic("+", A, B), C), "(a + b) * c"),
        ("a-b-c", Arithmetic("-", Arithmetic("-", A, B), C), "a - b - c"),
        ("a-(b-c)", Arithmetic("-", A, Arithmetic("-", B, C)), "a - (b - c)"),
        ("a-(b+c)", Arithmetic("-", A, Arithmetic("+", B, C)), "a - (b + c)"),
        ("((a*b))*c", Arithmetic("*", Arithmetic("*", A, B), C), "a * b * c"),
        ("a*(b*c)", Arithmetic("*", A, Arithmetic("*", B, C)), "a * (b * c)"),
        ("-a*b", Arithmetic("*", Negative(A), B), "-a * b"),
        ("-(a*b)", Negative(Arithmetic("*", A, B)), "-(a * b)"),
        ("--a", Negative(Negative(A)), "--a"),
        ("a - -b", Arithmetic("-", A, Negative(B)), "a - -b"),
        ("\n a\t+\r\n b ", Arithmetic("+", A, B), "a + b"),
    ],
)
def test_operators_bind_as_everywhere(text, tree, canonical):
    """And the canonical text says the same with no parentheses but those that it needs."""
    assert read_expression(text) == tree
    assert expression_text(tree) == canonical
    assert read_expression(canonical) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [("007", "7"), ("0.50", "0.5"), ("0.000000000001", "0.000000000001"), ("9" * 26, "9" * 26)],
)
def test_numbers_are_exact_decimals(text, value):
    """Never binary floats."""
    tree = read_expression(f"{text} * a")
    assert isinstance(tree.left, Constant)
    assert format(tree.left.value, "f") == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("llm.input_tokens", "llm.input_tokens"),
        ("_2x", "_2x"),
        ("SELECT", "SELECT"),
        ('"a + b"', "a + b"),
        ('"cpu-seconds"', "cpu-seconds"),
        ('"say ""x"""', 'say "x"'),
        ('"größe 🚀 \\\' {a:String}"', "größe 🚀 \\' {a:String}"),
        ('"1"', "1"),
    ],
)
def test_names_that_aren_t_plain_stand_in_double_quotes(text, name):
    """Any text that an event can carry is a name; a quote in it is doubled."""
    tree = read_expression(f"2 * {text}")
    assert properties_of(tree) == (name,)
    assert read_expression(expression_text(tree)) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: write properties and numbers joined by + - *, such as a + 4 * b"),
        (" \n", "is empty: write properties and numbers joined by + - *, such as a + 4 * b"),
        ("a +", "ends too early: a property, a number or ( is needed at the end"),
        ("(a + b", "ends too early: the ( at character 1 isn't closed"),
        ("a)", "has a mistake at character 2: ')' closes nothing: there is no ( before it"),
        ("a b", "has a mistake at character 3: 'b' needs an operator before it: + - or *"),
        ("2a", "has a mistake at character 1: '2a' must be a decimal of at most"),
        ("(a b)", "has a mistake at character 4: 'b' needs an operator or a ) before it"),
        ("a * * b", "has a mistake at character 5: '*' stands where a property, a number or ( is needed"),
        ("a + +b", "has a mistake at character 5: '+' stands where a property, a number or ( is needed"),
        ("()", "has a mistake at character 2: ')' stands where a property, a number or ( is needed"),
        ("a / b", "has a mistake at character 3, '/': there is no division"),
        ("a × b", "has a mistake at character 3, '×': write * for times"),
        ("a \N{MINUS SIGN} b", "has a mistake at character 3, '\N{MINUS SIGN}': write - for minus"),
        ("a ^ 2", "has a mistake at character 3, '^': there are no powers"),
        ("a ** 2", "has a mistake at character 4: '*' stands where"),
        ("a % 2", "has a mistake at character 3, '%': there is no remainder"),
        ("'a' * 2", 'has a mistake at character 1, "\'": a name stands in double quotes'),
        ('"a * 2', "has a mistake at character 1, '\"': the name isn't closed by another one"),
        ('""', "has a mistake at character 1: '\"\"' is not the name of a property: it is empty"),
        (
            'a + "b\x00"',
            "has a mistake at character 5: '\"b\\x00\"' is not the name of a property: it may not hold",
        ),
        (f"a + {'b' * 129}", "is not the name of a property: it is longer than 128 bytes"),
        ("größe", "has a mistake at character 3, 'ö': it has no meaning here; a name with such a character"),
        ("a.b.", "has a mistake at character 4, '.': it has no meaning here"),
        ("1e3 * a", "has a mistake at character 1: '1e3' may have no exponent: write out its digits"),
        ("a + 1.5E-5", "has a mistake at character 5: '1.5E' may have no exponent: write out its digits"),
        ("2 * max(a, b)", "has a mistake at character 5: 'max' stands before a (: there are no functions"),
        ("round (a)", "has a mistake at character 1: 'round' stands before a (: there are no functions"),
        ("(a, b)", "has a mistake at character 3, ',': there are no functions and no lists"),
        ("2 (a)", "has a mistake at character 3: '(' needs an operator before it: + - or *"),
        ('"a" (b)', "has a mistake at character 5: '(' needs an operator before it: + - or *"),
        ("1,000 * a", "has a mistake at character 1: '1,000' must be a decimal of at most"),
        (f"{'9' * 27} * a", "must be a decimal of at most 26 integer and 12 fractional digits"),
        ("0.0000000000001 * a", "must be a decimal of at most 26 integer and 12 fractional digits"),
        ("2 * 3", "names no property: to add the same for each event, count events"),
        (
            "a * a * a * a * 0.5",
            "multiplies to more than 48 fractional digits, where each property counts as 12",
        ),
    ],
)
def test_a_mistake_says_where_it_is(text, message):
    """By the character, from 1."""
    with pytest.raises(ValueError, match=re.escape(message)):
        read_expression(text)


def test_an_expression_has_bounds():
    """Each just within, and just beyond."""
    operands, depth, chars = (
        limits.METER_EXPRESSION_OPERANDS_MAX,
        limits.METER_EXPRESSION_DEPTH_MAX,
        limits.METER_EXPRESSION_CHARS_MAX,
    )
    assert len(properties_of(read_expression(" + ".join(f"a{i}" for i in range(operands))))) == operands
    assert read_expression("(" * depth + "a" + ")" * depth) == A
    assert read_expression("a" + " " * (chars - 1)) == A
    assert fraction_digits(read_expression("a * b * c * a")) == 48
    for text, message in (
        (" + ".join("a" * (operands + 1)), f"is one too many: at most {operands} properties and numbers"),
        ("(" * (depth + 1) + "a" + ")" * (depth + 1), f"is nested too deeply: at most {depth} levels"),
        ("-" * (depth + 1) + "a", f"is nested too deeply: at most {depth} levels"),
        ("a" + " " * chars, f"is longer than {chars} characters"),
        ("(" * 100_000, f"is longer than {chars} characters"),
        # Once its spaces are written; what is stored must be read again.
        ("+".join(f'"{"x-" * 62}x"' for _ in range(16)), f"is longer than {chars} characters"),
    ):
        with pytest.raises(ValueError, match=message):
            read_expression(text)
