"""The file or directory that a person applies, as pieces for the engine: lines of JSON, rows, or documents."""

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from engine.catalog import limits
from engine.catalog.documents.pieces import SECTIONS, Piece, document_pieces, line_pieces
from engine.catalog.documents.yaml_tree import YamlError
from engine.cli.catalog.catalog_rows import csv_lines, definition_lines
from engine.cli.terminal.connection import CommandError
from meterline.v1.catalog_pb2 import ApplyCatalogRequest

_LINES_SUFFIXES: Final = frozenset({".ndjson", ".jsonl"})
_CSV: Final = ".csv"
# What is taken of a directory: the schema that lies beside it for editors is JSON.
_SUFFIXES: Final = frozenset({".yaml", ".yml", _CSV, *_LINES_SUFFIXES})
# A line as `meterline catalog` prints it; a document has its sections there.
_LINE: Final = re.compile(rb'\s*\{\s*"(kind|id|version|definition)"\s*:')


class FilePiece(NamedTuple):
    """A piece, and the file that it is of."""

    path: Path
    piece: Piece


def catalog_pieces(path: Path, section: str | None) -> Iterator[FilePiece]:
    """The pieces of a file, `-` for standard input, or of the files of a directory; a document that one request holds is
    one piece. `section`: of the rows of a CSV, and of lines that are definitions alone; None: the file is named after it.

    Raises:
        CommandError: it can't be read, or can't be parted; also while the pieces are read.
    """
    for each in _files(path):
        with _pieces_of(each, section) as pieces:
            for piece in pieces:
                yield FilePiece(each, piece)


def _files(path: Path) -> Iterable[Path]:
    """The files of a directory: what is referred to comes first, by the sections that files are named after."""
    if not path.is_dir():
        return [path]
    found = [each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES and each.is_file()]
    if not found:
        raise CommandError(f"{path}: has no file that ends with {', '.join(sorted(_SUFFIXES))}")
    order = {section: place for place, section in enumerate(SECTIONS)}
    return sorted(found, key=lambda each: (order.get(each.stem, len(order)), each.name))


@contextlib.contextmanager
def _pieces_of(path: Path, section: str | None) -> Iterator[Iterator[Piece]]:
    with _opened(path) as file:
        head: list[bytes] = []
        while line := file.readline(limits.DOCUMENT_BYTES_MAX):
            head.append(line)
            if line.strip():
                break
        begin = head[-1] if head else b""
        section = section or (path.stem if path.stem in SECTIONS else None)
        from_pipe = str(path) == "-" and section is not None and begin.lstrip()[:1] != b"{"
        if path.suffix.lower() == _CSV or from_pipe:
            lines = csv_lines(_numbered(path, chain(head, file)), _known(section, path))
            yield _reported(path, line_pieces(lines))
        elif path.suffix.lower() in _LINES_SUFFIXES or _LINE.match(begin):
            lines = _numbered(path, chain(head, file))
            if section is not None and _is_definition(begin):
                lines = definition_lines(lines, section)
            yield _reported(path, line_pieces(lines))
        else:
            text = _text(path, b"".join([*head, file.read()]))
            yield _reported(path, _document(text))


def _known(section: str | None, path: Path) -> str:
    if section is None:
        raise CommandError(
            f"{path}: name the file after what its rows are ({', '.join(SECTIONS)}), or say it with --section"
        )
    return section


def _is_definition(line: bytes) -> bool:
    """Whether it is the fields of a resource, and not a line that says of which kind it is."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and not {"kind", "definition"} & fields.keys()


def request_of(of_file: FilePiece, dry_run: bool) -> ApplyCatalogRequest:
    path, piece = of_file
    request = ApplyCatalogRequest(file_name=str(path), dry_run=dry_run, first_line=piece.first_line)
    if piece.is_lines:
        request.lines = piece.text
    else:
        request.document = piece.text
    return request


def _document(text: str) -> Iterator[Piece]:
    yield from document_pieces(text)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if str(path) == "-":
            yield sys.stdin.buffer
            return
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path}: can't be read: {error.strerror}") from None


def _numbered(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        text = _text(path, line, f"line {number}, ").removesuffix("\n")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _text(path: Path, content: bytes, where: str = "") -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: is not UTF-8 text: {where}byte {error.start} is {error.reason}"
        ) from None


def _reported(path: Path, pieces: Iterable[Piece]) -> Iterator[Piece]:
    try:
        yield from pieces
    except YamlError as error:
        raise CommandError(f"{path}:{error.line}: {error.message}") from None
