"""The engine over real gRPC: usage in; verdicts, spend and lines out."""

import base64
import json
from decimal import Decimal
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import GetCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import (
    PROBLEM_REASON_ID_REUSED,
    PROBLEM_REASON_NOT_DECIMAL,
    VERDICT_ACCEPTED,
    VERDICT_CONFLICT,
    VERDICT_DUPLICATE,
    VERDICT_REJECTED,
    StreamUsageRequest,
)
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import (
    AT,
    CATALOG,
    JUNE_10,
    LATE_JUNE,
    api_event,
    moved,
    record,
    refusal,
    spend_of,
)


def test_usage_becomes_spend_tier_by_tier(channel, name):
    """1,200 tokens: 1000 x 0.01 + 200 x 0.0025 = 10.50; 3 of another model: 0.03; and the fee of 20."""
    record(
        channel,
        api_event(name, "a", "700"),
        api_event(name, "b", "500"),
        api_event(name, "c", "3", model="small"),
    )
    spend = spend_of(channel, name)
    assert [(each.currency, each.amount, each.event_count) for each in spend.spends] == [("USD", "30.53", 3)]
    lines = {(line.price_id, line.dimensions.get("model", "")): line for line in spend.line_items}
    assert {key: (line.quantity, line.amount) for key, line in lines.items()} == {
        ("fee", ""): ("0", "20.00"),
        ("tokens", "large"): ("1200", "10.50"),
        ("tokens", "small"): ("3", "0.03"),
    }
    large = lines["tokens", "large"]
    assert [(tier.up_to, tier.quantity, tier.unit_amount, tier.amount) for tier in large.tiers] == [
        ("1000", "1000", "0.01", "10"),
        ("", "200", "0.0025", "0.5"),
    ]
    assert (large.period_start.ToJsonString(), large.period_end.ToJsonString()) == (
        "2025-06-01T00:00:00Z",
        "2025-07-01T00:00:00Z",
    )
    assert (large.event_count, large.price_version, large.meter_id) == (2, 1, f"{name}_tokens")
    assert (large.rounding.mode, large.rounding.scope, large.rounding.digits) == ("half_up", "line", 2)
    assert "10.50 USD" in large.formula


def test_each_event_has_a_verdict_of_its_own(channel, name):
    """One bad event fails no other; a retry is a duplicate; another content under the id is a conflict."""
    first = record(
        channel, api_event(name, "a", "5"), api_event(name, "b", "many"), api_event(name, "c", "5")
    )
    assert list(first.verdicts) == [VERDICT_ACCEPTED, VERDICT_REJECTED, VERDICT_ACCEPTED]
    (problem,) = first.problems
    assert (problem.index, problem.field, problem.reason, problem.retryable) == (
        1,
        "properties.tokens",
        PROBLEM_REASON_NOT_DECIMAL,
        False,
    )
    again = record(channel, api_event(name, "a", "5"), api_event(name, "c", "6"), api_event(name, "d", "1"))
    assert list(again.verdicts) == [VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_ACCEPTED]
    (conflict,) = again.problems
    assert (conflict.index, conflict.field, conflict.reason) == (1, "properties", PROBLEM_REASON_ID_REUSED)
    assert "other properties: give each event an id of its own" in conflict.message
    assert spend_of(channel, name).spends[0].event_count == 3


def test_all_problems_of_an_event_come_in_one_answer(channel, name):
    """By the place of the event and in the order of the contract's fields; the event between them stands."""
    bad, worse = api_event(name, "b", "many"), api_event(name, "c", "many")
    worse.event_id = worse.customer_id = ""
    answer = record(channel, worse, api_event(name, "a", "5"), bad)
    assert list(answer.verdicts) == [VERDICT_REJECTED, VERDICT_ACCEPTED, VERDICT_REJECTED]
    assert [(each.index, each.field) for each in answer.problems] == [
        (0, "event_id"),
        (0, "customer_id"),
        (0, "properties.tokens"),
        (2, "properties.tokens"),
    ]


def test_a_signed_quantity_is_a_number_and_a_label(channel, name):
    """Five is added as "+5", and "-2" takes two away."""
    record(channel, api_event(name, "a", "+5"), api_event(name, "b", "-2"))
    (large,) = (each for each in spend_of(channel, name).line_items if each.meter_id)
    assert large.quantity == "3"


