"""Another catalog over past usage through a running engine: pages, files, pictures, and what is refused."""

import csv
import json

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from engine.cli import cli
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.billing_pb2 import LineItemForm
from meterline.v1.catalog_pb2 import ApplyCatalogRequest, GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.simulations_pb2 import SimulateCatalogRequest
from meterline.v1.simulations_pb2_grpc import SimulationServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.engine.api_world import record, refusal

CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value, group_by: [region]}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 1000},
     {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}
  - {id: yen, name: Yen, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 300}]}
customers: [{id: acme, name: Acme}, {id: bolt, name: Bolt}, {id: coil, name: Coil}]
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: yen, start: 2025-10-01}
  - {customer: coil, plan: pro, start: 2025-10-01}
"""
# The moon alone has a price: usage of mars can't be rated. acme: 4 x 0.75 = 3.00 in place of 2.00; the fee is 10 more.
NEW = """
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 1010}, {id: calls, meter: calls,
     model: matrix, dimensions: [region], cells: [{match: {region: moon}, unit_amount: 0.75}]}]}
  - {id: yen, name: Yen, currency: JPY, prices: [{id: fee, model: flat, flat_amount: 250}]}
"""
SPAN = ("--from", "2025-11", "--to", "2025-11")


class World:
    """A tenant of its own, and commands that ask as it."""

    def __init__(self, target, key):
        self._target, self._key = target, key
        self.channel = open_channel(target, api_key=key)
        self.simulations = SimulationServiceStub(self.channel)

    def use(self, event_id, customer, day, value, region="moon"):
        event = UsageEvent(event_id=event_id, event_type="call", customer_id=customer)
        event.event_time.FromJsonString(f"{day}T12:00:00Z")
        for name, text in (("value", value), ("region", region)):
            event.properties[name].CopyFrom(PropertyValue(string_value=text))
        record(self.channel, event)

    def run(self, *words, code=0):
        words = ["simulate", *words, "--target", self._target]
        done = CliRunner().invoke(cli, words, env={"METERLINE_API_KEY": self._key})
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def pages(self, **fields):
        """All of November's."""
        request = SimulateCatalogRequest(pieces=[ApplyCatalogRequest(document=NEW)], **fields)
        request.period_end_after.FromJsonString("2025-11-01T00:00:00Z")
        request.period_end_until.FromJsonString("2025-12-01T00:00:00Z")
        found = [self.simulations.SimulateCatalog(request, timeout=60)]
        while token := found[-1].next_page_token:
            request.page_token = token
            found.append(self.simulations.SimulateCatalog(request, timeout=60))
        return found


