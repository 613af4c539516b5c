"""Texts that name a customer: the id, names, and longer texts of the metadata. Pure.

Looked for as whole words in what people wrote: reasons of corrections, names of keys, subjects of the audit log. A
customer `c1` is not found in `c10`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

PSEUDONYM_PREFIX: Final = "erased-"
# Shorter values of metadata, such as "eu" or "gold", name nobody.
_TELLING_CHARACTERS_MIN: Final = 6


def is_pseudonym(customer_id: str) -> bool:
    """Of a customer, or of an alias."""
    return re.fullmatch(PSEUDONYM_PREFIX + "[0-9a-f]{16}(-[0-9]+)?", customer_id) is not None


@dataclass(frozen=True)
class Naming:
    """What names a customer."""

    customer_id: str
    texts: tuple[str, ...]

    @classmethod
    def of(cls, customer_id: str, names: Iterable[str], metadata: Iterable[str]) -> "Naming":
        telling = (each for each in metadata if len(each) >= _TELLING_CHARACTERS_MIN)
        found = {customer_id, *(each for each in names if each.strip()), *telling}
        # The longest first: of "Jane Doe" nothing stays.
        return cls(customer_id, tuple(sorted(found, key=lambda each: (-len(each), each))))

    @cached_property
    def _words(self) -> re.Pattern[str]:
        return re.compile(
            r"(?<!\w)(?:" + "|".join(map(re.escape, self.texts)) + r")(?!\w)", re.IGNORECASE | re.UNICODE
        )

    def is_in(self, text: str) -> bool:
        return self._words.search(text) is not None

    def replaced(self, text: str, pseudonym: str) -> str:
        """The text with the pseudonym wherever it names the customer."""
        return self._words.sub(pseudonym, text)
