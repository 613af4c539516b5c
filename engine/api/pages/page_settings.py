"""Where the page is, and what its answers say to browsers about what they may do with it."""

from dataclasses import dataclass
from typing import Final

from engine.api.pages.visitor import Cookies

PAGE_HEADERS: Final = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Language, Cookie, Accept-Encoding",
}
DOCUMENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action {forms}; frame-ancestors {frames}"
)


@dataclass(frozen=True, slots=True)
class PageSettings:
    """path: where the page is, as browsers see it. frame_ancestors: the origins whose frames it may stand in; none: it may not."""

    path: str
    is_secure: bool
    frame_ancestors: str = ""

    @property
    def cookies(self) -> Cookies:
        return Cookies(self.path, self.is_secure, bool(self.frame_ancestors))

    def policy(self, *, has_form: bool = False) -> str:
        """has_form: whether the page has a form, which is sent to the engine alone."""
        forms = "'self'" if has_form else "'none'"
        return _POLICY.format(forms=forms, frames=self.frame_ancestors or "'none'")