@pytest.fixture
def world(engine, channel, request, tmp_path):
    tenant = request.node.originalname.replace("_", "-")[5:45]
    made = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=60)
    found = World(engine.target, made.key_text)
    CatalogServiceStub(found.channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
    found.use(f"{tenant}-a", "acme", "2025-11-05", "4")
    (tmp_path / "new.yaml").write_text(NEW)
    found.file = str(tmp_path / "new.yaml")
    yield found
    found.channel.close()


def sides(sums):
    return (sums.customer_id, sums.currency, sums.before.due, sums.after.due)


def test_pages_of_one_customer_each_come_to_one_page(world):
    """Acme 1,002.00 and 1,013.00, bolt 300 and 250 yen, coil 1,000.00 and 1,010.00; nothing is applied."""
    (whole,) = world.pages()
    assert list(map(sides, whole.totals)) == [("", "JPY", "300", "250"), ("", "USD", "2002.00", "2023.00")]
    assert list(map(sides, whole.customers)) == [
        ("acme", "USD", "1002.00", "1013.00"),
        ("bolt", "JPY", "300", "250"),
        ("coil", "USD", "1000.00", "1010.00"),
    ]
    assert [each.id for each in whole.changes] == ["pro", "yen"]
    parts = world.pages(page_size=1)
    assert [each for page in parts for each in page.customers] == list(whole.customers)
    assert {page.as_of.ToMicroseconds() for page in parts} == {parts[0].as_of.ToMicroseconds()}
    assert sum(page.simulated_subscription_count for page in parts) == whole.subscription_count == 3
    catalog = CatalogServiceStub(world.channel).GetCatalog(GetCatalogRequest(), timeout=60)
    assert catalog.revision == 1


def test_rows_in_arrow_form_are_a_row_a_price(world):
    (page,) = world.pages(form=LineItemForm.LINE_ITEM_FORM_ARROW)
    rows = pa.ipc.open_stream(page.arrow).read_all().to_pylist()
    assert [(row["customer_id"], row["price_id"], row["due_before"], row["due_after"]) for row in rows] == [
        *(("acme", "calls", 2, 3), ("acme", "fee", 1000, 1010), ("bolt", "fee", 300, 250)),
        *(("coil", "calls", 0, 0), ("coil", "fee", 1000, 1010)),
    ]
    assert not page.customers


def test_a_page_of_another_simulation_is_refused(world):
    token = world.pages(page_size=1)[0].next_page_token
    code, *_ = refusal(lambda: world.pages(page_size=1, page_token=token, catalog_revision=1))
    assert code == grpc.StatusCode.INVALID_ARGUMENT


def test_the_command_writes_every_row_and_draws(world, tmp_path):
    """Sums by customer as CSV; rows as Parquet; a picture that is the same each time."""
    out = {name: tmp_path / name for name in ("all.csv", "all.parquet", "one.png", "two.png", "page.html")}
    said = world.run(
        "-f",
        world.file,
        *SPAN,
        "--csv",
        str(out["all.csv"]),
        "--by",
        "customer",
        "--chart",
        str(out["one.png"]),
    ).stdout
    assert "1 would pay more" not in said
    assert "2 would pay more, 1 less, 0 the same" in said
    with out["all.csv"].open(newline="") as file:
        rows = {row["customer_id"]: row for row in csv.DictReader(file)}
    assert (rows["acme"]["due_before"], rows["acme"]["due_after"], rows["acme"]["due_difference"]) == (
        "1002.00",
        "1013.00",
        "11.00",
    )
    assert (rows["bolt"]["due_before"], rows["bolt"]["due_difference"]) == ("300", "-50")
    world.run("-f", world.file, *SPAN, "--parquet", str(out["all.parquet"]), "--chart", str(out["two.png"]))
    assert pq.read_table(out["all.parquet"]).num_rows == 5
    assert out["one.png"].read_bytes()[:4] == b"\x89PNG"
    assert out["one.png"].read_bytes() == out["two.png"].read_bytes()
    fields = json.loads(world.run("-f", world.file, *SPAN, "--chart", str(out["page.html"]), "--json").stdout)
    assert [each["due"]["difference"] for each in fields["totals"]] == ["-50", "21.00"]
    page = out["page.html"].read_text()
    assert "<svg" in page
    assert not any(f'{name}="http' in page for name in ("src", "href"))


def test_a_customer_whom_the_candidate_cannot_rate_is_named(world):
    """In no sum: coil's 1,000.00 and 1,010.00 alone are left."""
    world.use("mars", "acme", "2025-11-06", "4", region="mars")
    done = world.run("-f", world.file, *SPAN, code=2)
    assert "acme: subscription acme:pro, price calls:" in done.output
    assert "so they are in no sum" in done.output
    assert "due, USD 1,000.00 1,010.00 +10.00 +1.0%" in " ".join(done.stdout.split())


def test_a_candidate_with_mistakes_is_refused_at_its_lines(world, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "plans:\n  - {id: pro, name: Pro, currency: USD, prices: [{id: calls, meter: nothing, model: per_unit}]}\n"
    )
    done = world.run("-f", str(wrong), *SPAN, code=2)
    assert "wrong.yaml:2: " in done.output
    assert "nothing was simulated" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2025-12", "--to", "2025-11"), "--to must not be before --from"),
        (("--from", "2025-13", "--to", "2025-11"), "is not a month"),
        ((*SPAN, "--chart", "x.gif"), "must end with .png or .html"),
    ],
)
def test_what_says_nothing_clear_is_refused_before_an_engine_is_asked(tmp_path, words, said):
    (tmp_path / "new.yaml").write_text(NEW)
    done = CliRunner().invoke(cli, ["simulate", "-f", str(tmp_path / "new.yaml"), *words])
    assert (done.exit_code, said in done.output) == (2, True), done.output
