"""The shape of the house: who may import whom, where the clock is, what is generated and what is declared."""

import ast
import importlib
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from tests.support.sources import GENERATED, PACKAGES, ROOT, imports, place, sources

# What a package may import besides itself and the standard library.
ALLOWED = {
    "meterline": {"grpc", "google"},
    "ingest": {"meterline", "google", "numpy", "ptars", "pyarrow"},
    "rating": {"fields", "numpy", "iso4217"},
    "fields": set(),
}
# Imports that have one home each.
HOMES = {
    "clickhouse_connect": "engine/usage/store/backends/clickhouse.py",
    "chdb": None,
}
CLOCKS = {"time", "random", "secrets", "uuid"}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_lower_package_imports_only_what_it_may(package):
    """`ingest` and `rating` never meet; neither knows gRPC, ClickHouse or SQL; the client stays light, and so does
    what declares fields, which the command line loads too.
    """
    allowed = ALLOWED[package] | {package} | sys.stdlib_module_names
    wrong = [
        f"{place(path)} imports {module}"
        for path, tree in sources(package)
        for module, _ in imports(tree)
        if module.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_the_client_imports_nothing_of_the_engine():
    """`meterline` is at the bottom: nothing of ours is below it."""
    for path, tree in sources("meterline"):
        for module, _ in imports(tree):
            assert module.split(".")[0] not in {"engine", "fields", "ingest", "rating"}, place(path)


def test_packages_meet_at_declared_exports_only():
    """Across packages only names in `__all__` of the package itself are imported, and the wire messages."""
    wrong = []
    for package in PACKAGES:
        for path, tree in sources(package):
            for module, names in imports(tree):
                other = module.split(".")[0]
                if other not in PACKAGES or other == package or module.startswith("meterline.v1"):
                    continue
                declared = set(importlib.import_module(other).__all__)
                if module != other or not set(names) <= declared:
                    wrong.append(f"{place(path)}: from {module} import {', '.join(names)}")
    assert wrong == []


@pytest.mark.parametrize("module", sorted(HOMES))
def test_an_outer_part_has_one_home(module):
    """One module imports clickhouse_connect; chdb is reached through it alone."""
    found = {
        place(path)
        for package in PACKAGES
        for path, tree in sources(package)
        for name, _ in imports(tree)
        if name.split(".")[0] == module
    }
    assert found == ({HOMES[module]} if HOMES[module] else set())


def test_one_table_maps_errors_to_status_codes():
    """google.rpc codes are named in one module of the engine."""
    found = {
        place(path)
        for path, tree in sources("engine")
        for module, names in imports(tree)
        if "code_pb2" in names or module.endswith("code_pb2")
    }
    assert found == {"engine/api/status.py"}


def test_one_module_reads_the_environment():
    """Options and their variables come from the command line; one module looks for variables that nothing reads."""
    found = [
        place(path)
        for package in ("fields", "ingest", "rating", "engine")
        for path, tree in sources(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert found == ["engine/cli/configuration/environment.py"]


@pytest.mark.parametrize("package", ["fields", "ingest", "rating"])
def test_below_the_engine_there_is_no_clock_and_no_chance(package):
    """Time and randomness arrive as arguments."""
    wrong = []
    for path, tree in sources(package):
        wrong += [place(path) for module, _ in imports(tree) if module.split(".")[0] in CLOCKS]
        wrong += [
            f"{place(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "urandom"}
        ]
    assert wrong == []


def test_money_is_guarded_by_raise_and_not_by_assert():
    """`python -O` removes asserts."""
    found = [
        f"{place(path)}:{node.lineno}"
        for package in PACKAGES
        for path, tree in sources(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert found == []


@pytest.mark.parametrize(
    "package", ["fields", "ingest", "rating", "engine/billing", "engine/usage", "engine/spend"]
)
def test_no_binary_float_near_money(package):
    """No float literal, no float() and no float dtype where quantities, prices and amounts are; asking whether
    a value is a float, to refuse it, is another matter.
    """
    found = []
    for path, tree in sources(package):
        asked = {
            part
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            for part in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in asked:
                continue
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            name = isinstance(node, ast.Name) and node.id == "float"
            dtype = isinstance(node, ast.Attribute) and node.attr.startswith("float")
            if literal or name or dtype:
                found.append(f"{place(path)}:{node.lineno}")
    assert found == []


def test_every_file_says_its_duty_by_name_and_stays_readable():
    """No catch-all modules, a docstring in each file, and no file past 400 lines."""
    for package in PACKAGES:
        for path, tree in sources(package):
            assert not {"utils", "common", "helpers", "misc"} & set(path.with_suffix("").parts[-2:]), place(
                path
            )
            assert ast.get_docstring(tree), f"{place(path)} has no docstring"
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, place(path)


def test_a_folder_can_be_taken_in_at_a_glance():
    """At most 15 files in a folder: beyond that it has rooms of its own. Migrations are a history, one file a step, and have none."""
    found = Counter(path.parent for package in PACKAGES for path, _ in sources(package))
    full = {place(folder) for folder, count in found.items() if count > 15}
    assert full <= {"engine/sql/migrations/versions"}


def test_the_generated_code_is_current(tmp_path):
    """Regenerating from proto/ gives the committed files."""
    protos = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto"))
    outs = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", "proto", *outs, *protos], cwd=ROOT, check=True
    )
    made = {path.name: path.read_text() for path in (tmp_path / "meterline" / "v1").iterdir()}
    committed = {path.name: path.read_text() for path in GENERATED.iterdir() if path.is_file()}
    assert made == committed


def test_the_client_loads_nothing_heavy():
    """`import meterline` loads neither pyarrow, numpy, chdb nor sqlalchemy, nor any of the engine."""
    code = (
        "import sys, meterline; heavy = {'pyarrow', 'numpy', 'chdb', 'sqlalchemy', 'clickhouse_connect', 'pandas',"
        " 'pydantic', 'engine', 'ingest', 'rating'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["spend", "usage", "import", "void", "apply", "close", "invoices"])
def test_a_command_loads_nothing_of_the_engine_that_it_asks(command):
    """A person waits for each start: neither the usage store, the catalog store, the rating core nor pandas."""
    code = (
        "import sys; from engine.cli import cli; cli([sys.argv[1], '--help'], standalone_mode=False);"
        "heavy = {'chdb', 'sqlalchemy', 'clickhouse_connect', 'pandas', 'pydantic', 'ingest', 'rating'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stderr.strip() == "[]"


# One name for two things, still: each goes with the next change of its room.
SHARED_NAMES = {"Plan", "Problem", "Scope"}


def test_a_class_name_exists_once():
    """A name means one thing in the engine and what it stands on. The client is a library by itself."""
    places = defaultdict(list)
    for package in ("fields", "ingest", "rating", "engine"):
        for path, tree in sources(package):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(place(path))
    assert {name for name, found in places.items() if len(found) > 1} <= SHARED_NAMES


def test_no_test_imports_another():
    """What tests share is in tests.support; each file of tests can be read, moved and deleted alone."""
    wrong = [
        f"{place(path)}: {module}"
        for path, tree in sources("tests")
        for module, _ in imports(tree)
        if any(part.startswith("test_") for part in module.split("."))
    ]
    assert wrong == []
