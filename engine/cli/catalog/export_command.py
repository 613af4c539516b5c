"""`meterline export`: the applied catalog as YAML, to keep under version control and to apply again."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from engine.catalog.documents.pieces import SECTIONS
from engine.cli.catalog.catalog_command import applied_resources
from engine.cli.catalog.catalog_yaml import section_yaml
from engine.cli.terminal.connection import connected
from engine.cli.terminal.files import FileType, written_whole
from engine.cli.terminal.options import target_option

_SCHEMA: Final = "catalog.schema.json"
_FOR_EDITORS: Final = f"# yaml-language-server: $schema={_SCHEMA}\n"

_Sections = Mapping[str, list[dict[str, Any]]]


@click.command()
@click.option(
    "-o",
    "--output",
    type=FileType(path_type=Path),
    metavar="PATH",
    help="Write this file instead of standard output; into a directory a file for each section.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(SECTIONS),
    help="Only this section; repeatable.",
)
@target_option
def export(output: Path | None, only: tuple[str, ...], target: str) -> None:
    """Write the applied catalog as YAML: applied again, it changes nothing.

    The same catalog gives the same bytes: resources by id, fields by name. A PATH that is a directory, or ends with /, gets
    a file for each section, such as meters.yaml, and the schema by which an editor completes and checks them.
    """
    from engine.catalog.kinds import KINDS, catalog_schema  # noqa: PLC0415 - the rating core, which takes a second

    wanted = [section for section in SECTIONS if section in only or not only]
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in wanted}
    with connected(target) as channel:
        for resource in applied_resources(channel):
            if (found := sections.get(KINDS[resource.kind].section)) is not None:
                found.append(json.loads(resource.definition))
    for found in sections.values():
        found.sort(key=lambda definition: str(definition["id"]))
    if output is None:
        for line in _lines(sections, wanted):
            click.echo(line, nl=False)
    elif output.is_dir() or str(output).endswith("/") or not output.suffix:
        output.mkdir(parents=True, exist_ok=True)
        schema = json.dumps(catalog_schema(), indent=2)
        _write(output / _SCHEMA, [f"{schema}\n"])
        for section in wanted:
            _write(output / f"{section}.yaml", [_FOR_EDITORS, *_lines(sections, [section])])
    else:
        _write(output, _lines(sections, wanted))


def _lines(sections: _Sections, wanted: Iterable[str]) -> Iterable[str]:
    return (line for section in wanted for line in section_yaml(section, sections[section]))


def _write(path: Path, lines: Iterable[str]) -> None:
    with written_whole(path) as file:
        for line in lines:
            file.write(line.encode())