def test_the_first_read_after_an_ack_includes_the_event(channel, name):
    """A hundred times: acknowledged, then read, by the ack's own watermark and by none."""
    for i in range(1, 101):
        ack = record(channel, api_event(name, str(i)))
        read = spend_of(channel, name)
        assert ack.as_of.ToMicroseconds() <= read.as_of.ToMicroseconds()
        assert read.spends[0].event_count == i
        assert spend_of(channel, name, as_of=ack.as_of).spends[0].event_count == i


def test_an_earlier_watermark_answers_the_same_bytes_for_ever(channel, name):
    """Later events, and retries of earlier ones, change nothing at a watermark that was given out."""
    record(channel, api_event(name, "a", "5"))
    first = spend_of(channel, name)
    record(channel, api_event(name, "a", "5"), api_event(name, "b", "7"))
    assert spend_of(channel, name, as_of=first.as_of).SerializeToString(
        deterministic=True
    ) == first.SerializeToString(deterministic=True)


def test_a_stream_acknowledges_each_message_in_order(channel, name):
    """Twenty messages, twenty acks with their sequences, and every event is counted once."""
    requests = [
        StreamUsageRequest(sequence=100 + i, events=[api_event(name, f"{i}-{j}") for j in range(5)])
        for i in range(20)
    ]
    acks = list(UsageServiceStub(channel).StreamUsage(iter(requests), timeout=60))
    assert [ack.sequence for ack in acks] == list(range(100, 120))
    assert all(list(ack.verdicts) == [VERDICT_ACCEPTED] * 5 for ack in acks)
    assert spend_of(channel, name).spends[0].event_count == 100


def test_line_items_come_in_pages_of_one_snapshot(channel, name):
    """Pages of one line each: all lines, once, in order, under one watermark, whatever arrives meanwhile."""
    record(channel, api_event(name, "a", "1"), api_event(name, "b", "2", model="small"))
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=AT, page_size=1)
    stub = BillingServiceStub(channel)
    pages = [stub.ListLineItems(request, timeout=120)]
    while pages[-1].next_page_token:
        record(channel, api_event(name, f"late-{len(pages)}", "1000"))
        request.page_token = pages[-1].next_page_token
        pages.append(stub.ListLineItems(request, timeout=120))
    assert len({page.as_of.ToMicroseconds() for page in pages}) == 1
    lines = [
        (line.price_id, line.dimensions.get("model", ""), line.quantity)
        for page in pages
        for line in page.line_items
    ]
    assert lines == [("fee", "", "0"), ("tokens", "large", "1"), ("tokens", "small", "2")]


def test_pages_over_all_customers_miss_none(channel, apply):
    """Whatever the page size, the lines together are the same. In a month in which no other test has customers."""
    apply(CATALOG.replace("NAME", "pages").replace("start: 2025-", "start: 1999-"))
    june_21 = Timestamp(seconds=930_000_000)  # 1999-06-21T21:20:00Z
    for customer in ("acme", "bolt"):
        events = [
            api_event("pages", f"{customer}-{i}", customer=customer, model=f"m{i}", seconds=june_21.seconds)
            for i in range(7)
        ]
        record(channel, *events)
    stub = BillingServiceStub(channel)

    def listed(page_size):
        request, ids = ListLineItemsRequest(at=june_21, page_size=page_size), []
        while True:
            page = stub.ListLineItems(request, timeout=120)
            ids += [line.line_item_id for line in page.line_items]
            if not page.next_page_token:
                return ids
            request.page_token = page.next_page_token

    everything = listed(1000)
    assert len(everything) == len(set(everything)) == 16
    assert listed(3) == everything


def test_lines_of_spend_and_billing_are_the_same_bytes(channel, name):
    """One rating path."""
    record(channel, api_event(name, "a", "1234"))
    spend = spend_of(channel, name)
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=AT, as_of=spend.as_of)
    lines = BillingServiceStub(channel).ListLineItems(request, timeout=120)
    assert list(lines.line_items) == list(spend.line_items)


