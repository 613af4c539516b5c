"""The `meterline` command, also as `python -m engine`. The client alone is installed without the engine's parts: say so in one line."""

import sys


def main() -> None:
    """Runs the command line. Exit codes: 2 for whatever a person can mend, 130 for an interruption."""
    try:
        sys.meta_path.insert(0, _NoPandas())
        from engine.cli import run  # noqa: PLC0415 - the import is what may fail

        sys.exit(run())
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in {"engine", "ingest", "rating", "meterline"}:
            raise
        sys.exit(_missing_parts(error.name))
    except KeyboardInterrupt:
        sys.stderr.write("meterline: interrupted\n")
        sys.exit(130)


class _NoPandas:
    """pyarrow and the ClickHouse driver load pandas where chdb has brought it, and do without where it is not.
    Nothing here uses it, and it costs every start a seventh of its time and 30 MiB.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(f"no module named {name}: meterline does without", name=name)


def _missing_parts(name: str | None) -> int:
    sys.stderr.write(
        f"meterline: the engine's parts are not installed (no module {name}): from the checkout, pip install '.[server]'\n"
    )
    return 2


if __name__ == "__main__":
    main()
