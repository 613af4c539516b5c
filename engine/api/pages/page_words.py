"""The reader's language: the first of those that the browser asks for in which the page has texts, with its country's numbers and dates."""

import importlib.resources
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Final

from babel import Locale, UnknownLocaleError

from engine.billing.documents.languages import ENGLISH, Language, Messages, language, read_messages
from engine.billing.documents.local_format import LocalFormat
from rating import minor_unit_digits

_TAGS_MAX: Final = 20
_TAG_CHARACTERS_MAX: Final = 32


@dataclass(frozen=True)
class PageWords:
    """Texts, and how numbers, amounts and dates are written."""

    locale: Locale
    said: Language
    _formats: dict[str, LocalFormat] = field(default_factory=dict)

    @property
    def language_tag(self) -> str:
        return str(self.locale).replace("_", "-")

    def text(self, said: str, **values: str) -> str:
        """`said`: the name of the text."""
        return self.said.text(said, **values)

    def of(self, currency: str) -> LocalFormat:
        if currency not in self._formats:
            self._formats[currency] = LocalFormat(self.locale, _digits(currency))
        return self._formats[currency]

    @property
    def plain(self) -> LocalFormat:
        """For what is no money."""
        return self.of("")

    def money(self, text: str, currency: str) -> str:
        """Of a decimal text, with its currency's sign."""
        return self.of(currency).priced(Decimal(text), currency)


@cache
def catalogs() -> dict[str, list[Messages]]:
    """The texts of each language."""
    folder = importlib.resources.files(__package__ or "").joinpath("templates").joinpath("messages")
    english = read_messages(folder.joinpath(f"{ENGLISH}.yaml").read_text("utf-8"), None)
    found = {}
    for each in folder.iterdir():
        if each.name.endswith(".yaml"):
            found[each.name.removesuffix(".yaml")] = [read_messages(each.read_text("utf-8"), english)]
    return found


@cache
def languages() -> list[tuple[str, str]]:
    """Each with the name that it has for itself."""
    return [(tag, str(Locale.parse(tag).get_display_name(tag)).capitalize()) for tag in sorted(catalogs())]


def words_for(accepted: str, wanted: str = "") -> PageWords:
    """`accepted`: an Accept-Language header; `wanted`: a language that the reader chose, which goes before."""
    tags = [wanted, *_tags(accepted)]
    locale = next((found for tag in tags if (found := _locale(tag)) is not None), Locale.parse(ENGLISH))
    return PageWords(locale, language(str(locale), catalogs()))


def _tags(accepted: str) -> list[str]:
    """The best liked first."""
    liked: list[tuple[Decimal, str]] = []
    for each in accepted.split(",")[:_TAGS_MAX]:
        tag, _, weight = each.strip().partition(";q=")
        try:
            quality = Decimal(weight[:5] or 1)
            if quality > 0:
                liked.append((quality, tag))
        except ArithmeticError:
            continue
    # Stable: those that are liked alike stay in their order.
    return [tag for _, tag in sorted(liked, key=lambda one: -one[0])]


def _locale(tag: str) -> Locale | None:
    """One in whose language the page has texts."""
    try:
        found = Locale.parse(tag[:_TAG_CHARACTERS_MAX].replace("-", "_")) if tag else None
    except (ValueError, TypeError, UnknownLocaleError):
        return None
    return found if found is not None and found.language in catalogs() else None


def _digits(currency: str) -> int:
    try:
        return minor_unit_digits(currency) if currency else 0
    except ValueError:
        # Without a minor unit: amounts have the digits that they have.
        return 0