def test_a_period_without_usage_still_owes_its_fee(channel, name):
    """Quantity zero on every metered price, the fee in full; before the subscription's start, nothing."""
    spend = spend_of(channel, name)
    assert [(line.price_id, line.quantity, line.amount) for line in spend.line_items] == [
        ("fee", "0", "20.00"),
        ("tokens", "0", "0.00"),
    ]
    bolt = GetSpendRequest(customer_id=f"{name}_bolt", at=AT)
    assert list(SpendServiceStub(channel).GetSpend(bolt, timeout=120).spends) == []


def test_a_changed_price_makes_a_new_version_for_who_is_moved_to_it(channel, name, apply):
    """Who runs keeps its price. Of who is moved the line names the version of the price that changed; the other price
    keeps its own.
    """
    record(channel, api_event(name, "a", "100"))
    dearer = CATALOG.replace("NAME", name).replace('"0.01"', '"0.02"')
    (change,) = apply(dearer).changes
    assert change.kept_subscription_count == 2
    assert [(field.path, field.before, field.after) for field in change.fields] == [
        ("prices.tokens.tiers.0.unit_amount", '"0.01"', '"0.02"')
    ]
    lines = {line.price_id: line for line in spend_of(channel, name).line_items}
    assert (lines["tokens"].amount, lines["tokens"].plan_version) == ("1.00", 1)
    apply(f"subscriptions: [{{customer: {name}_acme, plan: {name}, start: 2025-06-01, plan_version: 2}}]")
    lines = {line.price_id: line for line in spend_of(channel, name).line_items}
    assert (lines["tokens"].amount, lines["tokens"].price_version, lines["fee"].price_version) == (
        "2.00",
        2,
        1,
    )


MATRIX = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: NAME
    name: The plan of NAME
    currency: USD
    prices:
      - id: tokens
        meter: NAME_tokens
        model: matrix
        dimensions: [model]
        cells:
          - {match: {model: large}, unit_amount: "0.5"}
          - {match: {model: small}, unit_amount: "0.25"}
  - id: NAME_flat
    name: A fee
    currency: USD
    prices: [{id: fee, model: flat, flat_amount: 7}]
subscriptions:
  - {customer: NAME_bolt, plan: NAME_flat, start: 2025-06-15}
