"""Whether features may be used, and why not. Pure.

Rules:
1. A feature that is not a limit may be used if the customer has it.
2. A limit may be used while something remains of each hard limit of its id: its bound, less what is used and what is
   reserved. A soft limit never refuses; it says that it is reached.
3. Of a limit of spend with a line that can't be rated nothing remains for sure: a hard one refuses.
4. While the engine can't be reached, a limit may be used if all of its id are open then; any other feature, if it could be
   used when the engine was asked last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from engine.entitlements.entitled import Entitled, HeldLimit
from rating import EXACT

_ZERO = Decimal(0)


class AccessRefusal(Enum):
    """Why a feature may not be used."""

    UNKNOWN_FEATURE = auto()
    NO_SUBSCRIPTION = auto()
    NOT_INCLUDED = auto()
    LIMIT_REACHED = auto()
    SPEND_UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """used: None where it is not known (rule 3). reserved: what running work holds."""

    held: HeldLimit
    used: Decimal | None
    reserved: Decimal

    @property
    def remaining(self) -> Decimal | None:
        """0 or more."""
        if self.used is None:
            return None
        taken = EXACT.add(self.used, self.reserved)
        return max(EXACT.subtract(self.held.limit.bound, taken), _ZERO)

    @property
    def is_reached(self) -> bool:
        return self.remaining is None or self.remaining == 0

    def has_room_for(self, quantity: Decimal) -> bool:
        """Whether so much more stays within the bound."""
        return self.remaining is not None and quantity <= self.remaining


@dataclass(frozen=True, slots=True)
class FeatureAccess:
    """refusal: None if the feature may be used. value: what configures it; empty for one that nothing does."""

    feature: str
    refusal: AccessRefusal | None
    value: str
    limits: Sequence[LimitStatus]
    allowed_when_unreachable: bool


def access_to(
    names: Iterable[str],
    entitled: Entitled,
    used: Mapping[HeldLimit, Decimal | None],
    reserved: Mapping[str, Decimal],
) -> list[FeatureAccess]:
    """To each of these features. `reserved`: by the ids of limits."""
    return [_access(name, entitled, used, reserved.get(name, _ZERO)) for name in names]


def _access(
    name: str, entitled: Entitled, used: Mapping[HeldLimit, Decimal | None], reserved: Decimal
) -> FeatureAccess:
    if held := entitled.limits_of(name):
        limits = [LimitStatus(each, used[each], reserved) for each in held]
        opens = all(each.limit.opens_when_unreachable for each in held)
        return FeatureAccess(name, _limited(limits), "", limits, opens)
    value = entitled.features.get(name, False)
    if value is not False:
        return FeatureAccess(name, None, value if isinstance(value, str) else "", (), True)
    return FeatureAccess(name, _missing(name, entitled), "", (), False)


def _limited(limits: Sequence[LimitStatus]) -> AccessRefusal | None:
    hard = [each for each in limits if each.held.limit.is_hard]
    if any(each.used is None for each in hard):
        return AccessRefusal.SPEND_UNKNOWN
    return AccessRefusal.LIMIT_REACHED if any(each.is_reached for each in hard) else None


def _missing(name: str, entitled: Entitled) -> AccessRefusal:
    if name not in entitled.known and name not in entitled.features:
        return AccessRefusal.UNKNOWN_FEATURE
    return AccessRefusal.NOT_INCLUDED if entitled.has_subscription else AccessRefusal.NO_SUBSCRIPTION
