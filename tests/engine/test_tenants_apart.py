"""Two tenants in random alternation: each sees what it would see alone, whatever the other does with the same ids.

Every operation is called, and with every kind of id that it takes in another tenant's hands: the answer is the one for an id
that never existed.
"""

import random
import re
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest
from meterline.v1.access_pb2_grpc import TenantServiceStub
from tests.support.engine.operation_table import TABLE
from tests.support.engine.tenant_actor import HTTP, ROWS, Actor, shared
from tests.support.engine.tenant_names import Names, Pool
from tests.support.engine.tenant_requests import REQUESTS
from tests.support.long_forms import numbered

# Of whoever runs the engine: no tenant's key can hold their scope.
OPERATORS = {
    "BackupService.CreateBackup": {"name": "b"},
    "TenantService.CreateTenant": {"tenant": "TENANT"},
    "TenantService.ListTenants": {},
    "TenantService.GetTenantLimits": {"tenant": "TENANT"},
    "TenantService.SetTenantLimits": {"tenant": "TENANT"},
}
# What comes of something else in the background: looked at for leaks, and compared when all is over.
SETTLES = {
    "EventService.ListProblems",
    "AlertService.ListAlertCrossings",
    "AlertService.ListCustomerAlerts",
    "AlertService.SetCustomerBudget",
    "WebhookService.ListWebhookDeliveries",
}
# What later ids of events are new for (Pool.generation).
CORRECTS = {
    "CorrectionService.CorrectUsage",
    "CorrectionService.UndoCorrection",
    "PrivacyService.EraseCustomer",
}
# So that there is something to ask for from the start, by whichever die.
FIRST = [
    "CatalogService.ApplyCatalogPieces",
    *["UsageService.RecordUsage"] * 4,
    *(
        "EntitlementService.ReserveUsage",
        "WebhookService.CreateWebhookEndpoint",
        "AccessService.CreateApiKey",
    ),
    *("BillingService.ListLineItems", "InvoiceService.ClosePeriods", "InvoiceService.ListInvoices"),
    *("ReceivablesService.RecordPayment", "CreditNoteService.CreateCreditNote", "AccessService.ListApiKeys"),
    *("CorrectionService.CorrectUsage", "AccessService.ListAuditRecords"),
]
SHARED, FOREIGN, NEVER = "w", "qfx", "qnv"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    options = ("--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0")
    data = tmp_path_factory.mktemp("apart") / "data"
    with EngineProcess(data, *options, "--webhook-allow-private-networks") as running:
        yield running


@pytest.fixture
def tenant(engine):
    """Makes a tenant who calls, with names of its own."""
    made = []

    def new(pool):
        name = f"apart-{secrets.token_hex(4)}"
        with open_channel(engine.target, api_key=engine.api_key) as channel:
            request = CreateTenantRequest(tenant=name)
            key = TenantServiceStub(channel).CreateTenant(request, timeout=60).key_text
        made.append(Actor(engine, key, pool))
        return name, made[-1]

    yield new
    for each in made:
        each.close()


def test_every_operation_of_the_table_is_a_step():
    """Or one that no tenant's key can call."""
    assert set(REQUESTS) | set(OPERATORS) == {row.name for row in TABLE}
    assert all(ROWS[name].scope.name == "OPERATE" for name in OPERATORS)


class History:
    """Steps of one, beside another who does as it likes, and once more of one who is alone with them."""

    def __init__(self, tenant, dice, *, erases):
        now = datetime.now(UTC)
        self.began_at = (now - timedelta(minutes=1)).isoformat()
        self.dice = dice
        self.asked = ""
        sent_at = now.isoformat()
        self.own = Pool(FOREIGN, "FOREIGN", sent_at, erases=erases)
        self.alike = Pool(SHARED, "FOREIGN", sent_at, erases=erases)
        # Whatever the other is given, under whichever of its names.
        self.alike.given = self.own.given
        self.never = Pool(NEVER, "plain", sent_at)
        self.other_name, self.other = tenant(self.own)
        self.own.given["key"].append(self.other.key[4:16])
        self.one_name, self.one = tenant(Pool(SHARED, "plain", sent_at, erases=erases))
        self.alone_name, self.alone = tenant(Pool(SHARED, "plain", sent_at, erases=erases))

    def other_step(self, operation, seed, *, own=None):
        is_own = self.dice.random() < 0.5 if own is None else own
        self.other.pool = self.own if is_own else self.alike
        names = Names(self.other.pool)
        self.other.call(operation, REQUESTS[operation](names, random.Random(seed)))
        self.other.pool.generation += operation in CORRECTS

    def step(self, operation, seed, kind=None):
        """Both are told the same: one with the other's ids of a kind, or with its own; who is alone with ids that never were."""
        self.never.given.clear()
        for each, found in self.own.given.items():
            self.never.given[each] = [never(each, given) for given in found]
        over_http = operation in HTTP and self.dice.random() < 0.3
        told = []
        for actor, lent in ((self.one, self.own), (self.alone, self.never)):
            fields = REQUESTS[operation](Names(actor.pool, lent, kind), random.Random(seed))
            answer = actor.call(operation, fields, over_http=over_http)
            actor.pool.generation += operation in CORRECTS
            told.append(self.shared(answer))
            if actor is self.one:
                self.asked += str(fields)
        self.check_nothing_leaked(operation, fields)
        # A page's token has the instant that its pages are of, when one had done another part of its steps than who is alone.
        if operation not in SETTLES and not (kind or "").startswith("token "):
            assert told[0] == told[1], (operation, kind, seed, over_http, fields)

    def shared(self, answer):
        names = (self.one_name, self.other_name, self.alone_name)
        return shared(answer, self.began_at, {NEVER: FOREIGN, **dict.fromkeys(names, "<tenant>")})

    def check_nothing_leaked(self, operation, fields):
        """Of the other one is told nothing but what it has asked with, which its audit log has, too, or what who is alone is told:
        a page's token is a digest of the request and a place, and the same for the same pages.
        """
        assert "FOREIGN" not in self.one.told, (operation, fields, self.one.told)
        for kind, given in self.own.given.items():
            # Lines of the same charge have the same id, whoever has the charge.
            if kind not in ("line", "delivery"):
                known = self.asked + self.alone.told if kind.startswith("token ") else self.asked
                leaked = [each for each in given if each in self.one.told and each not in known]
                assert not leaked, (operation, fields, kind, leaked, self.one.told)

    def settle(self):
        """What the background makes comes to the same."""
        until = time.monotonic() + 60
        while (told := [self._settled(actor) for actor in (self.one, self.alone)]) and told[0] != told[1]:
            assert time.monotonic() < until, told
            time.sleep(0.2)

    def _settled(self, actor):
        listings = [
            ("EventService.ListProblems", {"page_size": 1_000}, "problems"),
            *(
                (
                    "WebhookService.ListWebhookDeliveries",
                    {"endpoint_id": each, "page_size": 1_000},
                    "deliveries",
                )
                for each in actor.pool.given["endpoint"]
            ),
        ]
        found = [
            sorted(map(self.shared, actor.call(name, fields).get(rows, [])))
            for name, fields, rows in listings
        ]
        reached = actor.call("AlertService.ListAlertCrossings", {"page_size": 1_000, "reached_only": True})
        names = ("alert_id", "customer_id", "threshold", "period_start")
        found.append(
            sorted(
                self.shared({name: each.get(name) for name in names})
                for each in reached.get("alert_crossings", [])
            )
        )
        return found


