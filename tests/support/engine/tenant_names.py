"""What a tenant can name in a request.

Names are of two sorts: those that a tenant chooses, which begin with its mark, and those that the engine has given it, which
its calls have found in answers. One kind of either may be lent by somebody else.
"""

from collections import defaultdict

DOCUMENT = """
meters:
  - {id: MARK_tokens, event_type: MARK.call, aggregation: sum, value: tokens, group_by: [model]}
plans:
  - id: MARK_plan
    name: PRIVATE plan
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - id: tokens
        meter: MARK_tokens
        model: graduated
        tiers: [{up_to: "1000", unit_amount: "PRICE"}, {unit_amount: "0.0025"}]
    features: {sso: true}
    limits: [{id: quota, meter: MARK_tokens, quantity: 5000}]
customers:
  - {id: MARK_acme, name: PRIVATE Acme}
  - {id: MARK_bolt, name: PRIVATE Bolt}
  - {id: MARK_gone, name: PRIVATE Gone}
subscriptions:
  - {id: MARK_sub0, customer: MARK_acme, plan: MARK_plan, start: 2025-06-01}
  - {id: MARK_sub1, customer: MARK_bolt, plan: MARK_plan, start: 2025-06-01}
alerts:
  - {id: MARK_alert0, name: PRIVATE busy, measure: usage, meter: MARK_tokens, thresholds: [100]}
"""


class Pool:
    """A tenant's names. `mark`: what those that it chose begin with. `text`: what stands in every name and reason that it writes.
    `given`: ids from the engine, by their kind. `generation`: how often events were corrected; later ones get other ids, as a
    gateway hears some seconds late of what was done to an id that it knows. `erases`: whether customers are erased, which takes
    the engine seconds each, or that is only tried.
    """

    def __init__(self, mark, text, now, *, erases=False):
        self.erases = erases
        self.mark, self.text, self.now = mark, text, now
        self.given = defaultdict(list)
        self.generation = 0


class Names:
    """What one request may name. `lent`: the pool that names of this one kind come from. `kinds`: those that were asked for."""

    def __init__(self, pool, lent=None, kind=None):
        self._pool, self._lent, self._kind = pool, lent, kind
        self.kinds = set()
        self.text, self.now, self.erases = pool.text, pool.now, pool.erases

    def _of(self, kind):
        self.kinds.add(kind)
        return self._lent if kind == self._kind else self._pool

    def chosen(self, kind, suffix):
        return f"{self._of(kind).mark}_{suffix}"

    def given(self, kind, dice):
        found, place = self._of(kind).given[kind], dice.randrange(1_000)
        return found[place % len(found)] if found else "0" * (3 if kind == "delivery" else 32)

    def token(self, operation, dice):
        """Mostly none."""
        kind, is_wanted = f"token {operation}", dice.random() < 0.3
        if not is_wanted and self._kind != kind:
            # It counts as one that may be lent all the same.
            self.kinds.add(kind)
            return ""
        found = self._of(kind).given[kind]
        return found[-1] if found else ""

    def customer(self, dice):
        return self.chosen("customer", dice.choice(["acme"] * 3 + ["bolt"] * 2 + ["gone"]))

    def newcomer(self, dice):
        return self.chosen("customer", f"new{dice.randrange(3)}")

    @property
    def plan(self):
        return self.chosen("plan", "plan")

    @property
    def meter(self):
        return self.chosen("meter", "tokens")

    def subscription(self, dice):
        return self.chosen("subscription", f"sub{dice.randrange(4)}")

    def event(self, dice):
        return self.chosen("event", f"e{dice.randrange(6)}.{self._pool.generation}")

    def correction(self, dice):
        return self.chosen("correction", f"c{dice.randrange(4)}")

    def reservation(self, dice):
        """Its id, and whose it is: of each the same customer's."""
        number = dice.randrange(4)
        customer = self.chosen("customer", ("acme", "bolt")[number % 2])
        return {"reservation_id": self.chosen("reservation", f"r{number}"), "customer_id": customer}

    def repeatable(self, dice):
        """An idempotency key, which may have been used for something else."""
        if dice.random() < 0.6:
            return {}
        return {"idempotency_key": self.chosen("idempotency key", f"k{dice.randrange(6)}")}

    def item(self, dice):
        return self.chosen("invoice item", f"item{dice.randrange(4)}")

    def payment(self, dice):
        return self.chosen("payment", f"p{dice.randrange(4)}")

    def document(self, dice):
        """Of a pool's own mark, or of the one that is lent."""
        mark = self.chosen("document", "").removesuffix("_")
        text = DOCUMENT.replace("MARK", mark).replace("PRIVATE", self.text)
        return text.replace("PRICE", f"0.0{1 + dice.randrange(3)}")

    def resource(self, dice):
        """A kind, and the id of one."""
        return dice.choice(
            [
                {"kind": "customer", "id": self.newcomer(dice)},
                {"kind": "customer", "id": self.customer(dice)},
                {"kind": "subscription", "id": self.subscription(dice)},
                {"kind": "plan", "id": self.plan},
                {"kind": "meter", "id": self.meter},
            ]
        )
