"""A scripted server that speaks the protocol over real sockets, as well or as badly as a test asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FACTS = {"claims": False, "concept": "none", "coherent": True, "refused": False, "claims_quote": "nothing"}


@dataclass
class Answer:
    """What the server sends back: a reply text in the protocol's wrapping, or `raw` bytes as they are."""

    text: str = json.dumps(FACTS)
    status: int = 200
    finish: str = "stop"
    refusal: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    kind: str = "application/json"
    hang_up: bool = False

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        message = {"role": "assistant", "content": None if self.refusal else self.text, "refusal": self.refusal}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        whole = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(whole).encode()


def failure(status: int, message: str = "broken", **more: Any) -> Answer:
    """An error in the protocol's form."""
    headers = more.pop("headers", {})
    return Answer(status=status, raw=json.dumps({"error": {"message": message, **more}}).encode(), headers=headers)


def obeying(request: dict[str, Any]) -> Answer:
    """A server that enforces schemas: of a one-value enum it can only give that value."""
    schema = request["response_format"]["json_schema"]["schema"]
    if "token" in schema["properties"]:
        return Answer(json.dumps({"token": schema["properties"]["token"]["enum"][0]}))
    return Answer()


def ignoring(request: dict[str, Any]) -> Answer:
    """A server that ignores schemas."""
    is_probe = len(request["messages"]) == 1
    return Answer("ready") if is_probe else Answer()


class _Http(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that hung up is part of the tests."""


class Server:
    """The script decides by the request's body; every request and its headers are kept."""

    def __init__(self) -> None:
        self.script: Callable[[dict[str, Any]], Answer] = ignoring
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = _Http(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def judged(self) -> list[dict[str, Any]]:
        """Requests that carried a transcript."""
        return [request for request in self.requests if len(request["messages"]) > 1]

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.owner.lock:
            self.owner.requests.append(body)
            self.owner.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = self.owner.script(body)
        if answer.hang_up:
            self.close_connection = True
            return
        content = answer.body()
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, "Content-Length": str(len(content)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
