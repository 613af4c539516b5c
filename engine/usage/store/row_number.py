"""A number of a row: the driver types what it reads as anything."""


def number(value: object) -> int:
    """The integer that a column of integers holds.

    Raises:
        ValueError: it is none.
    """
    return int(str(value))
