"""Rows of NDJSON, and of CloudEvents in JSON: a batch (an array of them) or one a line.

Numbers keep their text. A file of any size is read a piece at a time.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from engine.cli.imports.rows import ROW_BYTES_MAX, Row, RowSource
from engine.json_cells import Flaw, JsonNumber, Repeated, flattened, json_object, not_a_number, repeated_name

_DECODER = json.JSONDecoder(
    parse_float=JsonNumber, parse_int=JsonNumber, parse_constant=not_a_number, object_pairs_hook=json_object
)
_CHUNK_BYTES = 64 * 1024
_SPACE = " \t\r\n"
_CONTEXT = ("specversion", "id", "source", "type")


class NdjsonSource:
    """One JSON object a line; blank lines are no rows."""

    columns, takes_back = None, False

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes

    def rows(self) -> Iterator[Row]:
        for number, value in enumerate(_lines(self._file), 1):
            yield _row(number, value)

    def progress(self) -> tuple[int, int]:
        return self._file.tell(), self._size_bytes


class JsonSource:
    """JSON objects, one a line or in an array."""

    columns, takes_back = None, False

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes

    def rows(self) -> Iterator[Row]:
        beginning = self._file.peek(_CHUNK_BYTES)[:_CHUNK_BYTES] if hasattr(self._file, "peek") else b""
        batch = beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
        values = _elements(self._file) if batch else _lines(self._file)
        for number, value in enumerate(values, 1):
            yield _row(number, value)

    def progress(self) -> tuple[int, int]:
        return self._file.tell(), self._size_bytes


class CloudEvents:
    """CloudEvents 1.0. Columns are the attributes, and `data.NAME` for each field of the data."""

    columns = None

    def __init__(self, source: RowSource) -> None:
        self._source, self.progress, self.takes_back = source, source.progress, source.takes_back

    def rows(self) -> Iterator[Row]:
        return map(_cloud_event, self._source.rows())


def _row(number: int, value: object) -> Row:
    if isinstance(value, _Bad):
        return Row(number, Flaw(value.message), value.text)
    if not isinstance(value, dict):
        return Row(number, Flaw("is not a JSON object"), _shown(value))
    cells = flattened(value)
    # Only these can have a column twice.
    if isinstance(value, Repeated) or any(isinstance(item, dict) for item in value.values()):
        name = repeated_name(value)
        if name is not None:
            return Row(number, Flaw(f"has {name!r} twice"), _json_text(value))
    return Row(number, cells, _shown(value))


def _cloud_event(row: Row) -> Row:
    if isinstance(row.cells, Flaw):
        return row
    missing = [name for name in _CONTEXT if not row.cells.get(name)]
    if missing:
        return replace(row, cells=Flaw(f"is not a CloudEvent: it has no {missing[0]}"))
    if row.cells["specversion"] != "1.0":
        return replace(row, cells=Flaw(f"has specversion {row.cells['specversion']}: send 1.0"))
    if "data_base64" in row.cells or "data" in row.cells:
        return replace(row, cells=Flaw("has data that is not a JSON object"))
    if "data.ce_source" in row.cells:
        return replace(row, cells=Flaw("has ce_source in its data, which is the property of its source"))
    return row


class _Bad:
    """What is not JSON: why, and its beginning."""

    def __init__(self, message: str, data: bytes | str) -> None:
        self.message = message
        self.text = (data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data)[
            :_CHUNK_BYTES
        ]


def _parsed(text: str) -> object:
    return _DECODER.decode(text)


def _lines(file: BinaryIO) -> Iterator[object]:
    """The value of each line that is not blank, or why it has none."""
    first = True
    while line := file.readline(ROW_BYTES_MAX + 1):
        if len(line) > ROW_BYTES_MAX and not line.endswith(b"\n"):
            yield _Bad(f"is longer than {ROW_BYTES_MAX} bytes", line)
            while line and not line.endswith(b"\n"):
                line = file.readline(ROW_BYTES_MAX)
            continue
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        if line.strip():
            yield _value_of(line)


def _value_of(line: bytes) -> object:
    try:
        return _parsed(line.decode())
    except UnicodeDecodeError as error:
        return _Bad(f"is not UTF-8: byte {error.start} is {error.reason}", line)
    except (ValueError, RecursionError) as error:
        return _Bad(f"is not JSON: {error}", line)


def _elements(file: BinaryIO) -> Iterator[object]:
    """The elements of an array; where it breaks off, one _Bad for all that is left."""
    decode = _Pieces(file)
    decode.skip("[")
    while not decode.at("]"):
        try:
            yield decode.value()
        except (ValueError, RecursionError) as error:
            yield _Bad(f"is not JSON, and the rest of the array can't be read: {error}", decode.text)
            return
        if not decode.at("]"):
            if not decode.at(","):
                yield _Bad("the rest of the array can't be read: a comma or ] is missing", decode.text)
                return
            decode.skip(",")


class _Pieces:
    """A JSON text, of which a bounded piece is held."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = b""
        self.text = ""
        self._more()
        self.text = self.text.removeprefix("\ufeff")

    def at(self, sign: str) -> bool:
        self.text = self.text.lstrip(_SPACE)
        while not self.text and self._more():
            self.text = self.text.lstrip(_SPACE)
        return self.text.startswith(sign)

    def skip(self, sign: str) -> None:
        if self.at(sign):
            self.text = self.text[len(sign) :]

    def value(self) -> object:
        self.at("")
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text)
            except ValueError:
                # Perhaps only not all of it is there.
                if len(self.text) > ROW_BYTES_MAX or not self._more():
                    raise
                continue
            self.text = self.text[end:]
            return value

    def _more(self) -> bool:
        piece = self._file.read(_CHUNK_BYTES)
        held = self._bytes + piece
        # A character may be cut at the end of a piece: at most 3 of its bytes wait for the next.
        for cut in range(4):
            try:
                self.text += held[: len(held) - cut].decode()
            except UnicodeDecodeError:
                continue
            self._bytes = held[len(held) - cut :]
            return bool(piece)
        raise ValueError("it is not UTF-8")


def _shown(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with its numbers as text, for the rejects file."""
    if isinstance(value, JsonNumber):
        return value.text
    if isinstance(value, Mapping):
        return {name: _shown(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def _json_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The value as text, with every pair of an object that has a name twice."""
    if isinstance(value, JsonNumber):
        return value.text
    if isinstance(value, Mapping):
        pairs = value.pairs if isinstance(value, Repeated) else value.items()
        return "{" + ", ".join(f"{_json_text(name)}: {_json_text(item)}" for name, item in pairs) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json_text, value))}]"
    return json.dumps(value, ensure_ascii=False)
