"""The catalog as YAML that is good to keep under version control: one form for each catalog, a field a line.

    meters:
      - id: calls
        aggregation: count

Rules:
1. Reading it gives the same resources: a text is quoted wherever YAML, in any version, could take it for something else
   than a text, or breaks it.
2. `id` comes first, then the other fields by name, as deep as they go.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

# Beginning with a letter, and with nothing in it that means something; words that mean something are besides.
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]*(?: [A-Za-z0-9_./@-]+)*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPED: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def section_yaml(section: str, definitions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a section, each with its end."""
    empty = True
    for definition in definitions:
        if empty:
            yield f"{section}:\n"
        empty = False
        for number, line in enumerate(_mapping(definition)):
            yield f"  {'- ' if number == 0 else '  '}{line}\n"
    if empty:
        yield f"{section}: []\n"


def _mapping(fields: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(fields, key=lambda name: (name != "id", name)):
        yield from _field(f"{_text(name)}:", fields[name])


def _field(name: str, value: object) -> Iterator[str]:
    """A field's lines; of a list or mapping that has something those below it stand in further."""
    if isinstance(value, Mapping) and value:
        yield name
        yield from (f"  {line}" for line in _mapping(value))
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        yield name
        for item in value:
            lines = list(_mapping(item)) if isinstance(item, Mapping) and item else [_scalar(item)]
            yield from (f"  {'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines))
    else:
        yield f"{name} {_scalar(value)}"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_text(name)}: {_scalar(each)}" for name, each in sorted(value.items())) + "}"
        )
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_character, text)) + '"'


def _character(each: str) -> str:
    if each in _ESCAPED:
        return _ESCAPED[each]
    return each if each.isprintable() else f"\\U{ord(each):08x}"
