"""HTTP connections of one judge: many small pools instead of one large one, and responses of bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import cycle
from urllib.request import getproxies

import httpx2  # the SDK's own HTTP library: its transports, responses and streams
from openai import DefaultAsyncHttpxClient

MOST = 64
LARGEST = 4_000_000
UNBOUNDED = "/content"


def http_client(concurrency: int, *, sends_key: bool = True) -> httpx2.AsyncClient:
    """An HTTP client for a number of simultaneous calls.

    A pool scans its idle connections before every request, which with hundreds of simultaneous calls takes longer than
    the request itself. Calls are therefore distributed over pools of about one connection each. Behind a proxy there is
    only one pool, because the library reads the proxy settings of the environment only for its own default pool.

    Parameters
    ----------
    concurrency : int
        Simultaneous calls.
    sends_key : bool
        Whether the header with the SDK's key is sent; the SDK does not go without one.
    """
    transport = None if getproxies() else PooledTransport(min(concurrency, MOST))
    return DefaultAsyncHttpxClient(
        transport=transport, event_hooks={"request": [] if sends_key else [_drop_key], "response": [_bounded_response]}
    )


class PooledTransport(httpx2.AsyncBaseTransport):
    """Distributes requests over `pools` pools in turn."""

    def __init__(self, pools: int) -> None:
        context = httpx2.create_ssl_context()  # once: it reads all certificates
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        self._pools = [httpx2.AsyncHTTPTransport(verify=context, limits=limits) for _ in range(pools)]
        self._next = cycle(self._pools)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request through the next pool."""
        return await next(self._next).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.aclose()


async def _drop_key(request: httpx2.Request) -> None:
    del request.headers["Authorization"]


async def _bounded_response(response: httpx2.Response) -> None:
    """Limit the bytes that are read of a response, since a server may never stop sending. Batch files are exempt."""
    stream = response.stream
    if isinstance(stream, httpx2.AsyncByteStream) and not response.request.url.path.endswith(UNBOUNDED):
        response.stream = _BoundedStream(stream)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._inner:
            seen += len(chunk)
            if seen > LARGEST:
                raise httpx2.ReadError(f"the answer is longer than {LARGEST:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
