"""A tenant of its own on a shared engine, and commands that ask as it."""

from click.testing import CliRunner

from engine.cli import cli
from meterline import open_channel
from meterline.v1.access_pb2 import CreateTenantRequest
from meterline.v1.access_pb2_grpc import TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.engine.api_world import record


class TenantWorld:
    """Events are of the type call, with a value and a region."""

    def __init__(self, target, key, catalog):
        self._target, self._key = target, key
        self.channel = open_channel(target, api_key=key)
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=catalog), timeout=60)

    @classmethod
    def of(cls, engine, channel, test_name, catalog):
        """The tenant is called as the test is."""
        tenant = test_name.replace("_", "-")[5:45].strip("-")
        made = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant=tenant), timeout=60)
        return cls(engine.target, made.key_text, catalog)

    def use(self, event_id, customer, day, value, region, event_type="call"):
        event = UsageEvent(event_id=event_id, event_type=event_type, customer_id=customer)
        event.event_time.FromJsonString(f"{day}T12:00:00Z")
        for name, text in (("value", value), ("region", region)):
            event.properties[name].CopyFrom(PropertyValue(string_value=text))
        record(self.channel, event)

    def run(self, *words, code=0):
        words = [*words, "--target", self._target]
        done = CliRunner().invoke(cli, words, env={"METERLINE_API_KEY": self._key})
        assert done.exit_code == code, (done.output, done.exception)
        return done

    def said(self, *words, code=0):
        """Lines of standard output, each as its words; without the last, the watermark."""
        return [line.split() for line in self.run(*words, code=code).stdout.splitlines()]
