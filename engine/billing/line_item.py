"""Line items: rated charges with everything that explains them, one object for each that is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b

from engine.billing.charges import Charge
from rating import RatedLine


@dataclass(frozen=True, slots=True)
class LineItem:
    """A charge for one group of the meter's dimensions, and its rated amounts.

    rated: None for a line that its price can't rate: `unrateable_reason` says why, and is empty for every other.
    quantity: in the meter's unit, after its conversion.
    """

    charge: Charge
    dimensions: Mapping[str, str]
    quantity: Decimal
    rated: RatedLine | None
    unrateable_reason: str
    event_count: int
    event_digest: str
    unreadable_event_count: int
    missing_value_event_count: int

    @property
    def line_item_id(self) -> str:
        charge = self.charge
        return line_item_id(
            charge.subscription.id,
            charge.billed.price.id,
            tuple(self.dimensions.items()),
            charge.service.start.isoformat(),
        )


def line_item_id(
    subscription_id: str, price_id: str, dimensions: tuple[tuple[str, str], ...], service_start: str
) -> str:
    """128 bits, hex: the same for the same subscription, price, dimensions (in the meter's order) and start of the service."""
    key = (subscription_id, price_id, dimensions, service_start)
    return blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
