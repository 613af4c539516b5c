"""Files that say two things, or nothing, where one was meant: found before a wrong row is sent; no engine needed."""

import gzip
import io
import json

import pyarrow as pa
import pytest

from engine.cli.imports.csv_rows import check_csv
from engine.cli.imports.import_input import ImportInput
from engine.cli.imports.json_rows import CloudEvents, JsonSource, NdjsonSource
from engine.cli.terminal.connection import CommandError
from engine.json_cells import Flaw


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param('a,b\n3,4\n5,"6\n7,8\n', 3, id="up to the end"),
        pytest.param('a,b\n"1\n2",x\n5,"6\n7,8\n', 4, id="after a cell of two lines"),
        pytest.param('a,b\n5,"6\n7,8\n9,"10"\n', 2, id="up to a quote that opens another cell"),
        pytest.param('a,b\n5,"6\n7,8"x\n9,10\n', 2, id="up to a quote within a text"),
        pytest.param('a,b\n"5,6\n7,8"\n', 2, id="where its row has too few cells"),
        pytest.param('a,"b\n5,6\n', 1, id="in the header"),
        pytest.param('a,b\n1,2\n3,"4\n' + "5,6\n" * 50_000 + '7,"8"\n', 3, id="far away"),
    ],
)
def test_a_quote_that_is_not_closed_is_named_by_its_line(text, line):
    """It would take the rows after it into one; a text of many pages does not end there."""
    with pytest.raises(CommandError, match=rf"^f\.csv:{line}: a quote opens there and is not closed"):
        check_csv(io.BytesIO(text.encode()), "f.csv")


def test_cells_of_many_lines_are_no_quotes_left_open():
    """Up to 64 Ki characters, with quotes in them; what is wrong within a line is that row's matter."""
    page = 'He said ""this"", and that,\n'
    text = f'a,b\n"{page * 2_000}",2\n"x\ny","\n\n"\n1\n"1"x,2\n'
    check_csv(io.BytesIO(text.encode()), "f.csv")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"a": 1, "tokens": 2, "tokens": 3}', "tokens"),
        ('{"a": {"b": 1, "b": null}}', "a.b"),
        ('{"a.b": 1, "a": {"b": 2}}', "a.b"),
        ('{"a": {"b": 1}, "a": {"c": 2}, "a": {"b": 3}}', "a.b"),
        ('{"a": null, "a": 1}', "a"),
    ],
)
def test_a_json_object_that_has_a_name_twice_is_a_flawed_row(line, name):
    """Which of the two quantities is meant nobody knows; the rows beside it are sound."""
    sound = '{"a": 1, "b": {"c": 2}, "d": {"c": 3}}'
    lines = f"{sound}\n{line}\n{sound}\n".encode()
    expected = {"a": "1", "b.c": "2", "d.c": "3"}
    rows = NdjsonSource(io.BytesIO(lines), len(lines)).rows()
    assert [row.cells for row in rows] == [expected, Flaw(f"has {name!r} twice"), expected]
    event = json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t"})
    batch = io.BufferedReader(io.BytesIO(f"[{event}, {line}, {event}]".encode()))
    assert [type(row.cells) for row in CloudEvents(JsonSource(batch, 0)).rows()] == [dict, Flaw, dict]


def _zstd(data):
    return pa.compress(data, "zstd", asbytes=True)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", _zstd)])
def test_a_compressed_file_is_what_is_in_it(tmp_path, suffix, pack):
    """With the digest of the plain file, and so the same ids; of several pieces too, one after the other."""
    data = b"".join(b'{"a": %d}\n' % number for number in range(50_000))
    plain, packed, pieces = tmp_path / "f.ndjson", tmp_path / f"f.ndjson{suffix}", tmp_path / f"p{suffix}"
    plain.write_bytes(data)
    packed.write_bytes(pack(data))
    pieces.write_bytes(pack(data[:100_000]) + pack(data[100_000:]))
    with (
        ImportInput.open(plain) as one,
        ImportInput.open(packed) as other,
        ImportInput.open(pieces) as third,
    ):
        assert one.content.sha256 == other.content.sha256 == third.content.sha256
        assert other.content.size_bytes == len(data)
        for _ in range(2):
            file = other.rows()
            assert file.readline() == b'{"a": 0}\n'
            assert file.tell() == 9
            assert file.peek(1)[:1] == b"{"
            assert file.read() == data[9:]
        assert other.is_still()
        packed.write_bytes(b"")
        assert not other.is_still()


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", _zstd)])
@pytest.mark.parametrize("damage", ["cut", "changed", "none"])
def test_a_compressed_file_that_can_not_be_unpacked_is_refused(tmp_path, suffix, pack, damage):
    """Cut short, changed, or not compressed at all: in one line, before a row of it is read."""
    data = b"".join(b'{"a": %d}\n' % (number * 7919 % 10_007) for number in range(50_000))
    packed = pack(data)
    middle = len(packed) // 2
    made = {
        "cut": packed[:middle],
        "changed": packed[:middle]
        + bytes(each ^ 0xFF for each in packed[middle : middle + 50])
        + packed[middle + 50 :],
        "none": data,
    }
    path = tmp_path / f"f.ndjson{suffix}"
    path.write_bytes(made[damage])
    with pytest.raises(CommandError, match="can't be unpacked: ") as refused:
        ImportInput.open(path)
    assert len(refused.value.message.splitlines()) == 1
