"""BillingSettingsService: when a tenant's billing periods are closed, and by whom."""

from collections.abc import Callable
from typing import Final

from engine.api.operation import Call
from engine.billing.automatic.billing_settings import BillingSettings, BillingSettingsStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1 import billing_settings_pb2 as pb

GRACE_S_MAX: Final = 31_536_000
"""A year: a period that is closed later than the next one of its kind has no use."""
_US: Final = 1_000_000
_AUTOMATIC: Final = {
    pb.CLOSING_MODE_UNSPECIFIED: None,
    pb.CLOSING_MODE_MANUAL: False,
    pb.CLOSING_MODE_AUTOMATIC: True,
}


class BillingSettingsService:
    """Shows the settings of a tenant, and changes them."""

    def __init__(self, settings: BillingSettingsStore, now_us: Callable[[], int]) -> None:
        self._settings = settings
        self._now_us = now_us

    def get_billing_settings(
        self, request: pb.GetBillingSettingsRequest, call: Call
    ) -> pb.GetBillingSettingsResponse:
        del request
        return pb.GetBillingSettingsResponse(settings=_message(self._settings.of(call.tenant)))

    def update_billing_settings(
        self, request: pb.UpdateBillingSettingsRequest, call: Call
    ) -> pb.UpdateBillingSettingsResponse:
        if request.closing_mode not in _AUTOMATIC:
            raise InvalidRequestError(
                FieldMistake("closing_mode", f"is {request.closing_mode}, which is not a mode")
            )
        check_grace(request.grace_s)
        automatic = _AUTOMATIC[request.closing_mode]
        if automatic is None and not (request.HasField("grace_s") or request.HasField("review")):
            raise InvalidRequestError(
                FieldMistake("closing_mode", "is missing, and so are grace_s and review: give one")
            )
        changed = self._settings.change(
            call.tenant,
            grace_us=request.grace_s * _US if request.HasField("grace_s") else None,
            automatic=automatic,
            since_us=optional_us(request, "closed_since"),
            now_us=self._now_us(),
            reviewed=request.review if request.HasField("review") else None,
        )
        return pb.UpdateBillingSettingsResponse(settings=_message(changed))


def check_grace(grace_s: int) -> None:
    """Raises InvalidRequestError."""
    if grace_s > GRACE_S_MAX:
        raise InvalidRequestError(FieldMistake("grace_s", f"is {grace_s}: at most {GRACE_S_MAX}"))


def _message(settings: BillingSettings) -> pb.BillingSettings:
    mode = pb.CLOSING_MODE_AUTOMATIC if settings.is_automatic else pb.CLOSING_MODE_MANUAL
    found = pb.BillingSettings(
        closing_mode=mode,
        grace_s=settings.grace_us // _US,
        open_customer_count=settings.open_customer_count if settings.is_automatic else 0,
        review=settings.is_reviewed,
        draft_count=settings.draft_count,
    )
    for name in ("closed_until", "open_since"):
        at_us = getattr(settings, f"{name}_us")
        if settings.is_automatic and at_us is not None:
            getattr(found, name).CopyFrom(to_timestamp(at_us))
    return found
