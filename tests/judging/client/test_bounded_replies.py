"""What a judge's server sends becomes bounded memory, whatever it packs; nothing packed is asked for."""

from __future__ import annotations

import gzip
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx2
import pytest
from own_loop import run_async

from gnomon.judging.client.call_errors import CallFailedError, retry_after
from gnomon.judging.client.completion import read_response
from gnomon.judging.client.connection_pool import http_client
from gnomon.judging.config import JudgeConfig

pytestmark = pytest.mark.attack
CONFIG = JudgeConfig(name="m", kind="openai", base_url="http://127.0.0.1/v1", model="x")
BODIES = {
    "/gzip": ("gzip", gzip.compress(b'{"a": 1}' + b" " * 10_000)),
    "/deflate": ("deflate", zlib.compress(b'{"a": 1}')),
    "/bomb": ("gzip", gzip.compress(b" " * 50_000_000, 9)),
    "/files/content": ("gzip", gzip.compress(b" " * 5_000_000, 9)),
    "/damaged": ("gzip", b"\x1f\x8b and no more"),
    "/twice": ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
    "/br": ("br", b"x"),
}


@pytest.fixture(scope="module")
def address():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            packing, body = BODIES[self.path]
            self.send_response(200)
            self.send_header("Content-Encoding", packing)
            self.send_header("X-Asked", self.headers.get("Accept-Encoding", ""))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url):
    async def once():
        async with http_client(1) as client:
            return await client.get(url)

    return run_async(once())


def test_nothing_packed_is_asked_for_and_what_is_packed_is_read(address):
    reply = get(f"{address}/gzip")
    assert reply.headers["X-Asked"] == "identity"
    assert reply.json() == get(f"{address}/deflate").json() == {"a": 1}


def test_a_few_packed_bytes_that_become_many_are_refused_before_they_do(address):
    with pytest.raises(httpx2.ReadError, match=r"has more than 4,000,000 bytes: .* GNOMON_MAX_REPLY_BYTES"):
        get(f"{address}/bomb")
    assert len(get(f"{address}/files/content").content) == 5_000_000


@pytest.mark.parametrize("path", ["damaged", "twice", "br"])
def test_what_cannot_be_unpacked_is_told(address, path):
    with pytest.raises(httpx2.DecodingError, match="the answer is packed"):
        get(f"{address}/{path}")


@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 99 Jan 2020 99:99:99 GMT", "1 Jan 0 0:0:0 +9999"]
)
def test_a_date_that_no_calendar_has_is_no_time_to_wait(date):
    assert retry_after({"retry-after": date}, 4e9) in (None, 0.0)


@pytest.mark.parametrize("body", [b'{"choices": [' + b"{}," * 300_000 + b"{}]}", b'{"choices": ' + b"[" * 5_000])
def test_a_reply_of_very_many_values_fails_its_call(body):
    with pytest.raises(CallFailedError, match=r"the answer .* GNOMON_MAX_"):
        read_response(body, CONFIG)
