"""Requests that other sites make through a browser are refused, and no page can be framed."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from own_loop import run_async

from bench.support.browser import serving
from gnomon.dashboard.auth.roles import Access
from gnomon.dashboard.server.launch import LOOPBACK, server_hosts
from gnomon.dashboard.server.request_guard import RequestGuard, host_name

pytestmark = pytest.mark.attack

STRANGERS = [
    "evil.example", "evil.example:8501", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "",
    "127.0.0.1@evil", "evil@127.0.0.1", "127.0.0.1:x", "[::1", "127.0.0.1/..", "127.0.0.1, evil.example", "2130706433",
]  # fmt: skip
OWN = ["127.0.0.1", "127.0.0.1:8501", "localhost:1", "LOCALHOST", "localhost.", "[::1]:8501"]


async def _inner(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOWALL")]})
        await send({"type": "http.response.body", "body": b"a transcript"})
    else:
        await send({"type": "websocket.accept"})


def asked(kind: str, path: str = "/label", hosts=LOOPBACK, **headers: str | list[str]) -> list[dict]:
    """What a guarded server sends back."""
    sent = []
    pairs = [(name, value) for name, each in headers.items() for value in ([each] if isinstance(each, str) else each)]
    scope = {"type": kind, "path": path, "headers": [(name.encode(), value.encode()) for name, value in pairs]}

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    run_async(RequestGuard(_inner, hosts)(scope, receive, send))
    return sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", STRANGERS)
def test_a_name_of_another_site_is_refused_though_it_leads_to_this_machine(kind, host):
    first = asked(kind, host=host, origin=f"http://{host}")[0]
    assert first.get("status", first.get("code")) in (403, 1008)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", OWN)
def test_this_machines_own_names_are_answered(kind, host):
    first = asked(kind, host=host, origin=f"http://{host}")[0]
    assert first["type"] in ("http.response.start", "websocket.accept")
    assert first.get("status", 200) == 200


@pytest.mark.parametrize(
    "origin", ["http://localhost:9999", "http://evil.example", "null", "file://", "http://127.0.0.1"]
)
def test_a_page_of_another_origin_opens_no_connection(origin):
    [closed] = asked("websocket", host="127.0.0.1:8501", origin=origin)
    assert closed["type"] == "websocket.close"


def test_two_hosts_or_none_are_refused():
    assert asked("http", host=["127.0.0.1", "evil.example"])[0]["status"] == 403
    assert asked("http")[0]["status"] == 403


def test_every_answer_forbids_frames_and_a_refusal_too():
    for host in ("127.0.0.1", "evil.example"):
        headers = asked("http", host=host)[0]["headers"]
        assert (b"content-security-policy", b"frame-ancestors 'none'") in headers
        assert [value for name, value in headers if name == b"x-frame-options"] == [b"DENY"]


def test_health_is_answered_under_any_name():
    assert asked("http", "/_stcore/health", host="10.0.0.7:8501")[0]["status"] == 200


def test_with_a_login_the_public_name_is_one_of_the_servers(tmp_path):
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(
        '[auth]\nredirect_uri = "https://Gnomon.lab.example:444/oauth2callback"\ncookie_secret = "c"\nclient_id = "i"\n'
        'client_secret = "s"\nserver_metadata_url = "https://a.example"\n'
    )
    hosts = server_hosts(Access("oidc", {"a@lab.example": "rater"}), "10.0.0.7", secrets, ["proxy.lab.example"])
    assert hosts == [*LOOPBACK, "10.0.0.7", "gnomon.lab.example", "proxy.lab.example"]
    assert server_hosts(Access(), "127.0.0.1", tmp_path / "none") == [*LOOPBACK]
    assert host_name("Gnomon.lab.example:444") == "gnomon.lab.example"


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[str]:
    with serving({"a": "sqlite://"}, tmp_path_factory.mktemp("guarded") / "log.txt") as address:
        yield address


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize(("host", "wanted"), [("evil.example", 403), (None, 0)])
def test_the_server_that_runs_is_guarded(served, host, wanted, upgrade):
    place = urlsplit(served)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    host = f"{host or place.hostname}:{place.port}"
    headers = {"Host": host}
    if upgrade:
        headers |= {
            "Origin": f"http://{host}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "streamlit",
        }  # fmt: skip
    connection.request("GET", "/_stcore/stream" if upgrade else "/label?rater=Framed", headers=headers)
    answer = connection.getresponse()
    assert answer.status == (wanted or (101 if upgrade else 200))
    if not upgrade:
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    connection.close()
