"""Endpoints and a deliverer over a database, under a clock that a test moves."""

import secrets

from sqlalchemy import select

from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.outbox.webhooks.addresses import resolve
from engine.outbox.webhooks.deliverer import Deliverer, Surrounding
from engine.outbox.webhooks.deliveries import DeliveryState, deliveries_before, replay
from engine.outbox.webhooks.endpoints import WebhookEndpoints
from engine.outbox.webhooks.posting import Poster
from engine.sql.schema import WEBHOOK_ATTEMPTS

KEY = bytes(range(32))
DAY_US = 86_400_000_000
START_US = 1_800_000_000_000_000


class WebhookWorld:
    """`post` replaces the network. `chance` is what jitter is made of."""

    def __init__(self, database, post=None, deadline_s=5.0):
        self.database = database
        self.now_us = START_US
        self.chance = 0.0
        poster = post or Poster(allow_private=True, deadline_s=deadline_s)
        around = Surrounding(poster, lambda: self.now_us, lambda: self.chance, lambda: False)
        self.endpoints = WebhookEndpoints(
            database, KEY, lambda: self.now_us, secrets.token_hex, resolve, allow_private=True
        )
        self.deliverer = Deliverer(database, KEY, around)

    def endpoint(self, url, *fact_types, tenant="t"):
        return self.endpoints.create(tenant, url, fact_types or ("*",), "", "key:ann")

    def tell(self, *named, tenant="t", fact_type=FactType.CUSTOMER_CHANGED):
        """A fact of each (object, step)."""
        facts = [Fact(fact_type, "customer", name, {"id": name, "step": step}) for name, step in named]
        with self.database.writing() as connection:
            record_facts(connection, tenant, facts, self.now_us)

    def deliver(self, seconds=0):
        self.now_us += seconds * 1_000_000
        self.deliverer.next_pass()

    def deliveries(self, endpoint_id):
        """Of the oldest fact first."""
        with self.database.reading() as connection:
            return deliveries_before(connection, endpoint_id, None, None, 1_000)[::-1]

    def replay(self, endpoint_id, number):
        with self.database.writing() as connection:
            replay(connection, endpoint_id, number, self.now_us)

    def attempts(self):
        wanted = select(WEBHOOK_ATTEMPTS).order_by(WEBHOOK_ATTEMPTS.c.number, WEBHOOK_ATTEMPTS.c.attempt)
        with self.database.reading() as connection:
            return connection.execute(wanted).all()

    def states(self, endpoint_id):
        return [each.state for each in self.deliveries(endpoint_id)]


PENDING, DELIVERED, DEAD = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.DEAD
