"""A mistake in a document is told as `FILE:LINE: FIELD: what is wrong`."""

import pytest

from tests.support.catalog.document_mistakes import TABLE


@pytest.mark.parametrize(("old", "new", "expected"), TABLE.values(), ids=TABLE.keys())
def test_a_mistake_names_file_line_and_field(mistakes_of, document, old, new, expected):
    """Each fragment makes exactly the mistakes that the table says."""
    assert document.count(old) == 1
    assert mistakes_of(document.replace(old, new)) == expected
