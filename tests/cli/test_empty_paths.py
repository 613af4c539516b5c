"""An empty path is refused: it would be the working directory, or a file of no name."""

import pytest


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("apply", "-f", ""), "--file"),
        (("quote", "-f", "", "--plan", "p"), "--file"),
        (("serve", "--data", ""), "--data"),
        (("usage", "--meter", "m", "--from", "2025-06-01", "--to", "2025-07-01", "-o", ""), "--output"),
        (("import", ""), "FILE"),
    ],
)
def test_an_empty_path_is_refused_in_one_line(refused, words, option):
    """Named by its option; nothing is read, made or written."""
    assert refused(*words) == f"{option} is empty: name a file or directory"
