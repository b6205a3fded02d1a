"""HTTP connections of one judge: many small pools instead of one large one, and responses of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from itertools import cycle
from urllib.request import getproxies

import httpx2  # the SDK's own HTTP library: its transports, responses and streams
from openai import DefaultAsyncHttpxClient

from gnomon.data.foreign_documents.bounds import REPLY, REPLY_FILE, Bound

MOST = 64
FILE_CONTENT = "/content"
"""End of the path of a Batch API's files, which are larger than a reply."""


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
        transport=transport,
        headers={"Accept-Encoding": "identity"},
        follow_redirects=False,  # prompts go to the server that the study file names, and to no other
        event_hooks={"request": [] if sends_key else [_drop_key], "response": [_bounded_response]},
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
    """Limit the bytes of a response, unpacked: a server may never stop sending, and few packed bytes become many.

    Nothing packed is asked for. What a server packs all the same is unpacked here, within the bound.
    """
    stream = response.stream
    if not isinstance(stream, httpx2.AsyncByteStream):
        return
    bound = REPLY_FILE if response.request.url.path.endswith(FILE_CONTENT) else REPLY
    packing = response.headers.pop("content-encoding", "identity").strip().lower()
    if packing in ("gzip", "x-gzip", "deflate"):
        response.headers.pop("content-length", None)
        response.stream = _BoundedStream(stream, bound, zlib.decompressobj(wbits=zlib.MAX_WBITS | 32))
    elif packing in ("", "identity"):
        response.stream = _BoundedStream(stream, bound)
    else:
        raise httpx2.DecodingError(f"the answer is packed as {packing[:20]}, which was not asked for")


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, bound: Bound, unpacker: zlib._Decompress | None = None) -> None:
        self._inner = inner
        self._bound = bound
        self._unpacker = unpacker

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen, most = 0, self._bound.most
        async for chunk in self._inner:
            content = self._unpack(chunk, most - seen + 1) if self._unpacker else chunk
            seen += len(content)
            if seen > most:
                raise httpx2.ReadError(f"the answer {self._bound.refusal}")
            yield content

    def _unpack(self, chunk: bytes, most: int) -> bytes:
        try:
            return self._unpacker.decompress(chunk, most) if self._unpacker else chunk
        except zlib.error as error:
            raise httpx2.DecodingError(f"the answer is packed and damaged ({error})") from None

    async def aclose(self) -> None:
        await self._inner.aclose()
