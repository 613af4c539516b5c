"""The file that a person applies, as pieces for the engine: lines of JSON, or one document."""

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from engine.catalog import limits
from engine.catalog.documents.pieces import Piece, document_pieces, line_pieces
from engine.catalog.documents.yaml_tree import YamlError
from engine.cli.terminal.connection import CommandError
from meterline.v1.catalog_pb2 import ApplyCatalogRequest

_LINES_SUFFIXES: Final = frozenset({".ndjson", ".jsonl"})
# A line as `meterline catalog` prints it; a document has its sections there.
_LINE: Final = re.compile(rb'\s*\{\s*"(kind|id|version|definition)"\s*:')


@contextlib.contextmanager
def catalog_pieces(path: Path) -> Iterator[Iterator[Piece]]:
    """The pieces of a file, `-` for standard input; a document that one request holds is one piece.

    Raises:
        CommandError: it can't be read, or can't be parted; also while the pieces are read.
    """
    with _opened(path) as file:
        head: list[bytes] = []
        while line := file.readline(limits.DOCUMENT_BYTES_MAX):
            head.append(line)
            if line.strip():
                break
        if path.suffix.lower() in _LINES_SUFFIXES or (head and _LINE.match(head[-1])):
            yield _reported(path, line_pieces(_numbered(path, chain(head, file))))
        else:
            text = _text(path, b"".join([*head, file.read()]))
            yield _reported(path, _document(text))


def request_of(piece: Piece, path: Path, dry_run: bool) -> ApplyCatalogRequest:
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
