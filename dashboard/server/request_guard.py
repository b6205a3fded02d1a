"""Refuses requests that other sites make through a browser, and forbids every page to be framed (an ASGI layer).

A name of another site can be made to lead to this machine (DNS rebinding): its pages then count as this server's own,
and only the `Host` that the browser sends still shows where they came from.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = "/_stcore/health"
"""Answered under any name, and with nothing but `ok`: whatever watches over servers asks by address."""
HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
NAMES = {name for name, _ in HEADERS}
POLICY_VIOLATION = 1008


class RequestGuard:
    """Lets a request through only if its `Host` is one of the server's names, and its `Origin`, if any, that host.

    Parameters
    ----------
    app : ASGIApp
        The server's application.
    hosts : iterable of str
        Names and addresses of the server, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset(host_name(host) or host for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif problem := self._find_problem(scope):
            await _refuse(scope, receive, send, problem)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _find_problem(self, scope: Scope) -> str | None:
        if scope["type"] == "http" and scope["path"] == HEALTH:
            return None
        given = {name: [value for each, value in scope["headers"] if each == name] for name in (b"host", b"origin")}
        host = given[b"host"][0].decode("latin-1") if len(given[b"host"]) == 1 else ""
        if host_name(host) not in self.hosts:
            return "this server does not answer under that name: open the address that 'gnomon dashboard' printed"
        for origin in given[b"origin"]:
            if urlsplit(origin.decode("latin-1")).netloc.lower() != host.lower():
                return "another site's page may not use this server"
        return None


def host_name(host: str) -> str | None:
    """The name in a `Host` header, in lower case and without port and last dot; None if it is no such header."""
    try:
        parsed = urlsplit(f"//{host}")
        name, _ = parsed.hostname, parsed.port
    except ValueError:
        return None
    return name.rstrip(".") if name and parsed.netloc == host and "@" not in host else None


async def _refuse(scope: Scope, receive: Receive, send: Send, problem: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": problem})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"gnomon: {problem}\n".encode()})


def _with_headers(send: Send) -> Send:
    async def send_guarded(message: MutableMapping[str, Any] | Message) -> None:
        if message["type"] == "http.response.start":
            others = [(name, value) for name, value in message.get("headers", []) if name.lower() not in NAMES]
            message = {**message, "headers": [*others, *HEADERS]}
        await send(message)

    return send_guarded
