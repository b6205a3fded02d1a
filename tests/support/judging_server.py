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
    tokens: int = 11

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        message = {"role": "assistant", "content": None if self.refusal else self.text, "refusal": self.refusal}
        usage = {"prompt_tokens": self.tokens, "completion_tokens": 7, "total_tokens": self.tokens + 7}
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
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.office = Office(self)
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


class Office:
    """The server's Batch API: files, batches that end at the n-th look, answers by the script of single calls."""

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.patience = 1
        self.loses = 0
        self.ends = "completed"
        self.drops: Callable[[dict[str, Any]], bool] = lambda _: False
        self.refuses: Callable[[str], Answer | None] = lambda _: None

    def post(self, path: str, content: bytes, headers: Any) -> Answer:
        """A new file or a new batch."""
        if (refusal := self.refuses(path)) is not None:
            return refusal
        if path.endswith("/files"):
            mark = headers["Content-Type"].partition("boundary=")[2].encode()
            parts = [part for part in content.split(b"--" + mark) if b"filename=" in part]
            return self._file(parts[0].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))
        asked = json.loads(content)
        name = f"batch_{len(self.batches)}"
        about = {"object": "batch", "created_at": 1, "status": "in_progress", "errors": None}
        self.batches[name] = {"id": name, **about, **asked}
        if self.loses:
            self.loses -= 1
            return failure(500, "taken, but you will not hear of it")
        return self._told(self.batches[name])

    def get(self, path: str) -> Answer:
        """A file's content, one batch, or all of them."""
        if (refusal := self.refuses(path)) is not None:
            return refusal
        place = path.partition("?")[0].split("/")
        if place[-1] == "content":
            return Answer(raw=self.files[place[-2]], kind="application/octet-stream")
        if place[-1] == "batches":
            return self._told({"object": "list", "data": list(self.batches.values()), "has_more": False})
        batch = self.batches[place[-1]]
        self.looks[batch["id"]] = self.looks.get(batch["id"], 0) + 1
        if batch["status"] == "in_progress" and self.looks[batch["id"]] >= self.patience:
            self._finish(batch)
        return self._told(batch)

    def _finish(self, batch: dict[str, Any]) -> None:
        rows: list[str] = []
        lines = self.files[batch["input_file_id"]].decode().splitlines() if self.ends != "failed" else []
        for line in lines:
            asked = json.loads(line)
            if self.drops(asked):
                continue
            self.owner.requests.append(asked["body"])
            answer = self.owner.script(asked["body"])
            response = {"status_code": answer.status, "request_id": "r", "body": json.loads(answer.body())}
            rows.append(json.dumps({"id": "x", "custom_id": asked["custom_id"], "response": response, "error": None}))
        batch["output_file_id"] = self._store("\n".join(reversed(rows)).encode())
        batch["status"] = self.ends
        if self.ends == "failed":
            batch["errors"] = {"object": "list", "data": [{"message": "the file is not to our liking"}]}

    def _file(self, content: bytes) -> Answer:
        about = {"object": "file", "bytes": len(content), "created_at": 1, "filename": "f", "purpose": "batch"}
        return self._told({"id": self._store(content), "status": "processed", **about})

    def _store(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _told(self, value: dict[str, Any]) -> Answer:
        return Answer(raw=json.dumps(value).encode())


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self.owner.office.get(self.path))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.partition("?")[0].endswith("/chat/completions"):
            self._answer(self.owner.office.post(self.path, content, self.headers))
            return
        body = json.loads(content)
        with self.owner.lock:
            self.owner.requests.append(body)
            self.owner.paths.append(self.path)
            self.owner.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = self.owner.script(body)
        self._answer(answer)

    def _answer(self, answer: Answer) -> None:
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
