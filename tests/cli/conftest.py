"""The command line in this process, and files to give it."""

import pytest
from click.testing import CliRunner

from engine.cli import cli


@pytest.fixture
def meterline():
    """Runs a command that must succeed; gives the result with `stdout` and `stderr`."""

    def run(*arguments, **options):
        done = CliRunner().invoke(cli, [str(each) for each in arguments], **options)
        assert done.exit_code == 0, (done.stderr, done.exception)
        return done

    return run


@pytest.fixture
def refused():
    """Runs a command that must fail with exit code 2; gives its one line, without "meterline: "."""

    def run(*arguments, **options):
        done = CliRunner().invoke(cli, [str(each) for each in arguments], **options)
        assert done.exit_code == 2, (done.exit_code, done.stdout, done.exception)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("meterline: ")
        return line.removeprefix("meterline: ")

    return run


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path."""

    def written(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written