def never(kind, given):
    """An id of the same form that nobody was given; a page's place is the same whoever asks."""
    if kind.startswith("token "):
        return given
    if kind == "delivery":
        return str(int(given) + 10**9)
    return re.sub(r"[0-9a-f](?=[0-9a-f]{3})", lambda digit: f"{int(digit[0], 16) ^ 5:x}", given)


def kinds_of(operation):
    """Which kinds of ids it takes, each with a seed of a request that does."""
    found = {}
    for seed in range(60):
        names = Names(Pool(SHARED, "plain", "2026-01-01T00:00:00Z"))
        REQUESTS[operation](names, random.Random(seed))
        for kind in names.kinds:
            found.setdefault(kind, []).append(seed)
    return found


@pytest.mark.parametrize("number", numbered(1, 60))
def test_a_tenant_sees_the_same_with_a_neighbour_as_alone(tenant, seed, number):
    """Every answer and every refusal of one, while another does as it likes with the same ids; and whatever one asks for that the
    other has is not there.
    """
    print(f"METERLINE_SEED={seed}")
    dice = random.Random(f"{seed}-{number}")
    # The short form asks everything once, and with everything of the other; the long form more, beside more.
    more, beside = (60, 0.5) if number else (0, 0.2)
    # In the short form an erasure is only tried.
    history = History(tenant, dice, erases=number > 0)
    for place, operation in enumerate(FIRST):
        history.other_step(operation, place, own=True)
        history.other_step(operation, place, own=False)
        history.step(operation, place)
    # The other has pages to go on with, too.
    for operation in REQUESTS:
        if f"token {operation}" in kinds_of(operation):
            history.other_step(operation, dice.randrange(1_000))
    steps = [(operation, dice.randrange(1_000), None) for operation in REQUESTS]
    steps += [(dice.choice(list(REQUESTS)), dice.randrange(1_000), None) for _ in range(more)]
    for operation in REQUESTS:
        steps += [(operation, dice.choice(seeds), kind) for kind, seeds in kinds_of(operation).items()]
    dice.shuffle(steps)
    for step in steps:
        if dice.random() < beside:
            history.other_step(dice.choice([*REQUESTS, "UsageService.RecordUsage"]), dice.randrange(1_000))
        history.step(*step)
    history.settle()
    check_replays(history)
    check_operators(history)


def check_replays(history):
    """Deliveries are known once all is settled: one replays its own, and none of the other's, on neither's endpoint."""
    for actor in (history.one, history.alone, history.other):
        for endpoint in actor.pool.given["endpoint"]:
            answer = actor.call(
                "WebhookService.ListWebhookDeliveries", {"endpoint_id": endpoint, "page_size": 1_000}
            )
            actor.pool.given["delivery"] += [each["number"] for each in answer.get("deliveries", [])]
    replay = "WebhookService.ReplayWebhookDelivery"
    for kind in ("delivery", "endpoint"):
        for seed in range(3):
            history.step(replay, seed, kind)


def check_operators(history):
    """What is for who runs the engine is refused a tenant, in the same words of itself, of the other and of nobody."""
    names = (history.one_name, history.other_name, "nobody")
    for operation, fields in OPERATORS.items():
        for over_http in (False, True):
            said = {
                str(
                    history.one.call(
                        operation,
                        {key: value.replace("TENANT", name) for key, value in fields.items()},
                        over_http=over_http,
                    )
                )
                for name in names
            }
            assert len(said) == 1
            assert "'operate'" in said.pop()
