"""The texts of documents by language: message catalogs. Pure: what is in a file comes in as text.

A catalog is YAML: `texts`, by the names that the English one has, and `labels`, what documents call a price, a product, a plan, a
dimension or its value in place of the catalog's own word.

Rules:
1. A document asks for a text in its language with its country ("de_AT"), then without ("de"), then in English, which has all.
2. A text may name only the values that the English one names: {page} and the like.
3. A file of a company is read over the one that Meterline brings: it says what it wants to change, and may bring a language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

import yaml

ENGLISH: Final = "en"
_PARTS: Final = ("texts", "labels")


class MessagesError(ValueError):
    """A message catalog is not one: the message says where and why."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What one file says."""

    texts: Mapping[str, str]
    labels: Mapping[str, str]


def read_messages(text: str, english: Messages | None) -> Messages:
    """A message catalog; `english`: the one that has every text, None while that itself is read.

    Raises:
        MessagesError: it is not one.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MessagesError(f"is not YAML: {' '.join(str(error).split())[:200]}") from None
    found = {} if found is None else found
    if not isinstance(found, dict) or set(found) - set(_PARTS):
        raise MessagesError("has at its top `texts` and `labels`, and nothing else")
    texts, labels = (_texts(found.get(part), part) for part in _PARTS)
    if english is not None:
        for name, said in texts.items():
            if name not in english.texts:
                raise MessagesError(f"texts: there is no text {name!r}: see the English file")
            if unknown := _named(said, name) - _named(english.texts[name], name):
                raise MessagesError(f"texts: {name}: nothing is called {{{min(unknown)}}} there")
    return Messages(texts, labels)


class Language:
    """The texts of one language, those of others behind it."""

    def __init__(self, catalogs: Sequence[Messages]) -> None:
        """In the order in which they are asked."""
        self._catalogs = catalogs

    @property
    def texts(self) -> dict[str, str]:
        """All of them, by name."""
        found: dict[str, str] = {}
        for each in reversed(self._catalogs):
            found |= each.texts
        return found

    def text(self, name: str, /, **values: str) -> str:
        said = next(each.texts[name] for each in self._catalogs if name in each.texts)
        return said.format(**values) if values else said

    def label(self, *names: str) -> str:
        """What stands for the first of some names that has a label; else the last of them."""
        for name in names:
            for each in self._catalogs:
                if name in each.labels:
                    return each.labels[name]
        return names[-1]


def language(locale_name: str, by_name: Mapping[str, Sequence[Messages]]) -> Language:
    """Of a locale such as "de_AT". `by_name`: the catalogs of each language, the company's before Meterline's."""
    names = dict.fromkeys((locale_name, locale_name.partition("_")[0], ENGLISH))
    return Language([each for name in names for each in by_name.get(name, ())])


def _texts(value: Any, part: str) -> dict[str, str]:  # noqa: ANN401 - what a file has there
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise MessagesError(f"{part}: must be names, each with its text")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise MessagesError(f"{part}: {name}: must be a text: write it in quotes")
    return value


def _named(text: str, name: str) -> set[str]:
    """The values that a text names."""
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise MessagesError(f"texts: {name}: {error}") from None
    for _, value, form, conversion in pieces:
        if value is not None and (not value.isidentifier() or form or conversion):
            raise MessagesError(f"texts: {name}: {{{value}}} must be a plain name")
    return {value for _, value, _, _ in pieces if value is not None}
