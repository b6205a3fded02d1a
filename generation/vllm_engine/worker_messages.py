"""Messages between Gnomon and vLLM's process: JSON with bytes beside it, over a socket. Both sides use this module.

Nothing is pickled: what arrives is data, never code. The module needs neither vLLM nor torch.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SIZE = struct.Struct("<Q")
STARTED, ANSWERS, FAILED, DROPPED = "started", "answers", "failed", "dropped"
"""What the process says: it has loaded the model, answers, why it ends, that it has dropped all requests."""
VECTORS, REQUESTS, DROP = "vectors", "requests", "drop"
"""What it is told: vectors to hold and to forget, requests, to drop all requests."""


@dataclass(frozen=True)
class WorkerSettings:
    """How vLLM loads a model.

    Attributes
    ----------
    model : str
        Folder or hub name.
    dtype : str
        Number format of weights and activations.
    rows : int
        Rows that run together.
    columns : int
        Positions of the longest row, with the token that is chosen and never read back.
    layers, width : int
        Blocks of the model and width of its residual stream, as its configuration says.
    trust_remote_code : bool
        Whether Python files of the model are run.
    tensor_parallel : int
        Number of GPUs over which each block is distributed; 0 for all of the machine.
    """

    model: str
    dtype: str
    rows: int
    columns: int
    layers: int
    width: int
    trust_remote_code: bool = False
    tensor_parallel: int = 1


@dataclass(frozen=True)
class AdditionMessage:
    """One addition: block, name of the vector, first position, and position after the last or None."""

    layer: int
    vector: str
    start: int
    end: int | None


@dataclass(frozen=True)
class PlaceMessage:
    """A place at which log-probabilities of tokens are read: its name, position, and token ids."""

    place: str
    position: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class RequestMessage:
    """A request by number; as `TrialRequest`, with vectors by name and `ends`, the tokens that end a response."""

    number: int
    prompt: tuple[int, ...]
    seed: int
    temperature: float
    max_tokens: int
    stop: tuple[str, ...]
    ends: tuple[int, ...]
    additions: tuple[AdditionMessage, ...]
    readings: tuple[PlaceMessage, ...]

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> RequestMessage:
        """The request of a message's document."""
        additions = tuple(AdditionMessage(**each) for each in document["additions"])
        places = tuple(
            PlaceMessage(each["place"], each["position"], tuple(each["tokens"])) for each in document["readings"]
        )
        plain = {key: tuple(document[key]) for key in ("prompt", "stop", "ends")}
        return cls(**{**document, **plain, "additions": additions, "readings": places})


@dataclass(frozen=True)
class AnswerMessage:
    """What became of a request.

    Attributes
    ----------
    number : int
        Number of the request.
    tokens : tuple of int
        Tokens of the response, without the one that ended it.
    finish : {"stop", "length", "read", "error"}
        How it ended.
    ended : bool
        Whether a token ended it, which was chosen and is not among `tokens`.
    read : int
        Number of positions that the model computed, from 0 on.
    touched : tuple of tuple of (int, int)
        First position, and the one after the last, of each run of positions at which an addition was made; one tuple
        for each addition.
    readings : dict of str to (list of float, float)
        By place, log-probabilities of the tokens asked for, and the entropy of the next token in nats.
    error : str or None
        Why there is no response.
    """

    number: int
    tokens: tuple[int, ...]
    finish: str
    ended: bool
    read: int
    touched: tuple[tuple[tuple[int, int], ...], ...]
    readings: dict[str, tuple[list[float], float]]
    error: str | None

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> AnswerMessage:
        """The answer of a message's document."""
        touched = tuple(tuple((first, end) for first, end in runs) for runs in document["touched"])
        readings = {place: (values, entropy) for place, (values, entropy) in document["readings"].items()}
        return cls(**{**document, "tokens": tuple(document["tokens"]), "touched": touched, "readings": readings})


@dataclass(frozen=True)
class Frame:
    """One message: its kind, its document, and bytes that go with it."""

    kind: str
    content: Any
    blobs: tuple[bytes, ...] = ()


def write_frame(connection: socket.socket, kind: str, content: object, blobs: Sequence[bytes] = ()) -> None:
    """Send a message.

    Parameters
    ----------
    connection : socket
        Connection to the other side.
    kind : str
        What the message is.
    content : object
        A value of JSON.
    blobs : sequence of bytes
        Bytes that go with it.
    """
    head = json.dumps({"kind": kind, "content": content, "blobs": [len(blob) for blob in blobs]}).encode()
    connection.sendall(b"".join([SIZE.pack(len(head)), head, *blobs]))


def read_frame(connection: socket.socket) -> Frame | None:
    """The next message; None where the other side has closed the connection.

    Parameters
    ----------
    connection : socket
        Connection to the other side.
    """
    try:
        (size,) = SIZE.unpack(_read_bytes(connection, SIZE.size))
        head = json.loads(_read_bytes(connection, size))
        return Frame(head["kind"], head["content"], tuple(_read_bytes(connection, length) for length in head["blobs"]))
    except (EOFError, OSError):
        return None


def _read_bytes(connection: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        part = connection.recv(min(count - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)
