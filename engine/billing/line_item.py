"""Line items: rated charges with everything that explains them."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from engine.billing.periods import Period
from engine.catalog.resources import Meter, Plan, PlanPrice, Subscription
from engine.catalog.versions import Versioned
from rating import RatedLine


@dataclass(frozen=True, slots=True)
class Charge:
    """What must be rated: one price of a subscription over one billing period. No meter: a flat price."""

    subscription: Subscription
    plan: Plan
    plan_version: int
    price: PlanPrice
    price_version: int
    meter: Versioned[Meter] | None
    period: Period


@dataclass(frozen=True, slots=True)
class LineItem:
    """A charge for one group of the meter's dimensions, and its rated amounts."""

    charge: Charge
    dimensions: Mapping[str, str]
    rated: RatedLine
    event_count: int
    event_digest: str
    unreadable_event_count: int
    missing_value_event_count: int

    @property
    def line_item_id(self) -> str:
        """128 bits, hex: the same for the same subscription, price, dimensions and period."""
        charge = self.charge
        key = (
            charge.subscription.id,
            charge.price.id,
            tuple(self.dimensions.items()),
            charge.period.start.isoformat(),
        )
        return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