"""


def test_a_matrix_rates_by_dimension_and_flags_what_has_no_cell(channel, name, apply):
    """8 large at 0.5 and 2 small at 0.25; no usage, no line but the minimum's; a model without a cell is a line
    without an amount, never free, and the total of the others, 4.50, says that it is incomplete.
    """
    matrix = MATRIX.replace("NAME", name)
    apply(moved(matrix, name, 2))
    assert list(spend_of(channel, name).line_items) == []
    apply(moved(matrix.replace("model: matrix", "model: matrix\n        minimum_amount: 3"), name, 3))
    assert [(line.quantity, line.amount) for line in spend_of(channel, name).line_items] == [("0", "3.00")]
    apply(moved(matrix, name, 4))
    record(channel, api_event(name, "a", "8"), api_event(name, "b", "2", model="small"))
    lines = {line.dimensions["model"]: line.amount for line in spend_of(channel, name).line_items}
    assert lines == {"large": "4.00", "small": "0.50"}
    assert not spend_of(channel, name).spends[0].incomplete
    record(channel, api_event(name, "c", "1", model="huge"))
    spend = spend_of(channel, name)
    (huge,) = [line for line in spend.line_items if line.dimensions["model"] == "huge"]
    assert (huge.quantity, huge.event_count, huge.amount, huge.exact_amount, huge.formula) == (
        "1",
        1,
        "",
        "",
        "",
    )
    assert "no cell" in huge.unrateable_reason
    assert "model=huge" in huge.unrateable_reason
    (total,) = spend.spends
    assert (total.amount, total.line_item_count, total.event_count) == ("4.50", 2, 2)
    assert total.incomplete
    # In the list of all customers too, which names the customer and the reason.
    everybody = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=LATE_JUNE, limit=1000), timeout=120)
    reason = f"subscription {name}_acme:{name}, price tokens: {huge.unrateable_reason}"
    named = [(each.customer_id, each.message) for each in everybody.unrateable_customers]
    assert (f"{name}_acme", reason) in named
    incomplete = {spend.customer_id: spend.incomplete for spend in everybody.spends}
    assert incomplete[f"{name}_acme"]
    assert not incomplete[f"{name}_bolt"]
    assert next(each for each in everybody.totals if each.currency == "USD").incomplete
    request = ListLineItemsRequest(at=LATE_JUNE, customer_id=f"{name}_acme")
    listing = BillingServiceStub(channel).ListLineItems(request, timeout=120)
    assert [each.customer_id for each in listing.unrateable_customers] == [f"{name}_acme"]
    assert listing.line_items == spend.line_items
    # Mended, the bill is whole.
    apply(moved(matrix.replace("dimensions: [model]", "dimensions: [model]\n        default: 1"), name, 5))
    assert spend_of(channel, name).spends[0].amount == "5.50"


def test_a_matrix_default_rates_usage_without_the_dimension(channel, name, apply):
    """Also where no other line of the answer has it: 4 at the default of 1."""
    matrix = MATRIX.replace("NAME", name)
    apply(moved(matrix.replace("dimensions: [model]", "dimensions: [model]\n        default: 1"), name, 2))
    event = api_event(name, "a", "4")
    del event.properties["model"]
    record(channel, event)
    assert [(line.amount, dict(line.dimensions)) for line in spend_of(channel, name).line_items] == [
        ("4.00", {})
    ]


def test_a_line_counts_the_events_without_the_metered_property(channel, name):
    """A misspelled name is not lost in silence."""
    misspelled = api_event(name, "a")
    misspelled.properties["tokenz"].CopyFrom(misspelled.properties["tokens"])
    del misspelled.properties["tokens"]
    record(channel, misspelled, api_event(name, "b", "5"))
    (line,) = (line for line in spend_of(channel, name).line_items if line.price_id == "tokens")
    assert (line.quantity, line.event_count, line.missing_value_event_count) == ("5", 2, 1)


def test_a_pinned_catalog_revision_keeps_its_prices(channel, name, apply):
    """Watermark and revision together give the same bytes, after a price has changed too."""
    record(channel, api_event(name, "a", "100"))
    first = spend_of(channel, name)
    dearer = CATALOG.replace("NAME", name).replace('"0.01"', '"0.02"')
    apply(
        dearer.replace(
            f"_acme, plan: {name}, start: 2025-06-01",
            f"_acme, plan: {name}, start: 2025-06-01, plan_version: 2",
        )
    )
    assert spend_of(channel, name).spends[0].amount == "22.00"
    again = spend_of(channel, name, as_of=first.as_of, catalog_revision=first.catalog_revision)
    assert again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
    code, line, _ = refusal(lambda: spend_of(channel, name, catalog_revision=10**6))
    assert code is grpc.StatusCode.NOT_FOUND
    assert "1000000" in line


def test_a_customer_who_left_is_billed_at_the_end_of_the_month(channel, name, apply):
    """From 1 to 10 June: asked on the 30th, the period is [1, 10) with its usage; in July there is none.

    9 of 30 days of 20.00 are 6.00, and 100 x 0.01 are 1.00.
    """
    leaving = "subscriptions:\n  - {customer: NAME_acme, plan: NAME, start: 2025-06-01, end: 2025-06-10}\n"
    apply(leaving.replace("NAME", name))
    record(channel, api_event(name, "in", "100", seconds=JUNE_10 - 1), api_event(name, "out", "1000"))
    stub = SpendServiceStub(channel)
    last_day = GetSpendRequest(customer_id=f"{name}_acme", at=Timestamp(seconds=JUNE_10 + 20 * 86_400))
    spend = stub.GetSpend(last_day, timeout=120)
    assert spend.spends[0].amount == "7.00"
    assert {line.period_end.ToJsonString() for line in spend.line_items} == {"2025-06-10T00:00:00Z"}
    july = GetSpendRequest(customer_id=f"{name}_acme", at=Timestamp(seconds=JUNE_10 + 21 * 86_400))
    assert list(stub.GetSpend(july, timeout=120).line_items) == []


def test_the_limit_of_list_spend_holds_for_each_currency(channel, name, apply):
    """One euro customer doesn't hide the dollar customers."""
    apply(CATALOG.replace("NAME", f"{name}_eur").replace("USD", "EUR"))
    response = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=AT, limit=1), timeout=120)
    assert {spend.currency for spend in response.spends} >= {"EUR", "USD"}
    assert len(response.spends) == len({spend.currency for spend in response.spends})


