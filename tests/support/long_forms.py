"""How a random test has a short form, which `make test` runs, and a long one with more cases of the same generator."""

import pytest


def numbered(short, long, *, timeout_s=1_800):
    """Parameters 0, 1, ...: so many of the short form, and on up to the end of the long one."""
    marks = [pytest.mark.long, pytest.mark.timeout(timeout_s)]
    return [*range(short), *(pytest.param(number, marks=marks) for number in range(short, long))]
