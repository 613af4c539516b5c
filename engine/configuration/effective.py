"""What an engine's configuration comes to: options before the environment, before the file, before the defaults.

Rules:
1. All values are read by the kinds of one table, wherever they come from, and every mistake is told at once: in the
   file by FILE:LINE, else by its option or variable.
2. Limits are merged by their names: an option for one leaves the file's others.
3. A password in an option could be read in the list of processes, and a configuration file is read, copied and kept in
   version control: neither may hold one. It stands in the environment, or in a file of its own.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.documents.yaml_tree import MapNode, Node, TextNode, YamlError, parse_yaml
from engine.configuration.configuration import Configuration
from engine.configuration.kinds import LIMIT_NAMES, holds_password
from engine.configuration.settings import settings
from engine.errors import ConfigurationError
from fields import FieldsError, Json, Problem

DEFAULT: Final = "default"
# Far more than every setting with a comment for each.
_FILE_BYTES_MAX: Final = 1_000_000
_Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A value as an option or a variable gives it, and which of them did."""

    value: object
    source: str
    from_environment: bool = False


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One setting as it holds; `source` is an option, a variable, FILE:LINE or DEFAULT."""

    name: str
    value: Json
    source: str


@dataclass(frozen=True, slots=True)
class Effective:
    """A configuration, and where its values came from."""

    configuration: Configuration
    sources: Mapping[_Place, str]

    def values(self) -> list[EffectiveValue]:
        """Every setting, each limit by itself; secrets are masked."""
        found = []
        for row in settings():
            if row.is_limits:
                found += self._limits()
                continue
            value = getattr(self.configuration, row.name)
            written = None if value is None else row.kind.written(value)
            found.append(EffectiveValue(row.name, written, self._source(row.name)))
        return found

    def _limits(self) -> list[EffectiveValue]:
        limits = self.configuration.ingest_limits()
        found = []
        for name in LIMIT_NAMES:
            source = self._source("limits", name)
            if name == "event_age_max_s" and source == DEFAULT:
                source = self._source("event_age_max_days")
            found.append(EffectiveValue(f"limits.{name}", getattr(limits, name), source))
        return found

    def _source(self, *place: str) -> str:
        return self.sources.get(place, DEFAULT)


class _ConfigurationFile:
    """What a file says, its mistakes, and on which line each of its fields is."""

    def __init__(self, path: Path) -> None:
        self.shown = str(path)
        root = _parsed(path)
        self._root = root if isinstance(root, MapNode) else MapNode(root.line, {})
        self.mistakes = Mistakes(self.shown, root)
        if isinstance(root, MapNode):
            self.fields = self.mistakes.fields_of(root, ())
        else:
            self.fields = {}
            # A file of comments alone sets nothing.
            if not (isinstance(root, TextNode) and (root.is_empty or root.is_null)):
                self.mistakes.add((), "a configuration file is a mapping of settings: write NAME: VALUE")

    def sources(self) -> dict[_Place, str]:
        """FILE:LINE by place."""
        found: dict[_Place, str] = {}
        for name, field in self._root.fields.items():
            found[name,] = f"{self.shown}:{field.line}"
            if isinstance(field.value, MapNode):
                for inner, inner_field in field.value.fields.items():
                    found[name, inner] = f"{self.shown}:{inner_field.line}"
        return found

    def told(self) -> list[str]:
        return [str(each) for each in self.mistakes.error().mistakes] if self.mistakes else []


def effective(path: Path | None, given: Mapping[_Place, Given], *, checks_files: bool = False) -> Effective:
    """What holds, by the file (None: there is none) and by options and variables, by the place of each setting.
    `checks_files`: what a start needs and is not there is a mistake, too.

    Raises:
        ConfigurationError: with every mistake.
    """
    file = None if path is None else _ConfigurationFile(path)
    fields = {} if file is None else dict(file.fields)
    sources = {} if file is None else file.sources()
    for place, each in given.items():
        _set(fields, place, each.value)
        sources[place] = each.source
    problems = list(_passwords(fields, given))
    configuration = None
    try:
        configuration = Configuration.read(fields)
    except FieldsError as error:
        problems += [each for each in error.problems if each.path not in [other.path for other in problems]]
    if checks_files:
        problems += _missing_files(fields)
    told = _told(problems, sources, given, file)
    if told or configuration is None:
        raise ConfigurationError(*told)
    # null in the file leaves a setting at its default.
    return Effective(
        configuration, {place: each for place, each in sources.items() if _at(fields, place) is not None}
    )


def _missing_files(fields: Mapping[str, object]) -> Iterable[Problem]:
    """Also where another setting can't be read, so that a person sees all at once."""
    for row in settings():
        if not row.about.must_exist or fields.get(row.name) is None:
            continue
        # A value that can't be read is told by its kind; a place that this user may not see, by who reads it.
        with contextlib.suppress(ValueError, PermissionError):
            place: Path = row.kind.read(fields[row.name])
            if not place.exists():
                yield Problem((row.name,), f"{place} is not there")


def _passwords(fields: Mapping[str, object], given: Mapping[_Place, Given]) -> Iterable[Problem]:
    for row in settings():
        by = given.get((row.name,))
        if (
            row.about.secret
            and holds_password(fields.get(row.name))
            and not (by is not None and by.from_environment)
        ):
            where = "an option can be read in the list of processes" if by else "this file is for everybody"
            yield Problem(
                (row.name,),
                f"holds a password, and {where}: give the URL in {row.variable} or by {row.option}-file",
            )


def _told(
    problems: Iterable[Problem],
    sources: Mapping[_Place, str],
    given: Mapping[_Place, Given],
    file: _ConfigurationFile | None,
) -> list[str]:
    others: list[str] = []
    for each in problems:
        place = tuple(map(str, each.path))
        if place in given:
            others.append(f"{_named(place, given[place])} {each.message}")
        elif file is not None and place[:1] in sources and place[:1] not in given:
            file.mistakes.add(each.path, each.message)
        else:
            others.append(f"{'.'.join(place)} {each.message}")
    return (file.told() if file is not None else []) + others


def _named(place: _Place, given: Given) -> str:
    return given.source if len(place) == 1 else f"{given.source} {place[-1]}"


def _at(fields: Mapping[str, object], place: _Place) -> object:
    found: object = fields
    for name in place:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _set(fields: dict[str, object], place: _Place, value: object) -> None:
    if len(place) == 1:
        fields[place[0]] = value
        return
    inner = fields.get(place[0])
    if inner is None or isinstance(inner, Mapping):
        fields[place[0]] = {**(inner or {}), place[1]: value}


def _parsed(path: Path) -> Node:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 text: byte {error.start} is {error.reason}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise ConfigurationError(f"{path}: is larger than {_FILE_BYTES_MAX} bytes")
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return MapNode(1, {})
    try:
        return parse_yaml(text)
    except YamlError as error:
        raise ConfigurationError(f"{path}:{error.line}: {error.message}") from None
