"""Templates to HTML. A template has texts alone: it computes nothing."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from engine.api.pages.page_words import PageWords
from engine.api.pages.static_files import static_name


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static_name
    return made


def html(template: str, words: PageWords, **values: Any) -> str:  # noqa: ANN401 - texts, and lists and mappings of texts
    """`template`: the name of a file."""
    return (
        _environment()
        .get_template(template)
        .render(texts=words.said.texts, lang=words.language_tag, **values)
    )