def test_list_spend_orders_by_amount_and_totals_all(channel, name, apply):
    """The totals count customers beyond the limit too."""
    record(channel, api_event(name, "a", "100000"))
    response = SpendServiceStub(channel).ListSpend(ListSpendRequest(at=AT, limit=1000), timeout=120)
    amounts = [Decimal(spend.amount) for spend in response.spends if spend.currency == "USD"]
    assert amounts == sorted(amounts, reverse=True)
    one = SpendServiceStub(channel).ListSpend(
        ListSpendRequest(at=AT, limit=1, as_of=response.as_of), timeout=120
    )
    assert one.spends[-1] == next(spend for spend in response.spends if spend.currency == "USD")
    assert list(one.totals) == list(response.totals)


def test_pages_of_the_catalog_are_the_catalog(channel, name):
    """A token leads on within the revision of its first page; one of another make is refused."""
    stub = CatalogServiceStub(channel)
    whole = stub.GetCatalog(GetCatalogRequest(), timeout=120)
    token = base64.b64encode(json.dumps(["catalog", whole.revision, 3]).encode()).decode()
    rest = stub.GetCatalog(GetCatalogRequest(page_token=token), timeout=120)
    assert list(rest.resources) == list(whole.resources[3:])
    code, _, _ = refusal(lambda: stub.GetCatalog(GetCatalogRequest(page_token="3"), timeout=120))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_lines_too_large_for_one_message_end_the_page_early(channel, name):
    """Five thousand groups with values of a KiB: every page is below 4 MiB, and together they are all."""
    # In a month of its own: other tests list June.
    september = Timestamp(seconds=JUNE_10 + 92 * 86_400)
    models = [f"{i:04d}" + "x" * 900 for i in range(2_500)]
    for first in range(0, len(models), 500):
        record(
            channel,
            *(
                api_event(name, f"{first}-{i}", model=m, seconds=september.seconds)
                for i, m in enumerate(models[first : first + 500])
            ),
        )
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=september, page_size=1000)
    seen = []
    while True:
        page = BillingServiceStub(channel).ListLineItems(request, timeout=60)
        assert page.ByteSize() < 4 * 1024 * 1024
        seen += [line.dimensions["model"] for line in page.line_items if line.meter_id]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == models
    request = GetSpendRequest(customer_id=f"{name}_acme", at=september)
    spend = SpendServiceStub(channel).GetSpend(request, timeout=60)
    assert spend.spends[0].line_item_count == 2_501
    assert spend.ByteSize() < 4 * 1024 * 1024


def test_ten_thousand_bad_events_make_an_answer_that_arrives(channel, name):
    """Each has its verdict and reason; the first thousand have words too."""
    bad = [api_event(name, str(i), "\N{ROCKET}" * 60) for i in range(9_000)]
    answer = record(channel, api_event(name, "good"), *bad)
    assert list(answer.verdicts) == [VERDICT_ACCEPTED] + [VERDICT_REJECTED] * 9_000
    assert {problem.reason for problem in answer.problems} == {PROBLEM_REASON_NOT_DECIMAL}
    assert [bool(problem.message) for problem in answer.problems] == [True] * 1_000 + [False] * 8_000


def test_health_and_reflection_are_served(channel):
    """The standard health service knows every service; reflection lists them."""
    services = [f"meterline.v1.{each}Service" for each in ("Usage", "Catalog", "Spend", "Billing")]
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", *services):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=120)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    names = [f"grpc.reflection.{version}.ServerReflection" for version in ("v1", "v1alpha")]
    for name in names:
        # Both speak the same messages, and each is found by its own name.
        ask = channel.stream_stream(
            f"/{name}/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol=name),
        ]
        services_answer, file_answer = ask(iter(requests), timeout=120)
        listed = {service.name for service in services_answer.list_services_response.service}
        assert listed >= {*services, *names, "grpc.health.v1.Health"}
        file = FileDescriptorProto.FromString(file_answer.file_descriptor_response.file_descriptor_proto[0])
        assert [f"{file.package}.{service.name}" for service in file.service] == [name]


def test_the_engine_does_without_pandas(engine, channel, name):
    """It comes with chDB, and would take every start's time and memory: none of its libraries is loaded."""
    record(channel, api_event(name, "a"))
    assert spend_of(channel, name).line_items
    libraries = Path(f"/proc/{engine.pid}/maps").read_text()
    assert "pyarrow" in libraries
    assert "pandas" not in libraries
