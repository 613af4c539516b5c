"""A catalog that no request holds: in pieces over one stream, and from a file by the command line."""

import json

import grpc
import pytest
from click.testing import CliRunner

from engine.catalog.documents import pieces
from engine.cli.catalog import apply_pieces as apply_module
from engine.cli.catalog.apply_command import apply
from engine.cli.catalog.catalog_command import catalog
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogPiecesRequest, ApplyCatalogRequest, GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.support.engine.api_world import refusal


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An engine whose catalog no other test changes."""
    with EngineProcess(tmp_path_factory.mktemp("pieces") / "data") as running:
        yield running


@pytest.fixture
def stub(own):
    with open_channel(own.target) as opened:
        yield CatalogServiceStub(opened)


def line(kind, **definition):
    return json.dumps({"kind": kind, "definition": definition})


def plan(name):
    return f"plans: [{{id: {name}, name: P, currency: USD, prices: []}}]"


def send(stub, *requests):
    pieces = (ApplyCatalogPiecesRequest(piece=request) for request in requests)
    return (answer.piece for answer in stub.ApplyCatalogPieces(pieces, timeout=60))


def revision_of(stub):
    return stub.GetCatalog(GetCatalogRequest(), timeout=120).revision


def test_pieces_are_applied_in_order_and_answered_one_by_one(stub):
    """A later one refers to an earlier one; documents and lines go together."""
    before = revision_of(stub)
    answers = list(
        send(
            stub,
            ApplyCatalogRequest(document=plan("ordered")),
            ApplyCatalogRequest(lines=line("customer", id="ordered", name="O")),
            ApplyCatalogRequest(lines=line("customer", id="ordered", name="O")),
            ApplyCatalogRequest(
                lines=line("subscription", customer="ordered", plan="ordered", start="2026-01-01")
            ),
        )
    )
    assert [(each.revision - before, len(each.changes), each.unchanged_count) for each in answers] == [
        (1, 1, 0),
        (2, 1, 0),
        (2, 0, 1),
        (3, 1, 0),
    ]


def test_a_dry_run_of_pieces_compares_each_with_what_the_ones_before_would_leave(stub):
    """And nothing is applied."""
    before = revision_of(stub)
    requests = [
        ApplyCatalogRequest(document=plan("tried"), dry_run=True),
        ApplyCatalogRequest(lines=line("customer", id="tried", name="T"), dry_run=True),
        ApplyCatalogRequest(lines=line("customer", id="tried", name="Tried"), dry_run=True),
        ApplyCatalogRequest(
            lines=line("subscription", customer="tried", plan="tried", start="2026-01-01"), dry_run=True
        ),
    ]
    answers = list(send(stub, *requests))
    assert [[(each.kind, each.version) for each in answer.changes] for answer in answers] == [
        [("plan", 1)],
        [("customer", 1)],
        [("customer", 2)],
        [("subscription", 1)],
    ]
    assert {answer.revision for answer in answers} == {before}
    assert revision_of(stub) == before


def test_a_piece_with_mistakes_ends_the_stream_and_the_earlier_ones_stay(stub):
    """The mistake has its line in the file."""
    before = revision_of(stub)
    call = send(
        stub,
        ApplyCatalogRequest(lines=line("customer", id="kept", name="K"), file_name="big.ndjson"),
        ApplyCatalogRequest(
            lines="\n".join([line("customer", id="lost", name="L"), line("customer", id="bad")]),
            file_name="big.ndjson",
            first_line=1_000_001,
        ),
        ApplyCatalogRequest(lines=line("customer", id="never", name="N")),
    )
    assert next(call).revision == before + 1
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "big.ndjson:1000002: customers.bad.name: is missing"
    assert revision_of(stub) == before + 1


def test_pieces_that_differ_in_dry_run_are_refused(stub):
    """Half of a catalog would be applied."""
    call = send(
        stub,
        ApplyCatalogRequest(document=plan("half"), dry_run=True),
        ApplyCatalogRequest(lines=line("customer", id="half", name="H")),
    )
    next(call)
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.details() == "dry_run: must be the same in every piece"


def test_a_first_line_that_no_file_has_is_refused(stub):
    """Before anything is read."""
    request = ApplyCatalogRequest(document=plan("far"), first_line=2**31)
    code, said, _ = refusal(lambda: stub.ApplyCatalog(request, timeout=120))
    assert (code, said) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "first_line: is 2147483648: it is at most 2147483647",
    )


@pytest.fixture
def run(own, monkeypatch):
    """Runs a command of `meterline` in this process, with pieces of a few entries and bytes."""
    monkeypatch.setattr(pieces, "ENTRIES_MAX", 10)
    monkeypatch.setattr(pieces, "BYTES_MAX", 2_000)

    def ran(command, *arguments, **options):
        return CliRunner().invoke(command, [*map(str, arguments), "--target", own.target], **options)

    return ran


def large_text(name):
    """Lines that make three pieces; in the last is a subscription of the first customer."""
    lines = [line("plan", id=name, name="B", currency="USD", prices=[])]
    lines += [line("customer", id=f"{name}{number}", name="Bulk") for number in range(23)]
    lines += [line("subscription", customer=f"{name}0", plan=name, start="2026-01-01")]
    return "\n".join(lines) + "\n"


def test_a_file_of_pieces_is_tried_applied_and_applied_again(run, tmp_path, stub):
    """The second time, or after an interruption, only what is missing is applied."""
    path = tmp_path / "large.ndjson"
    path.write_text(large_text("bulk"))
    before = revision_of(stub)
    tried = run(apply, path, "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "")
    assert tried.stdout == (
        "+ 1 plans\n+ 23 customers\n+ 1 subscriptions\n"
        f"25 would change (dry run: nothing was applied), 0 unchanged; catalog revision {before}\n"
    )
    assert revision_of(stub) == before
    # As an interruption would leave it.
    head = "".join(path.read_text().splitlines(keepends=True)[:12])
    assert run(apply, "-", input=head).exit_code == 0
    rest = run(apply, path)
    assert rest.stdout.splitlines()[-1] == f"13 changed, 12 unchanged; catalog revision {before + 4}"
    again = run(apply, path)
    assert again.stdout == f"0 changed, 25 unchanged; catalog revision {before + 4}\n"


def test_what_changes_is_shown_up_to_a_bound(run, tmp_path, monkeypatch):
    """A million changes fill no terminal."""
    monkeypatch.setattr(apply_module, "_UPDATES_SHOWN_MAX", 2)
    path = tmp_path / "large.ndjson"
    path.write_text(large_text("renamed"))
    run(apply, path)
    path.write_text(path.read_text().replace("Bulk", "Bulky"))
    shown = run(apply, path).stdout.splitlines()
    assert shown[:-1] == [
        "~ 23 customers",
        "the first 2 of these:",
        "~ customer renamed0 (version 2)",
        '    name: "Bulk" -> "Bulky"',
        "~ customer renamed1 (version 2)",
        '    name: "Bulk" -> "Bulky"',
    ]
    assert shown[-1].startswith("23 changed, 2 unchanged")


def test_a_mistake_in_a_later_piece_says_what_is_applied(run, tmp_path):
    """With its file and line, and how to go on."""
    path = tmp_path / "mistaken.ndjson"
    path.write_text(large_text("mistaken").replace('"plan": "mistaken"', '"plan": "mistakem"'))
    done = run(apply, path)
    assert done.exit_code == 2
    mistake, last = done.stderr.splitlines()
    assert mistake.startswith(
        f"{path}:25: subscriptions.mistaken0:mistakem.plan: there is no plan 'mistakem'"
    )
    assert "20 resources before that are applied (catalog revision " in last
    assert last.endswith("apply the file again to go on, what is applied changes nothing")


def test_a_line_in_a_later_piece_that_is_no_text_says_what_is_applied(run, tmp_path):
    """The stream ends there, and the pieces before stay."""
    path = tmp_path / "bytes.ndjson"
    path.write_bytes(large_text("bytes").encode() + b'{"kind": "\xff"}\n')
    done = run(apply, path)
    assert done.exit_code == 2
    assert done.stderr.startswith(
        f"meterline: {path}: is not UTF-8 text: line 26, byte 10 is invalid start byte: "
    )
    assert "20 resources before that are applied" in done.stderr


def test_what_the_catalog_command_prints_is_a_file_to_apply(run, stub, tmp_path):
    """Of however many pieces; it changes nothing."""
    path = tmp_path / "printed.ndjson"
    path.write_text(large_text("printed"))
    assert run(apply, path).exit_code == 0
    printed = run(catalog)
    count = len(printed.stdout.splitlines())
    again = run(apply, "-", input=printed.stdout)
    assert again.stdout == f"0 changed, {count} unchanged; catalog revision {revision_of(stub)}\n"


def test_a_large_document_in_yaml_goes_in_pieces_too(run, tmp_path):
    """Its subscriptions stand before its customers."""
    path = tmp_path / "large.yaml"
    customers = "".join(f"  - id: yaml{number}\n    name: {'N' * 200}\n" for number in range(20))
    path.write_text(
        "subscriptions:\n  - {customer: yaml7, plan: yaml, start: 2026-01-01}\n"
        f"customers:\n{customers}"
        "plans:\n  - {id: yaml, name: Y, currency: USD, prices: []}\n"
    )
    done = run(apply, path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("+ 1 plans\n+ 20 customers\n+ 1 subscriptions\n22 changed, 0 unchanged;")


def test_a_document_that_can_t_be_parted_names_its_line(run, tmp_path):
    """Nothing is sent."""
    path = tmp_path / "flow.json"
    path.write_text(
        json.dumps({"customers": [{"id": f"c{number}", "name": "N" * 200} for number in range(20)]})
    )
    done = run(apply, path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"meterline: {path}:1: a document of more than ")


def test_an_empty_file_is_refused(run, tmp_path):
    """It would look as if all were well."""
    path = tmp_path / "empty.ndjson"
    path.write_text("")
    assert run(apply, path).stderr == f"meterline: {path}: is empty\n"


def test_customers_and_subscriptions_come_from_csv_in_pieces(own, tmp_path, monkeypatch):
    """A mistake has its line in the file; the file that is mended goes on where it stopped."""
    monkeypatch.setattr(pieces, "ENTRIES_MAX", 4)
    rows = [f"csv{number},N{number},{'eu' if number % 2 else ''}" for number in range(10)]
    rows[7] = "csv7,,eu"
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(["id,name,metadata.team", *rows]))
    done = CliRunner().invoke(apply, [str(file), "--target", own.target])
    assert done.exit_code == 2
    assert f"{file}:9: customers.csv7.name: is missing" in done.output
    assert "4 resources before that are applied" in done.output
    rows[7] = "csv7,Seven,eu"
    file.write_text("\n".join(["id,name,metadata.team", *rows]))
    done = CliRunner().invoke(apply, [str(file), "--target", own.target])
    assert "6 changed, 4 unchanged" in done.output
    plans = tmp_path / "plan.yaml"
    plans.write_text(plan("csv"))
    subscriptions = tmp_path / "new.csv"
    subscriptions.write_text("customer,plan,start\n" + "".join(f"csv{n},csv,2026-01-01\n" for n in range(10)))
    for words in ([str(plans)], [str(subscriptions), "--section", "subscriptions"]):
        done = CliRunner().invoke(apply, [*words, "--target", own.target])
        assert done.exit_code == 0, done.output
    assert "10 changed, 0 unchanged" in done.output
    unnamed = CliRunner().invoke(apply, [str(subscriptions), "--target", own.target])
    assert "name the file after what its rows are" in unnamed.output
    lines = tmp_path / "customers.ndjson"
    lines.write_text('{"id": "csv0", "name": "Other"}\n')
    done = CliRunner().invoke(apply, [str(lines), "--target", own.target])
    assert "~ customer csv0 (version 2)" in done.output
    piped = CliRunner().invoke(
        apply, ["-", "--section", "customers", "--target", own.target], input="id,name\ncsv0,Third\n"
    )
    assert "~ customer csv0 (version 3)" in piped.output
