"""The client for asyncio."""

from meterline.aio.client import AsyncClient

__all__ = ["AsyncClient"]
