"""The catalog's database is upgraded from every earlier schema, with rows in all of its tables, on SQLite and PostgreSQL."""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal

import pytest
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, MetaData, event, insert, select
from sqlalchemy.engine import Engine

from engine.sql.database import open_database, schema_versions

CURRENT = 20
SCHEMAS = [f"{number:04d}" for number in range(1, CURRENT)]
_FORK = multiprocessing.get_context("forkserver")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request, tmp_path):
    """Of a database that nobody has used."""
    if request.param == "sqlite":
        numbers = itertools.count()
        return lambda: f"sqlite:///{tmp_path / f'catalog-{next(numbers)}.sqlite'}"
    return request.getfixturevalue("postgres_server").new_url


@pytest.fixture
def url(new_url):
    return new_url()


def _value(column):
    """Of the column's type, and right for what migrations read of it: texts are decimals, too."""
    match column.type:
        case Boolean():
            return True
        case Integer() | BigInteger():
            return 7
        case LargeBinary():
            return b"\0\1"
        case _:
            return "12.00"


def _tables(connection):
    known = MetaData()
    known.reflect(connection)
    return [table for table in known.sorted_tables if table.name != "alembic_version"]


def _fill(url, schema):
    """A database of this schema with a row in every table; the rows by table."""
    rows = {}
    with contextlib.closing(open_database(url, schema=schema)) as older, older.writing() as connection:
        for table in _tables(connection):
            rows[table.name] = {column.name: _value(column) for column in table.columns}
            connection.execute(insert(table).values(**rows[table.name]))
    return rows


def _lost(url, rows):
    """Tables of which the row is not there as it was. Columns that came later are not looked at."""
    lost = []
    with contextlib.closing(open_database(url)) as database, database.reading() as connection:
        tables = {table.name: table for table in _tables(connection)}
        for name, row in rows.items():
            columns = [tables[name].c[each] for each in row]
            found = [dict(each) for each in connection.execute(select(*columns)).mappings()]
            lost += [] if row in found else [(name, row, found)]
    return lost


def test_the_list_of_schemas_ends_with_the_one_before_this_version(url):
    """Whoever adds a migration has it tried here."""
    open_database(url).close()
    assert schema_versions(url).current == f"{CURRENT:04d}"


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_upgrade_keeps_the_rows_of_every_table(url, schema):
    """From each schema that ever was, in one start."""
    rows = _fill(url, schema)
    assert len(rows) >= 2
    assert _lost(url, rows) == []
    assert schema_versions(url).found == f"{CURRENT:04d}"


def _upgrade_until_killed(url, statement):
    """Ends the process before the statement of this number."""

    def end(number):
        if number == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    _counting(end, lambda: open_database(url).close())


def _counting(told, work):
    numbers = itertools.count(1)

    def count(*_):
        told(next(numbers))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.parametrize(
    "kills", [3, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3_600)])]
)
def test_an_upgrade_that_is_killed_is_made_by_the_next_start(new_url, kills, seed):
    """Whatever statement it ended at, no row is lost, and the schema is the earlier one or this one, never between."""
    chance, statements, other = random.Random(seed), [], new_url()
    _fill(other, "0001")
    _counting(statements.append, lambda: open_database(other).close())
    url = new_url()
    rows = _fill(url, "0001")
    for _ in range(kills):
        process = _FORK.Process(target=_upgrade_until_killed, args=(url, chance.choice(statements)))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        # The last statement is that of a database which has all.
        if schema_versions(url).found != "0001":
            assert _lost(url, rows) == []
            url = new_url()
            rows = _fill(url, "0001")
    print(f"{kills} kills at {len(statements)} statements")
    assert _lost(url, rows) == []
    assert schema_versions(url).found == f"{CURRENT:04d}"
