"""Listings: the pages of one snapshot, each asked for when the values of the one before are used up.

1. Every page is an answer of its own: between two pages nothing is open, here or in the engine, and a listing
   that is left in the middle needs no end.
2. A page that fails leaves the listing where it was: the next step asks for it again.
3. All pages are of one watermark and one catalog revision, or the listing ends with an error: lines of two
   snapshots have no sum.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from datetime import UTC, datetime
from typing import Generic, Protocol, Self, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from meterline.errors import ListingNotBegunError, RequestFailedError


class Request(Protocol):
    """Asks for a page."""

    page_token: str

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """The bytes of the wire."""


class Page(Protocol):
    """One answer."""

    catalog_revision: int
    next_page_token: str

    @property
    def as_of(self) -> Timestamp:
        """The watermark."""


_Page = TypeVar("_Page", bound=Page)
_Value = TypeVar("_Value")


class Pages(Generic[_Page, _Value]):
    """A listing as far as it was read, without I/O."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._values: Iterator[_Value] = iter(())
        self._newest: _Page | None = None

    @property
    def as_of(self) -> datetime:
        """The watermark: exactly the events ingested by then are in the listing."""
        return self._last_page().as_of.ToDatetime(tzinfo=UTC)

    @property
    def catalog_revision(self) -> int:
        """The revision of the catalog that the listing was made with."""
        return self._last_page().catalog_revision

    def _values_of(self, page: _Page) -> Iterator[_Value]:
        raise NotImplementedError

    def _next_request(self) -> bytes | None:
        """The request for the next page; None after the last one."""
        if self._newest is not None:
            if not self._newest.next_page_token:
                return None
            self._request.page_token = self._newest.next_page_token
        return self._request.SerializeToString()

    def _take(self, page: _Page) -> None:
        newest = self._newest
        if newest is not None and (newest.as_of, newest.catalog_revision) != (
            page.as_of,
            page.catalog_revision,
        ):
            raise RequestFailedError(
                f"the engine answered with pages of two snapshots, of {_snapshot(newest)} and of {_snapshot(page)}: "
                "start the listing anew",
                code=StatusCode.INTERNAL,
            )
        self._newest, self._values = page, self._values_of(page)

    def _last_page(self) -> _Page:
        if self._newest is None:
            raise ListingNotBegunError("the listing has no page yet: await it first, or take its first value")
        return self._newest


class Listing(Pages[_Page, _Value], Iterator[_Value]):
    """Iterates over the values of all pages. It is made with the first page; threads may share it."""

    def __init__(self, request: Request, ask: Callable[[bytes], _Page]) -> None:
        super().__init__(request)
        self._ask = ask
        self._lock = threading.Lock()
        self._read_page()

    def __next__(self) -> _Value:
        """The next value. Raises RequestFailedError: the step after it asks for the same page again."""
        with self._lock:
            while True:
                for value in self._values:
                    return value
                if not self._read_page():
                    raise StopIteration

    def _read_page(self) -> bool:
        payload = self._next_request()
        if payload is not None:
            self._take(self._ask(payload))
        return payload is not None


class AsyncListing(Pages[_Page, _Value], AsyncIterator[_Value]):
    """Iterates over the values of all pages, for `async for`; tasks of one loop may share it.

    `await` gives the listing itself, with its first page read.
    """

    def __init__(self, request: Request, ask: Callable[[bytes], Awaitable[_Page]]) -> None:
        super().__init__(request)
        self._ask = ask
        self._lock = asyncio.Lock()

    def __await__(self) -> Generator[object, None, Self]:
        return self._begun().__await__()

    async def __anext__(self) -> _Value:
        """The next value; see `Listing`. Cancelled: the read is broken off, and no value is lost."""
        async with self._lock:
            while True:
                for value in self._values:
                    return value
                if not await self._read_page():
                    raise StopAsyncIteration

    async def _begun(self) -> Self:
        async with self._lock:
            if self._newest is None:
                await self._read_page()
        return self

    async def _read_page(self) -> bool:
        payload = self._next_request()
        if payload is not None:
            self._take(await self._ask(payload))
        return payload is not None


def _snapshot(page: Page) -> str:
    return f"{page.as_of.ToJsonString()}, catalog revision {page.catalog_revision}"
