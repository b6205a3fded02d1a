"""A real OpenID Connect provider on the loopback address: discovery, codes for tokens, signed with a key of its own.

It has no passwords: who logs in is what the browser's cookie `account` says, as if that account were logged in there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "gnomon", "a secret of the tests"


@contextmanager
def provider() -> Iterator[str]:
    """Address of a running provider."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})  # type: ignore[attr-defined]
    server.codes = {}  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """The provider's endpoints."""

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        if where.path == "/authorize":
            self._authorize({name: values[0] for name, values in parse_qs(where.query).items()})
        elif where.path == "/jwks":
            self._say({"keys": [self.server.key.as_dict(private=False)]})
        else:
            self._say(self._about())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        claims = self.server.codes.pop(form["code"][0])
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.server.key)
        self._say({"access_token": uuid4().hex, "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _authorize(self, asked: dict[str, str]) -> None:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        account, _, doubt = cookies["account"].value.partition("/")
        now, code = int(time.time()), uuid4().hex
        self.server.codes[code] = {
            "iss": self._here(), "aud": CLIENT, "sub": account, "iat": now, "exp": now + 600, "nonce": asked["nonce"],
            "email": account, "email_verified": not doubt, "name": "somebody",
        }  # fmt: skip
        self.send_response(302)
        back = urlencode({"code": code, "state": asked["state"]})
        self.send_header("Location", f"{asked['redirect_uri']}?{back}")
        self.end_headers()

    def _about(self) -> dict[str, Any]:
        return {
            "issuer": self._here(), "authorization_endpoint": f"{self._here()}/authorize",
            "token_endpoint": f"{self._here()}/token", "jwks_uri": f"{self._here()}/jwks",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }  # fmt: skip

    def _here(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _say(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
